/**
 * Figures of one's own: rows, and what is drawn of them, with nothing else to fill in.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { Figure, FigureRow, Spec } from "../report/figure.ts";
import type { RunRow } from "../runs/config.ts";
import { meanIfAny } from "../runs/select.ts";
import { noticeIn, showing } from "./show.ts";

/** Marks of vega-lite. https://vega.github.io/vega-lite/docs/mark.html */
export const MARKS = [
  ...[
    "point",
    "line",
    "bar",
    "area",
    "circle",
    "square",
    "tick",
    "rect",
    "rule",
    "text",
    "boxplot",
  ],
  ...["errorbar", "errorband", "trail", "arc", "image"],
] as const;

/** Channels that a field can be given by its name. */
export const CHANNELS = [
  ...["x", "y", "x2", "y2", "color", "shape", "size", "opacity", "strokeDash", "detail"],
  ...["row", "column", "facet", "text", "tooltip", "order", "xOffset", "yOffset"],
] as const;

/**
 * What is drawn: a mark and a field for each channel, `{ mark: "point", x: "epochs", y: "acc" }`; or
 * any specification of vega-lite without data, `{ mark, encoding }`.
 */
export interface PlotSpec {
  /** A channel's field by name, or as vega-lite has it: `{ field, type, title, scale }`. */
  readonly [key: string]: unknown;
}

/** What stands around a figure; all may be left out. */
export interface PlotOptions {
  /** Name of its files; default `plot`. */
  readonly id?: string;
  /** Above the caption; default `Plot`. */
  readonly title?: string;
  /** What it shows; default which field is drawn by which. */
  readonly caption?: string;
  /** Shown in the figure itself. */
  readonly notice?: string;
  /** Columns of a page that it is wide; default 1. */
  readonly columns?: 1 | 2;
}

/**
 * A figure of rows, which shows itself where it is the last value of a cell. Of the rows of a session
 * there are, besides their plain fields, those of the head and the means `acc` and `ap`.
 * @param rows any list of objects
 * @throws {UserError} where a field is in no row, a mark is unknown, or there are no rows
 *
 * @example
 * ```ts
 * import { plot } from "./plot.ts";
 *
 * const figure = plot([{ q: 1, acc: .9 }, { q: 2, acc: .8 }], { mark: "bar", x: "q", y: "acc" });
 * console.assert(figure.caption === "acc by q.");
 * ```
 */
export function plot(
  rows: readonly object[],
  spec: PlotSpec,
  options: PlotOptions = {},
): Figure {
  const data = flatRows(rows, "plot");
  const { encoding, ...rest } = encoded(spec, data);
  const whole = { ...(isSingle(rest) ? { width: 280, height: 180 } : {}), ...rest };
  const figure: Spec = encoding === undefined ? whole : { ...whole, encoding };
  assertFields(figure, data);
  return showing({
    id: "plot",
    title: "Plot",
    caption: captionOf(encoding),
    columns: 1,
    ...noticeIn(rows),
    ...options,
    rows: data,
    spec: figure,
  });
}

/** Rows with plain values alone: those of the head beside its own, lists in one text. */
export function flatRows(rows: unknown, doing: string): FigureRow[] {
  const found = rows instanceof Promise
    ? "a promise; write await before it"
    : !Array.isArray(rows)
    ? `${rows}`
    : rows.length === 0
    ? "none"
    : undefined;
  if (found !== undefined) {
    throw new UserError("usage", `Cannot ${doing}: expected rows, found ${found}`);
  }
  return (rows as readonly object[]).map((row) => {
    const measured = "test" in row && "experiment" in row
      ? { acc: meanIfAny(row as RunRow, "acc"), ap: meanIfAny(row as RunRow, "ap") }
      : {};
    const head = "head" in row && typeof row.head === "object" ? row.head ?? {} : {};
    const flat: Record<string, string | number> = {};
    const all: Record<string, unknown> = { ...head, ...row, ...measured };
    for (const [key, value] of Object.entries(all)) {
      if (typeof value === "number" || typeof value === "string") flat[key] = value;
      else if (typeof value === "boolean") flat[key] = `${value}`;
      else if (Array.isArray(value) && value.every((one) => typeof one !== "object")) {
        flat[key] = value.join(", ");
      }
    }
    return flat;
  });
}

/** Channels that stand beside the mark, in `encoding`, each with a type. */
function encoded(spec: PlotSpec, data: readonly FigureRow[]): Spec & { encoding?: Spec } {
  const { mark } = spec;
  const name = typeof mark === "object" && mark !== null ? (mark as Spec)["type"] : mark;
  if (name !== undefined && !(MARKS as readonly unknown[]).includes(name)) {
    throw new UserError(
      "usage",
      `Cannot plot: expected a mark of ${MARKS.join(", ")}; found ${name}`,
    );
  }
  const isChannel = (key: string) => (CHANNELS as readonly string[]).includes(key);
  const own = Object.entries(spec).filter(([key]) => !isChannel(key));
  const beside = Object.entries(spec).filter(([key]) => isChannel(key) && mark !== undefined);
  const { encoding: given, ...rest } = Object.fromEntries(own);
  if (beside.length === 0 && given === undefined) return { ...spec };
  const channels = Object.entries({ ...given as Spec | undefined, ...Object.fromEntries(beside) });
  return {
    ...rest,
    encoding: Object.fromEntries(
      channels.map(([channel, value]) => [
        channel,
        channelOf(channel, value, data, LENGTHS.includes(name as string)),
      ]),
    ),
  };
}

/** Marks that show a number by their length, and so begin at 0. */
const LENGTHS: readonly string[] = ["bar", "area", "arc"];

function channelOf(
  channel: string,
  value: unknown,
  data: readonly FigureRow[],
  fromZero: boolean,
): unknown {
  if (typeof value === "string") return channelOf(channel, { field: value }, data, fromZero);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { field, type, aggregate } = value as Spec;
  // the ends of a range have the type of their beginning
  if (field === undefined || type !== undefined || aggregate === "count" || /2$/.test(channel)) {
    return value;
  }
  const values = data.flatMap((row) => row[field as string] ?? []);
  const isNumber = aggregate !== undefined || values.every((one) => typeof one === "number");
  const far = isNumber && channel !== "row" && channel !== "column" && channel !== "shape";
  const isPlace = channel === "x" || channel === "y";
  return {
    ...(isNumber && isPlace && !fromZero ? { scale: { zero: false } } : {}),
    ...value,
    type: far ? "quantitative" : "nominal",
  };
}

/** Whether a specification is of one view: those of several have sizes of their own. */
function isSingle(spec: Spec): boolean {
  return !["facet", "hconcat", "vconcat", "concat", "repeat"].some((key) => key in spec);
}

/** A field that no row has would draw an empty figure. */
function assertFields(spec: Spec, data: readonly FigureRow[]): void {
  if ("transform" in spec || JSON.stringify(spec).includes('"transform"')) return;
  const known = new Set(data.flatMap((row) => Object.keys(row)));
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, held] of Object.entries(value)) {
      if (key === "data") return; // a layer of its own
      if (key === "field" && typeof held === "string" && !known.has(held)) {
        throw new UserError(
          "usage",
          `Cannot plot: expected a field of ${[...known].join(", ")}; found ${held}`,
        );
      }
      look(held);
    }
  };
  look(spec);
}

function captionOf(encoding: Spec | undefined): string {
  const name = (channel: string) => {
    const { field, aggregate, title } = (encoding?.[channel] ?? {}) as Spec;
    return title ?? field ?? aggregate;
  };
  const [x, y, color] = ["x", "y", "color"].map(name);
  if (x === undefined || y === undefined) return "";
  return `${y} by ${x}${color === undefined ? "" : ` and ${color}`}.`;
}
