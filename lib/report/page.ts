/**
 * The report: each table and figure of the paper beside ours, as Markdown and as one HTML file that
 * needs no network.
 * @module
 */
import { join } from "node:path";
import { beside, type BesideTable } from "./beside.ts";
import type { Figure, Spec } from "./figure.ts";
import { columnHeading, type Table } from "./table.ts";
import type { ThemeName } from "./theme.ts";
import { writeFigure, writeIfChanged, type Written } from "./write/files.ts";
import { asset, packed, packedVega } from "./write/assets.ts";
import { escapeHtml, htmlPage, htmlTable, scriptOf } from "./write/html.ts";
import {
  escapeMarkdown,
  markdownTable,
  markdownWithCode,
  tableToMarkdown,
} from "./write/markdown.ts";
import { withPrefix } from "./write/svg.ts";
import { readBytes, readOwnText } from "../io/regular.ts";

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
  /** Width of figures in millimetres; default that of the columns that each is wide. */
  readonly widthMm?: number;
}

/**
 * Writes `report.md` and `report.html`, our figures into `figures/` and the paper's into
 * `paper/figures/`. Figures that stand there already are not drawn again. The page needs no network; it
 * names the files of tables and figures that lie beside it.
 */
export async function writeReport(folder: string, report: Report): Promise<Written> {
  const { title, notice, provenance, sections, remark, published, theme = "default" } = report;
  const { widthMm } = report;
  const tables = new Map(published.flatMap(({ tables }) => tables).map((t) => [t.id, t]));
  const figures = new Map(published.flatMap(({ figures }) => figures).map((f) => [f.id, f]));
  const markdown = [`# ${escapeMarkdown(title)}`, ""];
  const html = [`<h1>${escapeHtml(title)}</h1>`];
  const contents: string[] = [];
  const live: Record<string, unknown> = {};
  if (notice !== undefined) {
    markdown.push(`> ${escapeMarkdown(notice)}`, "");
    html.push(`<p class="notice">${escapeHtml(notice)}</p>`);
  }
  if (provenance !== undefined) {
    markdown.push(markdownWithCode(provenance), "");
    html.push(`<p class="provenance">${htmlWithCode(provenance)}</p>`);
  }
  for (const section of sections) {
    if (section.tables.length + section.figures.length === 0) continue;
    markdown.push(`## ${escapeMarkdown(section.heading)}`, "");
    html.push(`<h2 id="${anchorOf(section.heading)}">${escapeHtml(section.heading)}</h2>`);
    contents.push(contentsOf(section));
    for (const table of section.tables) {
      const paper = tables.get(table.id);
      const both = paper === undefined ? undefined : beside(table, paper);
      markdown.push(both === undefined ? tableToMarkdown(table) : besideMarkdown(table, both));
      html.push(exhibit(
        table.id,
        htmlTable(table, both),
        both === undefined ? "" : LEGEND,
        files(`tables/${table.id}`, TABLE_FILES),
      ));
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
      const drawn: string[] = [];
      for (const { whose, path, figure } of pictures) {
        await writeFigure(join(folder, path), figure, { theme, widthMm });
        markdown.push(
          `${whose}:`,
          "",
          `![${whose}: ${escapeMarkdown(figure.title)}](${path}/${figure.id}.svg)`,
          "",
        );
        const name = `${path}/${figure.id}`;
        drawn.push(await picture(folder, name, figure, whose));
        live[name] = { spec: await specOf(join(folder, `${name}.vl.json`)), rows: figure.rows };
      }
      const { title, caption } = figure;
      html.push(exhibit(
        figure.id,
        `<h3>${escapeHtml(title)}</h3><p>${escapeHtml(caption)}</p>`,
        `<div class="pair">${drawn.join("")}</div>`,
      ));
    }
  }
  if (remark !== undefined) {
    markdown.push(markdownWithCode(remark), "");
    html.push(`<p>${htmlWithCode(remark)}</p>`);
  }
  const written = await Promise.all([
    writeIfChanged(join(folder, "report.md"), markdown.join("\n")),
    writeIfChanged(
      join(folder, "report.html"),
      htmlPage(title, wholeBody(html, contents, live), "rine with-contents"),
    ),
  ]);
  return written.includes("written") ? "written" : "up to date";
}

/** The list of what is there, all of it, and the scripts that bring it to life. */
function wholeBody(
  html: readonly string[],
  contents: readonly string[],
  live: Readonly<Record<string, unknown>>,
): string {
  const isDrawn = Object.keys(live).length > 0;
  const held = isDrawn ? { ...packedVega(), figures: packed(JSON.stringify(live)) } : {};
  return [
    `<nav aria-label="Contents"><details open><summary>Contents</summary><ul>${
      contents.join("")
    }</ul></details></nav>`,
    `<main>\n${html.join("\n")}\n</main>`,
    ...Object.entries(held).map(([name, text]) =>
      `<script type="text/plain" id="packed-${name}">${text}</script>`
    ),
    scriptOf(asset("tables.ts")),
    ...(isDrawn ? [scriptOf(asset("figures.ts"))] : []),
  ].join("\n");
}

/** What stands in each cell of a table that the paper has too. */
const LEGEND = '<p class="legend">In a cell: <span>ours</span>; under it ' +
  "<small>the paper's (ours minus the paper's)</small>, in the column's unit.</p>";

/** Endings of a table's files, and of a figure's, with what they are called. */
const TABLE_FILES = [["csv", "CSV"], ["tex", "LaTeX"], ["md", "Markdown"]] as const;
const FIGURE_FILES = [
  ...[["pdf", "PDF"], ["svg", "SVG"], ["png", "PNG"], ["csv", "its rows as CSV"]] as const,
  ["vl.json", "vega-lite"],
] as const;

function files(name: string, endings: readonly (readonly [string, string])[]): string {
  const links = endings.map(([ending, says]) =>
    `<a href="${escapeHtml(name)}.${ending}">${says}</a>`
  );
  return `<p class="files">${links.join(" · ")}</p>`;
}

/** A table or a figure under a name that can be linked to. */
function exhibit(id: string, ...parts: readonly string[]): string {
  return `<section id="${escapeHtml(id)}">${parts.join("\n")}</section>`;
}

/** A heading as a name in an address: `5.3-backbone-contrastive-weight-and-size-of-the-head`. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^a-z0-9.]+/g, "-").replace(/^[-.]+|[-.]+$/g, "");
}

function contentsOf({ heading, tables, figures }: ReportSection): string {
  const link = (name: string, text: string) =>
    `<li><a href="#${escapeHtml(name)}">${escapeHtml(text)}</a>`;
  const parts = [...tables, ...figures].map(({ id, title }) => `${link(id, title)}</li>`);
  return `${link(anchorOf(heading), heading)}<ul>${parts.join("")}</ul></li>`;
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

/** A figure in the page: the SVG itself, whose words are found by a search; of a large one the PNG. */
async function picture(
  folder: string,
  name: string,
  { title, columns }: Figure,
  whose: string,
): Promise<string> {
  const svg = await readOwnText(join(folder, `${name}.svg`));
  const says = escapeHtml(`${whose}: ${title}`);
  const drawn = svg.length <= LARGEST_INLINE
    // the page has typefaces of the same widths
    ? withPrefix(svg.replace(/<style>[^]*?<\/style>/, ""), `${name.replaceAll("/", "-")}-`)
    : `<img alt="${says}" src="data:image/png;base64,${
      (await readBytes(join(folder, `${name}.png`))).toBase64()
    }">`;
  return `<figure data-figure="${escapeHtml(name)}" data-title="${says}">` +
    `<figcaption>${whose}</figcaption>` +
    // where it is wider than a screen it is moved with the keys
    `<div class="picture${
      columns === 2 ? " wide" : ""
    }" tabindex="0" role="group" aria-label="${says}">` +
    `${drawn}</div>` +
    `${files(name, FIGURE_FILES)}</figure>`;
}

/** An SVG of more bytes makes a page slow. */
const LARGEST_INLINE = 300_000;

/** The specification of a figure as it was drawn, without its data. */
async function specOf(path: string): Promise<Spec> {
  const { data: _, usermeta: __, ...spec } = JSON.parse(await readOwnText(path)) as Spec;
  return spec;
}
