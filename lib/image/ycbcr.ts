/**
 * Brightness and two colours of 8 bits each to R, G, B: as Pillow does it, and as libtiff does it.
 * @module
 */

const clamp = (value: number) => value < 0 ? 0 : value > 255 ? 255 : value;

/** Fractions of Pillow's tables, in bits. */
const PILLOW_BITS = 6;

/**
 * Pillow's conversion of its mode YCbCr.
 * @param ycbcr Y, Cb, Cr of each pixel
 * @returns R, G, B of each
 *
 * @example
 * ```ts
 * import { pillowYcbcrToRgb } from "./ycbcr.ts";
 *
 * console.assert(pillowYcbcrToRgb(Uint8Array.of(100, 128, 228)).join() === "240,28,100");
 * ```
 */
export function pillowYcbcrToRgb(ycbcr: Uint8Array): Uint8Array {
  const table = (factor: number) =>
    Int32Array.from(
      { length: 256 },
      (_, level) => Math.trunc(factor * 2 ** PILLOW_BITS * (level - 128) + .5),
    );
  const [redOfCr, greenOfCb] = [table(1.402), table(-.34414)];
  const [greenOfCr, blueOfCb] = [table(-.71414), table(1.772)];
  const rgb = new Uint8Array(ycbcr.length);
  for (let i = 0; i < ycbcr.length; i += 3) {
    const y = ycbcr[i]!, cb = ycbcr[i + 1]!, cr = ycbcr[i + 2]!;
    rgb[i] = clamp(y + (redOfCr[cr]! >> PILLOW_BITS));
    rgb[i + 1] = clamp(y + (greenOfCb[cb]! + greenOfCr[cr]! >> PILLOW_BITS));
    rgb[i + 2] = clamp(y + (blueOfCb[cb]! >> PILLOW_BITS));
  }
  return rgb;
}

/** Fractions of libtiff's tables, in bits. */
const LIBTIFF_BITS = 16;

/**
 * libtiff's conversion, by what a TIFF says of its colours.
 * @param ycbcr Y, Cb, Cr of each pixel
 * @param luma shares of red, green and blue in the brightness; BT.601's where it is empty
 * @param levels of black and white in Y, Cb and Cr; the whole range where it is empty
 * @returns R, G, B of each
 */
export function libtiffYcbcrToRgb(
  ycbcr: Uint8Array,
  luma: readonly number[],
  levels: readonly number[],
): Uint8Array {
  const float = Math.fround;
  const [red, green, blue] = (luma.length === 3 ? luma : [.299, .587, .114]).map(float) as [
    number,
    number,
    number,
  ];
  const range = levels.length === 6 ? levels.map(float) : [0, 255, 128, 255, 128, 255];
  const fixed = (factor: number) =>
    Math.trunc(Math.min(2, Math.max(0, factor)) * 2 ** LIBTIFF_BITS + .5);
  const f1 = float(2 - float(2 * red)), f3 = float(2 - float(2 * blue));
  const redOfCr = fixed(f1), greenOfCr = -fixed(float(float(red * f1) / green));
  const blueOfCb = fixed(f3), greenOfCb = -fixed(float(float(blue * f3) / green));
  const half = 2 ** (LIBTIFF_BITS - 1);
  const scaled = (code: number, black: number, white: number, most: number) => {
    const value = float(float((code - Math.trunc(black)) * most) / (float(white - black) || 1));
    return Math.trunc(Math.min(128 * 32, Math.max(-128 * 32, value)));
  };
  const table = (value: (level: number) => number) =>
    Int32Array.from({ length: 256 }, (_, level) => value(level));
  const ys = table((y) => scaled(y, range[0]!, range[1]!, 255));
  const cb = table((level) => scaled(level - 128, range[2]! - 128, range[3]! - 128, 127));
  const cr = table((level) => scaled(level - 128, range[4]! - 128, range[5]! - 128, 127));
  const rgb = new Uint8Array(ycbcr.length);
  for (let i = 0; i < ycbcr.length; i += 3) {
    const y = ys[ycbcr[i]!]!, u = cb[ycbcr[i + 1]!]!, v = cr[ycbcr[i + 2]!]!;
    rgb[i] = clamp(y + (redOfCr * v + half >> LIBTIFF_BITS));
    rgb[i + 1] = clamp(y + (greenOfCr * v + (greenOfCb * u + half) >> LIBTIFF_BITS));
    rgb[i + 2] = clamp(y + (blueOfCb * u + half >> LIBTIFF_BITS));
  }
  return rgb;
}
