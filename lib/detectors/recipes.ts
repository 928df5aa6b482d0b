/**
 * What several recipes of detectors on pixels have in common.
 * @module
 */
import type { Augmentation } from "../image/augment.ts";
import type { PixelRecipe } from "./pixel_training.ts";

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
 * epoch. Paper: §4.2, §4.3.
 */
export const AS_RINE = {
  cropPx: 224,
  augmentation: {
    blurProbability: .5,
    blurSigmaPx: [0, 3],
    jpegProbability: .5,
    jpegQualities: [30, 100],
    flipProbability: .5,
    protocol: "released",
  },
  batchSize: 128,
  learningRate: 1e-3,
  beta1: .9,
  beta2: .999,
  epsilon: 1e-8,
  epochs: 1,
  schedule: { kind: "steps", everyEpochs: 1, factor: 1 },
} as const satisfies Partial<PixelRecipe>;
