/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="esnext" />
/**
 * Tables that are sorted by a click on a heading and sifted by words: of the report, and of a notebook's
 * cell. Where scripts are off the tables stand as they are, with all their rows.
 * @module
 */

/** Tables of fewer rows are seen at a glance. */
const FEW = 8;

// beside the text where there is room; above it a long list would be in the way
const contents = document.querySelector<HTMLDetailsElement>("body.with-contents nav details");
if (contents && innerWidth < 1150) contents.open = false;

for (const table of document.querySelectorAll<HTMLTableElement>(".rine .scroll > table")) {
  if (table.dataset["live"] !== undefined) continue;
  table.dataset["live"] = "";
  const body = table.tBodies[0];
  const headings = Array.from(table.tHead?.rows ?? []).at(-1);
  if (!body || !headings) continue;
  const rows = Array.from(body.rows);
  if (rows.length > 1) makeSortable(body, rows, Array.from(headings.cells));
  if (rows.length >= FEW) addFilter(table, rows);
}

function makeSortable(
  body: HTMLTableSectionElement,
  rows: readonly HTMLTableRowElement[],
  headings: readonly HTMLTableCellElement[],
): void {
  headings.forEach((heading, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "sort by this column; again: the other way; a third time: as it was";
    button.append(...heading.childNodes);
    heading.append(button);
    const isNumber = heading.classList.contains("number");
    const [first, second] = isNumber ? ["descending", "ascending"] : ["ascending", "descending"];
    button.addEventListener("click", () => {
      const was = heading.ariaSort;
      for (const one of headings) one.ariaSort = null;
      heading.ariaSort = was === null ? first! : was === first ? second! : null;
      const sign = heading.ariaSort === "descending" ? -1 : 1;
      const sorted = heading.ariaSort === null
        ? rows
        : rows.toSorted((a, b) => compare(a.cells[place], b.cells[place], isNumber, sign));
      body.append(...sorted);
    });
  });
}

/** Order of two cells by what is said first in them; those without a value are last either way. */
function compare(
  a: HTMLTableCellElement | undefined,
  b: HTMLTableCellElement | undefined,
  isNumber: boolean,
  sign: number,
): number {
  const [one, other] = [a, b].map((cell) =>
    (cell?.querySelector(":scope > span") ?? cell)?.textContent?.trim() ?? ""
  ) as [string, string];
  if (!isNumber) return sign * one.localeCompare(other, "en", { numeric: true });
  const [x, y] = [one, other].map((text) => parseFloat(text.replace("−", "-").replaceAll(",", "")));
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  return sign * (x! - y!);
}

function addFilter(table: HTMLTableElement, rows: readonly HTMLTableRowElement[]): void {
  const line = document.createElement("p");
  line.className = "filter";
  const label = document.createElement("label");
  label.textContent = "Rows with ";
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "words, with spaces between";
  label.append(input);
  const count = document.createElement("output");
  const say = (shown: number) => {
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  };
  say(rows.length);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const text = Array.from(row.cells, ({ textContent }) => textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown++;
    }
    say(shown);
  });
  line.append(label, " ", count, "; a click on a heading sorts");
  table.parentElement!.before(line);
}
