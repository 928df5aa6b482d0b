/**
 * How a detector on pixels is trained, as plain data: from images to crops, by which steps, and when it
 * ends.
 * @module
 */
import { join } from "node:path";
import type { LabelledImage } from "../data/dataset.ts";
import type { Augmentation } from "../image/augment.ts";
import type { Transform } from "../image/transform.ts";
import type { Variation } from "../image/variation.ts";
import type { Compute, HeadConfig, Json } from "./detector.ts";
import type { Stopping } from "./ufd/early_stopping.ts";

/** What a network is before the first step. */
export type Start =
  /** A backbone's weights, by its name: ImageNet's `ResNet-50`. The last layer is drawn. */
  | { readonly kind: "backbone"; readonly name: string }
  /** A detector on pixels, by its name: one that was imported, else one that the profile trains. */
  | { readonly kind: "detector"; readonly name: string }
  /** Random weights in a network of these sizes: channels at first, and bottlenecks of each stage. */
  | { readonly kind: "random"; readonly width: number; readonly stages: readonly number[] }
  /**
   * Random weights in an Xception that is cut off after some blocks: channels after each of the two
   * first convolutions, then after each block.
   */
  | { readonly kind: "xception"; readonly channels: readonly number[] };

/** The network whose gradient's picture LGrad sees instead of an image. */
export type Discriminator =
  /** The released one, as it was imported. */
  | { readonly kind: "imported"; readonly sizePx: number }
  /** A small one of random weights: the side of its images, 8 · 2ⁿ, and channels of its maps. */
  | {
    readonly kind: "drawn";
    readonly sizePx: number;
    readonly channels: number;
    readonly seed: number;
  };

/** When the rate falls, when training ends, and which epoch's weights are kept. */
export type Schedule =
  /** By the accuracy on validation images; the last epoch that was a gain is kept. */
  | { readonly kind: "stopping" } & Stopping
  /**
   * The rate stays; the epoch of the best accuracy on validation images is kept, and training ends so
   * many epochs after it, or at an accuracy of 1.
   */
  | { readonly kind: "best"; readonly patience: number }
  /** Times a factor after so many epochs each; the last epoch is kept. */
  | { readonly kind: "steps"; readonly everyEpochs: number; readonly factor: number };

/** A recipe. Equal recipes on equal images give equal detectors; every field counts. */
export type PixelRecipe = {
  readonly start: Start;
  /**
   * Standard deviation of the last layer's weights before the first step; of an Xception the gain, by
   * Xavier's rule, of all layers, and the deviation of normalisations' scales from 1; 0 where no
   * layer is drawn so.
   */
  readonly lastDeviation: number;
  /** LGrad's: crops are of the pictures that it makes. */
  readonly discriminator?: Discriminator;
  /** Short side that images are resized to first, in pixels; left out where they stay as they are. */
  readonly shortSidePx?: number;
  /** How they are resized, default Pillow's bilinear. */
  readonly shortSideFilter?: "lanczos";
  /** Side of the crops, in pixels. */
  readonly cropPx: number;
  /** How training images are varied, anew in each epoch. */
  readonly augmentation: Augmentation;
  /** Other changes of training images, before those; validation images have none. */
  readonly variation?: Variation;
  /** Images in a step. */
  readonly batchSize: number;
  /** The optimiser's, in the first epoch. */
  readonly learningRate: number;
  /** Adam's. */
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** The most that there may be. */
  readonly epochs: number;
  readonly schedule: Schedule;
  /** What only this detector's network is told; absent where there is nothing. */
  readonly network?: HeadConfig;
};

/** One detector to train. */
export interface PixelTraining {
  /** Names its files. */
  readonly key: string;
  readonly recipe: PixelRecipe;
  /** File of the detector that it starts from, where it starts from one. */
  readonly from?: string;
  /** Of parameters, order and augmentation. */
  readonly seed: number;
  /** Data root that image paths are relative to. */
  readonly root: string;
  readonly train: readonly LabelledImage[];
  readonly val: readonly LabelledImage[];
  /** On what it is trained, in a few fields for people and records; it goes into the checkpoint. */
  readonly trainedOn: { readonly [field: string]: Json };
}

/** How it is trained besides. */
export interface PixelTrainingContext {
  readonly compute: Compute;
  /** Results folder of the profile. */
  readonly folder: string;
  /** Folder of backbones. */
  readonly backbones: string;
  /** Folder of imported detectors. */
  readonly detectors: string;
  /** Threads that decode and augment images ahead. */
  readonly workers: number;
  /** Told of images that it has learned from, and of all that it has in this epoch by now. */
  readonly onImages: (
    images: number,
    by: { readonly epoch: number; readonly learned: number },
  ) => void;
  /** Told how many images are ready to be learned from, where they are made ready first. */
  readonly onPrepared?: (done: number, total: number) => void;
  /** How often an unfinished training is put on disk, besides at epochs' ends. */
  readonly saveIntervalMs?: number;
}

/** Pixels of a step below which products are too small to be divided among threads. */
const FEW_PIXELS = 2 ** 18;

/**
 * Whether the crops of a step are too few and small for several threads: then several detectors are
 * trained side by side.
 */
export function hasSmallSteps(
  { batchSize, cropPx }: Pick<PixelRecipe, "batchSize" | "cropPx">,
): boolean {
  return batchSize * cropPx ** 2 < FEW_PIXELS;
}

/** File of a detector that was trained here, in the profile's results folder. */
export function trainedPath(key: string): string {
  return join("detectors", `${key}.safetensors`);
}

/** File of one in training. */
export function trainingStatePath(key: string): string {
  return join("detectors", `${key}.state.safetensors`);
}

/** The lock of a detector in training, in the profile's results folder. */
export function trainingLockPath(key: string): string {
  return join("detectors", `${key}.lock`);
}

/** What training images go through. */
export function trainingTransform(recipe: PixelRecipe): Transform {
  const { cropPx, shortSidePx, shortSideFilter, augmentation, variation } = recipe;
  return {
    ...{ kind: "train", size: cropPx, augmentation },
    ...(shortSidePx === undefined ? {} : { shortSidePx }),
    ...(shortSideFilter ? { shortSideFilter } : {}),
    ...(variation ? { variation } : {}),
  };
}

/**
 * What validation images go through, once for all epochs: as many are blurred and compressed as of the
 * training images, by the middle of the range; the crop is from the middle, and none is mirrored.
 * Released: CNNDetection, `train.py`, `get_val_opt`.
 */
export function validationTransform(recipe: PixelRecipe): Transform {
  const { variation: _, ...plain } = recipe;
  const { augmentation } = plain;
  const sigmaPx = (augmentation.blurSigmaPx[0] + augmentation.blurSigmaPx[1]) / 2;
  const [low, high] = augmentation.jpegQualities;
  const quality = Math.floor((low + high) / 2);
  return {
    ...trainingTransform(plain),
    crop: "center",
    augmentation: {
      ...augmentation,
      blurSigmaPx: [sigmaPx, sigmaPx],
      jpegQualities: [quality, quality],
      flipProbability: 0,
    },
  } as Transform;
}
