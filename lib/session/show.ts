/**
 * Shows things in the cell that is running:
 *
 * ```ts ignore
 * await show("**Best** head", await session.report("grid"));
 * ```
 *
 * What a session returns shows itself where it is the last value of a cell: {@linkcode showing}.
 * @module
 */
import { SHOW_LAST } from "../io/cell.ts";
import type { Figure } from "../report/figure.ts";
import type { Table } from "../report/table.ts";
import type { ThemeName } from "../report/theme.ts";
import type { MediaBundle } from "../report/write/media.ts";
import type { RunRow } from "../runs/config.ts";
import { meanScore } from "../runs/select.ts";
import { display, inOneLine, quiet } from "./kernel.ts";
import { type CaptionedImage, mediaBundles, type Showable, type ShownReport } from "./media.ts";

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
      for (const bundle of await mediaBundles(thing, themeOf(thing))) await display(bundle);
    }
  });
  await quiet();
}

/** What Deno's kernel calls on the last value of a cell, and what Deno calls to print a value. */
const DISPLAY = Symbol.for("Jupyter.display"), INSPECT = Symbol.for("Deno.customInspect");

/** How the figures of what shows itself look. */
const themes = new WeakMap<object, ThemeName>();

function themeOf(thing: Showable): ThemeName | undefined {
  return typeof thing === "object" && thing !== null ? themes.get(thing) : undefined;
}

/**
 * A frozen copy that shows itself where it is the last value of a cell, and prints as one line. For
 * everybody else it is the same plain data: nothing that can be listed is added.
 * @param theme how figures look
 */
export function showing<T extends object>(thing: T, theme: ThemeName = "default"): T {
  const copy = (Array.isArray(thing) ? [...thing] : { ...thing }) as T;
  Object.defineProperty(copy, DISPLAY, { value: () => displayed(copy, theme) });
  Object.defineProperty(copy, INSPECT, { value: () => lineOf(copy) });
  themes.set(copy, theme);
  return Object.freeze(copy);
}

/** What is said of numbers that are not the paper's, by the row that holds them. */
const notices = new WeakMap<object, string>();

/** Lets what is made of rows say what their numbers are: {@linkcode noticeIn}. */
export function noticed<T extends object>(rows: readonly T[], notice: string | undefined): void {
  if (notice === undefined) return;
  for (const row of rows) notices.set(row, notice);
}

/** What is said of some rows' numbers, as fields of a table or a figure that is made of them. */
export function noticeIn(rows: readonly object[]): { notice?: string } {
  const row = rows.find((row) => notices.has(row));
  return row === undefined ? {} : { notice: notices.get(row)! };
}

/** Makes a thing show one line where it is the last value of a cell, and print as that line. */
export function showsLine(thing: object, line: string): void {
  Object.defineProperty(thing, DISPLAY, {
    value: async () => {
      await display({ "text/plain": line });
      await quiet();
      return {};
    },
  });
  Object.defineProperty(thing, INSPECT, { value: () => line });
}

/** Tables and figures that show themselves, together and each alone. */
export function showingReport(report: ShownReport, theme: ThemeName): ShownReport {
  return showing({
    tables: report.tables.map((table) => showing(table, theme)),
    figures: report.figures.map((figure) => showing(figure, theme)),
  }, theme);
}

/**
 * Shows all outputs of a thing, and leaves nothing to the kernel: what it shows itself, in the moment
 * in which a cell ends, is lost now and then where it is large.
 */
async function displayed(thing: object, theme: ThemeName): Promise<MediaBundle> {
  // one row is a table of one row, one image a gallery of one
  const isOne = !Array.isArray(thing) && ("experiment" in thing || "image" in thing);
  const bundles = await mediaBundles((isOne ? [thing] : thing) as Showable, theme);
  for (const bundle of bundles) await display(bundle);
  await quiet();
  return {};
}

/**
 * Shows what is plain data but is known all the same: images, tensors, and lists that a cell has made of
 * rows, tables or images.
 * @returns whether it could
 */
async function showPlain(value: unknown): Promise<boolean> {
  if (typeof value !== "object" || value === null || DISPLAY in value) return false;
  const isList = Array.isArray(value) && value.length > 0 &&
    value.every((one) => typeof one === "object" && one !== null && DISPLAY in one);
  const { data, shape, width } = value as { data?: unknown; shape?: unknown; width?: unknown };
  const isPixels = ArrayBuffer.isView(data) && (Array.isArray(shape) || typeof width === "number");
  if (isList || isPixels) await show(value as Showable);
  return isList || isPixels;
}

// this project's kernel asks for it; Deno's own asks the value alone
Object.defineProperty(globalThis, SHOW_LAST, { value: showPlain, configurable: true });

/** A thing in one line, as Deno prints it. */
function lineOf(thing: object): string {
  if (Array.isArray(thing)) return listLine(thing);
  if ("spec" in thing) {
    const { title, rows } = thing as Figure;
    return `Figure: ${title} (${rows.length} rows)`;
  }
  if ("tables" in thing) {
    const { tables, figures } = thing as ShownReport;
    return `Report: ${[...tables, ...figures].map(({ title }) => title).join("; ") || "nothing"}`;
  }
  if ("figure" in thing) return rowLine((thing as unknown as { row: RunRow }).row);
  if ("columns" in thing) {
    const { title, rows, columns } = thing as Table;
    return `Table: ${title} (${rows.length} rows, ${columns.length} columns)`;
  }
  if ("caption" in thing) return imageLine(thing as CaptionedImage);
  return rowLine(thing as RunRow);
}

function listLine(list: readonly object[]): string {
  const [first] = list;
  if (first === undefined) return "no rows";
  if ("image" in first) return `Images: ${(list as CaptionedImage[]).map(imageLine).join("; ")}`;
  return `${list.length} rows of ${Object.keys(first).join(", ")}`;
}

function imageLine({ caption, image: { width, height } }: CaptionedImage): string {
  return `${caption} (image, ${width} × ${height} pixels)`;
}

function rowLine(row: RunRow): string {
  const { experiment, classes, backbone, head, epochs } = row;
  const says = Object.entries(head).map(([name, value]) => `${name} ${value}`).join(", ");
  return `${experiment}: ${classes.join("+")} on ${backbone}, ${says}, epochs ${epochs}: ` +
    `ACC ${(100 * meanScore(row, "acc")).toFixed(1)} %`;
}
