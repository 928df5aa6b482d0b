/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="esnext" />
/**
 * Elements of the page. Texts go in as texts: nothing that a file says is ever read as HTML.
 * @module
 */

/** What an element may hold. */
export type Child = Node | string | undefined;

/** An element with a class and children; what is undefined is left out. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** The element of the page that has an id. */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

/** A table with a caption and a head; each row begins with what it is of. */
export function table(
  className: string,
  caption: string,
  head: readonly string[],
  rows: readonly (readonly (string | Node)[])[],
): HTMLElement {
  // as the first row is, so is the column
  const kinds = head.map((_, i) => {
    const cell = rows[0]?.[i];
    return i > 0 && typeof cell === "string" && /^[−+]?[\d.]+( %)?$/.test(cell) ? "number" : "";
  });
  const body = rows.map(([first, ...cells]) => {
    const header = el("th", "", first);
    header.scope = "row";
    return el("tr", "", header, ...cells.map((cell, i) => el("td", kinds[i + 1]!, cell)));
  });
  const titles = head.map((title, i) => {
    const header = el("th", kinds[i]!, title);
    header.scope = "col";
    return header;
  });
  const made = el(
    "table",
    className,
    el("caption", "", caption),
    el("thead", "", el("tr", "", ...titles)),
    el("tbody", "", ...body),
  );
  return el("div", "scroll", made);
}

/** A score as a filled scale; what it says stands beside it in words. */
export function scale(score: number): HTMLElement {
  const fill = el("i", "");
  fill.style.width = `${100 * score}%`;
  const made = el("div", `scale ${score > .5 ? "is-generated" : "is-real"}`, fill);
  made.ariaHidden = "true";
  return made;
}

/** A signed value as a bar from the middle. */
export function signedBar(value: number, largest: number): HTMLElement {
  const share = largest === 0 ? 0 : 50 * Math.min(Math.abs(value) / largest, 1);
  const fill = el("i", "");
  fill.style.width = `${share}%`;
  fill.style.left = value < 0 ? `${50 - share}%` : "50%";
  const made = el("div", `bar ${value < 0 ? "is-real" : "is-generated"}`, fill);
  made.ariaHidden = "true";
  return made;
}

/** `+0.25`, `−1.00` */
export function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** A share as people read it: `6.6 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
