/**
 * Crops and flips with torchvision's rounding, order and padding.
 *
 * Released: torchvision 0.14, `transforms.CenterCrop`, `TenCrop`, `RandomCrop`,
 * `RandomHorizontalFlip`.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { Random } from "../random.ts";
import type { RgbImage } from "./image.ts";

/** Crops at the four corners and the centre, of the image and of its mirror image. */
export const TEN_CROP_COUNT = 10;

/**
 * Cuts a square out of the middle; a side shorter than the square is padded with black first, the
 * odd pixel right or below.
 * @param size side of the square, pixels
 * @throws {UserError} where the size is not a positive integer
 *
 * @example
 * ```ts
 * import { centerCrop } from "./crop.ts";
 *
 * const column = { width: 1, height: 3, data: Uint8Array.of(1, 1, 1, 2, 2, 2, 3, 3, 3) };
 * console.assert(centerCrop(column, 1).data[0] === 2);
 * ```
 */
export function centerCrop(image: RgbImage, size: number): RgbImage {
  checkSize(size);
  return cut(image, centerStart(image.height, size), centerStart(image.width, size), size);
}

/** Where the middle `size` of `length` start; negative where padding comes first. */
function centerStart(length: number, size: number): number {
  return length < size ? -Math.floor((size - length) / 2) : roundHalfEven((length - size) / 2);
}

/** Python's `round`. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + floor % 2 : Math.round(value);
}

/**
 * Cuts five squares (top left, top right, bottom left, bottom right, centre), then the same five of
 * the mirror image.
 * @param size side of the squares, pixels
 * @throws {UserError} where the image is smaller than the squares, as torchvision does
 *
 * Paper: §5.8
 */
export function tenCrop(image: RgbImage, size: number): RgbImage[] {
  checkSize(size);
  const { width, height } = image;
  if (width < size || height < size) {
    throw new UserError(
      "usage",
      `Cannot cut ten crops: expected at least ${size} × ${size} pixels, found ${width} × ${height}`,
    );
  }
  const fiveCrop = (from: RgbImage) => [
    cut(from, 0, 0, size),
    cut(from, 0, width - size, size),
    cut(from, height - size, 0, size),
    cut(from, height - size, width - size, size),
    centerCrop(from, size),
  ];
  return [...fiveCrop(image), ...fiveCrop(flipHorizontal(image))];
}

/**
 * Cuts a square at a place drawn uniformly. A side shorter than the square gets the missing pixels
 * in black on both ends first (torchvision's `pad_if_needed`; the released code, which leaves that
 * off, stops at such images).
 * @param size side of the square, pixels
 * @param random two draws: row, then column
 */
export function randomCrop(image: RgbImage, size: number, random: Random): RgbImage {
  checkSize(size);
  // the square starts between `padding` before the side and `padding` before its end
  const start = (length: number) => {
    const padding = Math.max(size - length, 0);
    return random.integer(length + 2 * padding - size + 1) - padding;
  };
  const top = start(image.height);
  return cut(image, top, start(image.width), size);
}

/** A rectangle of an image, all of which lies on it. */
export function cutOut(
  image: RgbImage,
  { top, left, width, height }: { top: number; left: number; width: number; height: number },
): RgbImage {
  const rows = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = ((top + row) * image.width + left) * 3;
    rows.set(image.data.subarray(from, from + width * 3), row * width * 3);
  }
  return { width, height, data: rows };
}

/** Mirrors left and right. */
export function flipHorizontal({ width, height, data }: RgbImage): RgbImage {
  const flipped = new Uint8Array(data.length);
  for (let row = 0; row < height; row++) {
    let from = row * width * 3;
    for (let to = from + (width - 1) * 3; to >= row * width * 3; to -= 3, from += 3) {
      flipped[to] = data[from]!;
      flipped[to + 1] = data[from + 1]!;
      flipped[to + 2] = data[from + 2]!;
    }
  }
  return { width, height, data: flipped };
}

/** The square that starts at a pixel, black where it leaves the image. */
function cut({ width, height, data }: RgbImage, top: number, left: number, size: number): RgbImage {
  const square = new Uint8Array(size * size * 3);
  const firstColumn = Math.max(left, 0);
  const lastColumn = Math.min(left + size, width);
  for (let row = Math.max(top, 0); row < Math.min(top + size, height); row++) {
    const from = data.subarray((row * width + firstColumn) * 3, (row * width + lastColumn) * 3);
    square.set(from, ((row - top) * size + firstColumn - left) * 3);
  }
  return { width: size, height: size, data: square };
}

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new UserError("usage", `Cannot crop: expected a positive integer size, found ${size}`);
  }
}
