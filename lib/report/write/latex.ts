/**
 * Tables in LaTeX, for the booktabs package.
 * @module
 */
import { printable } from "../../io/errors.ts";
import {
  type Column,
  columnGroups,
  columnHeading,
  formatCell,
  isNumeric,
  standings,
  type Table,
} from "../table.ts";

const SYMBOLS: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "&": "\\&",
  "%": "\\%",
  "$": "\\$",
  "#": "\\#",
  "_": "\\_",
  "{": "\\{",
  "}": "\\}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "ξ": "$\\xi$",
  "′": "$'$",
  "±": "$\\pm$",
  "×": "$\\times$",
  "−": "$-$",
  "–": "--",
  "§": "\\S",
  "≤": "$\\leq$",
};

/** Text with LaTeX's own characters escaped and the paper's symbols in math mode. */
export function latexText(text: string): string {
  return printable(text).replace(/[\\&%$#_{}~^ξ′±×−–§≤]/gu, (character) => SYMBOLS[character]!);
}

/**
 * The table as a floating `table` environment: best in bold, second underlined. Needs
 * `\usepackage{booktabs}`.
 */
export function tableToLatex(table: Table): string {
  const { columns, rows } = table;
  const ranks = columns.map((column) => standings(table, column));
  const line = (cells: readonly string[]) => `    ${cells.join(" & ")} \\\\`;
  const body = rows.map((row, i) =>
    line(columns.map((column, j) => {
      const text = latexText(formatCell(row[column.key], column));
      const rank = ranks[j]![i];
      return rank === "best"
        ? `\\textbf{${text}}`
        : rank === "second"
        ? `\\underline{${text}}`
        : text;
    }))
  );
  const notice = table.notice === undefined ? "" : ` \\emph{${latexText(table.notice)}.}`;
  return [
    "\\begin{table}",
    "  \\centering",
    `  \\caption{${latexText(table.title)}. ${latexText(table.caption)}${notice}}`,
    `  \\label{tab:${table.id}}`,
    `  \\begin{tabular}{${columns.map((column) => isNumeric(table, column) ? "r" : "l").join("")}}`,
    "    \\toprule",
    ...groupLines(columns),
    line(columns.map((column) => latexText(columnHeading(column)))),
    "    \\midrule",
    ...body,
    "    \\bottomrule",
    "  \\end{tabular}",
    "\\end{table}",
    "",
  ].join("\n");
}

/** Headings over neighbouring columns, with the rules under them. */
function groupLines(columns: readonly Column[]): string[] {
  const groups = columnGroups(columns);
  if (groups.length === 0) return [];
  const cells = groups.map(({ heading, span }) =>
    heading === undefined && span === 1
      ? ""
      : `\\multicolumn{${span}}{c}{${latexText(heading ?? "")}}`
  );
  const rules = groups.filter(({ heading }) => heading !== undefined)
    .map(({ start, span }) => `\\cmidrule(lr){${start + 1}-${start + span}}`);
  return [`    ${cells.join(" & ")} \\\\`, `    ${rules.join(" ")}`];
}
