/**
 * The second engine: the head in TensorFlow, native or in JavaScript, with automatic gradients.
 * @module
 */
import type { Tensor as TfTensor } from "@tensorflow/tfjs";
import { tensor } from "../../../io/tensor.ts";
import {
  assertParameters,
  type HeadArchitecture,
  type Parameters,
  parameterShapes,
} from "../architecture.ts";
import { ADAM } from "../constants.ts";
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
} from "../engine.ts";
import type { TensorflowOutput } from "./head.ts";
import {
  hasNativeTensorflow,
  loadTensorflow,
  type TensorflowLibrary,
  type TensorflowLibraryName,
  type TensorflowOptions,
} from "./library.ts";
import { download, ResidentHead, upload, values } from "./resident.ts";
import { assertBatch } from "../token_batch.ts";

/**
 * Opens the engine.
 * @param library default: native where it is installed
 * @throws {UserError} where the library or the device that is asked for is not there
 */
export async function openTensorflowEngine(
  options: TensorflowOptions = {},
  library?: TensorflowLibraryName,
): Promise<HeadEngine> {
  library ??= options.device === "cuda" || await hasNativeTensorflow() ? "native" : "javascript";
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

  // deno-lint-ignore require-await -- a refusal is a rejection, as in every engine
  async trainer(options: TrainerOptions): Promise<HeadTrainer> {
    const { architecture, state } = options;
    for (const part of [state.parameters, state.firstMoment, state.secondMoment]) {
      assertParameters(architecture, part, "Cannot train head");
    }
    return new TensorflowTrainer(this.#library, options);
  }

  // deno-lint-ignore require-await -- a refusal is a rejection, as in every engine
  async predictor(architecture: HeadArchitecture, parameters: Parameters): Promise<HeadPredictor> {
    assertParameters(architecture, parameters, "Cannot predict");
    return new TensorflowPredictor(this.#library, architecture, parameters);
  }

  async gradients(options: TrainerOptions, batch: TokenBatch): Promise<HeadGradients> {
    const { architecture, state, contrastiveWeight } = options;
    assertParameters(architecture, state.parameters, "Cannot compute gradients");
    const head = new ResidentHead(this.#library, architecture, state.parameters);
    const derivative = head.differentiate(options, batch, state.steps);
    const shapes = parameterShapes(architecture);
    const gradients = new Map(
      head.trained.map((name, i) => [
        name,
        tensor(values(derivative.gradients[i]!), shapes.get(name)!),
      ]),
    );
    const loss = await lossOf(derivative, contrastiveWeight);
    const output = await outputOf(derivative);
    this.#library.tf.dispose(derivative);
    head.dispose();
    return { loss, gradients, ...output };
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

class TensorflowTrainer implements HeadTrainer {
  readonly #library: TensorflowLibrary;
  readonly #options: Omit<TrainerOptions, "state">;
  readonly #head: ResidentHead;
  readonly #first: Map<string, TfTensor>;
  readonly #second: Map<string, TfTensor>;
  #steps: number;

  constructor(library: TensorflowLibrary, { state, ...options }: TrainerOptions) {
    this.#library = library;
    this.#options = options;
    this.#head = new ResidentHead(library, options.architecture, state.parameters);
    this.#first = upload(library, state.firstMoment);
    this.#second = upload(library, state.secondMoment);
    this.#steps = state.steps;
  }

  async step(batch: TokenBatch, learningRate: number): Promise<StepLoss> {
    const derivative = this.#head.differentiate(this.#options, batch, this.#steps);
    this.#steps++;
    this.#head.trained.forEach((name, i) =>
      this.#update(name, derivative.gradients[i]!, learningRate)
    );
    const loss = await lossOf(derivative, this.#options.contrastiveWeight);
    this.#library.tf.dispose(derivative);
    return loss;
  }

  /** One step of Adam on one parameter. */
  #update(name: string, gradient: TfTensor, learningRate: number): void {
    const { tf } = this.#library, { beta1, beta2, epsilon } = ADAM;
    const correction = Math.sqrt(1 - beta2 ** this.#steps);
    const stepSize = learningRate * correction / (1 - beta1 ** this.#steps);
    const [first, second, parameter] = tf.tidy(() => {
      const first = tf.add(tf.mul(this.#first.get(name)!, beta1), tf.mul(gradient, 1 - beta1));
      const second = tf.add(
        tf.mul(this.#second.get(name)!, beta2),
        tf.mul(tf.square(gradient), 1 - beta2),
      );
      const ratio = tf.div(first, tf.add(tf.sqrt(second), epsilon * correction));
      return [first, second, tf.sub(this.#head.parameter(name), tf.mul(ratio, stepSize))];
    });
    tf.dispose([this.#first.get(name)!, this.#second.get(name)!]);
    this.#first.set(name, first!);
    this.#second.set(name, second!);
    this.#head.replace(name, parameter!);
  }

  state(): TrainingState {
    this.#library.use();
    return {
      parameters: this.#head.download(),
      firstMoment: download(this.#first),
      secondMoment: download(this.#second),
      steps: this.#steps,
    };
  }

  dispose(): Promise<void> {
    this.#head.dispose();
    this.#library.tf.dispose([...this.#first.values(), ...this.#second.values()]);
    return Promise.resolve();
  }
}

class TensorflowPredictor implements HeadPredictor {
  readonly #library: TensorflowLibrary;
  readonly #architecture: HeadArchitecture;
  readonly #head: ResidentHead;

  constructor(library: TensorflowLibrary, architecture: HeadArchitecture, parameters: Parameters) {
    this.#library = library;
    this.#architecture = architecture;
    this.#head = new ResidentHead(library, architecture, parameters);
  }

  async predict(tokens: Float32Array, count: number): Promise<HeadOutput> {
    assertBatch(this.#architecture, { tokens, count });
    const found = this.#head.predict(tokens, count);
    const output = await outputOf(found);
    this.#library.tf.dispose(found);
    return output;
  }

  dispose(): Promise<void> {
    this.#head.dispose();
    return Promise.resolve();
  }
}

async function outputOf({ logits, z }: TensorflowOutput): Promise<HeadOutput> {
  return {
    logits: (await logits.data<"float32">()).slice(),
    z: (await z.data<"float32">()).slice(),
  };
}

async function lossOf(
  { bce, supcon }: { bce: TfTensor; supcon: TfTensor },
  contrastiveWeight: number,
): Promise<StepLoss> {
  const [entropy, contrast] = [(await bce.data())[0]!, (await supcon.data())[0]!];
  return { total: entropy + contrastiveWeight * contrast, bce: entropy, supcon: contrast };
}
