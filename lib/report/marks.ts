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

/** Bars whose axis may begin above 0: they are cut off at the frame. */
export function clippedBars(frame: Frame, encoding: Spec): Spec {
  return { ...frame, mark: { type: "bar", clip: true }, encoding };
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

/** The rows' `value`s, fractions, on an axis in percent that is as long as they need. */
export function scores(title: string, rows: readonly FigureRow[]): Spec {
  return quantitative("value", { axis: percentAxis(title), scale: scoreScale(rows) });
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

/**
 * A scale that holds the rows' `value`s, fractions, between multiples of 5 %, with some room so that
 * no mark lies on the frame.
 */
export function scoreScale(rows: readonly FigureRow[]): Spec {
  const values = rows.map(({ value }) => Number(value));
  const twentieth = (value: number, round: (value: number) => number) =>
    Math.min(1, Math.max(0, round(value * 20) / 20));
  return {
    domain: [
      twentieth(Math.min(...values) - 0.01, Math.floor),
      twentieth(Math.max(...values) + 0.005, Math.ceil),
    ],
    nice: false,
  };
}
