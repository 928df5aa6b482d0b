/**
 * DMID: a ResNet-50 that does not step in its first layers, on the whole image; the mean of the logits
 * at all places of its last map. Which images it was trained on, ProGAN's or a latent diffusion
 * model's, is said by a file's name alone.
 * Paper: Corvi et al., ICASSP 2023. Released: grip-unina/DMimageDetection.
 * @module
 */
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

/**
 * Pixels of an image that are read at once: 640 × 640; each takes some 4 KiB of maps. A larger image is
 * read in overlapping tiles, which together have the logit of the whole; the released code reads it at
 * once, in 4 GB for 1024 × 1024.
 */
const LIMIT_PX = 640 * 640;

const FROM = "weights.zip, by the link in the README of github.com/grip-unina/DMimageDetection";
const TITLE = "DMID";

/**
 * How DMID is trained: from ImageNet's weights, on crops of images that were varied in many ways.
 * Variation, blur, compression and crop are the released ones; the authors' training code says neither
 * rate nor end, so these are CNNDetection's, and batch and patience of a later work on that code.
 * Released: grip-unina/DMimageDetection, training code, `processing.py`.
 */
export const dmidRecipe: PixelRecipe = {
  start: { kind: "backbone", name: "ResNet-50" },
  lastDeviation: .02,
  cropPx: 96,
  variation: {
    resizedCrop: { probability: .2, sizePx: 256, areas: [.08, 1], ratios: [3 / 4, 4 / 3] },
    colours: { probability: .8, brightness: .4, contrast: .4, saturation: .4, hue: .1 },
    greyProbability: .2,
    hole: { probability: .2, sizePx: 48, level: 128 },
    noise: { probability: .2, variances: [10, 50] },
    turnProbability: 1,
  },
  // any quality of the range
  augmentation: blurAndJpeg(.5, "paper"),
  batchSize: 32,
  learningRate: 1e-4,
  beta1: .9,
  beta2: .999,
  epsilon: 1e-8,
  epochs: 10_000,
  schedule: {
    kind: "stopping",
    patience: 10,
    deltaFirst: .001,
    deltaLater: .002,
    smallestRate: 1e-6,
  },
};

const TRAINED = { name: "dmid", normalisation: IMAGENET_NORMALISATION, stemStride: 1 } as const;

/** DMID as the rest of the library knows it. */
export default definePixelDetector({
  name: TRAINED.name,
  title: TITLE,
  reads: {
    transforms: {
      original: [],
      sidbench: [
        { kind: "square", sizePx: 256, filter: "bilinear" },
        { kind: "crop", sizePx: 224 },
      ],
    },
    normalisation: IMAGENET_NORMALISATION,
  },
  released: [
    {
      files: ["Grag2021_progan/model_epoch_best.pth", "corvi22_progan_model.pth"],
      name: "dmid_progan",
      title: `${TITLE} (ProGAN)`,
      from: FROM,
      row: { method: TITLE, trainingClasses: "20" },
    },
    {
      files: ["Grag2021_latent/model_epoch_best.pth", "corvi22_latent_model.pth"],
      name: "dmid_latent",
      title: `${TITLE} (latent diffusion)`,
      from: FROM,
    },
  ],
  isCheckpoint: isResnetClassifier,
  open: (checkpoint, compute) =>
    openClassifier(
      checkpoint,
      { normalisation: IMAGENET_NORMALISATION, stemStride: 1, limitPx: LIMIT_PX },
      compute,
    ),
  ownTensors: classifierTensors,
  describeCheckpoint: (checkpoint) => describeClassifier(checkpoint, TITLE),
  train: (training, context) => trainClassifier(training, TRAINED, context),
});
