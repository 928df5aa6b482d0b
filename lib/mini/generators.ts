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
} from "./picture.ts";
import { type Generator, latentDct, paletteTokens, patchQuilting } from "./patch_generators.ts";

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
