/**
 * The default engine: the head as ONNX models in onnxruntime-node.
 * @module
 */
import { type Device, ONNX_RUNTIME_VERSION, ortTensor } from "../../../onnx/session.ts";
import { sizeOf, type Tensor, tensor } from "../../../io/tensor.ts";
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
import { type Feeds, type ModelKind, scalar, SharedModel } from "./model.ts";
import { assertBatch } from "../token_batch.ts";

/** How the engine's sessions are opened. */
export interface OnnxEngineOptions {
  /** Default `cpu`. */
  readonly device?: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
}

/** Opens the engine; the sessions themselves open when a head first needs them. */
export function openOnnxEngine(options: OnnxEngineOptions = {}): Promise<HeadEngine> {
  return Promise.resolve(new OnnxEngine(options));
}

class OnnxEngine implements HeadEngine {
  readonly name = "onnx";
  readonly backend: string;
  readonly #options: OnnxEngineOptions;
  readonly #models = new Map<string, { readonly opening: Promise<SharedModel>; users: number }>();

  constructor(options: OnnxEngineOptions) {
    this.#options = options;
    this.backend = `onnxruntime ${ONNX_RUNTIME_VERSION} ${options.device ?? "cpu"}`;
  }

  async trainer(options: TrainerOptions): Promise<HeadTrainer> {
    const { architecture, dropout, state } = options;
    for (const part of [state.parameters, state.firstMoment, state.secondMoment]) {
      assertParameters(architecture, part, "Cannot train head");
    }
    return new OnnxTrainer(options, ...await this.#hold("train", architecture, dropout));
  }

  async predictor(architecture: HeadArchitecture, parameters: Parameters): Promise<HeadPredictor> {
    assertParameters(architecture, parameters, "Cannot predict");
    const held = await this.#hold("predict", architecture, false);
    return new OnnxPredictor(architecture, parameters, ...held);
  }

  async gradients(options: TrainerOptions, batch: TokenBatch): Promise<HeadGradients> {
    const { architecture, dropout, state, dropoutKey, contrastiveWeight } = options;
    assertParameters(architecture, state.parameters, "Cannot compute gradients");
    assertBatch(architecture, batch);
    const [model, release] = await this.#hold("gradients", architecture, dropout);
    const fetched = await model.run(() => ({
      ...model.weights(model.flatten(state.parameters)),
      ...model.batch(batch, dropoutKey, state.steps),
      contrastiveWeight: scalar(contrastiveWeight),
    })).finally(release);
    const loss = lossOf(floats(fetched, "bce"), floats(fetched, "supcon"), contrastiveWeight);
    const gradients = new Map(
      [...model.layout.spans].map(([name, { shape }]) => {
        return [name, tensor(floats(fetched, `gradient.${name}`), shape)];
      }),
    );
    return { loss, gradients, ...outputOf(fetched) };
  }

  /** The model of an architecture, and what lets go of it. */
  async #hold(
    kind: ModelKind,
    architecture: HeadArchitecture,
    dropout: boolean,
  ): Promise<[SharedModel, () => void]> {
    const key = JSON.stringify([kind, dropout, Object.entries(architecture).sort()]);
    let held = this.#models.get(key);
    if (!held) {
      const opening = this.#closeUnused()
        .then(() => SharedModel.open(kind, architecture, dropout, this.#options));
      this.#models.set(key, held = { opening, users: 0 });
    }
    held.users++;
    let release = () => void held.users--;
    try {
      return [await held.opening, () => {
        release();
        release = () => {};
      }];
    } catch (error) {
      // whoever asks next has it tried again
      if (this.#models.get(key) === held) this.#models.delete(key);
      throw error;
    }
  }

  /** Closes the models that no head holds: for large heads they keep hundreds of megabytes. */
  async #closeUnused(): Promise<void> {
    const unused = [...this.#models].filter(([, { users }]) => users === 0);
    for (const [key] of unused) this.#models.delete(key);
    // one that failed to open has nothing to close
    for (const [, { opening }] of unused) await (await opening.catch(() => {}))?.close();
  }

  async dispose(): Promise<void> {
    for (const held of this.#models.values()) held.users = 0;
    await this.#closeUnused();
  }
}

class OnnxTrainer implements HeadTrainer {
  readonly #options: Omit<TrainerOptions, "state">;
  readonly #model: SharedModel;
  readonly #release: () => void;
  /** What training leaves alone; the rest is in the arrays. */
  readonly #rest: Omit<TrainingState, "steps">;
  readonly #parameters: Float32Array;
  readonly #first: Float32Array;
  readonly #second: Float32Array;
  readonly #feeds: Feeds;
  readonly #fetches: Feeds;
  readonly #bce = new Float32Array(1);
  readonly #supcon = new Float32Array(1);
  #steps: number;

  constructor({ state, ...options }: TrainerOptions, model: SharedModel, release: () => void) {
    this.#options = options;
    this.#model = model;
    this.#release = release;
    this.#rest = untrained(state, model);
    this.#steps = state.steps;
    this.#parameters = model.flatten(state.parameters);
    this.#first = model.flatten(state.firstMoment);
    this.#second = model.flatten(state.secondMoment);
    // a step writes where it reads: its updates come last, each by itself
    const chunks = (suffix: string) => ({
      ...model.chunks("parameters", this.#parameters, suffix),
      ...model.chunks("firstMoment", this.#first, suffix),
      ...model.chunks("secondMoment", this.#second, suffix),
    });
    this.#feeds = {
      ...model.weights(this.#parameters),
      ...chunks(""),
      contrastiveWeight: scalar(options.contrastiveWeight),
    };
    this.#fetches = {
      ...chunks(".next"),
      bce: ortTensor("float32", this.#bce, []),
      supcon: ortTensor("float32", this.#supcon, []),
    };
  }

  async step(batch: TokenBatch, learningRate: number): Promise<StepLoss> {
    const { architecture, contrastiveWeight, dropoutKey } = this.#options;
    assertBatch(architecture, batch);
    await this.#model.run(() => {
      const masked = this.#steps++;
      const correction = Math.sqrt(1 - ADAM.beta2 ** this.#steps);
      return {
        ...this.#feeds,
        ...this.#model.batch(batch, dropoutKey, masked),
        stepSize: scalar(learningRate * correction / (1 - ADAM.beta1 ** this.#steps)),
        epsilon: scalar(ADAM.epsilon * correction),
      };
    }, this.#fetches);
    return lossOf(this.#bce, this.#supcon, contrastiveWeight);
  }

  state(): TrainingState {
    const { parameters, firstMoment, secondMoment } = this.#rest;
    return {
      parameters: this.#unflatten(this.#parameters, parameters),
      firstMoment: this.#unflatten(this.#first, firstMoment),
      secondMoment: this.#unflatten(this.#second, secondMoment),
      steps: this.#steps,
    };
  }

  #unflatten(flat: Float32Array, rest: Parameters): Parameters {
    return new Map(
      [...parameterShapes(this.#options.architecture)].map(([name, shape]): [string, Tensor] => {
        const span = this.#model.layout.spans.get(name);
        const data = span
          ? flat.slice(span.offset, span.offset + sizeOf(shape))
          : rest.get(name)!.data.slice();
        return [name, tensor(data, shape)];
      }),
    );
  }

  dispose(): Promise<void> {
    this.#release();
    return Promise.resolve();
  }
}

class OnnxPredictor implements HeadPredictor {
  readonly #architecture: HeadArchitecture;
  readonly #model: SharedModel;
  readonly #release: () => void;
  readonly #weights: Feeds;

  constructor(
    architecture: HeadArchitecture,
    parameters: Parameters,
    model: SharedModel,
    release: () => void,
  ) {
    this.#architecture = architecture;
    this.#model = model;
    this.#release = release;
    this.#weights = model.weights(model.flatten(parameters));
  }

  async predict(tokens: Float32Array, count: number): Promise<HeadOutput> {
    assertBatch(this.#architecture, { tokens, count });
    const input = this.#model.tokens(tokens, count);
    return outputOf(await this.#model.run(() => ({ ...this.#weights, tokens: input })));
  }

  dispose(): Promise<void> {
    this.#release();
    return Promise.resolve();
  }
}

function untrained(state: TrainingState, { layout }: SharedModel): Omit<TrainingState, "steps"> {
  const rest = (parameters: Parameters): Parameters =>
    new Map([...parameters].filter(([name]) => !layout.spans.has(name)));
  return {
    parameters: rest(state.parameters),
    firstMoment: rest(state.firstMoment),
    secondMoment: rest(state.secondMoment),
  };
}

function floats(fetched: Feeds, name: string): Float32Array {
  return fetched[name]!.data as Float32Array;
}

function outputOf(fetched: Feeds): HeadOutput {
  return { logits: floats(fetched, "logits"), z: floats(fetched, "z") };
}

function lossOf(bce: Float32Array, supcon: Float32Array, contrastiveWeight: number): StepLoss {
  return { total: bce[0]! + contrastiveWeight * supcon[0]!, bce: bce[0]!, supcon: supcon[0]! };
}
