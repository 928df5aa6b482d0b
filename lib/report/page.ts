/**
 * The report: each table and figure of the paper beside ours, as Markdown and as one HTML file that
 * needs no network.
 * @module
 */
import { join } from "node:path";
import { beside, type BesideTable } from "./beside.ts";
import type { Figure } from "./figure.ts";
import { columnHeading, type Table } from "./table.ts";
import type { ThemeName } from "./theme.ts";
import { writeFigure, writeIfChanged, type Written } from "./write/files.ts";
import { escapeHtml, htmlPage, htmlTable, LARGEST_SVG } from "./write/html.ts";
import {
  escapeMarkdown,
  markdownTable,
  markdownWithCode,
  tableToMarkdown,
} from "./write/markdown.ts";
import { readBytes } from "../io/regular.ts";

/** What one section of the paper reports. */
export interface ReportSection {
  /** `§5.3 Backbone, contrastive weight and size of the head` */
  readonly heading: string;
  /** Tables of the section. */
  readonly tables: readonly Table[];
  /** Figures of the section. */
  readonly figures: readonly Figure[];
}

/** What a report is made of. */
export interface Report {
  /** Heading of the whole. */
  readonly title: string;
  /** Said at its head, in whole sentences. */
  readonly notice?: string;
  /** How all of it was made, said under the notice; what stands between `` ` `` is code. */
  readonly provenance?: string;
  /** Ours. */
  readonly sections: readonly ReportSection[];
  /** Said at its end; what stands between `` ` `` is code. */
  readonly remark?: string;
  /** The paper's tables and figures, from whichever section. */
  readonly published: readonly ReportSection[];
  /** How figures look; default `default`. */
  readonly theme?: ThemeName;
}

/**
 * Writes `report.md` and `report.html`, our figures into `figures/` and the paper's into
 * `paper/figures/`. Figures that stand there already are not drawn again.
 */
export async function writeReport(folder: string, report: Report): Promise<Written> {
  const { title, notice, provenance, sections, remark, published, theme = "default" } = report;
  const tables = new Map(published.flatMap(({ tables }) => tables).map((t) => [t.id, t]));
  const figures = new Map(published.flatMap(({ figures }) => figures).map((f) => [f.id, f]));
  const markdown = [`# ${escapeMarkdown(title)}`, ""];
  const html = [`<h1>${escapeHtml(title)}</h1>`];
  if (notice !== undefined) {
    markdown.push(`> ${escapeMarkdown(notice)}`, "");
    html.push(`<p class="notice">${escapeHtml(notice)}</p>`);
  }
  if (provenance !== undefined) {
    markdown.push(markdownWithCode(provenance), "");
    html.push(`<p class="provenance">${htmlWithCode(provenance)}</p>`);
  }
  html.push(
    '<p class="provenance">In tables, the paper\'s number stands in grey under ours, then the difference.</p>',
  );
  for (const section of sections) {
    if (section.tables.length + section.figures.length === 0) continue;
    markdown.push(`## ${escapeMarkdown(section.heading)}`, "");
    html.push(`<h2>${escapeHtml(section.heading)}</h2>`);
    for (const table of section.tables) {
      const paper = tables.get(table.id);
      const both = paper === undefined ? undefined : beside(table, paper);
      markdown.push(both === undefined ? tableToMarkdown(table) : besideMarkdown(table, both));
      html.push(htmlTable(table, both));
    }
    for (const figure of section.figures) {
      const pictures = [{ whose: "Ours", path: "figures", figure }];
      const paper = figures.get(figure.id);
      if (paper) pictures.push({ whose: "The paper's", path: "paper/figures", figure: paper });
      markdown.push(
        `**${escapeMarkdown(figure.title)}**`,
        "",
        markdownWithCode(figure.caption),
        "",
      );
      html.push(`<h3>${escapeHtml(figure.title)}</h3><p>${escapeHtml(figure.caption)}</p>`);
      html.push('<div class="pair">');
      for (const { whose, path, figure } of pictures) {
        await writeFigure(join(folder, path), figure, { theme });
        markdown.push(
          `${whose}:`,
          "",
          `![${whose}: ${escapeMarkdown(figure.title)}](${path}/${figure.id}.svg)`,
          "",
        );
        html.push(
          `<figure><figcaption>${whose}</figcaption>${await picture(
            join(folder, path),
            figure,
            whose,
          )}</figure>`,
        );
      }
      html.push("</div>");
    }
  }
  if (remark !== undefined) {
    markdown.push(markdownWithCode(remark), "");
    html.push(`<p>${htmlWithCode(remark)}</p>`);
  }
  const written = await Promise.all([
    writeIfChanged(join(folder, "report.md"), markdown.join("\n")),
    writeIfChanged(join(folder, "report.html"), htmlPage(title, html.join("\n"))),
  ]);
  return written.includes("written") ? "written" : "up to date";
}

function htmlWithCode(text: string): string {
  return escapeHtml(text).replace(/`([^`]*)`/g, "<code>$1</code>");
}

/** Each cell as `ours (paper's, difference)`. */
function besideMarkdown(table: Table, { columns, rows }: BesideTable): string {
  const heading = ({ ours, paper }: BesideTable["columns"][number]) => {
    const own = columnHeading(ours);
    return paper === undefined || paper.name === ours.name ? own : `${own} (${paper.name})`;
  };
  const body = rows.map((cells) =>
    cells.map(({ ours, paper, difference }) => {
      if (ours === undefined) return paper === undefined ? "" : `(${paper})`;
      if (paper === undefined || (paper === ours && difference === undefined)) return ours;
      return `${ours} (${difference === undefined ? paper : `${paper}, ${difference}`})`;
    })
  );
  const explained = {
    ...table,
    caption: `${table.caption} In brackets the paper's, then the difference.`,
  };
  const escaped = body.map((cells) => cells.map(escapeMarkdown));
  return markdownTable(explained, columns.map(heading), escaped);
}

async function picture(folder: string, { id, title }: Figure, whose: string): Promise<string> {
  const svg = await readBytes(join(folder, `${id}.svg`));
  const [type, bytes] = svg.length <= LARGEST_SVG
    ? ["svg+xml", svg]
    : ["png", await readBytes(join(folder, `${id}.png`))];
  const alternative = escapeHtml(`${whose}: ${title}`);
  return `<img alt="${alternative}" src="data:image/${type};base64,${bytes.toBase64()}">`;
}
