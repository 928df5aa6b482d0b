/**
 * Resizing of 8-bit images in the fixed-point arithmetic of Pillow and of OpenCV.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { RgbImage } from "./image.ts";

/** For each new position along a side: the old positions it is made of, and by what weights. */
interface Taps {
  /** Old positions for each new one; unused ones have weight 0. */
  readonly count: number;
  /** [length, count] */
  readonly positions: Int32Array;
  /** [length, count], fixed-point. */
  readonly weights: Int32Array;
}

/** Fraction bits of a weight in Pillow, which rounds after each pass. */
const PILLOW_BITS = 22;

/** Fraction bits of a weight in OpenCV, which rounds once, after both passes. */
const OPENCV_BITS = 11;

/** A filter of Pillow: its weight at a distance from the middle, and the distance where it ends. */
interface PillowFilter {
  readonly support: number;
  readonly weightAt: (x: number) => number;
}

/** Pillow's filters. Source: Pillow 9.4, src/libImaging/Resample.c */
const PILLOW_FILTERS = {
  bilinear: { support: 1, weightAt: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, weightAt: cubicAt },
  lanczos: { support: 3, weightAt: (x) => -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0 },
} as const satisfies Readonly<Record<string, PillowFilter>>;

/** Pillow's `Image.resize` with `BILINEAR`; as {@linkcode resizeLanczos} besides. */
export function resizeBilinear(image: RgbImage, width: number, height: number): RgbImage {
  return resizePillow(image, width, height, PILLOW_FILTERS.bilinear);
}

/**
 * Pillow's `Image.resize` with `BICUBIC`, which is its default; as {@linkcode resizeLanczos}
 * besides. OpenCV's cubic is another: {@linkcode resizeCubic}.
 */
export function resizeBicubic(image: RgbImage, width: number, height: number): RgbImage {
  return resizePillow(image, width, height, PILLOW_FILTERS.bicubic);
}

/**
 * Pillow's `Image.resize` with `LANCZOS`: where the image shrinks, the filter is as wide as the old
 * pixels it covers (antialiasing). Rows, then columns, each rounded to 8 bits, as up to version 9.4;
 * later ones take columns first where that costs less.
 * @throws {UserError} where a side is not a positive integer
 */
export function resizeLanczos(image: RgbImage, width: number, height: number): RgbImage {
  return resizePillow(image, width, height, PILLOW_FILTERS.lanczos);
}

function resizePillow(
  image: RgbImage,
  width: number,
  height: number,
  filter: PillowFilter,
): RgbImage {
  checkSize(width, height);
  let { data } = image;
  if (width !== image.width) {
    const rows = new Uint8ClampedArray(image.height * width * 3);
    resampleRows(data, image.width, rows, pillowTaps(image.width, width, filter), PILLOW_BITS);
    data = new Uint8Array(rows.buffer);
  }
  if (height !== image.height) {
    const columns = new Uint8ClampedArray(height * width * 3);
    const taps = pillowTaps(image.height, height, filter);
    resampleColumns(data, width * 3, columns, taps, PILLOW_BITS);
    data = new Uint8Array(columns.buffer);
  }
  return { width, height, data };
}

/**
 * An image whose short side has a length; the long side is cut to a whole number. One that has it
 * already is returned as it is.
 * @param resize how, default Pillow's bilinear
 * @throws {UserError} where the length is not a positive integer
 *
 * Released: torchvision's `transforms.Resize` with one number
 */
export function resizeShortSide(
  image: RgbImage,
  lengthPx: number,
  resize: typeof resizeBilinear = resizeBilinear,
): RgbImage {
  const { width, height } = image;
  const short = Math.min(width, height);
  if (short === lengthPx) return image;
  const long = Math.floor(lengthPx * Math.max(width, height) / short);
  return width <= height ? resize(image, lengthPx, long) : resize(image, long, lengthPx);
}

/**
 * OpenCV's `resize` with `INTER_CUBIC`: four old pixels a side, no antialiasing, edge pixels
 * repeated.
 * @throws {UserError} where a side is not a positive integer
 */
export function resizeCubic(image: RgbImage, width: number, height: number): RgbImage {
  checkSize(width, height);
  const rows = new Int32Array(image.height * width * 3);
  resampleRows(image.data, image.width, rows, cubicTaps(image.width, width), 0);
  const columns = new Uint8ClampedArray(height * width * 3);
  resampleColumns(rows, width * 3, columns, cubicTaps(image.height, height), 2 * OPENCV_BITS);
  return { width, height, data: new Uint8Array(columns.buffer) };
}

function pillowTaps(from: number, to: number, filter: PillowFilter): Taps {
  const scale = from / to;
  const widening = Math.max(scale, 1);
  const support = filter.support * widening;
  const count = 2 * Math.ceil(support) + 1;
  const positions = new Int32Array(to * count);
  const weights = new Int32Array(to * count);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const last = Math.min(Math.trunc(center + support + 0.5), from);
    const shares = Array.from(
      { length: last - first },
      (_, k) => filter.weightAt((first + k - center + 0.5) * (1 / widening)),
    );
    const sum = shares.reduce((total, weight) => total + weight, 0);
    shares.forEach((weight, k) => {
      const share = weight / sum;
      positions[i * count + k] = first + k;
      // halves away from zero
      weights[i * count + k] = Math.trunc((share < 0 ? -0.5 : 0.5) + share * 2 ** PILLOW_BITS);
    });
  }
  return { count, positions, weights };
}

/** Pillow's cubic, Keys' with a = −0.5. */
function cubicAt(x: number): number {
  const a = -0.5, t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function cubicTaps(from: number, to: number): Taps {
  const scale = from / to;
  const positions = new Int32Array(to * 4);
  const weights = new Int32Array(to * 4);
  for (let i = 0; i < to; i++) {
    const center = Math.fround((i + 0.5) * scale - 0.5);
    const first = Math.floor(center) - 1;
    cubicWeights(center - Math.floor(center)).forEach((weight, k) => {
      positions[i * 4 + k] = Math.min(Math.max(first + k, 0), from - 1);
      weights[i * 4 + k] = Math.round(weight * 2 ** OPENCV_BITS);
    });
  }
  return { count: 4, positions, weights };
}

/** Keys' cubic with a = −0.75 at −1 − t, −t, 1 − t and 2 − t. */
function cubicWeights(t: number): number[] {
  const a = -0.75;
  const near = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  return [far, near(t), near(1 - t), 1 - far - near(t) - near(1 - t)];
}

/** Resamples along each row; sums are rounded and lose `shift` bits. */
function resampleRows(
  from: Uint8Array, // [height, fromWidth, 3]
  fromWidth: number,
  to: Uint8ClampedArray | Int32Array, // [height, width, 3]
  { count, positions, weights }: Taps,
  shift: number,
): void {
  const half = shift === 0 ? 0 : 1 << (shift - 1);
  const width = positions.length / count;
  const height = to.length / (width * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const row = y * fromWidth * 3;
    for (let x = 0; x < width; x++, at += 3) {
      let red = half, green = half, blue = half;
      for (let tap = x * count; tap < (x + 1) * count; tap++) {
        const pixel = row + positions[tap]! * 3;
        const weight = weights[tap]!;
        red += from[pixel]! * weight;
        green += from[pixel + 1]! * weight;
        blue += from[pixel + 2]! * weight;
      }
      to[at] = red >> shift;
      to[at + 1] = green >> shift;
      to[at + 2] = blue >> shift;
    }
  }
}

/** Resamples along columns; sums are rounded and lose `shift` bits. */
function resampleColumns(
  from: Uint8Array | Int32Array, // [fromHeight, rowLength]
  rowLength: number,
  to: Uint8ClampedArray, // [height, rowLength]
  { count, positions, weights }: Taps,
  shift: number,
): void {
  const height = positions.length / count;
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < height; y++) {
    sums.fill(1 << (shift - 1));
    for (let tap = y * count; tap < (y + 1) * count; tap++) {
      const weight = weights[tap]!;
      const row = positions[tap]! * rowLength;
      if (weight === 0) continue;
      for (let i = 0; i < rowLength; i++) sums[i]! += from[row + i]! * weight;
    }
    for (let i = 0; i < rowLength; i++) to[y * rowLength + i] = sums[i]! >> shift;
  }
}

function checkSize(width: number, height: number): void {
  if (![width, height].every((side) => Number.isSafeInteger(side) && side > 0)) {
    throw new UserError(
      "usage",
      `Cannot resize: expected positive integer sides, found ${width} × ${height}`,
    );
  }
}
