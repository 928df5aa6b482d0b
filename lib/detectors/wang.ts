/**
 * Wang et al.'s detector: a ResNet-50 trained on ProGAN images that were blurred and compressed, each
 * with probability .5 or .1. Nothing in a file says which; its name does.
 * Paper: Wang et al., CVPR 2020. Released: PeterWang512/CNNDetection.
 * @module
 */
import type { PixelTransform } from "../image/pixels.ts";
import { definePixelDetector } from "./pixel_detector.ts";
import type { PixelRecipe } from "./pixel_training.ts";
import { blurAndJpeg } from "./recipes.ts";
import {
  classifierTensors,
  describeClassifier,
  IMAGENET_NORMALISATION,
  isResnetClassifier,
} from "./resnet/checkpoint.ts";
import { openClassifier } from "./resnet/scorer.ts";
import { trainClassifier } from "./resnet/train.ts";

/** As SIDBench's evaluation reads, and as far as its numbers tell RINE's. */
const RESIZED: PixelTransform = [
  { kind: "square", sizePx: 256, filter: "bilinear" },
  { kind: "crop", sizePx: 224 },
];

/** Pixels of an image that are read at once: some 200 bytes of maps each. */
const LIMIT_PX = 2 ** 23;

const TITLE = "Wang et al.";

/**
 * How Wang et al. train: from ImageNet's weights, to an end that validation decides on.
 * Released: CNNDetection, `train.py`, `options/`, `networks/trainer.py`, `earlystop.py`.
 * @param probability of blur, and of compression: .5 or .1
 */
export function wangRecipe(probability: number): PixelRecipe {
  return {
    start: { kind: "backbone", name: "ResNet-50" },
    lastDeviation: .02,
    shortSidePx: 256,
    cropPx: 224,
    // any quality of the range
    augmentation: blurAndJpeg(probability, "paper"),
    batchSize: 64,
    learningRate: 1e-4,
    beta1: .9,
    beta2: .999,
    epsilon: 1e-8,
    epochs: 10_000,
    schedule: {
      kind: "stopping",
      patience: 5,
      deltaFirst: .001,
      deltaLater: .002,
      smallestRate: 1e-6,
    },
  };
}

const TRAINED = { name: "wang", normalisation: IMAGENET_NORMALISATION, stemStride: 2 } as const;

/** Wang et al.'s detector as the rest of the library knows it. */
export default definePixelDetector({
  name: TRAINED.name,
  title: TITLE,
  reads: {
    transforms: {
      original: [{ kind: "crop", sizePx: 224 }],
      // what the authors recommend for single images. Released: demo.py
      demo: [],
      rine: RESIZED,
      sidbench: RESIZED,
    },
    normalisation: IMAGENET_NORMALISATION,
  },
  released: [.5, .1].map((probability) => ({
    files: [`blur_jpg_prob${probability}.pth`],
    name: `wang_${probability}`,
    title: `${TITLE} (${`${probability}`.slice(1)})`,
    from: "the link in the README of github.com/PeterWang512/CNNDetection",
    row: { method: `Wang (prob. ${probability})`, trainingClasses: "20" },
  })),
  isCheckpoint: isResnetClassifier,
  open: (checkpoint, compute) =>
    openClassifier(
      checkpoint,
      { normalisation: IMAGENET_NORMALISATION, stemStride: 2, limitPx: LIMIT_PX },
      compute,
    ),
  ownTensors: classifierTensors,
  describeCheckpoint: (checkpoint) => describeClassifier(checkpoint, TITLE),
  train: (training, context) => trainClassifier(training, TRAINED, context),
});
