/**
 * Tables in LaTeX, for the booktabs package.
 * @module
 */
import { printable } from "../../io/errors.ts";
import {
  cellText,
  type Column,
  columnGroups,
  columnHeading,
  isNumeric,
  standings,
  type Table,
  withUnitAside,
} from "../table.ts";

/** `Table 2. `, `UFD Tables 5 and 6. ` */
const NUMBER = /^(UFD )?Tables? \d+( and \d+)?\. /;

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

/** Tables of more columns have turned headings and are made to fit the text's width. */
const MOST_COLUMNS = 8;

/**
 * The table as a floating `table` environment: best in bold, second underlined. LaTeX numbers it: a
 * number in its title is left out. Needs `\usepackage{booktabs}`, and `graphicx` where there are more
 * than 8 columns.
 */
export function tableToLatex(given: Table): string {
  const table = withUnitAside(given);
  const { columns, rows } = table;
  const isWide = columns.length > MOST_COLUMNS;
  const ranks = columns.map((column) => standings(table, column));
  const line = (cells: readonly string[]) => `    ${cells.join(" & ")} \\\\`;
  const body = rows.map((row, i) =>
    line(columns.map((column, j) => {
      const text = latexText(cellText(row, column));
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
    `  \\caption{${
      [latexText(table.title.replace(NUMBER, "")) + ".", latexText(table.caption) + notice]
        .join(" ").trimEnd()
    }}`,
    `  \\label{tab:${table.id}}`,
    // as little between columns as can be told apart: what is made to fit stays larger
    ...(isWide ? ["  \\setlength{\\tabcolsep}{2pt}", "  \\resizebox{\\textwidth}{!}{%"] : []),
    `  \\begin{tabular}{${columns.map((column) => isNumeric(table, column) ? "r" : "l").join("")}}`,
    "    \\toprule",
    ...groupLines(columns),
    line(columns.map((column) => {
      const heading = latexText(columnHeading(column));
      return isWide && isNumeric(table, column) ? `\\rotatebox{90}{${heading}}` : heading;
    })),
    "    \\midrule",
    ...body,
    "    \\bottomrule",
    `  \\end{tabular}${isWide ? "}" : ""}`,
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
