/**
 * Gaussian filters of SciPy and of OpenCV in their arithmetic: float64 sums in SciPy's order, and
 * OpenCV's 8-bit weights.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { BLOCK_VALUES, convolve, memory } from "./convolve.ts";
import type { RgbImage } from "./image.ts";

/** A symmetric filter of `radius` + 1 + `radius` taps, run over columns and then over rows. */
interface Filter {
  /** From the middle outwards. */
  readonly columnWeights: readonly number[];
  /** As many as `columnWeights`. */
  readonly rowWeights: readonly number[];
  /** Added to the sum over a row before it is rounded down; sums over columns are rounded down. */
  readonly bias: number;
  /** Which of `length` positions stands for one outside. */
  readonly mirror: (position: number, length: number) => number;
}

/** Largest standard deviation taken: beyond it an image is flat. */
const MAX_SIGMA_PX = 1000;

/**
 * SciPy's `gaussian_filter` of each channel of an 8-bit image: columns, then rows, edges mirrored
 * with the edge pixel repeated, cut off at four standard deviations. SciPy keeps the image's type
 * between the two passes, so both round down.
 *
 * Pixels are equal to SciPy's where NumPy's `exp` is correctly rounded, as this one is. On processors
 * with AVX-512 it is not, and values whose exact sum is an integer, as in flat areas, may then be
 * rounded down there and not here, or here and not there.
 * @param sigmaPx standard deviation in pixels, 0 … 1000; below 0.125 the image stays as it is
 * @throws {UserError} where the standard deviation is out of range
 *
 * Released: src/utils.py, gaussian_blur
 */
export function gaussianFilter(image: RgbImage, sigmaPx: number): RgbImage {
  checkSigma(sigmaPx, 0);
  const radius = Math.floor(4 * sigmaPx + 0.5);
  if (radius === 0) return image;
  const weights = gaussian(sigmaPx, radius);
  return filter(image, { columnWeights: weights, rowWeights: weights, bias: 0, mirror: reflect });
}

/**
 * OpenCV's `GaussianBlur` of an 8-bit image: edges mirrored with the edge pixel not repeated,
 * weights with 8 fraction bits, one rounding at the end.
 * @param kernelSize taps, odd
 * @param sigmaPx standard deviation in pixels, 0.1 … 1000
 * @throws {UserError} where the kernel size is even or the standard deviation out of range
 *
 * Released: src/perturbation.py, blur
 */
export function gaussianBlur(image: RgbImage, kernelSize: number, sigmaPx: number): RgbImage {
  checkSigma(sigmaPx, 0.1);
  if (!Number.isSafeInteger(kernelSize) || kernelSize < 1 || kernelSize % 2 === 0) {
    throw new UserError("usage", `Cannot blur: expected an odd kernel size, found ${kernelSize}`);
  }
  const exact = gaussian(sigmaPx, (kernelSize - 1) / 2);
  const weights = [...exact];
  // each weight takes over the rounding error of the one outside it; the middle makes up for all
  let error = 0;
  let outside = 0;
  for (let i = exact.length - 1; i > 0; i--) {
    const wanted = exact[i]! * 256 + error;
    weights[i] = Math.round(wanted);
    error = wanted - weights[i]!;
    outside += 2 * weights[i]!;
  }
  weights[0] = 256 - outside;
  return filter(image, {
    columnWeights: weights,
    rowWeights: weights.map((weight) => weight / 2 ** 16),
    bias: 0.5,
    mirror: reflectInside,
  });
}

/** Weights of a normal distribution at 0 … radius; with those at −radius … −1 they sum to 1. */
function gaussian(sigmaPx: number, radius: number): number[] {
  const variance = sigmaPx * sigmaPx;
  const weights = Array.from({ length: radius + 1 }, (_, i) => Math.exp(-0.5 / variance * (i * i)));
  const sum = pairwiseSum([...weights.slice(1).reverse(), ...weights]);
  return weights.map((weight) => weight / sum);
}

/** NumPy's order of summation: the last bit of a weight decides how flat areas are rounded. */
function pairwiseSum(values: readonly number[]): number {
  if (values.length < 8) return values.reduce((sum, value) => sum + value, 0);
  if (values.length > 128) {
    const half = values.length >> 1;
    const middle = half - half % 8;
    return pairwiseSum(values.slice(0, middle)) + pairwiseSum(values.slice(middle));
  }
  const whole = values.length - values.length % 8;
  const sums = values.slice(0, 8);
  for (let i = 8; i < whole; i++) sums[i % 8]! += values[i]!;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = sums;
  const sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
  return values.slice(whole).reduce((total, value) => total + value, sum);
}

/** … 1 0 | 0 1 2 … */
function reflect(position: number, length: number): number {
  const period = 2 * length;
  const wrapped = ((position % period) + period) % period;
  return Math.min(wrapped, period - 1 - wrapped);
}

/** … 2 1 | 0 1 2 … */
function reflectInside(position: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const wrapped = ((position % period) + period) % period;
  return Math.min(wrapped, period - wrapped);
}

/** Tiles keep what is worked on in the processor's cache, and memory small for any image. */
const TILE_COLUMNS = 1024;
const TILE_ROWS = 64;

function filter(image: RgbImage, { columnWeights, rowWeights, bias, mirror }: Filter): RgbImage {
  const { width, height, data } = image;
  const filtered = new Uint8Array(data.length);
  const radius = columnWeights.length - 1;
  const tileColumns = Math.min(width, TILE_COLUMNS);
  const tileRows = Math.min(height, TILE_ROWS);
  const margin = 3 * radius;
  const stride = 3 * tileColumns + 2 * margin;
  // what lies where in memory, counted in values: weights, tile with margins, one row after each pass
  const rowWeightsAt = radius + 1;
  const tileAt = 2 * rowWeightsAt;
  const columnSumsAt = tileAt + (tileRows + 2 * radius) * stride + BLOCK_VALUES;
  const rowSumsAt = columnSumsAt + stride + BLOCK_VALUES;
  const values = float64Memory(rowSumsAt + stride + BLOCK_VALUES);
  values.set(columnWeights, 0);
  values.set(rowWeights, rowWeightsAt);

  for (let top = 0; top < height; top += tileRows) {
    const rows = Math.min(tileRows, height - top);
    for (let left = 0; left < width; left += tileColumns) {
      const columns = Math.min(tileColumns, width - left);
      for (let y = -radius; y < rows + radius; y++) {
        const row = mirror(top + y, height) * width;
        const at = tileAt + (y + radius) * stride + margin;
        values.set(data.subarray((row + left) * 3, (row + left + columns) * 3), at);
        for (let x = 1; x <= radius; x++) {
          const before = (row + mirror(left - x, width)) * 3;
          const after = (row + mirror(left + columns - 1 + x, width)) * 3;
          for (let c = 0; c < 3; c++) {
            values[at - 3 * x + c] = data[before + c]!;
            values[at + 3 * (columns - 1 + x) + c] = data[after + c]!;
          }
        }
      }
      for (let y = 0; y < rows; y++) {
        const source = tileAt + (y + radius) * stride;
        const count = 3 * columns;
        convolve(8 * source, 8 * columnSumsAt, count + 2 * margin, stride, 0, radius, 0);
        const middle = columnSumsAt + margin;
        convolve(8 * middle, 8 * rowSumsAt, count, 3, 8 * rowWeightsAt, radius, bias);
        const to = ((top + y) * width + left) * 3;
        for (let i = 0; i < count; i++) filtered[to + i] = values[rowSumsAt + i]!;
      }
    }
  }
  return { width, height, data: filtered };
}

/** The memory that `convolve` sees, with room for at least `count` values. */
function float64Memory(count: number): Float64Array {
  const missing = count * 8 - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
  return new Float64Array(memory.buffer);
}

function checkSigma(sigmaPx: number, least: number): void {
  if (!(sigmaPx >= least && sigmaPx <= MAX_SIGMA_PX)) {
    throw new UserError(
      "usage",
      `Cannot blur: expected σ of ${least} to ${MAX_SIGMA_PX} px, found ${sigmaPx}`,
    );
  }
}
