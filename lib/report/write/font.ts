/**
 * The typeface of figures as files, and how wide its text is.
 * @module
 */
import { createRequire } from "node:module";
import opentype from "opentype.js";

/** Weights that are carried along. */
export type FontWeight = "normal" | "bold";

/** What is used of a font of opentype.js. */
interface Font {
  readonly unitsPerEm: number;
  readonly ascender: number;
  readonly descender: number;
  readonly glyphs: { get(place: number): Glyph };
  charToGlyph(character: string): Glyph;
  toArrayBuffer(): ArrayBuffer;
}

interface Glyph {
  readonly index: number;
  readonly advanceWidth: number;
}

const FACES = { normal: "400Regular", bold: "700Bold" } as const;

const fonts = new Map<FontWeight, Font>();

/** Paths of the TrueType files, one a weight. */
export function fontFiles(): string[] {
  return [fontFile("normal"), fontFile("bold")];
}

/** Path of a weight's TrueType file. */
export function fontFile(weight: FontWeight): string {
  const face = FACES[weight];
  return createRequire(import.meta.url).resolve(
    `@expo-google-fonts/arimo/${face}/Arimo_${face}.ttf`,
  );
}

/** The weight that a text is drawn with, of those that are carried along. */
export function fontWeight(weight: string | number | undefined): FontWeight {
  return weight === "bold" || Number(weight) >= 600 ? "bold" : "normal";
}

function fontOf(weight: FontWeight): Font {
  let font = fonts.get(weight);
  if (font === undefined) {
    font = opentype.parse(Deno.readFileSync(fontFile(weight)).buffer) as Font;
    fonts.set(weight, font);
  }
  return font;
}

/** Width of a line of text in pixels at a size in pixels, from the typeface's advance widths. */
export function textWidth(text: string, sizePx: number, weight: FontWeight = "normal"): number {
  const font = fontOf(weight);
  let width = 0;
  for (const character of text) width += font.charToGlyph(character).advanceWidth / font.unitsPerEm;
  return width * sizePx;
}

/**
 * The letters of a text as a style sheet's `@font-face`, for pictures that look the same where the
 * typeface is not installed. Several stand in one page: each is for its own letters alone.
 */
export function fontFace(family: string, weight: FontWeight, text: string): string {
  const font = fontOf(weight);
  const letters = [...new Set(text)].filter((one) => font.charToGlyph(one).index > 0).sort();
  const { unitsPerEm, ascender, descender } = font;
  const part: Font = new opentype.Font({
    familyName: family,
    styleName: weight === "bold" ? "Bold" : "Regular",
    ...{ unitsPerEm, ascender, descender },
    glyphs: [font.glyphs.get(0), ...letters.map((one) => font.charToGlyph(one))],
  });
  const bytes = withoutTimes(part.toArrayBuffer());
  const range = letters.map((one) => `U+${one.codePointAt(0)!.toString(16)}`).join(",");
  return `@font-face{font-family:${family};font-weight:${weight};unicode-range:${range};` +
    `src:url(data:font/otf;base64,${bytes.toBase64()})}`;
}

/** Where a table of a font keeps when it was made and changed, and the sums that these are in. */
const HEAD = { adjustment: 8, times: 20, timesLength: 16 } as const;

/**
 * A font that does not say when it was made, so that equal pictures are equal files.
 * https://learn.microsoft.com/en-us/typography/opentype/spec/head
 */
function withoutTimes(font: ArrayBuffer): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(font), view = new DataView(font);
  const sumOf = (from: number, to: number) => {
    let sum = 0;
    for (let at = from; at < to; at += 4) sum = (sum + view.getUint32(at)) >>> 0;
    return sum;
  };
  for (let entry = 12; entry < 12 + 16 * view.getUint16(4); entry += 16) {
    if (new TextDecoder().decode(bytes.subarray(entry, entry + 4)) !== "head") continue;
    const at = view.getUint32(entry + 8), length = view.getUint32(entry + 12);
    view.setUint32(at + HEAD.adjustment, 0);
    bytes.fill(0, at + HEAD.times, at + HEAD.times + HEAD.timesLength);
    view.setUint32(entry + 4, sumOf(at, at + length));
    view.setUint32(at + HEAD.adjustment, 0xb1b0afba - sumOf(0, bytes.length));
  }
  return bytes;
}
