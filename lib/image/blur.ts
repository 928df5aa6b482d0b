/**
 * Gaussian filters of SciPy and of OpenCV.
 * @module
 */
import type { RgbImage } from "./image.ts";

/**
 * SciPy's `gaussian_filter` of each channel of an 8-bit image: columns, then rows, edges mirrored
 * with the edge pixel repeated, cut off at four standard deviations. SciPy keeps the image's type
 * between the two passes, so both round towards zero.
 * @param sigmaPx standard deviation in pixels; 0 leaves the image as it is
 *
 * Released: src/utils.py, gaussian_blur
 */
export function gaussianFilter(image: RgbImage, sigmaPx: number): RgbImage {
  const radius = Math.floor(4 * sigmaPx + 0.5);
  if (radius === 0) return image;
  const weights = Float64Array.from(
    { length: radius + 1 },
    (_, i) => Math.exp(-0.5 / (sigmaPx * sigmaPx) * i * i),
  );
  const sum = 2 * weights.reduce((a, b) => a + b) - 1;
  const { width, height } = image;
  const columns = new Uint8Array(image.data.length);
  const rows = new Uint8Array(image.data.length);
  const mirror = (i: number, n: number) => {
    const m = ((i % (2 * n)) + 2 * n) % (2 * n);
    return m < n ? m : 2 * n - 1 - m;
  };
  const pass = (from: Uint8Array, to: Uint8Array, dy: number, dx: number) => {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 3; c++) {
          const at = (step: number) =>
            from[(mirror(y + dy * step, height) * width + mirror(x + dx * step, width)) * 3 + c]!;
          let value = at(0) * weights[0]! / sum;
          for (let i = radius; i > 0; i--) value += (at(-i) + at(i)) * (weights[i]! / sum);
          to[(y * width + x) * 3 + c] = value;
        }
      }
    }
  };
  pass(image.data, columns, 1, 0);
  pass(columns, rows, 0, 1);
  return { width, height, data: rows };
}

/**
 * OpenCV's `GaussianBlur` of an 8-bit image, edges mirrored with the edge pixel not repeated, in
 * its fixed-point arithmetic.
 * @param kernelSize taps, odd
 */
export function gaussianBlur(image: RgbImage, kernelSize: number, sigmaPx: number): RgbImage {
  const radius = (kernelSize - 1) / 2;
  const exact = Array.from(
    { length: radius + 1 },
    (_, i) => Math.exp(-0.5 / (sigmaPx * sigmaPx) * i * i),
  );
  const sum = 2 * exact.reduce((a, b) => a + b) - 1;
  const weights = new Float64Array(radius + 1);
  let error = 0, total = 0;
  for (let i = radius; i > 0; i--) {
    const wanted = exact[i]! / sum * 256 + error;
    weights[i] = Math.round(wanted);
    error = wanted - weights[i]!;
    total += weights[i]!;
  }
  weights[0] = 256 - 2 * total;
  const { width, height } = image;
  const rows = new Float64Array(image.data.length);
  const columns = new Uint8Array(image.data.length);
  const mirror = (i: number, n: number) => {
    if (n === 1) return 0;
    const m = ((i % (2 * n - 2)) + 2 * n - 2) % (2 * n - 2);
    return m < n ? m : 2 * n - 2 - m;
  };
  const pass = (
    from: Uint8Array | Float64Array,
    to: Uint8Array | Float64Array,
    dy: number,
    dx: number,
    scale: number,
    bias: number,
  ) => {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 3; c++) {
          const at = (step: number) =>
            from[(mirror(y + dy * step, height) * width + mirror(x + dx * step, width)) * 3 + c]!;
          let value = at(0) * weights[0]!;
          for (let i = radius; i > 0; i--) value += (at(-i) + at(i)) * weights[i]!;
          to[(y * width + x) * 3 + c] = Math.floor(value * scale + bias);
        }
      }
    }
  };
  pass(image.data, rows, 0, 1, 1, 0);
  pass(rows, columns, 1, 0, 1 / 65536, 0.5);
  return { width, height, data: columns };
}
