/**
 * The mini world's generators: each turns a real image into one that carries the traces of how it
 * says images are made. None of them models a published generator; each is named by its mechanism.
 * @module
 */
import type { Random } from "../random.ts";
import {
  combine,
  convolve,
  gaussianKernel,
  insertZeros,
  type Picture,
  picture,
  repeatPixels,
  shrink,
} from "./mini_picture.ts";

/** Passes a real image through a generator. Sides of the image must be multiples of 4. */
export type Generator = (real: Picture, random: Random) => Picture;

const SMOOTH = [.25, .5, .25];

/** Adds the share of the original's fine detail that a generator still makes right. */
function withDetail(coarse: Picture, real: Picture, share: number): Picture {
  const soft = convolve(real, SMOOTH);
  const out = picture(real.width, real.height);
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = coarse.data[i]! + share * (real.data[i]! - soft.data[i]!);
  }
  return out;
}

/** Adds white noise; `std` in units of the display range. */
function withNoise(source: Picture, std: number, random: Random): Picture {
  for (let i = 0; i < source.data.length; i++) source.data[i]! += std * random.normal();
  return source;
}

/**
 * Halves, then doubles by inserting zeros and filtering with a kernel that sums to 1. The kernel is
 * a little out of balance, by another amount in every image, and leaves a trace of the zeros.
 */
function zeroInsertion(
  taps: 3 | 5,
  imbalance: number,
  detail: readonly [number, number],
  noiseStd = 0,
): Generator {
  return (real, random) => {
    const shift = imbalance * random.normal();
    const kernel = taps === 3
      ? [.25 - shift, .5 + 2 * shift, .25 - shift]
      : [.0625, .25 - shift, .375 + 2 * shift, .25 - shift, .0625];
    const coarse = convolve(insertZeros(shrink(real, 2)), kernel);
    return withNoise(withDetail(coarse, real, random.uniform(...detail)), noiseStd, random);
  };
}

/** Halves, then doubles by repeating pixels and smoothing. */
function repetition(kernel: readonly number[], detail: number): Generator {
  return (real) => withDetail(convolve(repeatPixels(shrink(real, 2), 2), kernel), real, detail);
}

/** Halves and doubles smoothly, then scales pixels by their place in the 2 × 2 pattern. */
function unevenOverlap(contrast: number, detail: number): Generator {
  return (real) => {
    const out = withDetail(convolve(repeatPixels(shrink(real, 2), 2), SMOOTH), real, detail);
    for (let y = 0, at = 0; y < out.height; y++) {
      for (let x = 0; x < out.width; x++) {
        const gain = (1 + (x & 1 ? contrast : -contrast)) * (1 + (y & 1 ? contrast : -contrast));
        for (let c = 0; c < 3; c++) out.data[at++]! *= gain;
      }
    }
    return out;
  };
}

/** Makes each of the four places of a 2 × 2 square with a filter of its own. */
function subpixelShuffle(spread: number): Generator {
  return (real, random) => {
    const soft = convolve(real, SMOOTH);
    const shares = Array.from({ length: 12 }, () => spread * random.normal());
    const out = picture(real.width, real.height);
    for (let y = 0, at = 0; y < out.height; y++) {
      for (let x = 0; x < out.width; x++) {
        const place = ((y & 1) * 2 + (x & 1)) * 3;
        for (let c = 0; c < 3; c++, at++) {
          const share = .5 + shares[place + c]!;
          out.data[at] = soft.data[at]! + share * (real.data[at]! - soft.data[at]!) +
            .04 * shares[place + c]!;
        }
      }
    }
    return out;
  };
}

/** Another generator's output in a soft ellipse, the real image around it. */
function blendedRegion(inner: Generator): Generator {
  return (real, random) => {
    const made = inner(real, random);
    const centerX = real.width * random.uniform(.4, .6),
      radiusX = real.width * random.uniform(.25, .35);
    const centerY = real.height * random.uniform(.4, .6),
      radiusY = real.height * random.uniform(.25, .4);
    const out = picture(real.width, real.height);
    for (let y = 0, at = 0; y < out.height; y++) {
      for (let x = 0; x < out.width; x++) {
        const distance = ((x - centerX) / radiusX) ** 2 + ((y - centerY) / radiusY) ** 2;
        const weight = 1 / (1 + Math.exp(8 * (distance - 1)));
        for (let c = 0; c < 3; c++, at++) {
          out.data[at] = real.data[at]! + weight * (made.data[at]! - real.data[at]!);
        }
      }
    }
    return out;
  };
}

/** A dark, noisy exposure brought up, its noise taken out where the image is flat. */
function darkGainDenoise(noiseStd: number): Generator {
  return (real, random) => {
    const noisy = withNoise(withDetail(real, real, 0), noiseStd, random);
    const wide = convolve(noisy, gaussianKernel(1));
    const threshold = 2.5 * noiseStd;
    return combine(noisy, wide, (value, mean) => {
      const detail = value - mean;
      const kept = Math.max(0, Math.abs(detail) - threshold);
      return mean + (detail < 0 ? -kept : kept);
    });
  };
}

/** Shrinks and enlarges with a cubic kernel, then sharpens. */
function superResolution(factor: 2 | 4, sharpening: number): Generator {
  return (real) => {
    const up = enlarge(shrink(real, factor), factor);
    const soft = convolve(up, gaussianKernel(.8));
    return combine(up, soft, (value, mean) => value + sharpening * (value - mean));
  };
}

/** Enlarges by repeating pixels and smoothing at every step of 2. */
function enlarge(source: Picture, factor: number): Picture {
  let out = source;
  for (let step = factor; step > 1; step /= 2) {
    out = convolve(repeatPixels(out, 2), [-.06, .25, .62, .25, -.06]);
  }
  return out;
}

/** From a quarter of the size up in steps of 2, detail of each step made of modulated noise. */
function cascade(grain: number, smoothness: number): Generator {
  return (real, random) => {
    let out = shrink(real, 4);
    for (const factor of [2, 1]) {
      const target = factor === 1 ? real : shrink(real, factor);
      out = enlarge(out, 2);
      const band = combine(target, convolve(target, SMOOTH), (value, mean) => value - mean);
      for (let i = 0; i < out.data.length; i++) {
        const strength = Math.abs(band.data[i]!);
        out.data[i]! += (1 - smoothness) * band.data[i]! + grain * strength * random.normal();
      }
    }
    return out;
  };
}

/** Copies square patches from elsewhere in the image to where they fit best, with soft seams. */
function patchQuilting(side: number, candidates: number): Generator {
  return (real, random) => {
    const { width, height } = real;
    const out = picture(width, height);
    const weights = new Float32Array(width * height);
    const overlap = side >> 2;
    for (let y0 = 0; y0 < height; y0 += side - overlap) {
      for (let x0 = 0; x0 < width; x0 += side - overlap) {
        let bestX = 0, bestY = 0, best = Infinity;
        for (let candidate = 0; candidate < candidates; candidate++) {
          const reach = 1 + candidate % 6;
          const x = clamp(x0 + random.integer(2 * reach + 1) - reach, width - side);
          const y = clamp(y0 + random.integer(2 * reach + 1) - reach, height - side);
          if (x === x0 && y === y0) continue;
          const difference = patchDifference(real, x0, y0, x, y, side);
          if (difference < best) [best, bestX, bestY] = [difference, x, y];
        }
        for (let dy = 0; dy < side && y0 + dy < height; dy++) {
          for (let dx = 0; dx < side && x0 + dx < width; dx++) {
            const ramp = Math.min(
              1,
              (Math.min(dx, dy, side - 1 - dx, side - 1 - dy) + 1) / (overlap + 1),
            );
            const to = (y0 + dy) * width + x0 + dx;
            const from = ((bestY + dy) * width + bestX + dx) * 3;
            weights[to]! += ramp;
            for (let c = 0; c < 3; c++) out.data[to * 3 + c]! += ramp * real.data[from + c]!;
          }
        }
      }
    }
    for (let i = 0; i < out.data.length; i++) out.data[i]! /= weights[Math.floor(i / 3)]!;
    return out;
  };
}

function clamp(value: number, max: number): number {
  return value < 0 ? 0 : value > max ? max : value;
}

function patchDifference(p: Picture, x0: number, y0: number, x: number, y: number, side: number) {
  let sum = 0;
  for (let dy = 0; dy < side && y0 + dy < p.height; dy += 2) {
    for (let dx = 0; dx < side && x0 + dx < p.width; dx += 2) {
      const a = p.data[((y0 + dy) * p.width + x0 + dx) * 3 + 1]!;
      const b = p.data[((y + dy) * p.width + x + dx) * 3 + 1]!;
      sum += (a - b) ** 2;
    }
  }
  return sum;
}

const DCT8 = Float64Array.from(
  { length: 64 },
  (_, i) =>
    (i < 8 ? Math.SQRT1_2 : 1) / 2 * Math.cos(((i % 8) + .5) * Math.floor(i / 8) * Math.PI / 8),
);

/**
 * Codes blocks of 8 × 8 pixels by their lowest DCT coefficients, coarsely quantised, and decodes
 * them: what passes a narrow latent space.
 */
function latentDct(
  keep: number,
  step: number,
  { contrast = 1, deblocking = .15, noiseStd = 0 } = {},
): Generator {
  return (real, random) => {
    const { width, height } = real;
    const out = picture(width, height);
    const block = new Float64Array(64), half = new Float64Array(64), latent = new Float64Array(64);
    for (let y0 = 0; y0 < height; y0 += 8) {
      for (let x0 = 0; x0 < width; x0 += 8) {
        for (let c = 0; c < 3; c++) {
          for (let i = 0; i < 64; i++) {
            const x = clamp(x0 + (i & 7), width - 1), y = clamp(y0 + (i >> 3), height - 1);
            block[i] = real.data[(y * width + x) * 3 + c]!;
          }
          multiplyDct(block, half, false);
          multiplyDct(half, latent, false);
          for (let i = 0; i < 64; i++) {
            const order = (i & 7) + (i >> 3);
            const value = latent[i]! + noiseStd * random.normal();
            latent[i] = order >= keep
              ? 0
              : i === 0
              ? value
              : contrast * step * Math.round(value / step);
          }
          multiplyDct(latent, half, true);
          multiplyDct(half, block, true);
          for (let i = 0; i < 64; i++) {
            const x = x0 + (i & 7), y = y0 + (i >> 3);
            if (x < width && y < height) out.data[(y * width + x) * 3 + c] = block[i]!;
          }
        }
      }
    }
    return convolve(out, [deblocking, 1 - 2 * deblocking, deblocking]);
  };
}

/** Transforms the rows of an 8 × 8 block and transposes it: twice makes the two-dimensional DCT. */
function multiplyDct(from: Float64Array, to: Float64Array, inverse: boolean): void {
  for (let row = 0; row < 8; row++) {
    for (let k = 0; k < 8; k++) {
      let sum = 0;
      for (let n = 0; n < 8; n++) {
        sum += from[row * 8 + n]! * DCT8[inverse ? n * 8 + k : k * 8 + n]!;
      }
      to[k * 8 + row] = sum;
    }
  }
}

/** Adds noise and takes it out again by shrinking the finest detail, a few times over. */
function iterativeDenoising(steps: number, noiseStd: number): Generator {
  return (real, random) => {
    let out = withDetail(real, real, 0);
    for (let step = steps; step >= 1; step--) {
      const std = noiseStd * step / steps;
      withNoise(out, std, random);
      const soft = convolve(out, SMOOTH);
      out = combine(out, soft, (value, mean) => {
        const detail = value - mean;
        return mean + detail * detail * detail / (detail * detail + 2 * std * std + 1e-9);
      });
    }
    return out;
  };
}

/** Codes patches of 4 × 4 pixels by a mean of few levels and one of a few patterns. */
function paletteTokens(levels: number, patterns: number): Generator {
  return (real, random) => {
    const { width, height } = real;
    const out = picture(width, height);
    const code = Array.from({ length: patterns }, () => {
      const angle = random.uniform(0, 2 * Math.PI), sharpness = random.uniform(.3, 2);
      const offset = random.uniform(-1, 1);
      const values = Array.from({ length: 16 }, (_, i) =>
        Math.tanh(
          sharpness *
            (((i & 3) - 1.5) * Math.cos(angle) + ((i >> 2) - 1.5) * Math.sin(angle) + offset),
        ));
      const mean = values.reduce((sum, value) => sum + value, 0) / 16;
      const norm = Math.hypot(...values.map((value) => value - mean)) + 1e-9;
      return values.map((value) => (value - mean) / norm);
    });
    for (let y0 = 0; y0 < height; y0 += 4) {
      for (let x0 = 0; x0 < width; x0 += 4) {
        const means = [0, 0, 0], gray = new Float64Array(16);
        for (let i = 0; i < 16; i++) {
          const from = ((y0 + (i >> 2)) * width + x0 + (i & 3)) * 3;
          for (let c = 0; c < 3; c++) {
            means[c]! += real.data[from + c]! / 16;
            gray[i]! += real.data[from + c]! / 3;
          }
        }
        let pattern = code[0]!, gain = 0;
        for (const candidate of code) {
          let product = 0;
          for (let i = 0; i < 16; i++) product += candidate[i]! * gray[i]!;
          if (Math.abs(product) > Math.abs(gain)) [gain, pattern] = [product, candidate];
        }
        for (let i = 0; i < 16; i++) {
          const to = ((y0 + (i >> 2)) * width + x0 + (i & 3)) * 3;
          for (let c = 0; c < 3; c++) {
            out.data[to + c] = Math.round(means[c]! * levels) / levels + gain * pattern[i]!;
          }
        }
      }
    }
    return convolve(out, [.12, .76, .12]);
  };
}

/** All generators by name. */
export const GENERATORS = {
  zero_insertion_k3: zeroInsertion(3, .002, [.15, .5]),
  zero_insertion_k5: zeroInsertion(5, .002, [.4, .8]),
  zero_insertion_k5_noise: zeroInsertion(5, .002, [.4, .8], .01),
  checkerboard_deconv: unevenOverlap(.01, .5),
  nearest_upsampling: repetition([.15, .7, .15], .4),
  bilinear_2x: repetition(SMOOTH, .4),
  subpixel_shuffle: subpixelShuffle(.2),
  blended_region: blendedRegion(repetition([.15, .7, .15], .4)),
  dark_gain_denoise: darkGainDenoise(.04),
  cubic_sharpened: superResolution(2, .6),
  cascade_refinement: cascade(.5, .7),
  patch_quilting: patchQuilting(8, 12),
  iterative_denoising: iterativeDenoising(3, .04),
  latent_dct_fine: latentDct(9, .02),
  latent_dct_fine_contrast: latentDct(9, .02, { contrast: 1.15 }),
  latent_dct_coarse: latentDct(7, .05),
  latent_dct_noisy: latentDct(9, .02, { noiseStd: .02 }),
  latent_dct_wide: latentDct(12, .01, { deblocking: .05 }),
  latent_dct_wide_contrast: latentDct(12, .01, { deblocking: .05, contrast: 1.1 }),
  two_stage_soft: cascade(.3, .9),
  two_stage_grainy: cascade(.9, .9),
  two_stage_sharp: cascade(.3, .5),
  palette_tokens: paletteTokens(32, 24),
} as const satisfies Record<string, Generator>;
