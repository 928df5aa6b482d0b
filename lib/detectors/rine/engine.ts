/**
 * What runs a head: one interface for every engine.
 * @module
 */
import {
  type HeadArchitecture,
  initialParameters,
  type Parameters,
  zeroParameters,
} from "./architecture.ts";
import type { Random } from "../../random.ts";

/** Tokens and labels of some images. */
export interface TokenBatch {
  /** CLS tokens [count, blocks, width], row-major. */
  readonly tokens: Float32Array;
  /** 0 real, 1 generated; [count]. */
  readonly labels: Uint8Array;
  /** Number of images. */
  readonly count: number;
}

/** Loss of one step, before the step. Paper: §3.4. */
export interface StepLoss {
  /** `bce` + ξ `supcon`. */
  readonly total: number;
  /** Binary cross-entropy, summed over the batch. */
  readonly bce: number;
  /** Supervised contrastive loss, mean over anchors. */
  readonly supcon: number;
}

/** All that training needs to go on: parameters and Adam's two moments. */
export interface TrainingState {
  /** The head's parameters. */
  readonly parameters: Parameters;
  /** Adam's running mean of gradients, under the same names. */
  readonly firstMoment: Parameters;
  /** Adam's running mean of squared gradients, under the same names. */
  readonly secondMoment: Parameters;
  /** Steps made so far. */
  readonly steps: number;
}

/** The state before the first step: fresh parameters, moments of zero. */
export function initialState(architecture: HeadArchitecture, random: Random): TrainingState {
  return {
    parameters: initialParameters(architecture, random),
    firstMoment: zeroParameters(architecture),
    secondMoment: zeroParameters(architecture),
    steps: 0,
  };
}

/** How a head is trained. */
export interface TrainerOptions {
  /** The head's sizes. */
  readonly architecture: HeadArchitecture;
  /** ξ; 0 leaves the contrastive loss out. */
  readonly contrastiveWeight: number;
  /** Whether dropout (p = .5) is active. */
  readonly dropout: boolean;
  /** Names the stream of dropout masks: masks depend on it and on the step's number alone. */
  readonly dropoutKey: readonly (string | number)[];
  /** Where training starts or goes on. */
  readonly state: TrainingState;
}

/** A head in training. */
export interface HeadTrainer {
  /** Forward, backward and one Adam step on a batch. */
  step(batch: TokenBatch, learningRate: number): Promise<StepLoss>;
  /** A copy of the state after the last step. */
  state(): TrainingState;
  /** Frees what the head holds; it takes no step after this. */
  dispose(): Promise<void>;
}

/** Outputs of a head on some images. */
export interface HeadOutput {
  /** [count]; the score is their sigmoid. */
  readonly logits: Float32Array;
  /** The representation that the contrastive loss sees, [count, projectionDim]. */
  readonly z: Float32Array;
}

/** Loss and gradients on a batch, without a step. */
export interface HeadGradients extends HeadOutput {
  /** Loss on the batch. */
  readonly loss: StepLoss;
  /** Of every parameter that training moves, under its name. */
  readonly gradients: Parameters;
}

/** A head that only predicts. */
export interface HeadPredictor {
  /** Runs the head on tokens [count, blocks, width], row-major. */
  predict(tokens: Float32Array, count: number): Promise<HeadOutput>;
  /** Frees what the head holds; it predicts nothing after this. */
  dispose(): Promise<void>;
}

/** Runs heads. Engines differ in nothing but rounding and speed. */
export interface HeadEngine {
  /** What chooses it: `onnx` or `tensorflow`. */
  readonly name: string;
  /** Where it really runs, for the record: `onnxruntime 1.30.0 cpu`. */
  readonly backend: string;
  /**
   * Opens a head for training. Heads of one architecture share what they can.
   * @throws {UserError} where the state does not fit the architecture
   */
  trainer(options: TrainerOptions): Promise<HeadTrainer>;
  /**
   * Opens a head for prediction.
   * @throws {UserError} where the parameters do not fit the architecture
   */
  predictor(architecture: HeadArchitecture, parameters: Parameters): Promise<HeadPredictor>;
  /** Loss and gradients of what would be the next step: to check one implementation by another. */
  gradients(options: TrainerOptions, batch: TokenBatch): Promise<HeadGradients>;
  /** Frees what the engine and its heads hold. */
  dispose(): Promise<void>;
}
