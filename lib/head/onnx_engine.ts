/**
 * The default engine: the head as ONNX models in onnxruntime-node.
 * @module
 */
import {
  type Device,
  ONNX_RUNTIME_VERSION,
  openSession,
  type OrtTensor,
  ortTensor,
  type Session,
} from "../onnx/session.ts";
import { type Tensor, tensor } from "../io/tensor.ts";
import {
  assertParameters,
  blocksRead,
  type HeadArchitecture,
  type Parameters,
  parameterShapes,
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
import { gradientModel, predictionModel, trainingModel } from "./onnx_graph.ts";
import { type ParameterLayout, parameterLayout } from "./parameter_layout.ts";
import { assertBatch, readTokens } from "./token_batch.ts";

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
  readonly #models = new Map<string, Promise<SharedModel>>();

  constructor(options: OnnxEngineOptions) {
    this.#options = options;
    this.backend = `onnxruntime ${ONNX_RUNTIME_VERSION} ${options.device ?? "cpu"}`;
  }

  async trainer(options: TrainerOptions): Promise<HeadTrainer> {
    const { architecture, dropout, state } = options;
    for (const part of [state.parameters, state.firstMoment, state.secondMoment]) {
      assertParameters(architecture, part, "Cannot train head");
    }
    const model = await this.#model("train", architecture, dropout);
    return new OnnxTrainer(options, model);
  }

  async predictor(architecture: HeadArchitecture, parameters: Parameters): Promise<HeadPredictor> {
    assertParameters(architecture, parameters, "Cannot predict");
    const model = await this.#model("predict", architecture, false);
    return new OnnxPredictor(architecture, parameters, model);
  }

  async gradients(options: TrainerOptions, batch: TokenBatch): Promise<HeadGradients> {
    const { architecture, dropout, state, dropoutKey, contrastiveWeight } = options;
    assertParameters(architecture, state.parameters, "Cannot compute gradients");
    assertBatch(architecture, batch);
    const model = await this.#model("gradients", architecture, dropout);
    const fetched = await model.run({
      ...model.weights(model.flatten(state.parameters)),
      ...model.batch(batch, dropoutKey, state.steps),
      contrastiveWeight: scalar(contrastiveWeight),
    });
    const gradients = new Map(
      [...model.layout.spans].map((
        [name, { shape }],
      ) => [name, tensor(floats(fetched[`gradient.${name}`]), shape)]),
    );
    return { loss: stepLoss(fetched, contrastiveWeight), gradients, ...headOutput(fetched) };
  }

  #model(kind: ModelKind, architecture: HeadArchitecture, dropout: boolean): Promise<SharedModel> {
    const key = JSON.stringify([kind, dropout, Object.entries(architecture).sort()]);
    let model = this.#models.get(key);
    if (!model) {
      model = openSession(buildModel(kind, architecture, dropout), this.#options).then((session) =>
        new SharedModel(architecture, dropout, session)
      );
      this.#models.set(key, model);
    }
    return model;
  }

  async dispose(): Promise<void> {
    for (const model of this.#models.values()) await (await model).dispose();
    this.#models.clear();
  }
}

type ModelKind = "train" | "predict" | "gradients";
type Feeds = Record<string, OrtTensor>;

function buildModel(kind: ModelKind, architecture: HeadArchitecture, dropout: boolean) {
  if (kind === "predict") return predictionModel(architecture);
  return kind === "train"
    ? trainingModel(architecture, dropout)
    : gradientModel(architecture, dropout);
}

/** A session and its buffers, shared by all heads of an architecture. */
class SharedModel {
  readonly layout: ParameterLayout;
  /** Parameters of no head: where the next training step puts its result. */
  spare: ParameterBuffer | undefined;
  readonly #architecture: HeadArchitecture;
  readonly #masks: DropoutMasks | undefined;
  readonly #session: Session;
  #last: Promise<unknown> = Promise.resolve();

  constructor(architecture: HeadArchitecture, dropout: boolean, session: Session) {
    this.layout = parameterLayout(architecture);
    this.#architecture = architecture;
    this.#masks = dropout ? new DropoutMasks(architecture) : undefined;
    this.#session = session;
  }

  run(feeds: Feeds, fetches?: Feeds): Promise<Record<string, OrtTensor>> {
    return fetches ? this.#session.run(feeds, fetches) : this.#session.run(feeds);
  }

  /** Runs what uses the shared buffers, after all that did before. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  flatten(parameters: Parameters): Float32Array {
    const flat = new Float32Array(this.layout.length);
    for (const [name, { offset }] of this.layout.spans) {
      flat.set(parameters.get(name)!.data, offset);
    }
    return flat;
  }

  weights(flat: Float32Array): Feeds {
    return Object.fromEntries(
      [...this.layout.spans].map(([name, span]) => [name, viewOf(flat, span.offset, span.shape)]),
    );
  }

  chunks(name: string, suffix: string, flat: Float32Array): Feeds {
    return Object.fromEntries(
      this.layout.chunks.map((
        { offset, length },
        i,
      ) => [`${name}.${i}${suffix}`, viewOf(flat, offset, [length])]),
    );
  }

  tokens(tokens: Float32Array, count: number): OrtTensor {
    const { width } = this.#architecture;
    const rows = count * blocksRead(this.#architecture);
    return ortTensor("float32", readTokens(this.#architecture, tokens, count), [rows, width]);
  }

  batch(
    { tokens, labels, count }: TokenBatch,
    dropoutKey: readonly (string | number)[],
    step: number,
  ): Feeds {
    const feeds: Feeds = {
      tokens: this.tokens(tokens, count),
      labels: ortTensor("float32", Float32Array.from(labels), [count, 1]),
    };
    this.#masks?.draw(dropoutKey, step, count).forEach((mask, i) => {
      const { name, width } = this.#masks!.layers[i]!;
      feeds[`dropout.${name}`] = ortTensor("uint8", mask, [mask.length / width, width]);
    });
    return feeds;
  }

  dispose(): Promise<void> {
    return this.exclusively(() => this.#session.release());
  }
}

/** Parameters with the tensors through which a training step reads and writes them. */
class ParameterBuffer {
  readonly feeds: Feeds;
  readonly fetches: Feeds;

  constructor(readonly flat: Float32Array, model: SharedModel) {
    this.feeds = { ...model.weights(flat), ...model.chunks("parameters", "", flat) };
    this.fetches = model.chunks("parameters", ".next", flat);
  }
}

class OnnxTrainer implements HeadTrainer {
  readonly #options: Omit<TrainerOptions, "state">;
  readonly #model: SharedModel;
  readonly #untrained: Parameters;
  readonly #moments: readonly [Float32Array, Float32Array];
  readonly #momentFeeds: Feeds;
  readonly #momentFetches: Feeds;
  #parameters: ParameterBuffer;
  #steps: number;

  constructor({ state, ...options }: TrainerOptions, model: SharedModel) {
    this.#options = options;
    this.#model = model;
    this.#untrained = new Map(
      [...state.parameters].filter(([name]) => !model.layout.spans.has(name)),
    );
    this.#parameters = new ParameterBuffer(model.flatten(state.parameters), model);
    const first = model.flatten(state.firstMoment), second = model.flatten(state.secondMoment);
    this.#moments = [first, second];
    // moments are updated in place: the only operator that reads one runs before it is written
    const tensors = (suffix: string) => ({
      ...model.chunks("firstMoment", suffix, first),
      ...model.chunks("secondMoment", suffix, second),
    });
    this.#momentFeeds = tensors("");
    this.#momentFetches = tensors(".next");
    this.#steps = state.steps;
  }

  async step(batch: TokenBatch, learningRate: number): Promise<StepLoss> {
    const { architecture, contrastiveWeight, dropoutKey } = this.#options;
    assertBatch(architecture, batch);
    return await this.#model.exclusively(async () => {
      const model = this.#model, step = this.#steps + 1;
      const next = model.spare ??
        new ParameterBuffer(new Float32Array(model.layout.length), model);
      const correction = Math.sqrt(1 - ADAM.beta2 ** step);
      const bce = new Float32Array(1), supcon = new Float32Array(1);
      await model.run({
        ...this.#parameters.feeds,
        ...this.#momentFeeds,
        ...model.batch(batch, dropoutKey, this.#steps),
        contrastiveWeight: scalar(contrastiveWeight),
        stepSize: scalar(learningRate * correction / (1 - ADAM.beta1 ** step)),
        epsilon: scalar(ADAM.epsilon * correction),
      }, {
        ...next.fetches,
        ...this.#momentFetches,
        bce: ortTensor("float32", bce, []),
        supcon: ortTensor("float32", supcon, []),
      });
      model.spare = this.#parameters;
      this.#parameters = next;
      this.#steps = step;
      return lossOf(bce[0]!, supcon[0]!, contrastiveWeight);
    });
  }

  state(): TrainingState {
    const [first, second] = this.#moments;
    return {
      parameters: this.#copy(this.#parameters.flat, this.#untrained),
      firstMoment: this.#copy(first),
      secondMoment: this.#copy(second),
      steps: this.#steps,
    };
  }

  #copy(flat: Float32Array, untrained?: Parameters): Parameters {
    return new Map(
      [...parameterShapes(this.#options.architecture)].map(([name, shape]): [string, Tensor] => {
        const length = shape.reduce((product, size) => product * size, 1);
        const span = this.#model.layout.spans.get(name);
        if (span) return [name, tensor(flat.slice(span.offset, span.offset + length), shape)];
        return [
          name,
          tensor(untrained?.get(name)?.data.slice() ?? new Float32Array(length), shape),
        ];
      }),
    );
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

class OnnxPredictor implements HeadPredictor {
  readonly #architecture: HeadArchitecture;
  readonly #model: SharedModel;
  readonly #weights: Feeds;

  constructor(architecture: HeadArchitecture, parameters: Parameters, model: SharedModel) {
    this.#architecture = architecture;
    this.#model = model;
    this.#weights = model.weights(model.flatten(parameters));
  }

  async predict(tokens: Float32Array, count: number): Promise<HeadOutput> {
    assertBatch(this.#architecture, { tokens, count });
    return headOutput(
      await this.#model.run({ ...this.#weights, tokens: this.#model.tokens(tokens, count) }),
    );
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

function viewOf(flat: Float32Array, offset: number, shape: readonly number[]): OrtTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return ortTensor("float32", flat.subarray(offset, offset + length), shape);
}

function scalar(value: number): OrtTensor {
  return ortTensor("float32", Float32Array.of(value), []);
}

function floats(value: OrtTensor | undefined): Float32Array {
  return value!.data as Float32Array;
}

function headOutput(fetched: Record<string, OrtTensor>): HeadOutput {
  return { logits: floats(fetched["logits"]), z: floats(fetched["z"]) };
}

function stepLoss(fetched: Record<string, OrtTensor>, contrastiveWeight: number): StepLoss {
  return lossOf(floats(fetched["bce"])[0]!, floats(fetched["supcon"])[0]!, contrastiveWeight);
}

function lossOf(bce: number, supcon: number, contrastiveWeight: number): StepLoss {
  return { total: bce + contrastiveWeight * supcon, bce, supcon };
}
