/**
 * Tables in HTML, and the page around them.
 * @module
 */
import { beside, type BesideTable } from "./beside.ts";
import { cellNumber, columnHeading, standings, type Table } from "./table.ts";

/** Text that HTML shows as it is. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}

/** A table, best in bold and second underlined; under each cell the paper's and the difference. */
export function htmlTable(
  table: Table,
  { columns, rows }: BesideTable = beside(table, { ...table, columns: [], rows: [] }),
): string {
  const ranks = table.columns.map((column) => standings(table, column));
  const right = table.columns.map(({ key }) =>
    table.rows.some((row) => cellNumber(row[key]) !== undefined) ? ' class="number"' : ""
  );
  const head = columns.map(({ ours, paper }, j) =>
    `<th${right[j]}>${escapeHtml(columnHeading(ours))}${
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
      return `<td${right[j]}>${own}${theirs}</td>`;
    });
    return `<tr>${line.join("")}</tr>`;
  });
  return [
    `<h3>${escapeHtml(table.title)}</h3>`,
    `<p>${escapeHtml(table.caption)}</p>`,
    '<div class="scroll"><table>',
    `<thead>${groupRow(table)}<tr>${head.join("")}</tr></thead>`,
    `<tbody>\n${body.join("\n")}\n</tbody></table></div>`,
  ].join("\n");
}

function small(text: string): string {
  return `<small>${escapeHtml(text)}</small>`;
}

/** Headings over neighbouring columns of one group. */
function groupRow({ columns }: Table): string {
  if (columns.every(({ group }) => group === undefined)) return "";
  const cells: string[] = [];
  for (let first = 0; first < columns.length;) {
    const { group } = columns[first]!;
    let last = first;
    while (last + 1 < columns.length && columns[last + 1]!.group === group) last++;
    cells.push(`<th class="group" colspan="${last - first + 1}">${escapeHtml(group ?? "")}</th>`);
    first = last + 1;
  }
  return `<tr>${cells.join("")}</tr>`;
}

const STYLE = `
body { font: 15px/1.45 Arial, Helvetica, sans-serif; color: #111; margin: 2em auto; max-width: 1400px; padding: 0 1em }
h1 { font-size: 1.7em } h2 { font-size: 1.3em; margin-top: 2.2em; border-bottom: 1px solid #ccc } h3 { font-size: 1.05em; margin: 1.6em 0 .2em }
p { max-width: 60em; margin: .3em 0 .8em }
.notice { background: #fff3d6; border-left: 4px solid #d08a00; padding: .6em 1em }
.scroll { overflow-x: auto }
table { border-collapse: collapse; border-top: 2px solid #111; border-bottom: 2px solid #111; font-size: .85em }
th, td { padding: .25em .55em; text-align: left; white-space: nowrap; vertical-align: top }
thead tr:last-child th { border-bottom: 1px solid #111 }
th.group { text-align: center; font-weight: normal; color: #444 }
.number { text-align: right } .best { font-weight: bold } .second { text-decoration: underline }
small { display: block; color: #666; font-weight: normal }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1em }
figure { margin: 0 } figcaption { color: #444 } img { width: 100%; height: auto }
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
