/**
 * Draws a figure: vega-lite to SVG with text as outlines, and from that PNG and PDF.
 *
 * Needs no canvas, no browser and no installed font.
 * @module
 */
import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { printable } from "../../io/errors.ts";
import type { Figure, Spec } from "../figure.ts";
import {
  FONT_FAMILY,
  LABEL_PX,
  millimetres,
  PNG_DPI,
  themeConfig,
  type ThemeName,
  WIDTH_MM,
} from "../theme.ts";
import { fontFiles, textWidth } from "./font.ts";
import { svgToPdf } from "./pdf.ts";
import { compactSvg } from "./svg.ts";

/** A figure as pictures of equal size. */
export interface RenderedFigure {
  /** With text as outlines, so that it looks the same everywhere. */
  readonly svg: string;
  /** At 300 dots per inch, and saying so. */
  readonly png: Uint8Array;
  /** Vector PDF, one page of the figure's size. */
  readonly pdf: Uint8Array;
}

/**
 * The figure's whole specification: its own with data, theme and notice. Valid vega-lite that any
 * other tool opens.
 */
export function completeSpec(figure: Figure, theme: ThemeName, data: Spec, textScale = 1): Spec {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description: `${figure.title}. ${figure.caption}`,
    ...(figure.notice === undefined ? {} : {
      title: { text: inLines(figure.notice), color: "#a33", fontWeight: "normal" },
    }),
    data,
    ...(textScale === 1 ? figure.spec : largerText(figure.spec, textScale)),
    config: themeConfig(theme, textScale),
  };
}

/** A text of several sentences as one line each, as vega takes them. */
function inLines(text: string): string | string[] {
  const sentences = text.split(/(?<=\.) /);
  return sentences.length > 1 ? sentences : text;
}

/** Sizes of text that a specification names itself, larger by a factor. */
function largerText<T>(spec: T, factor: number): T {
  if (Array.isArray(spec)) return spec.map((one) => largerText(one, factor)) as T;
  if (typeof spec !== "object" || spec === null) return spec;
  return Object.fromEntries(
    Object.entries(spec).map(([key, value]) => [
      key,
      /fontSize$/i.test(key) && typeof value === "number"
        ? value * factor
        : largerText(value, factor),
    ]),
  ) as T;
}

/** Text that is printed smaller than this, in points, is drawn larger where a width is asked for. */
const SMALLEST_PT = 6.5;

/** Larger text makes a figure wider, and so all of it smaller: tried so often. */
const TRIALS = 4;

/**
 * Draws a figure. Equal figures give equal bytes.
 * @param widthMm width in millimetres; default that of the columns of a page that it is wide. Where the
 * figure is made smaller by it, text stays 6.5 points or larger.
 */
export async function renderFigure(
  given: Figure,
  theme: ThemeName = "default",
  widthMm?: number,
): Promise<RenderedFigure> {
  const figure = inPrint(given);
  if (widthMm === undefined) {
    return await inWidth(await draw(figure, theme), WIDTH_MM[figure.columns], figure.title);
  }
  let textScale = 1, drawn = await draw(figure, theme);
  for (let trial = 0; trial < TRIALS; trial++) {
    const [, widthPx] = /viewBox="0 0 ([\d.]+)/.exec(drawn)!;
    const printedPt = 0.75 * LABEL_PX * textScale * millimetres(widthMm) / Number(widthPx);
    if (printedPt >= SMALLEST_PT) break;
    textScale *= SMALLEST_PT / printedPt;
    drawn = await draw(figure, theme, textScale);
  }
  return await inWidth(drawn, widthMm, figure.title);
}

/** The figure as vega draws it, with text as text. */
async function draw(figure: Figure, theme: ThemeName, textScale = 1): Promise<string> {
  const spec = completeSpec(figure, theme, { values: figure.rows }, textScale);
  const compiled = compile(spec as unknown as TopLevelSpec, { logger: quietLogger() });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: "none" });
  measureTextAsDrawn();
  const drawn = await view.toSVG();
  view.finalize();
  return drawn;
}

/** The pictures of a drawn figure at a width. */
async function inWidth(drawn: string, widthMm: number, title: string): Promise<RenderedFigure> {
  const picture = new Resvg(drawn, {
    font: { fontFiles: fontFiles(), loadSystemFonts: false, defaultFontFamily: FONT_FAMILY },
    fitTo: { mode: "width", value: Math.round(widthMm / 25.4 * PNG_DPI) },
    background: "white",
  });
  const heightMm = widthMm * picture.height / picture.width;
  const outlined = compactSvg(picture.toString()).replace(
    /^<svg width="[^"]*" height="[^"]*"/,
    `<svg width="${widthMm}mm" height="${heightMm.toFixed(2)}mm"`,
  );
  const { pixels, width, height } = picture.render();
  const png = await sharp(pixels, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .withMetadata({ density: PNG_DPI })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return { svg: outlined, png, pdf: svgToPdf(outlined, widthMm / 25.4 * 72, title) };
}

/** All texts as a picture can show them. */
function inPrint<T>(value: T): T {
  if (typeof value === "string") return value.split("\n").map(printable).join("\n") as T;
  if (Array.isArray(value)) return value.map(inPrint) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, inPrint(held)])) as T;
}

/**
 * Vega guesses widths of text where there is no canvas, far too wide; the typeface's own widths put
 * titles and legends where they belong.
 */
function measureTextAsDrawn(): void {
  // Exported by vega, absent from its types.
  const { textMetrics } = vega as unknown as { textMetrics: { width: TextMeasure } };
  textMetrics.width = ({ fontSize = 11, fontWeight = "normal" }, text) =>
    textWidth(
      String(text ?? ""),
      fontSize,
      fontWeight === "bold" || Number(fontWeight) >= 600 ? "bold" : "normal",
    );
}

type TextMeasure = (
  item: { readonly fontSize?: number; readonly fontWeight?: string | number },
  text: unknown,
) => number;

/** Throws what vega-lite warns of: a figure with a warning is a figure with a mistake. */
function quietLogger() {
  const fail = (...messages: readonly unknown[]): never => {
    throw new Error(`Cannot draw figure: ${messages.join(" ")}`);
  };
  const logger = {
    level: () => logger,
    error: fail,
    warn: fail,
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}
