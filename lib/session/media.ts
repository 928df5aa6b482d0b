/**
 * Figures, tables, images and rows as outputs of a notebook's cell.
 * @module
 */
import sharp from "sharp";
import type { RgbImage } from "../image/image.ts";
import { UserError } from "../io/errors.ts";
import type { Tensor } from "../io/tensor.ts";
import type { Figure } from "../report/figure.ts";
import { escapeHtml } from "../report/write/html.ts";
import { figureMedia, type MediaBundle, tableMedia } from "../report/write/media.ts";
import { recordsTable } from "../report/records_table.ts";
import type { Table } from "../report/table.ts";
import type { ThemeName } from "../report/theme.ts";
import type { RunRow } from "../runs/config.ts";
import { meanIfAny } from "../runs/select.ts";

/** An image and what stands under it. */
export interface CaptionedImage {
  /** Shown at its own size, or enlarged by a whole factor where it is very small. */
  readonly image: RgbImage;
  /** Text for people. */
  readonly caption: string;
}

/** Tables and figures, shown one below the other. */
export interface ShownReport {
  /** Shown first. */
  readonly tables: readonly Table[];
  /** Shown after the tables. */
  readonly figures: readonly Figure[];
}

/** A head's row with a figure of how it was trained. */
export interface ShownTraining {
  /** Shown first, as a table of one row. */
  readonly row: object;
  /** Shown below. */
  readonly figure: Figure;
}

/**
 * What a cell can show; a list of captioned images stands side by side, other objects in a list are
 * the rows of a table, of a tensor its shape is said, text is Markdown.
 */
export type Showable =
  | Figure
  | Table
  | ShownReport
  | ShownTraining
  | RgbImage
  | Tensor
  | readonly CaptionedImage[]
  | readonly object[]
  | string;

/** Images narrower than this are enlarged. */
const NARROW_PX = 120;

/**
 * The outputs of a thing, without showing them. A figure: vega-lite with tooltips,
 * Markdown, SVG and PNG, then its title and caption. A table: HTML. An image: PNG. Images side by side:
 * HTML that holds them as PNG. Each has `text/plain`.
 * @param theme how figures look
 * @throws {UserError} where it is nothing that can be shown: a promise that was not awaited
 */
export async function mediaBundles(
  thing: Showable,
  theme: ThemeName = "default",
): Promise<MediaBundle[]> {
  if (typeof thing === "string") return [{ "text/markdown": thing, "text/plain": thing }];
  assertShowable(thing);
  if ("spec" in thing) return await figureMedia(thing, theme);
  if ("columns" in thing) return [tableMedia(thing)];
  if ("shape" in thing) return [tensorMedia(thing)];
  if ("data" in thing) return [await imageMedia(thing)];
  if ("figure" in thing) {
    return [
      tableMedia(recordsTable([withMeans(thing.row)])),
      ...await figureMedia(thing.figure, theme),
    ];
  }
  if ("tables" in thing) {
    const parts = [...thing.tables, ...thing.figures].map((part) => mediaBundles(part, theme));
    return (await Promise.all(parts)).flat();
  }
  if (isGallery(thing)) return [await galleryMedia(thing)];
  if (isParts(thing)) {
    return (await Promise.all(thing.map((part) => mediaBundles(part, theme)))).flat();
  }
  return [tableMedia(recordsTable(thing.map(withMeans)))];
}

/**
 * A row of results, which begins with its head's own fields and with its mean ACC and AP, for which its
 * scores are too many.
 */
function withMeans(row: object): object {
  if (!("test" in row && "experiment" in row)) return row;
  const [acc, ap] = ["acc", "ap"].map((measure) => meanIfAny(row as RunRow, measure));
  const { head = {}, ...rest } = row as RunRow;
  return { ...head, acc, ap: ap ?? null, ...rest };
}

/** Kinds of things to show: the field each is recognised by, and the fields it must have. */
const KINDS = [
  ["figure", "spec", ["id", "title", "caption", "columns", "rows", "spec"]],
  ["report", "tables", ["tables", "figures"]],
  ["training", "figure", ["row", "figure"]],
  ["tensor", "shape", ["shape", "data"]],
  ["image", "data", ["data"]],
] as const;

/** Cells are not checked for types before they run. */
function assertShowable(thing: unknown): asserts thing is object {
  const wanted =
    "expected a figure, a table, a report, an image, images with captions, rows or text";
  if (
    thing instanceof Promise || Array.isArray(thing) && thing.some((one) => one instanceof Promise)
  ) {
    throw new UserError("usage", `Cannot show: ${wanted}; found a promise; write await before it`);
  }
  for (const [kind, field, fields] of KINDS) {
    if (typeof thing !== "object" || thing === null || !(field in thing)) continue;
    const missing = fields.filter((name) => (thing as Record<string, unknown>)[name] === undefined);
    if (missing.length === 0) continue;
    throw new UserError(
      "usage",
      `Cannot show a ${kind}: expected ${fields.join(", ")}; found no ${missing.join(", ")}`,
    );
  }
  const isRows = Array.isArray(thing) && thing.every((one) => typeof one === "object" && one);
  const isOne = typeof thing === "object" && thing !== null && !Array.isArray(thing) &&
    ["spec", "columns", "shape", "data", "tables", "figure"].some((key) => key in thing);
  if (isRows || isOne) return;
  const found = Array.isArray(thing)
    ? "a list of something else"
    : typeof thing === "object" && thing !== null
    ? `an object of ${Object.keys(thing).join(", ") || "nothing"}; in [ ] it is shown as a row`
    : `${thing}`;
  throw new UserError("usage", `Cannot show: ${wanted}; found ${found}`);
}

/** Tables or figures, as a report holds them. */
function isParts(things: readonly object[]): things is readonly (Figure | Table)[] {
  return things.length > 0 && things.every((thing) => "title" in thing && "rows" in thing);
}

function isGallery(things: readonly object[]): things is readonly CaptionedImage[] {
  return things.length > 0 && things.every((thing) => "image" in thing && "caption" in thing);
}

function tensorMedia({ shape }: Tensor): MediaBundle {
  const text = `tensor of shape [${shape.join(", ")}]`;
  return { "text/markdown": text, "text/plain": text };
}

async function imageMedia(image: RgbImage): Promise<MediaBundle> {
  const { png } = await encodePng(image);
  return { "image/png": png.toBase64(), "text/plain": sizeText(image) };
}

async function galleryMedia(images: readonly CaptionedImage[]): Promise<MediaBundle> {
  const pictures = await Promise.all(images.map(async ({ image, caption }) => {
    const text = escapeHtml(caption);
    const { png, width } = await encodePng(image);
    return `<figure style="margin: 0; width: ${width}px; max-width: 100%">` +
      `<img alt="${text}" src="data:image/png;base64,${png.toBase64()}">` +
      `<figcaption>${text}</figcaption></figure>`;
  }));
  return {
    "text/html": `<div style="display: flex; flex-wrap: wrap; gap: 1em">${pictures.join("")}</div>`,
    "text/plain": images.map(({ image, caption }) => `${caption} (${sizeText(image)})`).join("\n"),
  };
}

function sizeText({ width, height }: RgbImage): string {
  return `image, ${width} × ${height} pixels`;
}

async function encodePng({ width, height, data }: RgbImage) {
  const factor = Math.max(1, Math.ceil(NARROW_PX / width));
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(width * factor, height * factor, { kernel: "nearest" })
    .png()
    .toBuffer();
  return { png: new Uint8Array(png), width: width * factor };
}
