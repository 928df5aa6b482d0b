/**
 * CMYK as Pillow converts it.
 * @module
 */

/**
 * Each colour scaled by the white that black leaves, rounded.
 * @param cmyk C, M, Y, K of each pixel, 0 no ink
 * @returns R, G, B of each
 *
 * @example
 * ```ts
 * import { cmykToRgb } from "./cmyk.ts";
 *
 * console.assert(cmykToRgb(Uint8Array.of(0, 128, 255, 55)).join() === "200,100,0");
 * ```
 */
export function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(cmyk.length / 4 * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4, to += 3) {
    const white = 255 - cmyk[from + 3]!;
    for (let c = 0; c < 3; c++) {
      rgb[to + c] = white - Math.floor((cmyk[from + c]! * white + 127) / 255);
    }
  }
  return rgb;
}
