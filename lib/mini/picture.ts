/**
 * Pictures in floating point and the few filters that the mini world is made with.
 * @module
 */

/** An image in floating point: RGB interleaved, row-major, nominally in [0, 1]. */
export interface Picture {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** [height, width, 3] */
  readonly data: Float32Array;
}

/** A black picture. */
export function picture(width: number, height: number): Picture {
  return { width, height, data: new Float32Array(width * height * 3) };
}

/** A picture whose values are a function of two pictures' values. */
export function combine(a: Picture, b: Picture, mix: (a: number, b: number) => number): Picture {
  const out = picture(a.width, a.height);
  for (let i = 0; i < out.data.length; i++) out.data[i] = mix(a.data[i]!, b.data[i]!);
  return out;
}

/**
 * Filters rows and columns with one kernel of odd length. Beyond the edge the image is mirrored
 * about its outermost pixel, so patterns of period 2 go on unbroken.
 */
export function convolve(source: Picture, kernel: readonly number[]): Picture {
  return convolveAlong(convolveAlong(source, kernel, 0), kernel, 1);
}

function convolveAlong(source: Picture, kernel: readonly number[], axis: 0 | 1): Picture {
  const { width, height, data } = source;
  const out = picture(width, height);
  const reach = kernel.length >> 1;
  const stride = axis === 0 ? 3 : 3 * width;
  const length = axis === 0 ? width : height;
  const lines = axis === 0 ? height : width;
  const lineStride = axis === 0 ? 3 * width : 3;
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < length; i++) {
      const at = line * lineStride + i * stride;
      let r = 0, g = 0, b = 0;
      for (let k = -reach; k <= reach; k++) {
        const j = i + k < 0 ? -i - k : i + k >= length ? 2 * (length - 1) - i - k : i + k;
        const from = line * lineStride + j * stride;
        const weight = kernel[k + reach]!;
        r += weight * data[from]!;
        g += weight * data[from + 1]!;
        b += weight * data[from + 2]!;
      }
      out.data[at] = r;
      out.data[at + 1] = g;
      out.data[at + 2] = b;
    }
  }
  return out;
}

/** A Gaussian kernel of odd length that sums to 1; `sigma` in pixels. */
export function gaussianKernel(sigma: number): number[] {
  const reach = Math.max(1, Math.ceil(2.5 * sigma));
  const weights = Array.from(
    { length: 2 * reach + 1 },
    (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Means over squares of `factor` × `factor` pixels; sides must be multiples of the factor. */
export function shrink(source: Picture, factor: number): Picture {
  const out = picture(source.width / factor, source.height / factor);
  const scale = 1 / (factor * factor);
  let to = 0;
  for (let y = 0; y < out.height; y++) {
    for (let x = 0; x < out.width; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let dy = 0; dy < factor; dy++) {
          let from = ((y * factor + dy) * source.width + x * factor) * 3 + c;
          for (let dx = 0; dx < factor; dx++, from += 3) sum += source.data[from]!;
        }
        out.data[to++] = sum * scale;
      }
    }
  }
  return out;
}

/** Repeats every pixel `factor` × `factor` times. */
export function repeatPixels(source: Picture, factor: number): Picture {
  const out = picture(source.width * factor, source.height * factor);
  let to = 0;
  for (let y = 0; y < out.height; y++) {
    const row = Math.floor(y / factor) * source.width;
    for (let x = 0; x < out.width; x++) {
      const from = (row + Math.floor(x / factor)) * 3;
      out.data[to++] = source.data[from]!;
      out.data[to++] = source.data[from + 1]!;
      out.data[to++] = source.data[from + 2]!;
    }
  }
  return out;
}

/** Puts every pixel, times 4, at the top left of a 2 × 2 square of zeros. */
export function insertZeros(source: Picture): Picture {
  const out = picture(source.width * 2, source.height * 2);
  for (let y = 0; y < source.height; y++) {
    for (let x = 0; x < source.width; x++) {
      const from = (y * source.width + x) * 3;
      const to = (2 * y * out.width + 2 * x) * 3;
      for (let c = 0; c < 3; c++) out.data[to + c] = 4 * source.data[from + c]!;
    }
  }
  return out;
}
