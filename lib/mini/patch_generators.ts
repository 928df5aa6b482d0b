/**
 * Generators of the mini world that make images patch by patch: from a latent space, from a code
 * book, from other places.
 * @module
 */
import type { Random } from "../random.ts";
import { convolve, type Picture, picture } from "./picture.ts";

/** Passes a real image through a generator. Sides of the image must be multiples of 4. */
export type Generator = (real: Picture, random: Random) => Picture;

/** Copies square patches from elsewhere in the image to where they fit best, with soft seams. */
export function patchQuilting(side: number, candidates: number): Generator {
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
export function latentDct(
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

/** Codes patches of 4 × 4 pixels by a mean of few levels and one of a few patterns. */
export function paletteTokens(levels: number, patterns: number): Generator {
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
