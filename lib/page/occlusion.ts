/**
 * Pictures with a part hidden, to see what a verdict hangs on. Source: Zeiler & Fergus, ECCV 2014, §4.2
 * @module
 */
import { cover, meanColour } from "../image/cover.ts";
import type { RgbImage } from "../image/image.ts";

/** The area whose parts are hidden one after the other, in the picture's pixels. */
export interface OccludedArea {
  /** Columns and rows of parts. */
  readonly columns: number;
  readonly rows: number;
  /** Left edge; below 0 where a small picture is padded. */
  readonly leftPx: number;
  readonly topPx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Parts of a side; a side of a multiple of 7, as CLIP's 224, has 7. */
const PARTS = 8;

/**
 * The picture with each part in turn in the picture's mean colour.
 * @param origin of the picture, where it is cut out of a larger one
 */
export function hideCells(
  image: RgbImage,
  { left, top }: { readonly left: number; readonly top: number },
): OccludedArea & { readonly images: Iterable<RgbImage> } {
  const columns = partsOf(image.width), rows = partsOf(image.height);
  return {
    ...{ columns, rows, leftPx: left, topPx: top },
    ...{ widthPx: image.width, heightPx: image.height },
    images: hidden(image, columns, rows),
  };
}

function partsOf(side: number): number {
  return Math.min(side % 7 === 0 && side % PARTS !== 0 || side === 224 ? 7 : PARTS, side);
}

function* hidden(image: RgbImage, columns: number, rows: number): Generator<RgbImage> {
  const { width, height } = image, colour = meanColour(image);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const part = {
        left: Math.floor(width * column / columns),
        top: Math.floor(height * row / rows),
        right: Math.floor(width * (column + 1) / columns),
        bottom: Math.floor(height * (row + 1) / rows),
      };
      yield cover(image, part, colour);
    }
  }
}
