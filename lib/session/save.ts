/**
 * What a cell has made, as a file: its name says the format.
 * @module
 */
import { refuseUnknown, UserError } from "../io/errors.ts";
import { writeFileAtomic } from "../io/files.ts";
import { encodeNpyHeader } from "../io/npy.ts";
import type { Tensor } from "../io/tensor.ts";
import type { Figure } from "../report/figure.ts";
import { recordsTable } from "../report/records_table.ts";
import type { Table } from "../report/table.ts";
import {
  type ThemeName,
  THEMES,
  WIDTH_RANGE_MM,
  widthInMm,
  type WidthName,
  WIDTHS_MM,
} from "../report/theme.ts";
import { figureToCsv, tableRecords, tableToCsv } from "../report/write/csv.ts";
import { tableToLatex } from "../report/write/latex.ts";
import { tableToMarkdown } from "../report/write/markdown.ts";
import { rowsToParquet } from "../report/write/parquet.ts";
import { inOneLine } from "./kernel.ts";
import { flatRows } from "./plot.ts";
import { noticeIn } from "./show.ts";

/** How {@linkcode save} draws a figure. */
export interface SaveOptions {
  /** Width in millimetres, or by name; default that of the figure's columns. */
  readonly widthMm?: number | WidthName;
  /** Default `default`. */
  readonly theme?: ThemeName;
}

/** What can be saved: a figure, a table, rows, a tensor. */
export type Savable = Figure | Table | Tensor | readonly object[];

/** Formats by what is saved. */
const FORMATS = {
  figure: ["pdf", "svg", "png", "csv", "parquet", "json"],
  table: ["csv", "parquet", "tex", "md"],
  rows: ["csv", "parquet", "tex", "md", "json"],
  tensor: ["npy"],
} as const;

/**
 * Saves what a cell has made; the file's name says how. A figure: `.pdf`, `.svg`, `.png` (300 dots per
 * inch), its rows as `.csv` and `.parquet`, `.json` (vega-lite with data). A table or rows: `.csv`,
 * `.parquet`, `.tex`, `.md`, rows also `.json`. A tensor: `.npy`, float32. What stood there is replaced.
 * @param path relative ones to the project's folder, in a notebook
 * @throws {UserError} where the format is not one of the thing's, or a width is out of range
 *
 * @example
 * ```ts ignore
 * await save(figure, "figure.pdf", { widthMm: 122 });
 * await save(await detector.backbone.features(images), "tokens.npy");
 * ```
 */
export function save(thing: Savable, path: string, options: SaveOptions = {}): Promise<void> {
  return inOneLine(async () => {
    await writeFileAtomic(path, await contentOf(thing, path, options));
  });
}

/** Any list of rows, a table, or a figure's rows as CSV; `pandas.read_csv` reads it. */
export function toCSV(thing: Figure | Table | readonly object[]): string {
  if (Array.isArray(thing)) return figureToCsv({ rows: flatRows(thing, "write CSV") });
  return "spec" in thing ? figureToCsv(thing) : tableToCsv(thing as Table);
}

/**
 * Any list of rows, a table, or a figure's rows as Parquet, with their types; `pandas.read_parquet` and
 * `polars.read_parquet` read it.
 */
export function toParquet(thing: Figure | Table | readonly object[]): Uint8Array {
  if (Array.isArray(thing)) return rowsToParquet(flatRows(thing, "write Parquet"));
  return rowsToParquet("spec" in thing ? thing.rows : tableRecords(thing as Table));
}

/** Any list of rows or a table in LaTeX, for the packages booktabs and graphicx. */
export function toLatex(thing: Table | readonly object[]): string {
  return tableToLatex(asTable(thing, "write LaTeX"));
}

function asTable(thing: Table | readonly object[], doing: string): Table {
  if (!Array.isArray(thing)) return thing as Table;
  const rows = flatRows(thing, doing);
  return { ...recordsTable(rows, rows.length), ...noticeIn(thing) };
}

function kindOf(thing: unknown): keyof typeof FORMATS | undefined {
  if (typeof thing !== "object" || thing === null) return undefined;
  if (Array.isArray(thing)) return "rows";
  if ("spec" in thing) return "figure";
  if ("columns" in thing) return "table";
  return "shape" in thing ? "tensor" : undefined;
}

async function contentOf(
  thing: Savable,
  path: string,
  options: SaveOptions,
): Promise<string | Uint8Array> {
  refuseUnknown("Cannot save", options, ["widthMm", "theme"]);
  const kind = kindOf(thing);
  if (kind === undefined) {
    const found = thing instanceof Promise ? "a promise; write await before it" : typeof thing;
    throw fail(`a figure, a table, rows or a tensor, found ${found}`);
  }
  const extension = /\.(\w+)$/.exec(`${path}`)?.[1]?.toLowerCase();
  const formats: readonly string[] = FORMATS[kind];
  if (extension === undefined || !formats.includes(extension)) {
    throw fail(
      `a name of ${formats.map((one) => `.${one}`).join(", ")} for ${kind}; found ${path}`,
    );
  }
  if (kind === "tensor") return npyOf(thing as Tensor);
  if (extension === "json") {
    if (kind === "rows") return JSON.stringify(thing, null, 1) + "\n";
  } else if (extension === "csv") return toCSV(thing as Table);
  if (extension === "parquet") return toParquet(thing as Table);
  if (extension === "tex") return toLatex(thing as Table);
  if (extension === "md") return tableToMarkdown(asTable(thing as Table, "save"));
  return await drawn(thing as Figure, extension, options);
}

async function drawn(
  figure: Figure,
  extension: string,
  { widthMm, theme = "default" }: SaveOptions,
): Promise<string | Uint8Array> {
  if (!THEMES.includes(theme)) throw fail(`a theme of ${THEMES.join(", ")}; found ${theme}`);
  const width = widthInMm(widthMm);
  if (widthMm !== undefined && width === undefined) {
    const names = Object.keys(WIDTHS_MM).join(", ");
    throw fail(`widthMm from ${WIDTH_RANGE_MM.join(" to ")}, or one of ${names}; found ${widthMm}`);
  }
  // loaded when needed: vega takes most of a second
  const { completeSpec, renderFigure } = await import("../report/write/render.ts");
  if (extension === "json") {
    return JSON.stringify(completeSpec(figure, theme, { values: figure.rows }), null, 1) + "\n";
  }
  const pictures = await renderFigure(figure, theme, width);
  return pictures[extension as "pdf" | "svg" | "png"];
}

function npyOf({ shape, data }: Tensor): Uint8Array {
  const header = encodeNpyHeader(shape, "<f4");
  const bytes = new Uint8Array(header.length + data.byteLength);
  bytes.set(header);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length);
  return bytes;
}

function fail(wanted: string): UserError {
  return new UserError("usage", `Cannot save: expected ${wanted}`);
}
