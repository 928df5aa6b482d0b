/**
 * Draws a figure: vega-lite to SVG, and from that PNG and PDF; text is text, in a typeface that each of
 * them carries along.
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
import { fontFace, fontFiles, type FontWeight, fontWeight, textWidth } from "./font.ts";
import { svgToPdf } from "./pdf.ts";
import { escapeXml, parseSvg, type SvgElement, tidied, writeSvg } from "./svg.ts";

/** A figure as pictures of equal size. */
export interface RenderedFigure {
  /** With the letters that it needs of the typeface, a title and a description. */
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

/** Sizes of text and distances of its lines that a specification names itself, larger by a factor. */
function largerText<T>(spec: T, factor: number): T {
  if (Array.isArray(spec)) return spec.map((one) => largerText(one, factor)) as T;
  if (typeof spec !== "object" || spec === null) return spec;
  return Object.fromEntries(
    Object.entries(spec).map(([key, value]) => [
      key,
      /(?:fontSize|lineHeight)$/i.test(key) && typeof value === "number"
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
    return await inWidth(await draw(figure, theme), WIDTH_MM[figure.columns], figure);
  }
  let textScale = 1, drawn = await draw(figure, theme);
  for (let trial = 0; trial < TRIALS; trial++) {
    const [, widthPx] = /viewBox="0 0 ([\d.]+)/.exec(drawn)!;
    const printedPt = 0.75 * LABEL_PX * textScale * millimetres(widthMm) / Number(widthPx);
    if (printedPt >= SMALLEST_PT) break;
    textScale *= SMALLEST_PT / printedPt;
    drawn = await draw(figure, theme, textScale);
  }
  return await inWidth(drawn, widthMm, figure);
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
async function inWidth(drawn: string, widthMm: number, figure: Figure): Promise<RenderedFigure> {
  const picture = new Resvg(drawn, {
    font: { fontFiles: fontFiles(), loadSystemFonts: false, defaultFontFamily: FONT_FAMILY },
    fitTo: { mode: "width", value: Math.round(widthMm / 25.4 * PNG_DPI) },
    background: "white",
  });
  const { pixels, width, height } = picture.render();
  const png = await sharp(pixels, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .withMetadata({ density: PNG_DPI })
    .png({ compressionLevel: 9 })
    .toBuffer();
  const root = tidied(parseSvg(drawn))!;
  const { title, caption, notice } = figure;
  const description = notice === undefined ? caption : `${caption} ${notice}.`;
  const pdf = await svgToPdf(root, widthMm / 25.4 * 72, { title, description });
  return { svg: standing(root, widthMm, figure.id, { title, description }), png, pdf };
}

/** An SVG that stands for itself: with a size in print, its letters, and words for who does not see it. */
function standing(
  root: SvgElement,
  widthMm: number,
  id: string,
  { title, description }: { readonly title: string; readonly description: string },
): string {
  const viewBox = root.attributes.get("viewBox")!;
  const [, , width, height] = viewBox.split(/[ ,]+/).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const fonts = (["normal", "bold"] as const).flatMap((weight) => {
    const text = textOf(root, weight);
    return text === "" ? [] : [fontFace(FONT_FAMILY, weight, text)];
  });
  return `<svg width="${widthMm}mm" height="${(widthMm * height / width).toFixed(2)}mm" ` +
    `viewBox="${viewBox}" xmlns="http://www.w3.org/2000/svg" ` +
    `xmlns:xlink="http://www.w3.org/1999/xlink" role="img" ` +
    `aria-labelledby="${escapeXml(id)}-title ${escapeXml(id)}-description">` +
    `<title id="${escapeXml(id)}-title">${escapeXml(title)}</title>` +
    `<desc id="${escapeXml(id)}-description">${escapeXml(description)}</desc>` +
    `<style>${fonts.join("")}</style>` +
    `${root.children.map((child) => writeSvg(inStack(child))).join("")}</svg>`;
}

/** All letters of a weight. */
function textOf(
  { attributes, children, text }: SvgElement,
  weight: FontWeight,
  inherited: FontWeight = "normal",
): string {
  const own = attributes.has("font-weight") ? fontWeight(attributes.get("font-weight")) : inherited;
  return (own === weight ? text : "") +
    children.map((child) => textOf(child, weight, own)).join("");
}

/** With typefaces of the same widths, for programs that know only what is installed. */
function inStack(element: SvgElement): SvgElement {
  const { attributes, children } = element;
  return {
    ...element,
    attributes: attributes.get("font-family") === FONT_FAMILY
      ? new Map([...attributes, [
        "font-family",
        `${FONT_FAMILY}, Arial, Liberation Sans, sans-serif`,
      ]])
      : attributes,
    children: children.map(inStack),
  };
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
  textMetrics.width = ({ fontSize = 11, fontWeight: weight = "normal" }, text) =>
    textWidth(
      String(text ?? ""),
      fontSize,
      fontWeight(weight),
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
