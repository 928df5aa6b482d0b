/**
 * DMID: a ResNet-50 that does not step in its first layers, on the whole image; the mean of the logits
 * at all places of its last map. Which images it was trained on, ProGAN's or a latent diffusion
 * model's, is said by a file's name alone.
 * Paper: Corvi et al., ICASSP 2023. Released: grip-unina/DMimageDetection.
 * @module
 */
import { definePixelDetector } from "./pixel_detector.ts";
import {
  classifierTensors,
  describeClassifier,
  IMAGENET_NORMALISATION,
  isResnetClassifier,
} from "./resnet/checkpoint.ts";
import { openClassifier } from "./resnet/scorer.ts";

/**
 * Pixels of an image that are read at once: 640 × 640; each takes some 4 KiB of maps. A larger image is
 * read in overlapping tiles, which together have the logit of the whole; the released code reads it at
 * once, in 4 GB for 1024 × 1024.
 */
const LIMIT_PX = 640 * 640;

const FROM = "weights.zip, by the link in the README of github.com/grip-unina/DMimageDetection";
const TITLE = "DMID";

/** DMID as the rest of the library knows it. */
export default definePixelDetector({
  name: "dmid",
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
});
