/**
 * How figures look: colours, sizes and widths for publication.
 * @module
 */
// Imported so that the package is installed; its other files are then found beside it.
import metadata from "@expo-google-fonts/arimo/metadata.json" with { type: "json" };
import type { Spec } from "./figure.ts";

/** Looks that figures can have; `paper` is that of the published figures. */
export const THEMES = ["default", "paper"] as const;

/** A look. */
export type ThemeName = typeof THEMES[number];

/**
 * Typeface of figures, carried along so that they look the same on a machine without fonts: Arimo,
 * which has the widths of Arial and Helvetica.
 */
export const FONT_FAMILY: string = metadata.family;

/** Version of the typeface, part of what a rendered figure depends on. */
export const FONT_VERSION: string = metadata.version;

/** Width of a figure in millimetres, by columns of a page it is wide. */
export const WIDTH_MM: Readonly<Record<1 | 2, number>> = { 1: 84, 2: 174 };

/** Widths by name, in millimetres: LNCS's text, and one and two columns of a page. */
export const WIDTHS_MM = { lncs: 122, column: WIDTH_MM[1], page: WIDTH_MM[2] } as const;

/** The name of a width. */
export type WidthName = keyof typeof WIDTHS_MM;

/** The narrowest and the widest that a figure may be, in millimetres. */
export const WIDTH_RANGE_MM = [20, 2000] as const;

/** A width in millimetres by its name or itself; `undefined` of what is none, or out of range. */
export function widthInMm(width: unknown): number | undefined {
  const mm = typeof width === "string" && Object.hasOwn(WIDTHS_MM, width)
    ? WIDTHS_MM[width as WidthName]
    : width;
  const [least, most] = WIDTH_RANGE_MM;
  return typeof mm === "number" && mm >= least && mm <= most ? mm : undefined;
}

/** Resolution of PNGs in dots per inch. */
export const PNG_DPI = 300;

/** Millimetres as pixels of 1/96 inch, the unit of figures' sizes. */
export function millimetres(mm: number): number {
  return mm * 96 / 25.4;
}

/**
 * `category` tells things apart, `ordinal` shows steps of one quantity; both fall far enough apart
 * in lightness to be read in grey.
 */
const COLOURS: Readonly<
  Record<ThemeName, { category: string[]; ordinal: string[]; median: string }>
> = {
  // Okabe and Ito's colours, which colour-blind readers tell apart.
  default: {
    category: ["#0072b2", "#eba91a", "#333333", "#cc79a7", "#009e73"],
    ordinal: ["#f3cf7d", "#4aa697", "#2f6ea5", "#333333"],
    median: "#000000",
  },
  // matplotlib's olive, gold and peru.
  paper: {
    category: ["#808000", "#ffd700", "#cd853f", "#008000", "#333333"],
    ordinal: ["#ffd700", "#808000", "#cd853f", "#333333"],
    median: "#000000",
  },
};

/** Colour of titles; then of labels, of axes, and of grid lines. */
export const TITLE_INK = "#000";
const LABEL_INK = "#222", AXIS_INK = "#444", GRID_INK = "#ddd";

/** Text in pixels: 7.5 and 7 pt, what journals ask for at the least. */
const TEXT_PX = 10;

/** How strong the colours of boxes are, and those of their legends. */
export const BOX_OPACITY = 0.55;

/** The smallest text, of labels. */
export const LABEL_PX = 9.4;

/**
 * A look as vega-lite's `config`. It names every colour of text and lines, because a page with a dark
 * theme, such as JupyterLab's, would otherwise draw white text on our white ground.
 * @param textScale how many times larger all text is than usual
 */
export function themeConfig(name: ThemeName, textScale = 1): Spec {
  const textPx = TEXT_PX * textScale, labelPx = LABEL_PX * textScale;
  const { category, ordinal, median } = COLOURS[name];
  const ink = { labelColor: LABEL_INK, titleColor: TITLE_INK };
  const text = {
    labelFontSize: labelPx,
    titleFontSize: textPx,
    titleFontWeight: "normal",
    ...ink,
  };
  return {
    background: "white",
    padding: 3,
    font: FONT_FAMILY,
    customFormatTypes: false,
    range: { category, ordinal },
    mark: { color: category[0] },
    axis: {
      ...text,
      domainColor: AXIS_INK,
      tickColor: AXIS_INK,
      tickSize: 3,
      gridColor: GRID_INK,
      // half a pixel further, where vega has them, lines reach over the frame
      translate: 0,
      titlePadding: 5,
      labelPadding: 2,
    },
    axisX: { grid: false, labelAngle: 0 },
    header: {
      ...ink,
      labelFontSize: textPx,
      titleFontSize: textPx,
      labelPadding: 4,
      labelFontWeight: "bold",
    },
    legend: {
      ...text,
      orient: "top",
      symbolStrokeWidth: 0.8,
      symbolSize: 70,
      symbolOpacity: 1,
      symbolType: "square",
      columnPadding: 10,
      titlePadding: 6,
      titleOrient: "left",
      offset: 4,
    },
    title: {
      color: TITLE_INK,
      subtitleColor: LABEL_INK,
      fontSize: textPx,
      fontWeight: "bold",
      subtitleFontSize: labelPx,
      anchor: "start",
      frame: "bounds",
      offset: 6,
    },
    view: { stroke: "#999", strokeWidth: 0.6 },
    boxplot: {
      ticks: { size: 6 },
      // light, so that the line of the median is seen in each colour
      box: { stroke: "#222", strokeWidth: 0.5, fillOpacity: BOX_OPACITY },
      median: { color: median, size: 1, stroke: median, strokeWidth: 0.5 },
      rule: { stroke: "#222", strokeWidth: 0.7 },
      outliers: { stroke: "#222", strokeWidth: 0.6, size: 9, filled: false },
    },
    line: { strokeWidth: 1.5 },
    point: { size: 28, filled: true, opacity: 1 },
  };
}
