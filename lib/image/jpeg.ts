/**
 * JPEG compression in memory, as Pillow and OpenCV do it.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { forwardDct, inverseDct } from "./dct.ts";
import type { RgbImage } from "./image.ts";

/**
 * Compresses an image as baseline JPEG and decodes it again. Colour is kept at half the resolution
 * at every quality (4:2:0), the default of Pillow's `Image.save` and of OpenCV's `imencode`. What a
 * JPEG stores without loss (its Huffman codes) is left out, since nobody reads it; all that changes
 * pixels is libjpeg's integer arithmetic, so that they are equal to those of all programs that use it.
 * @param quality 1 … 100, integer; libjpeg's scale
 * @throws {UserError} where the quality is not such an integer
 *
 * Released: src/utils.py, pil_jpg and cv2_jpg. ITU-T T.81; JFIF 1.02
 */
export function jpegRoundTrip({ width, height, data }: RgbImage, quality: number): RgbImage {
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw new UserError(
      "usage",
      `Cannot compress: expected a quality of 1 to 100, found ${quality}`,
    );
  }
  const [luma, blue, red] = splitColours(data, width, height);
  compress(luma, quantisers(LUMA, quality));
  const chroma = quantisers(CHROMA, quality);
  compress(blue, chroma);
  compress(red, chroma);
  return { width, height, data: joinColours(luma, blue, red, width, height) };
}

/** One component: rows of samples, padded to whole blocks of 8 × 8. */
interface Plane {
  readonly samples: Uint8Array;
  /** Samples a row, a multiple of 8. */
  readonly stride: number;
}

/** Quantisers that JPEG gives as examples, for luminance and for colour. T.81, annex K.1 */
const LUMA: readonly number[] = [
  ...[16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55],
  ...[14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62],
  ...[18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92],
  ...[49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99],
];
const CHROMA: readonly number[] = [
  ...[17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99],
  ...[24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99],
  ...Array.from({ length: 32 }, () => 99),
];

/** Quantisers of a quality, in rows of 8. */
function quantisers(examples: readonly number[], quality: number): Int32Array {
  const percent = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
  return Int32Array.from(
    examples,
    (value) => Math.min(Math.max(Math.floor((value * percent + 50) / 100), 1), 255),
  );
}

/** Samples are levels from here. */
const CENTRE = 128;

/** Quantises a component's blocks, and decodes them in their place. */
function compress({ samples, stride }: Plane, steps: Int32Array): void {
  const block = new Int32Array(64);
  for (let top = 0; top < samples.length; top += 8 * stride) {
    for (let corner = top; corner < top + stride; corner += 8) {
      for (let row = 0, i = 0, at = corner; row < 8; row++, at += stride - 8) {
        for (let column = 0; column < 8; column++) block[i++] = samples[at++]! - CENTRE;
      }
      forwardDct(block);
      for (let i = 0; i < 64; i++) {
        // the transform gives 8 times the coefficients
        const step = steps[i]!, half = 4 * step, value = block[i]!;
        if (value >= half) block[i] = (((value + half) / (8 * step)) | 0) * step;
        else if (value <= -half) block[i] = -(((half - value) / (8 * step)) | 0) * step;
        else block[i] = 0;
      }
      inverseDct(block);
      for (let row = 0, i = 0, at = corner; row < 8; row++, at += stride - 8) {
        for (let column = 0; column < 8; column++) samples[at++] = clamped(block[i++]! + CENTRE);
      }
    }
  }
}

function clamped(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function multipleOf8(length: number): number {
  return (length + 7) & ~7;
}

/** Luminance, and blue and red at half the resolution; edges are repeated up to whole blocks. */
function splitColours(data: Uint8Array, width: number, height: number): [Plane, Plane, Plane] {
  // as many rows and columns as blocks of halved colour have
  const columns = 2 * multipleOf8((width + 1) >> 1), rows = height + (height & 1);
  const stride = multipleOf8(width);
  const luma = new Uint8Array(stride * multipleOf8(height));
  const half = columns >> 1, halfRows = multipleOf8((height + 1) >> 1);
  const blue = new Uint8Array(half * halfRows), red = new Uint8Array(half * halfRows);
  const blues = new Uint8Array(2 * columns), reds = new Uint8Array(2 * columns);
  for (let row = 0; row < rows; row++) {
    const from = 3 * width * Math.min(row, height - 1), odd = row & 1;
    for (let column = 0, at = from; column < width; column++, at += 3) {
      const r = data[at]!, g = data[at + 1]!, b = data[at + 2]!;
      if (row < height) {
        luma[row * stride + column] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
      }
      blues[odd * columns + column] = (32768 * b - 11059 * r - 21709 * g + 8421375) >> 16;
      reds[odd * columns + column] = (32768 * r - 27439 * g - 5329 * b + 8421375) >> 16;
    }
    for (const line of [blues, reds]) {
      line.fill(line[odd * columns + width - 1]!, odd * columns + width, (odd + 1) * columns);
    }
    if (row < height) {
      const start = row * stride;
      luma.fill(luma[start + width - 1]!, start + width, start + stride);
    }
    if (odd) {
      halve(blues, columns, blue, (row >> 1) * half);
      halve(reds, columns, red, (row >> 1) * half);
    }
  }
  repeatLastRow(luma, stride, height);
  repeatLastRow(blue, half, rows >> 1);
  repeatLastRow(red, half, rows >> 1);
  return [{ samples: luma, stride }, { samples: blue, stride: half }, {
    samples: red,
    stride: half,
  }];
}

/** Means of 2 × 2 samples of two rows; of halves every other one is rounded up. */
function halve(pair: Uint8Array, columns: number, into: Uint8Array, at: number): void {
  for (let column = 0; column < columns; column += 2) {
    const sum = pair[column]! + pair[column + 1]! + pair[columns + column]! +
      pair[columns + column + 1]!;
    into[at++] = (sum + 1 + (column >> 1 & 1)) >> 2;
  }
}

/** Fills the rows below so many with the last of them. */
function repeatLastRow(samples: Uint8Array, stride: number, rows: number): void {
  const last = samples.subarray((rows - 1) * stride, rows * stride);
  for (let at = rows * stride; at < samples.length; at += stride) samples.set(last, at);
}

/** Pixels of three components; colour is brought to the whole resolution. */
function joinColours(
  luma: Plane,
  blue: Plane,
  red: Plane,
  width: number,
  height: number,
): Uint8Array {
  const data = new Uint8Array(3 * width * height);
  const halfRows = (height + 1) >> 1;
  const blues = new Uint8Array(width + 1), reds = new Uint8Array(width + 1);
  for (let row = 0, at = 0; row < height; row++) {
    const near = row >> 1;
    const far = Math.min(Math.max(near + (row & 1 ? 1 : -1), 0), halfRows - 1);
    double(blue, near, far, blues, width);
    double(red, near, far, reds, width);
    for (let column = 0; column < width; column++) {
      const y = luma.samples[row * luma.stride + column]!;
      const b = blues[column]! - CENTRE, r = reds[column]! - CENTRE;
      data[at++] = clamped(y + ((91881 * r + 32768) >> 16));
      data[at++] = clamped(y + ((-22554 * b - 46802 * r + 32768) >> 16));
      data[at++] = clamped(y + ((116130 * b + 32768) >> 16));
    }
  }
  return data;
}

/**
 * A row of colour at the whole resolution: between its two nearest samples in both directions, ¾ of the
 * nearer. Samples of narrow images are repeated.
 * @param near the nearer row of samples
 * @param far the other one
 */
function double(
  { samples, stride }: Plane,
  near: number,
  far: number,
  into: Uint8Array,
  width: number,
): void {
  const count = (width + 1) >> 1, a = near * stride, b = far * stride;
  if (count <= 2) {
    for (let i = 0; i < count; i++) into[2 * i] = into[2 * i + 1] = samples[a + i]!;
    return;
  }
  let last = 3 * samples[a]! + samples[b]!, here = last;
  for (let i = 0; i < count; i++) {
    const next = i + 1 < count ? 3 * samples[a + i + 1]! + samples[b + i + 1]! : here;
    into[2 * i] = (3 * here + last + 8) >> 4;
    into[2 * i + 1] = (3 * here + next + 7) >> 4;
    last = here;
    here = next;
  }
}
