/**
 * Tables and figures as files.
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { refuseUnknown } from "../../io/errors.ts";
import { contentKey, readJson, writeFileAtomic, writeJson } from "../../io/files.ts";
import type { Figure } from "../figure.ts";
import type { Table } from "../table.ts";
import { FONT_VERSION, type ThemeName } from "../theme.ts";
import { figureToCsv, tableToCsv } from "./csv.ts";
import { tableToLatex } from "./latex.ts";
import { tableToMarkdown } from "./markdown.ts";

/** Whether files were made, or stood there already. */
export type Written = "written" | "up to date";

/** How {@linkcode writeFigure} draws. */
export interface FigureOptions {
  /** Default `default`. */
  readonly theme?: ThemeName;
  /** Draw even where nothing changed. */
  readonly force?: boolean;
  /**
   * Width in millimetres; default that of the figure's columns. Text stays large enough to be read.
   */
  readonly widthMm?: number | undefined;
}

/** A table or a figure on disk. */
export interface WrittenExhibit {
  /** What a person opens first: the Markdown of a table, the SVG of a figure. */
  readonly path: string;
  readonly title: string;
  readonly written: Written;
}

/** Writes tables into `tables/` and figures into `figures/` of a folder, one after the other. */
export async function writeExhibits(
  folder: string,
  { tables, figures }: { readonly tables: readonly Table[]; readonly figures: readonly Figure[] },
  options: FigureOptions = {},
): Promise<WrittenExhibit[]> {
  const exhibits: WrittenExhibit[] = [];
  for (const table of tables) {
    const path = join(folder, "tables");
    const written = await writeTable(path, table);
    exhibits.push({ path: join(path, `${table.id}.md`), title: table.title, written });
  }
  for (const figure of figures) {
    const path = join(folder, "figures");
    const written = await writeFigure(path, figure, options);
    exhibits.push({ path: join(path, `${figure.id}.svg`), title: figure.title, written });
  }
  return exhibits;
}

/** Version of the drawing code: raise it where figures should be drawn again. */
const DRAWING = 4;

/** Writes `<id>.md`, `<id>.csv` and `<id>.tex`; leaves files alone that hold the same. */
export async function writeTable(folder: string, table: Table): Promise<Written> {
  const results = await Promise.all([
    writeIfChanged(`${folder}/${table.id}.md`, tableToMarkdown(table)),
    writeIfChanged(`${folder}/${table.id}.csv`, tableToCsv(table)),
    writeIfChanged(`${folder}/${table.id}.tex`, tableToLatex(table)),
  ]);
  return results.includes("written") ? "written" : "up to date";
}

/**
 * Writes `<id>.svg`, `<id>.png`, `<id>.pdf`, `<id>.csv` (the rows) and `<id>.vl.json` (the
 * specification, reading that CSV). Draws only what changed since the files were written.
 */
export async function writeFigure(
  folder: string,
  figure: Figure,
  options: FigureOptions = {},
): Promise<Written> {
  refuseUnknown("Cannot write a figure", options, ["theme", "force", "widthMm"]);
  const { theme = "default", force = false, widthMm } = options;
  const width = widthMm === undefined ? [] : [widthMm];
  const drawing = contentKey([DRAWING, FONT_VERSION, theme, figure, ...width]);
  const path = (extension: string) => `${folder}/${figure.id}.${extension}`;
  if (!force && await isDrawn(path, drawing)) return "up to date";

  // Loaded when needed: a second run that draws nothing does not wait for vega.
  const { completeSpec, renderFigure } = await import("./render.ts");
  const { svg, png, pdf } = await renderFigure(figure, theme, widthMm);
  await Deno.remove(path("vl.json")).catch(() => {});
  await Promise.all([
    writeFileAtomic(path("svg"), svg),
    writeFileAtomic(path("png"), png),
    writeFileAtomic(path("pdf"), pdf),
    writeFileAtomic(path("csv"), figureToCsv(figure)),
  ]);
  // Last, because its key says that the others are whole.
  await writeJson(path("vl.json"), {
    ...completeSpec(figure, theme, { url: `${figure.id}.csv` }),
    usermeta: { drawing },
  });
  return "written";
}

async function isDrawn(path: (extension: string) => string, drawing: string): Promise<boolean> {
  const spec = await readJson<{ usermeta?: { drawing?: string } }>(path("vl.json"))
    .catch(() => undefined);
  if (spec?.usermeta?.drawing !== drawing) return false;
  const sizes = await Promise.all(
    ["svg", "png", "pdf", "csv"].map((extension) =>
      Deno.stat(path(extension)).then(({ size }) => size, () => 0)
    ),
  );
  return sizes.every((size) => size > 0);
}

/** Writes a file, unless it holds the same already. */
export async function writeIfChanged(
  path: string,
  content: string | Uint8Array,
): Promise<Written> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const isFile = await Deno.stat(path).then((info) => info.isFile, () => false);
  const held = isFile ? await Deno.readFile(path).catch(() => undefined) : undefined;
  if (held && Buffer.compare(held, bytes) === 0) return "up to date";
  await writeFileAtomic(path, bytes);
  return "written";
}
