/**
 * Images with a part covered, to see what a verdict hangs on. Source: Zeiler & Fergus, ECCV 2014, §4.2
 * @module
 */
import type { RgbImage } from "./image.ts";

/** A part of an image, in its pixels; right and bottom are the first that are outside. */
export interface Part {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Mean of each channel, rounded: what parts are covered with. */
export function meanColour({ data }: RgbImage): Uint8Array {
  const sums = [0, 0, 0];
  for (let i = 0; i < data.length; i++) sums[i % 3]! += data[i]!;
  return Uint8Array.from(sums, (sum) => Math.round(3 * sum / data.length));
}

/** A copy with one part in a plain colour. */
export function cover(
  { width, height, data }: RgbImage,
  { left, top, right, bottom }: Part,
  colour: Uint8Array,
): RgbImage {
  const copy = data.slice(); // [height, width, 3]
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) copy.set(colour, 3 * (y * width + x));
  }
  return { width, height, data: copy };
}
