/**
 * What is run, and what comes of it: configurations, records and the rows that reports read.
 * @module
 */

/** Parts of the method that §5.2 leaves out. */
export const VARIANTS = ["full", "no contrastive loss", "no TIE", "no intermediate"] as const;

/** The method, or the method with one part left out. */
export type Variant = typeof VARIANTS[number];

/** How one head is trained. Equal configurations give equal heads; every field counts. */
export interface TrainingConfig {
  /** Name of the training set in the profile: `progan`, `ldm`. */
  readonly trainingSet: string;
  /** Classes trained on, in order. */
  readonly classes: readonly string[];
  /** Share of the training images used, in (0, 1]. */
  readonly fraction: number;
  /** Name of the backbone: `ViT-L/14`. */
  readonly backbone: string;
  /** ξ */
  readonly contrastiveWeight: number;
  /** q */
  readonly projectionLayers: number;
  /** d′ */
  readonly projectionDim: number;
  /** The method, or what is left out of it. */
  readonly variant: Variant;
  /** Images in a step. */
  readonly batchSize: number;
  /** Adam's, in the first epoch. */
  readonly learningRate: number;
  /** Number of epochs. */
  readonly epochs: number;
  /** The rate is divided by 10 at the start of these epochs, counted from 1. */
  readonly decayEpochs: readonly number[];
  /** Of parameters, order and dropout. */
  readonly seed: number;
}

/** On what a trained head is tried. */
export interface EvaluationConfig {
  /** Names of test sets in the profile. */
  readonly testSets: readonly string[];
  /** `center`, `ten`, or a perturbation: how test images are cropped. */
  readonly view: string;
  /** Epochs after which the test sets are scored, counted from 1. */
  readonly atEpochs: readonly number[];
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

/** Results on one set. Fractions in [0, 1]. */
export interface SetScores {
  /** Accuracy at threshold .5. */
  readonly acc: number;
  /** Average precision, scikit-learn's. */
  readonly ap: number;
  /** Further measures by name: `auc`, `accReal`, … */
  readonly [measure: string]: number;
}

/** One evaluated head, flat: what tables and figures are made of, ours and the published alike. */
export interface RunRow extends Omit<TrainingConfig, "batchSize" | "learningRate" | "decayEpochs"> {
  /** Name of the section that it was run for: `grid`. */
  readonly experiment: string;
  /** Epochs trained when evaluated. */
  readonly epochs: number;
  /** How test images were cropped: `center`, `ten`, or a perturbation. */
  readonly view: string;
  /** Number of trainable parameters. */
  readonly parameterCount: number;
  /** Wall time of training on cached tokens; absent where it was not published. */
  readonly trainingSeconds?: number;
  /** Binary cross-entropy, mean over the validation images; of published rows, their own loss. */
  readonly valLoss: number;
  /** Accuracy on the validation images at threshold .5, in [0, 1]. */
  readonly valAcc: number;
  /** For each block, how many of the d′ features weigh it most; absent where it was not published. */
  readonly blockImportance?: readonly number[];
  /** By test set, in the profile's order. */
  readonly test: Readonly<Record<string, SetScores>>;
  /** Names of the test sets that means are taken over; absent where that is all of them. */
  readonly averaged?: readonly string[];
}
