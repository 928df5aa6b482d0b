/**
 * Tables in HTML, and the page around them.
 * @module
 */
import { printable } from "../../io/errors.ts";
import { beside, type BesideTable } from "../beside.ts";
import {
  type Column,
  columnGroups,
  columnHeading,
  isNumeric,
  standings,
  type Table,
} from "../table.ts";

/** Text that HTML shows as it is. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  const lines = text.split("\n").map(printable).join("\n");
  return lines.replace(/[&<>"]/g, (character) => entities[character]!);
}

/**
 * A table, best in bold and second underlined; under each cell the paper's and the difference. Where it
 * is wider than its page, the columns that name rows and the pinned ones stay in sight.
 */
export function htmlTable(
  table: Table,
  both: BesideTable = beside(table, { ...table, columns: [], rows: [] }),
): string {
  const { columns, rows } = both;
  const ranks = table.columns.map((column) => standings(table, column));
  const pins = pinsOf(table, both);
  const attributes = table.columns.map((column, j) =>
    attributesOf(isNumeric(table, column) ? "number" : "", pins[j])
  );
  const head = columns.map(({ ours, paper }, j) =>
    `<th${attributes[j]}>${escapeHtml(columnHeading(ours))}${
      paper === undefined || paper.name === ours.name ? "" : small(paper.name)
    }</th>`
  );
  const body = rows.map((cells, i) => {
    const line = cells.map(({ ours, paper, difference }, j) => {
      const rank = ranks[j]![i];
      const own = ours === undefined
        ? ""
        : `<span class="${rank ?? "plain"}">${escapeHtml(ours)}</span>`;
      const same = paper === undefined || (paper === ours && difference === undefined);
      const theirs = same ? "" : small(difference === undefined ? paper : `${paper} ${difference}`);
      return `<td${attributes[j]}>${own}${theirs}</td>`;
    });
    return `<tr>${line.join("")}</tr>`;
  });
  return [
    `<h3>${escapeHtml(table.title)}</h3>`,
    `<p>${escapeHtml(table.caption)}</p>`,
    `<div class="scroll"><table${columns.length > WIDE_COLUMNS ? ' class="wide"' : ""}>`,
    `<thead>${groupRow(table.columns, pins)}<tr>${head.join("")}</tr></thead>`,
    `<tbody>\n${body.join("\n")}\n</tbody></table></div>`,
  ].join("\n");
}

function small(text: string): string {
  return `<small>${escapeHtml(text)}</small>`;
}

/** Tables of more columns are printed small, so that none is cut. */
const WIDE_COLUMNS = 12;

/** What keeps a cell in sight: its class, and what the style sheet needs to know. */
type Pin =
  | { readonly name: "pinned-left" | "pinned-right"; readonly style?: string }
  | undefined;

/** Width of a character and of a cell's padding, in the size of the table's text. */
const CHARACTER_EM = 0.56, PADDING_EM = 1.2;

/** Pins of the first columns, as far as they name rows, and of those that ask for it. */
function pinsOf({ columns, rowKeys = [] }: Table, { columns: pairs, rows }: BesideTable): Pin[] {
  let left = 0;
  const named = columns.findIndex(({ key }) => !rowKeys.includes(key));
  return columns.map((column, j): Pin => {
    if (column.isPinned) return { name: "pinned-right" };
    if (j >= (named < 0 ? columns.length : named)) return undefined;
    const texts = [
      columnHeading(column),
      pairs[j]!.paper?.name,
      ...rows.flatMap((cells) => [cells[j]!.ours, cells[j]!.paper]),
    ];
    const longest = Math.max(...texts.map((text) => text?.length ?? 0));
    const width = longest * CHARACTER_EM + PADDING_EM;
    const style = `--left: ${left.toFixed(1)}em; --width: ${width.toFixed(1)}em`;
    left += Number(width.toFixed(1));
    return { name: "pinned-left", style };
  });
}

function attributesOf(kind: string, pin: Pin): string {
  const classes = [kind, pin?.name ?? ""].filter((name) => name !== "").join(" ");
  return (classes === "" ? "" : ` class="${classes}"`) +
    (pin?.style === undefined ? "" : ` style="${pin.style}"`);
}

/** Headings over neighbouring columns of one group. */
function groupRow(columns: readonly Column[], pins: readonly Pin[]): string {
  const cells = columnGroups(columns).map(({ heading, start, span }) => {
    // an empty heading may be in the way of those that pass under it only where all below it stay
    const isPinned = heading === undefined &&
      pins.slice(start, start + span).every((pin) => pin !== undefined);
    const pin = isPinned ? pins[start] : undefined;
    return `<th${attributesOf("group", pin)} colspan="${span}">${escapeHtml(heading ?? "")}</th>`;
  });
  return cells.length === 0 ? "" : `<tr>${cells.join("")}</tr>`;
}

/** An SVG of more bytes makes a page slow: the PNG stands in for it. */
export const LARGEST_SVG = 400_000;

/** Rules for cells that stay in sight; the page gives them a ground. */
export const PINNED_STYLE = `.pinned-left, .pinned-right { position: sticky; z-index: 1 }
.pinned-left { left: var(--left); min-width: var(--width); box-sizing: border-box }
.pinned-right { right: 0; box-shadow: -1px 0 #ccc }`;

const STYLE = `
body { font: 15px/1.45 Arial, Helvetica, sans-serif; color: #111; margin: 2em auto; max-width: 1400px; padding: 0 1em }
h1 { font-size: 1.7em } h2 { font-size: 1.3em; margin-top: 2.2em; border-bottom: 1px solid #ccc } h3 { font-size: 1.05em; margin: 1.6em 0 .2em }
p { max-width: 60em; margin: .3em 0 .8em }
.notice { background: #fff3d6; border-left: 4px solid #d08a00; padding: .6em 1em }
.scroll { overflow-x: auto }
table { border-collapse: separate; border-spacing: 0; border-top: 2px solid #111; border-bottom: 2px solid #111; font-size: .85em }
th, td { padding: .25em .55em; text-align: left; white-space: nowrap; vertical-align: top; background: #fff }
th { white-space: normal; vertical-align: bottom }
thead tr:last-child th { border-bottom: 1px solid #111 }
th.group { text-align: center; font-weight: normal; color: #444 }
.number { text-align: right } .best { font-weight: bold } .second { text-decoration: underline }
small { display: block; color: #666; font-weight: normal }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1em }
figure { margin: 0 } figcaption { color: #444 } img { width: 100%; height: auto }
.provenance { color: #444 }
${PINNED_STYLE}
@media (max-width: 700px) { .pinned-left:not(:first-child) { position: static } }
@media print {
  @page { size: A4 landscape; margin: 10mm }
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt }
  .scroll { overflow: visible }
  table { font-size: 8pt }
  .wide { font-size: 5.4pt; width: 100% }
  .wide th, .wide td { padding: .2em .25em; white-space: normal }
  .pinned-left, .pinned-right { position: static; min-width: 0; box-shadow: none }
  h2, h3, p { break-after: avoid } tr, figure { break-inside: avoid } thead { display: table-header-group }
  .pair { grid-template-columns: 1fr 1fr }
}
`;

/** A whole page that needs nothing else. */
export function htmlPage(title: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`;
}
