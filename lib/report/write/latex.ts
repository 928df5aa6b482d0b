/**
 * Tables in LaTeX, for the booktabs package.
 * @module
 */
import {
  cellNumber,
  type Column,
  columnHeading,
  formatCell,
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
  return text.replace(/[\\&%$#_{}~^ξ′±×−–§≤]/gu, (character) => SYMBOLS[character]!);
}

/**
 * The table as a floating `table` environment: best in bold, second underlined. Needs
 * `\usepackage{booktabs}`.
 */
export function tableToLatex(table: Table): string {
  const { columns, rows } = table;
  const ranks = columns.map((column) => standings(table, column));
  const numeric = columns.map(({ key }) => rows.some((row) => cellNumber(row[key]) !== undefined));
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
    `  \\begin{tabular}{${numeric.map((right) => right ? "r" : "l").join("")}}`,
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
  if (columns.every(({ group }) => group === undefined)) return [];
  const cells: string[] = [], rules: string[] = [];
  for (let first = 0; first < columns.length;) {
    const { group } = columns[first]!;
    let last = first;
    while (last + 1 < columns.length && columns[last + 1]!.group === group) last++;
    cells.push(
      group === undefined && last === first
        ? ""
        : `\\multicolumn{${last - first + 1}}{c}{${latexText(group ?? "")}}`,
    );
    if (group !== undefined) rules.push(`\\cmidrule(lr){${first + 1}-${last + 1}}`);
    first = last + 1;
  }
  return [`    ${cells.join(" & ")} \\\\`, `    ${rules.join(" ")}`];
}
