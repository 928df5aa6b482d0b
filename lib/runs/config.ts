/**
 * What is run, and what comes of it: configurations, and the rows that tables and figures read.
 * @module
 */
import type { TrainingConfig } from "../detectors/detector.ts";
import type { SetScores } from "../metrics.ts";
import type { ScoreSample } from "./sample.ts";

/** On what a trained head is tried. */
export interface EvaluationConfig {
  /** Names of test sets in the profile. */
  readonly testSets: readonly string[];
  /** `center`, `ten`, `alike`, or a perturbation: how test images are cropped. */
  readonly view: string;
  /** Seed of what the view draws at random; by default that of the head's training images. */
  readonly draw?: number;
  /** Epochs after which the test sets are scored, counted from 1. */
  readonly atEpochs: readonly number[];
  /** Which scores are measured; by default all. */
  readonly sample?: ScoreSample;
  /** Resamples of the test images that 95 % intervals are taken from; by default there are none. */
  readonly bootstrap?: number;
}

/** One run: a head, and where it is tried. */
export interface RunConfig {
  /** How the head is trained. */
  readonly training: TrainingConfig;
  /** On what it is tried. */
  readonly evaluation: EvaluationConfig;
}

/** One evaluated head, flat: what tables and figures are made of, ours and the published alike. */
export interface RunRow extends Omit<TrainingConfig, "batchSize" | "learningRate" | "decayEpochs"> {
  /** Name of the section that it was run for: `grid`. */
  readonly experiment: string;
  /** Images in a step; absent where it was not published. */
  readonly batchSize?: number;
  /** The optimiser's, in the first epoch; absent where it was not published. */
  readonly learningRate?: number;
  /** Epochs trained when evaluated. */
  readonly epochs: number;
  /** How test images were cropped: `center`, `ten`, or a perturbation. */
  readonly view: string;
  /** Seed of what the view drew, where it is not the head's own. */
  readonly draw?: number;
  /** Number of trainable parameters. */
  readonly parameterCount: number;
  /** Wall time of training on cached tokens; absent where it was not published. */
  readonly trainingSeconds?: number;
  /**
   * Binary cross-entropy of the weights that are kept, mean over the validation images; of published
   * rows, their own loss.
   */
  readonly valLoss: number;
  /** Their accuracy on the validation images at threshold .5, in [0, 1]. */
  readonly valAcc: number;
  /** For each block, how many of the d′ features weigh it most; absent where it was not published. */
  readonly blockImportance?: readonly number[];
  /** By test set, in the profile's order. */
  readonly test: Readonly<Record<string, SetScores>>;
  /** Names of the test sets that means are taken over; absent where that is all of them. */
  readonly averaged?: readonly string[];
}

/** The measured scores of an evaluated head. */
export interface ScoredRow {
  readonly row: RunRow;
  /** By test set: labels, 0 or 1, and probabilities that images are generated. */
  readonly sets: Readonly<Record<string, { labels: Uint8Array; scores: Float32Array }>>;
}

/** Every combination of one value of each field; the last field changes first. */
export function product<T extends Record<string, readonly unknown[]>>(
  fields: T,
): { [Field in keyof T]: T[Field][number] }[] {
  return Object.entries(fields).reduce<Record<string, unknown>[]>(
    (combinations, [field, values]) =>
      combinations.flatMap((one) => values.map((value) => ({ ...one, [field]: value }))),
    [{}],
  ) as { [Field in keyof T]: T[Field][number] }[];
}
