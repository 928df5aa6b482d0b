/**
 * Wang et al.'s detector: a ResNet-50 trained on ProGAN images that were blurred and compressed, each
 * with probability .5 or .1. Nothing in a file says which; its name does.
 * Paper: Wang et al., CVPR 2020. Released: PeterWang512/CNNDetection.
 * @module
 */
import type { PixelTransform } from "../image/pixels.ts";
import { definePixelDetector } from "./pixel_detector.ts";
import {
  classifierTensors,
  describeClassifier,
  IMAGENET_NORMALISATION,
  isResnetClassifier,
} from "./resnet/checkpoint.ts";
import { openClassifier } from "./resnet/scorer.ts";

/** As SIDBench's evaluation reads, and as far as its numbers tell RINE's. */
const RESIZED: PixelTransform = [
  { kind: "square", sizePx: 256, filter: "bilinear" },
  { kind: "crop", sizePx: 224 },
];

/** Pixels of an image that are read at once: some 200 bytes of maps each. */
const LIMIT_PX = 2 ** 23;

const TITLE = "Wang et al.";

/** Wang et al.'s detector as the rest of the library knows it. */
export default definePixelDetector({
  name: "wang",
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
});
