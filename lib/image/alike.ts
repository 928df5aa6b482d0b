/**
 * Brings images of all kinds to one size and one format, so that neither tells real from generated.
 * @module
 */
import { centerCrop } from "./crop.ts";
import type { RgbImage } from "./image.ts";
import { jpegRoundTrip } from "./jpeg.ts";
import { resizeShortSide } from "./resize.ts";

/** The one size and the one format. */
export interface Alike {
  /** Side of the square that every image becomes, in pixels. */
  readonly sidePx: number;
  /** Quality of JPEG that every image is compressed with: 1 … 100, libjpeg's scale. */
  readonly jpegQuality: number;
}

/**
 * Makes an image like all others in size and format: its short side is resized to the length
 * (bilinear, as Pillow does it), the square in the middle is cut out, and that is compressed as JPEG
 * (4:2:0) and decoded again.
 * @returns [sidePx, sidePx, 3]
 */
export function makeAlike(image: RgbImage, { sidePx, jpegQuality }: Alike): RgbImage {
  return jpegRoundTrip(centerCrop(resizeShortSide(image, sidePx), sidePx), jpegQuality);
}
