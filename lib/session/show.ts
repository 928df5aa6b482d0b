/**
 * Shows figures, tables, images and progress in a cell of a Jupyter notebook.
 * @module
 */
import { UserError } from "../io/errors.ts";
import sharp from "sharp";
import type { RgbImage } from "../image/image.ts";
import { isForPeople } from "../io/errors.ts";
import type { OnProgress, Progress } from "../io/progress.ts";
import type { Tensor } from "../io/tensor.ts";
import type { Figure } from "../report/figure.ts";
import { escapeHtml } from "../report/write/html.ts";
import { figureMedia, type MediaBundle, tableMedia } from "../report/write/media.ts";
import { recordsTable } from "../report/records_table.ts";
import type { Table } from "../report/table.ts";
import type { ThemeName } from "../report/theme.ts";
import type { RunRow } from "../runs/config.ts";
import { meanScore } from "../runs/select.ts";

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

/**
 * What a cell can show; a list of captioned images stands side by side, other objects in a list are
 * the rows of a table, of a tensor its shape is said, text is Markdown.
 */
export type Showable =
  | Figure
  | Table
  | ShownReport
  | RgbImage
  | Tensor
  | readonly CaptionedImage[]
  | readonly object[]
  | string;

/**
 * The kernel ends a cell before its last messages have left, and drops large ones that come faster
 * than the front end reads: each is given time by its size, and the last some more.
 */
const QUIET_MS = 50, BYTES_PER_MS = 10_000;

/** Images narrower than this are enlarged. */
const NARROW_PX = 120;

/** Whether the code runs in a notebook's kernel. */
export function isNotebook(): boolean {
  try {
    return typeof Deno.jupyter.display === "function";
  } catch {
    return false; // outside a kernel, Deno throws where the namespace is read
  }
}

/**
 * Shows things in the cell that is running, one below the other. Outside a notebook it prints them
 * as text. Wait for it: what is not awaited may be lost where notebooks run without a front end.
 *
 * @example
 * ```ts
 * import { show } from "./show.ts";
 *
 * await show("**Bold** in a notebook.");
 * ```
 */
export async function show(...things: readonly Showable[]): Promise<void> {
  await inOneLine(async () => {
    for (const thing of things) {
      for (const bundle of await mediaBundles(thing)) await display(bundle);
    }
  });
  await quiet();
}

/**
 * The outputs that {@linkcode show} makes, without showing them. A figure: vega-lite with tooltips,
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

/** A row of results with its mean ACC and AP, for which its scores are too many. */
function withMeans(row: object): object {
  if (!("test" in row && "experiment" in row)) return row;
  const [acc, ap] = ["acc", "ap"].map((measure) => meanScore(row as RunRow, measure));
  return { ...row, acc, ap };
}

/** What is shown, the field that tells it, and those that it must have. */
const KINDS = [
  ["figure", "spec", ["id", "title", "caption", "columns", "rows", "spec"]],
  ["report", "tables", ["tables", "figures"]],
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
    ["spec", "columns", "shape", "data", "tables"].some((key) => key in thing);
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

/** Time between two drawings of the progress. */
const REDRAW_MS = 250;

let displays = 0;

/**
 * Shows the progress of long work in the cell that is running: a bar for each stage, drawn again in
 * place. Nothing is shown where no progress is told.
 */
export class CellProgress implements AsyncDisposable {
  /** Hand it to the work. */
  readonly onProgress: OnProgress;
  readonly #id = `rine-progress-${displays++}`;
  readonly #stages = new Map<string, Progress>();
  #drawnAt = -Infinity;
  #last: Promise<void> | undefined;

  /** Shows nothing yet. */
  constructor() {
    this.onProgress = (progress) => {
      this.#stages.set(progress.stage, progress);
      if (performance.now() - this.#drawnAt >= REDRAW_MS) this.#draw();
    };
  }

  #draw(): void {
    this.#drawnAt = performance.now();
    const bundle = progressMedia([...this.#stages.values()]);
    const options = { display_id: this.#id, update: this.#last !== undefined };
    this.#last = (this.#last ?? Promise.resolve()).then(() => display(bundle, options));
  }

  /** Draws what was told last, and waits until it is shown. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stages.size === 0) return;
    this.#draw();
    await this.#last;
    await quiet();
  }
}

/** Progress as an output: a bar and a line for each stage. */
export function progressMedia(stages: readonly Progress[]): MediaBundle {
  const texts = stages.map(({ stage, unit, done, total }) =>
    `${stage}: ${done} of ${total} ${unit}`
  );
  const bars = stages.map(({ done, total }, i) =>
    `<div><progress value="${done}" max="${total}"></progress> ${escapeHtml(texts[i]!)}</div>`
  );
  return { "text/html": bars.join(""), "text/plain": texts.join("\n") };
}

/**
 * Runs work that a cell asked for. An error that is about the user's data or machine comes without a
 * stack trace: one line stands in the cell.
 */
export async function inOneLine<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isNotebook() && isForPeople(error)) error.stack = `${error.name}: ${error.message}`;
    throw error;
  }
}

interface DisplayOptions {
  readonly display_id?: string;
  readonly update?: boolean;
}

async function display(bundle: MediaBundle, options: DisplayOptions = {}): Promise<void> {
  if (isNotebook()) {
    await Deno.jupyter.display(bundle, { raw: true, ...options });
    await pause(JSON.stringify(bundle).length / BYTES_PER_MS);
    return;
  }
  const text = bundle["text/plain"];
  if (text !== "") await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}

async function quiet(): Promise<void> {
  if (isNotebook()) await pause(QUIET_MS);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
