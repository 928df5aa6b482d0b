/**
 * Figures as data: a vega-lite specification and the rows that it shows.
 * @module
 */
import { toCsv } from "./table.ts";

/** What one row of a figure's data may hold. */
export type FigureRow = Readonly<Record<string, string | number>>;

/** A part of a vega-lite specification, as JSON. https://vega.github.io/vega-lite/docs/spec.html */
export type Spec = { readonly [key: string]: unknown };

/** A figure. */
export interface Figure {
  /** Name of its files: `figure_3`. */
  readonly id: string;
  /** `Figure 3. ACC and AP by backbone and by ξ`, without the notice. */
  readonly title: string;
  /** What it shows, in whole sentences. */
  readonly caption: string;
  /** What must be said on its face: that the numbers are not the paper's. */
  readonly notice?: string;
  /** How many columns of a page it is wide. */
  readonly columns: 1 | 2;
  /**
   * A vega-lite specification without data, theme and title; a pure function of the rows. Sizes in
   * pixels of 1/96 inch, about as wide as the columns it stands in; it is scaled to fit exactly.
   */
  readonly spec: Spec;
  /** What is drawn. */
  readonly rows: readonly FigureRow[];
}

/** The rows as CSV, a column for each field, numbers unrounded. */
export function figureToCsv({ rows }: Figure): string {
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return toCsv([fields, ...rows.map((row) => fields.map((field) => row[field] ?? ""))]);
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
