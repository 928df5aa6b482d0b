/**
 * Figures as data: a vega-lite specification and the rows that it shows.
 * @module
 */
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
  /** Shown in the figure itself: that the numbers are not the paper's. */
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
