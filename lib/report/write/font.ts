/**
 * The typeface of figures as files, and how wide its text is.
 * @module
 */
import { createRequire } from "node:module";
import opentype from "opentype.js";

/** Weights that are carried along. */
export type FontWeight = "normal" | "bold";

/** What is used of a font that opentype.js has read. */
interface Font {
  readonly unitsPerEm: number;
  charToGlyph(character: string): { readonly advanceWidth: number };
}

const FACES = { normal: "400Regular", bold: "700Bold" } as const;

const fonts = new Map<FontWeight, Font>();

/** Paths of the TrueType files, one a weight. */
export function fontFiles(): string[] {
  return [fontFile("normal"), fontFile("bold")];
}

function fontFile(weight: FontWeight): string {
  const face = FACES[weight];
  return createRequire(import.meta.url).resolve(
    `@expo-google-fonts/arimo/${face}/Arimo_${face}.ttf`,
  );
}

/** Width of a line of text in pixels at a size in pixels, from the typeface's advance widths. */
export function textWidth(text: string, sizePx: number, weight: FontWeight = "normal"): number {
  let font = fonts.get(weight);
  if (font === undefined) {
    font = opentype.parse(Deno.readFileSync(fontFile(weight)).buffer) as Font;
    fonts.set(weight, font);
  }
  let width = 0;
  for (const character of text) width += font.charToGlyph(character).advanceWidth / font.unitsPerEm;
  return width * sizePx;
}
