/**
 * What several recipes of detectors on pixels have in common.
 * @module
 */
import type { Augmentation, Protocol } from "../image/augment.ts";
import type { PixelRecipe } from "./pixel_training.ts";

/**
 * Blur and JPEG as Wang et al. have them, each of a share of the images. Released: CNNDetection,
 * `options/`.
 * @param probability of blur, and of compression
 * @param protocol how qualities are drawn
 */
export function blurAndJpeg(probability: number, protocol: Protocol): Augmentation {
  return {
    blurProbability: probability,
    blurSigmaPx: [0, 3],
    jpegProbability: probability,
    jpegQualities: [30, 100],
    flipProbability: .5,
    protocol,
  };
}

/** Crops that are flipped, and nothing else. */
export const FLIPS: Augmentation = {
  blurProbability: 0,
  blurSigmaPx: [0, 0],
  jpegProbability: 0,
  jpegQualities: [100, 100],
  flipProbability: .5,
  protocol: "paper",
};

/**
 * How RINE's head of four classes is trained: augmentation, batch, rate, moments and epsilon, for one
 * epoch. Paper: §4.4.
 */
export const AS_RINE = {
  cropPx: 224,
  augmentation: blurAndJpeg(.5, "released"),
  batchSize: 128,
  learningRate: 1e-3,
  beta1: .9,
  beta2: .999,
  epsilon: 1e-8,
  epochs: 1,
  schedule: { kind: "steps", everyEpochs: 1, factor: 1 },
} as const satisfies Partial<PixelRecipe>;
