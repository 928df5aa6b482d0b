/**
 * Marks, channels and axes of vega-lite, so that a figure says in one line what it draws:
 * `bars({ width: 600, height: 110 }, { x: ordinal("block"), y: quantitative("share") })`.
 * @module
 */
import type { FigureRow, Spec } from "./figure.ts";

/** Size in pixels of 1/96 inch, and which rows are drawn; empty in a layer. */
export interface Frame {
  readonly width?: number;
  readonly height?: number;
  readonly transform?: readonly Spec[];
}

/** Box plots: quartiles, whiskers 1.5 times as far, and what lies outside. */
export function boxes(frame: Frame, boxPx: number, encoding: Spec): Spec {
  return { ...frame, mark: { type: "boxplot", extent: 1.5, size: boxPx }, encoding };
}

/** Bars. */
export function bars(frame: Frame, encoding: Spec): Spec {
  return { ...frame, mark: "bar", encoding };
}

/** Lines with a point at each value. */
export function lines(frame: Frame, encoding: Spec): Spec {
  return { ...frame, mark: { type: "line", point: true }, encoding };
}

/** Points. */
export function points(frame: Frame, style: Spec, encoding: Spec): Spec {
  return { ...frame, mark: { type: "point", ...style }, encoding };
}

/** A channel of names. */
export function nominal(field: string, options: Spec = {}): Spec {
  return { field, type: "nominal", ...options };
}

/** A channel of steps in their order. */
export function ordinal(field: string, options: Spec = {}): Spec {
  return { field, type: "ordinal", ...options };
}

/** A channel of numbers. */
export function quantitative(field: string, options: Spec = {}): Spec {
  return { field, type: "quantitative", ...options };
}

/** The rows' `value`s, fractions, on an axis in percent that is as long as they need, labelled at its ends. */
export function scores(title: string, rows: readonly FigureRow[]): Spec {
  const { domain, ticks } = scoreRange(rows);
  return quantitative("value", {
    axis: { ...percentAxis(title), values: ticks },
    scale: { domain, nice: false, zero: false },
  });
}

/**
 * A panel for each value of a field, side by side.
 * @param column further options of the headings: their order
 * @param independent axes or scales that each panel has of its own
 */
export function panels(field: string, column: Spec, independent: Spec, spec: Spec): Spec {
  return {
    facet: { column: nominal(field, { title: null, ...column }) },
    resolve: independent,
    spec,
  };
}

/** Rows whose field has a value. */
export function having(field: string, equal: string | number): Spec {
  return { field, equal };
}

/** An axis of fractions, labelled in percent. */
export function percentAxis(title: string): Spec {
  return { title: `${title} (%)`, labelExpr: "format(datum.value * 100, '.3~g')" };
}

/** Steps between ticks of an axis of fractions, and how many there may be. */
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2], MOST_STEPS = 7;

/**
 * A range that holds the rows' `value`s, fractions, with some room so that no mark lies on the frame, and
 * its ticks: it begins and ends with one.
 * @param least length, so that small differences do not look large
 * @param most steps from tick to tick
 */
export function scoreRange(
  rows: readonly FigureRow[],
  least = 0.2,
  most = MOST_STEPS,
): { readonly domain: readonly [number, number]; readonly ticks: readonly number[] } {
  const values = rows.map(({ value }) => Number(value));
  const low = Math.max(0, Math.min(...values) - 0.01);
  const high = Math.min(1, Math.max(...values) + 0.005);
  const middle = Math.max(least / 2, Math.min(1 - least / 2, (low + high) / 2));
  const from = Math.min(low, middle - least / 2), to = Math.max(high, middle + least / 2);
  for (const step of STEPS) {
    const first = Math.floor(from / step + 1e-9), last = Math.ceil(to / step - 1e-9);
    if (last - first > most) continue;
    const ticks = Array.from(
      { length: last - first + 1 },
      (_, i) => Number(((first + i) * step).toFixed(2)),
    );
    return { domain: [ticks[0]!, ticks.at(-1)!], ticks };
  }
  return { domain: [0, 1], ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };
}
