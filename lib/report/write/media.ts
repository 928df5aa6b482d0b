/**
 * Figures and tables by media type, so that whatever shows them may choose.
 * @module
 */
import type { TopLevelSpec } from "vega-lite";
import { contentKey } from "../../io/files.ts";
import type { Figure, Spec } from "../figure.ts";
import type { Table } from "../table.ts";
import { asset } from "./assets.ts";
import { escapeHtml, htmlTable, LARGEST_SVG, scriptOf } from "./html.ts";
import { tableToMarkdown } from "./markdown.ts";
import type { ThemeName } from "../theme.ts";
import { withPrefix } from "./svg.ts";

/** One output in every form that can be chosen from, by media type. Pictures are base64. */
export type MediaBundle = Readonly<Record<string, string | object>>;

/** What front ends that draw figures themselves look for. */
const VEGA = "application/vnd.vega.v5+json", VEGA_LITE = "application/vnd.vegalite.v5+json";

/** Front ends that have version 5 read what version 6 writes, unless it says so. */
const SCHEMAS = "https://vega.github.io/schema";

/** How many times larger than in print text is on a screen, where it stands beside text of 14 pixels. */
const ON_SCREEN = 1.35;

/**
 * A figure as vega-lite with tooltips and as the Vega that it compiles to, as
 * Markdown, SVG and PNG; then its title and caption.
 */
export async function figureMedia(figure: Figure, theme: ThemeName): Promise<MediaBundle[]> {
  // loaded when needed: vega takes most of a second
  const { completeSpec, renderFigure } = await import("./render.ts");
  const { svg, png } = await renderFigure(figure, theme);
  const { title, caption } = figure;
  const isSmall = svg.length <= LARGEST_SVG;
  const [type, picture] = isSmall ? ["svg+xml", new TextEncoder().encode(svg)] : ["png", png];
  const [, widthPx] = /viewBox="0 0 (\d+)/.exec(svg)!;
  const spec = interactive(completeSpec(figure, theme, { values: figure.rows }, ON_SCREEN));
  return [{
    // compiled here, because the vega-lite of JupyterLab 4 draws box plots side by side amiss
    [VEGA]: { ...await compiled(spec), $schema: `${SCHEMAS}/vega/v5.json` },
    [VEGA_LITE]: spec,
    // The SVG once more as an image, because nbconvert 6.5 empties an SVG that stands for itself. In
    // Markdown, not HTML: JupyterLab prefers vega-lite to Markdown, but HTML to vega-lite.
    "text/markdown": `<img alt="${escapeHtml(title)}" ` +
      `style="width: ${Math.round(Number(widthPx) * ON_SCREEN)}px; max-width: 100%" ` +
      `src="data:image/${type};base64,${picture.toBase64()}">`,
    ...(isSmall ? { "image/svg+xml": withOwnIds(svg, figure) } : {}),
    "image/png": png.toBase64(),
    "text/plain": `${title}. ${caption}`,
  }, {
    "text/markdown": `**${title}.** ${caption}`,
    "text/plain": "",
  }];
}

/** The specification with tooltips, and with type faces that browsers have. */
function interactive(spec: Spec): Spec {
  const config = spec["config"] as Record<string, Spec>;
  return {
    ...spec,
    $schema: `${SCHEMAS}/vega-lite/v5.json`,
    config: {
      ...config,
      font: `${config["font"]}, Arial, Helvetica, sans-serif`,
      mark: { ...config["mark"], tooltip: { content: "data" } },
    },
  };
}

async function compiled(spec: Spec): Promise<object> {
  const { compile } = await import("vega-lite");
  return compile(spec as unknown as TopLevelSpec).spec;
}

/** Figures stand in one page, where equal ids would let one take another's clip paths. */
function withOwnIds(svg: string, figure: Figure): string {
  return withPrefix(svg, `${figure.id}-${contentKey([figure], 8)}-`);
}

/** Rows of a table where it is shown as text, which does not scroll. */
const MOST_IN_TEXT = 50;

/** A table as HTML, whose rows are sorted and sifted where scripts may run, and as text. */
export function tableMedia(table: Table): MediaBundle {
  const notice = table.notice === undefined
    ? ""
    : `<p class="notice">${escapeHtml(table.notice)}</p>`;
  return {
    "text/html": `<style>${asset("tables.css")}</style><div class="rine">${
      htmlTable(table)
    }${notice}</div>${scriptOf(asset("tables.ts"))}`,
    "text/plain": tableToMarkdown(inShort(table)),
  };
}

function inShort(table: Table): Table {
  if (table.rows.length <= MOST_IN_TEXT) return table;
  const caption = `The first ${MOST_IN_TEXT}. ${table.caption}`.trimEnd();
  return { ...table, caption, rows: table.rows.slice(0, MOST_IN_TEXT) };
}
