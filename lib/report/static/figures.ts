/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="esnext" />
/**
 * Figures that say their values under the pointer and can be looked at from near: drawn anew by vega,
 * which the report carries along, in a window over the page. Where scripts are off, the pictures stand
 * as they are.
 * @module
 */

/** A figure's specification without data, and the rows that it shows. */
interface Held {
  readonly spec: Record<string, unknown> & { config?: Record<string, Record<string, unknown>> };
  readonly rows: readonly object[];
}

/** What is used of vega and vega-lite, which make themselves known to the whole page. */
interface Libraries {
  readonly vega: {
    parse(spec: object): object;
    View: new (parsed: object, options: object) => {
      tooltip(say: (...what: unknown[]) => void): { runAsync(): Promise<void> };
      finalize(): void;
    };
  };
  readonly vegaLite: { compile(spec: object): { spec: object } };
}

/** What the report holds packed: texts by the names of elements. */
async function unpacked(id: string): Promise<string> {
  const packed = document.getElementById(id)!.textContent!.trim();
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}

let figures: Promise<Readonly<Record<string, Held>>> | undefined;
let libraries: Promise<Libraries> | undefined;

function load(): Promise<Libraries> {
  return libraries ??= (async () => {
    for (const id of ["packed-vega", "packed-vega-lite"]) {
      const script = document.createElement("script");
      script.textContent = await unpacked(id);
      document.head.append(script);
    }
    return globalThis as unknown as Libraries;
  })();
}

const dialog = document.createElement("dialog");
dialog.className = "near";
dialog.innerHTML = `<div class="bar"><h2 id="near-title"></h2>
<button type="button" data-zoom="0.8">smaller</button>
<button type="button" data-zoom="1.25">larger</button>
<button type="button" data-close>close</button></div>
<div class="stage" tabindex="0" role="region" aria-labelledby="near-title"></div>`;
dialog.setAttribute("aria-labelledby", "near-title");
const says = document.createElement("div");
says.className = "says";
says.hidden = true;
dialog.append(says);
document.body.append(dialog);
const stage = dialog.querySelector<HTMLElement>(".stage")!;
let zoom = 1;
let end = () => {};

function size(factor: number): void {
  zoom = Math.min(8, Math.max(1, factor));
  stage.style.setProperty("--zoom", `${zoom}`);
}

dialog.addEventListener("click", ({ target }) => {
  const button = (target as Element).closest("button");
  if (button?.dataset["zoom"]) size(zoom * Number(button.dataset["zoom"]));
  if (button?.dataset["close"] !== undefined || target === dialog) dialog.close();
});
stage.addEventListener("wheel", (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  size(zoom * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
}, { passive: false });
dialog.addEventListener("close", () => {
  end();
  stage.replaceChildren();
  says.hidden = true;
});

/** Says a mark's values beside the pointer. */
function say(_: unknown, event: MouseEvent, __: unknown, value: unknown): void {
  says.hidden = value === null || value === undefined || value === "";
  if (says.hidden) return;
  const facts = typeof value === "object" ? Object.entries(value as object) : [["", value]];
  const list = document.createElement("dl");
  for (const [key, held] of facts) {
    // what vega adds for itself
    if (/^__|_(?:sort_index|start|end)$|^(?:lower|upper)_box_/.test(String(key))) continue;
    const name = document.createElement("dt"), fact = document.createElement("dd");
    name.textContent = String(key);
    fact.textContent = typeof held === "number" ? `${Number(held.toPrecision(5))}` : String(held);
    list.append(name, fact);
  }
  says.replaceChildren(list);
  const { width, height } = says.getBoundingClientRect();
  says.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 4)}px`;
  says.style.top = `${Math.min(event.clientY + 14, innerHeight - height - 4)}px`;
}

async function open(name: string, title: string): Promise<void> {
  const { vega, vegaLite } = await load();
  const held =
    (await (figures ??= unpacked("packed-figures").then((text) => JSON.parse(text))))[name]!;
  const { config = {} } = held.spec;
  const spec = {
    ...held.spec,
    data: { values: held.rows },
    config: { ...config, mark: { ...config["mark"], tooltip: { content: "data" } } },
  };
  dialog.querySelector("h2")!.textContent = title;
  size(1);
  dialog.showModal();
  const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), {
    renderer: "svg",
    container: stage,
    hover: true,
  });
  end = () => view.finalize();
  await view.tooltip(say as (...what: unknown[]) => void).runAsync();
  const svg = stage.querySelector("svg")!;
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
}

for (const picture of document.querySelectorAll<HTMLElement>("figure[data-figure]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Look closer, with values";
  const { figure = "", title = "" } = picture.dataset;
  button.addEventListener("click", async () => {
    button.disabled = true;
    await open(figure, title).finally(() => button.disabled = false);
  });
  picture.querySelector(".files")!.prepend(button, " ");
}
