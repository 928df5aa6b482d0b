/**
 * The median of each pixel's neighbourhood.
 * @module
 */
import type { RgbImage } from "./image.ts";

/**
 * The median of the 3 × 3 pixels around each, of each channel by itself, as SciPy's
 * `median_filter(size=3)` and OpenCV's `medianBlur(3)` have it: edge pixels are repeated, which for
 * one pixel beyond the edge is also SciPy's default, `reflect`.
 *
 * @example
 * ```ts
 * import { medianFilter3 } from "./median.ts";
 *
 * const dot = { width: 3, height: 3, data: new Uint8Array(27) };
 * dot.data.fill(255, 12, 15);
 * console.assert(medianFilter3(dot).data.every((value) => value === 0));
 * ```
 */
export function medianFilter3({ width, height, data }: RgbImage): RgbImage {
  const stride = 3 * width;
  const blurred = new Uint8Array(data.length);
  // each column of three, sorted
  const low = new Uint8Array(stride),
    middle = new Uint8Array(stride),
    high = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const above = Math.max(y - 1, 0) * stride, row = y * stride;
    const below = Math.min(y + 1, height - 1) * stride;
    for (let i = 0; i < stride; i++) {
      const a = data[above + i]!, b = data[row + i]!, c = data[below + i]!;
      low[i] = Math.min(a, b, c);
      middle[i] = median(a, b, c);
      high[i] = Math.max(a, b, c);
    }
    for (let i = 0; i < stride; i++) {
      const left = i < 3 ? i : i - 3, right = i >= stride - 3 ? i : i + 3;
      blurred[row + i] = median(
        Math.max(low[left]!, low[i]!, low[right]!),
        median(middle[left]!, middle[i]!, middle[right]!),
        Math.min(high[left]!, high[i]!, high[right]!),
      );
    }
  }
  return { width, height, data: blurred };
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
