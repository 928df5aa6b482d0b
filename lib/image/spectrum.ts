/**
 * What is left of images without what is smooth in them, by frequency.
 * @module
 */
import FFT from "fft.js";
import { UserError } from "../io/errors.ts";
import { centerCrop } from "./crop.ts";
import type { RgbImage } from "./image.ts";
import { medianFilter3 } from "./median.ts";

/**
 * An image less its 3 × 3 median, mean over the channels; [height, width], row-major, −255 … 255.
 * Paper: Ojha, Li & Lee, CVPR 2023, Figure 3
 */
export function medianResidual(image: RgbImage): Float64Array {
  const { data } = medianFilter3(image);
  return Float64Array.from({ length: data.length / 3 }, (_, pixel) => {
    let sum = 0;
    for (let i = 3 * pixel; i < 3 * pixel + 3; i++) sum += image.data[i]! - data[i]!;
    return sum / 3;
  });
}

/** Mean magnitudes of the Fourier transforms of residuals. Paper: as {@linkcode medianResidual}. */
export class MeanSpectrum {
  /** Side of the crops and of the spectrum. */
  readonly size: number;
  /** How many images have been added. */
  count = 0;
  readonly #sum: Float64Array;
  readonly #fft: FFT;

  /**
   * Of centre crops of a size.
   * @throws {UserError} where the size is not a power of 2 from 4
   */
  constructor(size: number) {
    if (!Number.isInteger(Math.log2(size)) || size < 4) {
      throw new UserError(
        "usage",
        `Cannot transform crops: expected a power of 2 from 4 as their side, found ${size}`,
      );
    }
    this.size = size;
    this.#fft = new FFT(size);
    this.#sum = new Float64Array(size * size);
  }

  /** Takes an image in, by its centre crop. */
  add(image: RgbImage): void {
    const { size } = this, half = size / 2;
    const values = medianResidual(centerCrop(image, size)); // [size, size]
    const line: number[] = this.#fft.createComplexArray(), out: number[] = [...line];
    const rows = new Float64Array(2 * size * size); // [size, frequency, 2]
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        line[2 * x] = values[y * size + x]!;
        line[2 * x + 1] = 0;
      }
      this.#fft.transform(out, line);
      rows.set(out, 2 * y * size);
    }
    for (let x = 0; x < size; x++) {
      for (let y = 0; y < size; y++) {
        line[2 * y] = rows[2 * (y * size + x)]!;
        line[2 * y + 1] = rows[2 * (y * size + x) + 1]!;
      }
      this.#fft.transform(out, line);
      for (let y = 0; y < size; y++) {
        // frequency 0 comes to the middle
        const at = (y + half) % size * size + (x + half) % size;
        this.#sum[at]! += Math.hypot(out[2 * y]!, out[2 * y + 1]!);
      }
    }
    this.count++;
  }

  /**
   * The mean, [size, size]: rows of rising vertical frequency, in them the horizontal one, both from
   * −½ cycle a pixel by 1 ⁄ size, 0 at [size ⁄ 2, size ⁄ 2]. Divided by the side, so that white noise
   * of standard deviation σ comes to about .89 σ whatever the size.
   */
  mean(): Float64Array {
    return this.#sum.map((value) => value / (this.count * this.size));
  }
}
