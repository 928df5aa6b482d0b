/**
 * The second engine: the head in TensorFlow, native or in JavaScript, with automatic gradients.
 * @module
 */
import type { Tensor as TfTensor, Tensor2D } from "@tensorflow/tfjs";
import { tensor } from "../io/tensor.ts";
import {
  assertParameters,
  blocksRead,
  type HeadArchitecture,
  type Parameters,
  parameterShapes,
  trainedParameters,
} from "./architecture.ts";
import { ADAM } from "./constants.ts";
import { DropoutMasks } from "./dropout.ts";
import type {
  HeadEngine,
  HeadGradients,
  HeadOutput,
  HeadPredictor,
  HeadTrainer,
  StepLoss,
  TokenBatch,
  TrainerOptions,
  TrainingState,
} from "./engine.ts";
import { tensorflowHead, tensorflowLoss, type TensorflowOutput } from "./tensorflow_head.ts";
import {
  hasNativeTensorflow,
  loadTensorflow,
  type TensorflowLibrary,
  type TensorflowLibraryName,
  type TensorflowOptions,
} from "./tensorflow_library.ts";
import { assertBatch, readTokens } from "./token_batch.ts";

/**
 * Opens the engine.
 * @param library default: native where it is installed
 * @throws {RangeError} where the library or the device that is asked for is not there
 */
export async function openTensorflowEngine(
  options: TensorflowOptions = {},
  library?: TensorflowLibraryName,
): Promise<HeadEngine> {
  library ??= await hasNativeTensorflow() ? "native" : "javascript";
  return new TensorflowEngine(await loadTensorflow(library, options));
}

class TensorflowEngine implements HeadEngine {
  readonly name = "tensorflow";
  readonly backend: string;
  readonly #library: TensorflowLibrary;

  constructor(library: TensorflowLibrary) {
    this.#library = library;
    this.backend = library.backend;
  }

  trainer(options: TrainerOptions): Promise<HeadTrainer> {
    const { architecture, state } = options;
    for (const part of [state.parameters, state.firstMoment, state.secondMoment]) {
      assertParameters(architecture, part, "Cannot train head");
    }
    return Promise.resolve(new TensorflowTrainer(this.#library, options));
  }

  predictor(architecture: HeadArchitecture, parameters: Parameters): Promise<HeadPredictor> {
    assertParameters(architecture, parameters, "Cannot predict");
    return Promise.resolve(new TensorflowPredictor(this.#library, architecture, parameters));
  }

  async gradients(options: TrainerOptions, batch: TokenBatch): Promise<HeadGradients> {
    const { architecture, state, contrastiveWeight } = options;
    assertParameters(architecture, state.parameters, "Cannot compute gradients");
    const head = new ResidentHead(this.#library, architecture, state.parameters);
    const { bce, supcon, logits, z, gradients } = head.differentiate(options, batch, state.steps);
    const shapes = parameterShapes(architecture);
    const found = new Map(
      [...gradients].map(([name, { value }]) => [name, tensor(floats(value), shapes.get(name)!)]),
    );
    const output = await read({ logits, z });
    const loss = await readLoss(bce, supcon, contrastiveWeight);
    for (const { value } of gradients.values()) value.dispose();
    head.dispose();
    return { loss, gradients: found, ...output };
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}
