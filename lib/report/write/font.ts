/**
 * The typeface of figures, carried along so that they look the same on a machine without fonts:
 * Arimo, which has the widths of Arial and Helvetica.
 * @module
 */
import { createRequire } from "node:module";
// Imported so that the package is installed; its other files are then found beside it.
import metadata from "@expo-google-fonts/arimo/metadata.json" with { type: "json" };

/** Name that figures ask for. */
export const FONT_FAMILY: string = metadata.family;

/** Version of the typeface, part of what a rendered figure depends on. */
export const FONT_VERSION: string = metadata.version;

/** Weights that are carried along. */
export type FontWeight = "normal" | "bold";

const FACES = { normal: "400Regular", bold: "700Bold" } as const;

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

const widths = new Map<FontWeight, (codePoint: number) => number>();

/** Width of a line of text in pixels at a size in pixels, from the typeface's advance widths. */
export function textWidth(text: string, sizePx: number, weight: FontWeight = "normal"): number {
  let advance = widths.get(weight);
  if (advance === undefined) {
    advance = advanceWidths(Deno.readFileSync(fontFile(weight)));
    widths.set(weight, advance);
  }
  let width = 0;
  for (const character of text) width += advance(character.codePointAt(0)!);
  return width * sizePx;
}

/**
 * Reads the advance width of each character, in units of the font size, from a TrueType file's
 * tables `cmap` (format 4) and `hmtx`.
 */
function advanceWidths(bytes: Uint8Array): (codePoint: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tables = new Map<string, number>();
  for (let i = 0; i < view.getUint16(4); i++) {
    const entry = 12 + 16 * i;
    tables.set(
      String.fromCharCode(...bytes.subarray(entry, entry + 4)),
      view.getUint32(entry + 8),
    );
  }
  const table = (name: string) => {
    const offset = tables.get(name);
    if (offset === undefined) {
      throw new Error(`Cannot read font: expected table ${name}, found none`);
    }
    return offset;
  };
  const unitsPerEm = view.getUint16(table("head") + 18);
  const widthCount = view.getUint16(table("hhea") + 34);
  const hmtx = table("hmtx"), cmap = table("cmap");

  let segments: number | undefined;
  for (let i = 0; i < view.getUint16(cmap + 2); i++) {
    const offset = cmap + view.getUint32(cmap + 8 + 8 * i);
    if (view.getUint16(offset) === 4) segments = offset;
  }
  if (segments === undefined) {
    throw new Error("Cannot read font: expected a cmap of format 4, found none");
  }
  const start = segments, doubleCount = view.getUint16(start + 6);

  const glyphOf = (codePoint: number): number => {
    for (let i = 0; i < doubleCount; i += 2) {
      if (view.getUint16(start + 14 + i) < codePoint) continue;
      const first = view.getUint16(start + 16 + doubleCount + i);
      if (first > codePoint) return 0;
      const delta = view.getUint16(start + 16 + 2 * doubleCount + i);
      const rangeAt = start + 16 + 3 * doubleCount + i;
      const range = view.getUint16(rangeAt);
      if (range === 0) return (codePoint + delta) & 0xffff;
      const glyph = view.getUint16(rangeAt + range + 2 * (codePoint - first));
      return glyph === 0 ? 0 : (glyph + delta) & 0xffff;
    }
    return 0;
  };
  const known = new Map<number, number>();
  return (codePoint) => {
    let width = known.get(codePoint);
    if (width === undefined) {
      const glyph = Math.min(glyphOf(codePoint), widthCount - 1);
      width = view.getUint16(hmtx + 4 * glyph) / unitsPerEm;
      known.set(codePoint, width);
    }
    return width;
  };
}
