/**
 * Tables in Markdown.
 * @module
 */
import { printable } from "../../io/errors.ts";
import {
  cellText,
  type Column,
  columnHeading,
  isNumeric,
  standings,
  type Table,
} from "../table.ts";

/** Text that Markdown shows as it is: no picture is fetched for it, no HTML of it is obeyed. */
export function escapeMarkdown(text: string): string {
  return printable(text).replace(/[\\`*[\]<|]/g, (character) => `\\${character}`);
}

/** The same, but what stands between `` ` `` is code. */
export function markdownWithCode(text: string): string {
  const parts = text.split("`");
  // the last of an odd number begins no code
  const rest = parts.length % 2 === 0 ? `\`${parts.pop()}` : "";
  const shown = parts.map((part, i) => i % 2 === 0 ? escapeMarkdown(part) : printable(part));
  return shown.join("`") + escapeMarkdown(rest);
}

/**
 * The table in Markdown, best in bold and second underlined.
 *
 * @example
 * ```ts
 * import { percentColumn } from "../table.ts";
 * import { tableToMarkdown } from "./markdown.ts";
 *
 * const markdown = tableToMarkdown({
 *   id: "example",
 *   title: "Two runs",
 *   caption: "Accuracy.",
 *   columns: [{ key: "run", name: "run" }, percentColumn("acc", "ACC")],
 *   rows: [{ run: "a", acc: 0.5 }, { run: "b", acc: 0.75 }],
 * });
 * console.assert(markdown.includes("| b | **75.0** |"));
 * ```
 */
export function tableToMarkdown(table: Table): string {
  const { columns, rows } = table;
  const ranks = columns.map((column) => standings(table, column));
  const body = rows.map((row, i) =>
    columns.map((column, j) => {
      const text = escapeMarkdown(cellText(row, column));
      const rank = ranks[j]![i];
      return rank === "best" ? `**${text}**` : rank === "second" ? `<u>${text}</u>` : text;
    })
  );
  return markdownTable(table, columns.map(groupedHeading), body);
}

function groupedHeading(column: Column): string {
  const heading = columnHeading(column);
  return column.group === undefined ? heading : `${column.group}: ${heading}`;
}

/**
 * A table's title, notice and caption over a Markdown table.
 * @param headings text
 * @param cells Markdown
 */
export function markdownTable(
  table: Table,
  headings: readonly string[],
  cells: readonly (readonly string[])[],
): string {
  const { title, notice, caption, columns } = table;
  const line = (texts: readonly string[]) => `| ${texts.join(" | ")} |`;
  return [
    `**${escapeMarkdown(title)}**`,
    ...(notice === undefined ? [] : ["", `*${escapeMarkdown(notice)}*`]),
    "",
    markdownWithCode(caption),
    "",
    line(headings.map(escapeMarkdown)),
    line(columns.map((column) => isNumeric(table, column) ? "--:" : ":--")),
    ...cells.map(line),
    "",
  ].join("\n");
}
