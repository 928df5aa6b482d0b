/**
 * What a detector is: what it reads of an image, how a checkpoint becomes one, how features become
 * scores and, where it can learn, how it is trained. Nothing outside this folder asks which one it is.
 * @module
 */
import { join } from "node:path";
import type { FeatureSizes, Tap } from "../backbones/backbone.ts";
import type { SafetensorsFile } from "../io/safetensors.ts";

export type { FeatureSizes };
import type { Device } from "../onnx/session.ts";

/** A value that JSON holds. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/** What a detector's own recipe says of one head: plain data, which is part of the head's name. */
export type HeadConfig = { readonly [field: string]: Json };

/** How one head is trained. Equal configurations give equal heads; every field counts. */
export interface TrainingConfig {
  /** Name of the detector: `rine`. */
  readonly detector: string;
  /** Name of the training set in the profile: `progan`, `ldm`. */
  readonly trainingSet: string;
  /** Classes trained on, in order. */
  readonly classes: readonly string[];
  /** Share of the training images used, in (0, 1]. */
  readonly fraction: number;
  /** Name of the backbone: `ViT-L/14`. */
  readonly backbone: string;
  /** Images in a step. */
  readonly batchSize: number;
  /** The optimiser's, in the first epoch. */
  readonly learningRate: number;
  /** Number of epochs. */
  readonly epochs: number;
  /** The rate is divided by 10 at the start of these epochs, counted from 1. */
  readonly decayEpochs: readonly number[];
  /** Of parameters, order and dropout. */
  readonly seed: number;
  /** What only this detector knows: of RINE ξ, q, d′ and the variant. */
  readonly head: HeadConfig;
}

/** What training said at the end of an epoch. */
export interface EpochLog {
  /** Counted from 1. */
  readonly epoch: number;
  /** The optimiser's, in this epoch. */
  readonly learningRate: number;
  /** The detector's own loss, mean over the epoch's batches. */
  readonly trainLoss: number;
  /** Binary cross-entropy, mean over the validation images. */
  readonly valLoss: number;
  /** Accuracy on the validation images at threshold .5, in [0, 1]. */
  readonly valAcc: number;
  /** The earlier epoch whose weights are those kept after this one; absent where they are its own. */
  readonly keptEpoch?: number;
}

/** What `--engine` takes. */
export const ENGINES = ["auto", "onnx", "tensorflow"] as const;

/**
 * What runs RINE's head. `auto`: TensorFlow where its native library is installed and sees a GPU, else
 * ONNX Runtime.
 */
export type EngineName = typeof ENGINES[number];

/** Where a detector computes. */
export interface Compute {
  /** What trains and runs RINE's head; other detectors run on ONNX Runtime. */
  readonly engine: EngineName;
  /** Where graphs run; the engine's own choice where it is left out. */
  readonly device?: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
}

/** A trained detector that is open: features in, logits out. */
export interface Scorer {
  /** What really computes, for the record: `onnx (onnxruntime 1.30.0 cpu)`. */
  readonly backend: string;
  /** For each block, how many features weigh it most; absent where a detector weighs no blocks. */
  readonly blockImportance?: readonly number[];
  /**
   * Scores images; the score of an image is the sigmoid of its logit.
   * @param features float32 [count, blocks, width], row-major
   * @returns logits [count]
   */
  logits(features: Float32Array, count: number): Promise<Float32Array>;
  /**
   * The images in the space that the detector decides in, for Figure 1.
   * @returns [count, d′]
   */
  represent(features: Float32Array, count: number): Promise<Float32Array>;
  /**
   * Logits as they would be if a block had no weight and the others shared its own; absent where a
   * detector weighs no blocks.
   * @param features as {@linkcode Scorer.logits}
   * @returns by block, logits [count]
   */
  withoutBlocks?(features: Float32Array, count: number): Promise<Float32Array[]>;
  /** Frees what it holds. */
  dispose(): Promise<void>;
}

/** One head to train. */
export interface HeadToTrain {
  /** Names the head's files. */
  readonly key: string;
  /** How it is trained. */
  readonly config: TrainingConfig;
  /** Epochs after which the head is kept, counted from 1. */
  readonly keepEpochs: readonly number[];
}

/** Features that a training reads: keys of sets in one folder. */
export interface TrainingFeatures {
  /** Folder of feature sets. */
  readonly folder: string;
  /** By epoch, then by class and source. */
  readonly train: readonly (readonly string[])[];
  /** By class and source. */
  readonly val: readonly string[];
}

/** A head that has been trained. */
export interface TrainedHead {
  /** What training said, by epoch. */
  readonly epochs: readonly EpochLog[];
  /** Time spent in this head's own steps. */
  readonly trainingSeconds: number;
}

/** A head whose training came to nothing, and why. */
export interface FailedHead {
  /** What was found, and what to do. */
  readonly problem: string;
}

/** How heads are trained besides what their configurations say. */
export interface TrainingContext {
  /** Where heads are trained. */
  readonly compute: Compute;
  /** Results folder of the profile: heads go to {@linkcode checkpointPath} in it. */
  readonly folder: string;
  /** Told of rows that a head has learned from. */
  readonly onRows: (rows: number) => void;
  /** How often an unfinished training is put on disk, besides at epochs' ends. */
  readonly saveIntervalMs?: number;
}

/**
 * What training images go through. `rine`: the profile's augmentation, drawn anew for each epoch until
 * they come round. `ufd`: short side to a size, then the augmentation of UFD's released code. `plain`:
 * the crop from the middle that test images get.
 */
export type TrainingImages = "rine" | "ufd" | "plain";

/** Features of training images that a detector keeps and searches. */
export interface KeptFeatures {
  /** How many images'. */
  readonly rows: number;
  /** Of how many blocks, whatever more there are at its tap. */
  readonly blocks: number;
  /** Names the draw: heads of one training with the same draw search the same features. */
  readonly draw: string;
}

/** A detector. Make one with {@linkcode defineDetector}. */
export interface DetectorKind<Head extends HeadConfig = HeadConfig> {
  /** Its name in configurations and records: `rine`. */
  readonly name: string;
  /** Its name in tables: `RINE`. */
  readonly title: string;
  /** What it reads of an image: a backbone's features at a tap. */
  readonly reads: { readonly tap: Tap };
  /** What its training images go through before the backbone. */
  readonly trainsOn: TrainingImages;
  /**
   * A configuration's `head` as this detector's.
   * @throws {UserError} naming the first field that is missing, unknown or out of range
   */
  readHead(head: HeadConfig): Head;
  /** A head in a few words, for tables and messages: `ξ 0.2, q 2, d′ 128`. */
  describeHead(head: Head): string;
  /** Number of trainable parameters. */
  parameterCount(head: Head, sizes: FeatureSizes): number;
  /**
   * The features that a head keeps and searches instead of being trained in steps, of so many images
   * that it may learn from; absent where a detector keeps none.
   */
  keptFeatures?(head: Head, images: number): KeptFeatures;
  /** Whether a file with these tensors is a checkpoint of this detector. */
  isCheckpoint(tensors: ReadonlySet<string>): boolean;
  /**
   * Sizes of the features that a checkpoint's detector reads.
   * @throws {UserError} where the file is damaged, or of another detector
   */
  sizesOf(checkpoint: string): Promise<FeatureSizes>;
  /**
   * Opens a checkpoint.
   * @throws {UserError} where the file is damaged, of another detector, or holds what is no number
   */
  open(checkpoint: string, compute: Compute): Promise<Scorer>;
  /**
   * What a checkpoint holds, in lines for people.
   * @throws {UserError} where the file is damaged, or of another detector
   */
  describeCheckpoint(checkpoint: string): Promise<string[]>;
  /**
   * The tensors that are the detector's own, of a file that may hold others; absent where there is
   * never more in one.
   * @throws {UserError} where the file is damaged, of another detector, or no tensors say what it is
   */
  ownTensors?(checkpoint: string): Promise<SafetensorsFile>;
  /**
   * Trains heads whose configurations differ in `head` alone, on one stream of features; absent where
   * the detector does not learn. What was trained before is found; what was interrupted goes on and
   * ends with the numbers of an uninterrupted run.
   * @returns for each head what its training said, or why it came to nothing
   */
  train?(
    heads: readonly HeadToTrain[],
    features: TrainingFeatures,
    context: TrainingContext,
  ): Promise<(TrainedHead | FailedHead)[]>;
}

/** Types a detector; returns it as it is. */
export function defineDetector<Head extends HeadConfig>(
  detector: DetectorKind<Head>,
): DetectorKind {
  // a head is checked by `readHead` before it comes to the other functions
  return detector as unknown as DetectorKind;
}

/** File of a head in training, in the profile's results folder. */
export function statePath(key: string): string {
  return join("heads", `${key}.state.safetensors`);
}

/** File of a head after some epoch, in the profile's results folder. */
export function checkpointPath(key: string, epoch: number): string {
  return join("heads", `${key}-epoch${epoch}.safetensors`);
}

/**
 * The rate of an epoch: divided by 10 at the start of each decay epoch.
 * Released: `src/utils.py`, `train_one_experiment`.
 */
export function learningRateAt(
  { learningRate, decayEpochs }: TrainingConfig,
  epoch: number,
): number {
  return learningRate / 10 ** decayEpochs.filter((start) => start <= epoch).length;
}
