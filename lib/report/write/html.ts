/**
 * Tables in HTML, and the page around them.
 * @module
 */
import { printable } from "../../io/errors.ts";
import { beside, type BesideCell, type BesideTable } from "../beside.ts";
import {
  type Column,
  columnGroups,
  columnHeading,
  isNumeric,
  type Standing,
  standings,
  type Table,
  withUnitAside,
} from "../table.ts";
import { asset } from "./assets.ts";

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
 * @param both with the paper's beside it; nothing where it stands alone
 */
export function htmlTable(given: Table, both?: BesideTable): string {
  const table = withUnitAside(given);
  const { columns: pairs, rows } = both ?? beside(table, { ...table, columns: [], rows: [] });
  const columns = pairs.map(({ paper }, j) => ({ ours: table.columns[j]!, paper }));
  const ranks = table.columns.map((column) => standings(table, column));
  const pins = pinsOf(table, columns, rows);
  const named = namingColumns(table);
  const attributes = table.columns.map((column, j) =>
    attributesOf(isNumeric(table, column) ? "number" : "", pins[j])
  );
  const head = columns.map(({ ours, paper }, j) =>
    `<th scope="col"${attributes[j]}>${escapeHtml(columnHeading(ours))}${
      paper === undefined || paper.name === ours.name ? "" : small(`paper: ${paper.name}`)
    }</th>`
  );
  const body = rows.map((cells, i) => {
    const isPaperOnly = cells.every(({ ours }) => ours === undefined);
    const line = cells.map((cell, j) => {
      const content = j < named
        ? nameOf(cell, isPaperOnly && j === 0)
        : valueOf(cell, ranks[j]![i]);
      const tag = j < named ? "th" : "td";
      return `<${tag}${j < named ? ' scope="row"' : ""}${attributes[j]}>${content}</${tag}>`;
    });
    return `<tr>${line.join("")}</tr>`;
  });
  const title = escapeHtml(table.title);
  return [
    `<h3>${title}</h3>`,
    `<p>${escapeHtml(table.caption)}</p>`,
    `<div class="scroll" tabindex="0" role="group" aria-label="${title}">` +
    `<table${columns.length > WIDE_COLUMNS ? ' class="wide"' : ""}>`,
    `<caption class="unseen">${title}</caption>`,
    `<thead>${groupRow(table.columns, pins)}<tr>${head.join("")}</tr></thead>`,
    `<tbody>\n${body.join("\n")}\n</tbody></table></div>`,
  ].join("\n");
}

/** What names a row; of those that only the paper has it is said. */
function nameOf({ ours, paper }: BesideCell, isPaperOnly: boolean): string {
  const name = `<span>${escapeHtml(ours ?? paper ?? "")}</span>`;
  return isPaperOnly ? `${name}${small("in the paper only")}` : name;
}

/** A value of ours, the paper's under it and, where numbers are ranked, the difference. */
function valueOf({ ours, paper, difference }: BesideCell, rank: Standing): string {
  const own = `<span class="${rank ?? "plain"}">${escapeHtml(ours ?? "–")}</span>`;
  if (paper === undefined) return own;
  const theirs = difference !== undefined
    ? `${paper} (${difference})`
    : paper === ours
    ? "the same"
    : paper;
  return `${own}${small(theirs)}`;
}

function small(text: string): string {
  return `<small>${escapeHtml(text)}</small>`;
}

/** Tables of more columns are printed small, so that none is cut. */
const WIDE_COLUMNS = 12;

/** What keeps a cell in sight: its class, and what the style sheet needs to know. */
type Pin =
  | { readonly name: "pinned-left" | "pinned-left edge" | "pinned-right"; readonly style?: string }
  | undefined;

/** Width of a character and of a cell's padding, in the size of the table's text. */
const CHARACTER_EM = 0.56, PADDING_EM = 1.2;

/** How many of the first columns name rows. */
function namingColumns({ columns, rowKeys = [] }: Table): number {
  const other = columns.findIndex(({ key }) => !rowKeys.includes(key));
  return other < 0 ? columns.length : other;
}

/** Pins of the first columns, as far as they name rows, and of those that ask for it. */
function pinsOf(
  table: Table,
  pairs: BesideTable["columns"],
  rows: BesideTable["rows"],
): Pin[] {
  let left = 0;
  const named = namingColumns(table);
  return table.columns.map((column, j): Pin => {
    if (column.isPinned) return { name: "pinned-right" };
    if (j >= named) return undefined;
    const texts = [
      `${columnHeading(column)} \u2191`,
      pairs[j]!.paper?.name,
      ...rows.flatMap((cells) => [cells[j]!.ours, cells[j]!.paper]),
    ];
    const longest = Math.max(...texts.map((text) => text?.length ?? 0));
    const width = longest * CHARACTER_EM + PADDING_EM;
    const style = `--left: ${left.toFixed(1)}em; --width: ${width.toFixed(1)}em`;
    left += Number(width.toFixed(1));
    return { name: j === named - 1 ? "pinned-left edge" : "pinned-left", style };
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
    const content = escapeHtml(heading ?? "");
    const tag = heading === undefined ? "td" : 'th scope="colgroup"';
    return `<${tag}${attributesOf("group", pin)} colspan="${span}">${content}</${tag.slice(0, 2)}>`;
  });
  return cells.length === 0 ? "" : `<tr>${cells.join("")}</tr>`;
}

/** An SVG of more bytes makes a page slow: the PNG stands in for it. */
export const LARGEST_SVG = 400_000;

/** A whole page that needs nothing else. */
export function htmlPage(title: string, body: string, bodyClass = "rine"): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
${asset("tables.css")}
${asset("report.css")}
</style>
</head>
<body class="${bodyClass}">
${body}
</body>
</html>
`;
}

/** A script in a page, as its last part. */
export function scriptOf(code: string): string {
  return `<script>${code.replaceAll("</", "<\\/")}</script>`;
}
