/**
 * A ResNet with one logit in training: batches in, a step of Adam each; and its logits meanwhile.
 * @module
 */
import { openSession, type OrtTensor, ortTensor, type Session } from "../../onnx/session.ts";
import type { SessionOptions } from "../../onnx/session.ts";
import { sizeOf, type Tensor, tensor } from "../../io/tensor.ts";
import type { Adam } from "../adam_step.ts";
import { isStatistic } from "../live_norm.ts";
import { logitsModel, stepModel, type TrainedNetwork } from "./training_graph.ts";

/** What training moves. */
export interface ResnetState {
  /** Parameters and running statistics by their names. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Adam's running means of gradients, by parameter. */
  readonly firstMoment: ReadonlyMap<string, Tensor>;
  /** Adam's running means of squared gradients, by parameter. */
  readonly secondMoment: ReadonlyMap<string, Tensor>;
  /** Steps made so far. */
  readonly steps: number;
}

/** Images of one size. */
export interface ImageBatch {
  /** uint8 [count, height, width, 3]; or float32 [count, 3, height, width], normalised. */
  readonly images: Uint8Array | Float32Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/** The state before the first step of a network. */
export function stateBefore(tensors: ReadonlyMap<string, Tensor>): ResnetState {
  const zeros = () =>
    new Map(
      [...tensors].filter(([name]) => !isStatistic(name))
        .map(([name, { shape }]) => [name, tensor(new Float32Array(sizeOf(shape)), shape)]),
    );
  return { tensors, firstMoment: zeros(), secondMoment: zeros(), steps: 0 };
}

/** What a network in training computes. */
export interface TrainedGraphs {
  readonly adam: Adam;
  /** Graph of a step for images of one size, as `addStep` makes it. */
  step(sizePx: readonly [height: number, width: number]): Uint8Array;
  /** Graph of logits: `logits`, [N, P], one for each of P places that are judged. */
  logits(): Uint8Array;
  /** What both take of a batch, besides their tensors. */
  inputs(batch: ImageBatch): Record<string, OrtTensor> | Promise<Record<string, OrtTensor>>;
}

/** What is trained batch by batch, whatever it is. */
export interface PixelTrainer {
  /** Steps made so far. */
  readonly steps: number;
  /** A copy of what training has moved, and of what a checkpoint holds besides. */
  state(): ResnetState;
  /**
   * One step of Adam.
   * @param labels 0 real, 1 generated; [count]
   * @returns the loss before the step
   */
  step(batch: ImageBatch, labels: Uint8Array, learningRate: number): Promise<number>;
  /**
   * Logits as they are after the last step.
   * @returns [count]
   */
  logits(batch: ImageBatch): Promise<Float32Array>;
  /** Closes its sessions. */
  dispose(): Promise<void>;
}

/** A network in training; it holds its tensors once, and each step writes them where it reads them. */
export class Trainer implements PixelTrainer {
  readonly #graphs: TrainedGraphs;
  readonly #options: SessionOptions;
  readonly #tensors: Map<string, Tensor>;
  readonly #first: Map<string, Tensor>;
  readonly #second: Map<string, Tensor>;
  readonly #weights: Record<string, OrtTensor>;
  readonly #moments: Record<string, OrtTensor>;
  readonly #fetches: Record<string, OrtTensor>;
  readonly #loss = new Float32Array(1);
  #steps: number;
  #stepping: { readonly size: string; readonly session: Session } | undefined;
  #predicting: Session | undefined;

  /** Training begins or goes on at a state, of which it takes a copy. Sessions open when needed. */
  constructor(graphs: TrainedGraphs, state: ResnetState, options: SessionOptions = {}) {
    this.#graphs = graphs;
    this.#options = options;
    this.#tensors = copyOf(state.tensors);
    this.#first = copyOf(state.firstMoment);
    this.#second = copyOf(state.secondMoment);
    this.#steps = state.steps;
    const named = (tensors: ReadonlyMap<string, Tensor>, suffix: string) =>
      Object.fromEntries(
        [...tensors].map(([name, { data, shape }]) =>
          [`${name}${suffix}`, ortTensor("float32", data, shape)] as const
        ),
      );
    this.#weights = named(this.#tensors, "");
    this.#moments = { ...named(this.#first, ".first"), ...named(this.#second, ".second") };
    this.#fetches = {
      ...named(this.#tensors, ".next"),
      ...named(this.#first, ".first.next"),
      ...named(this.#second, ".second.next"),
      loss: ortTensor("float32", this.#loss, []),
    };
  }

  /** Steps made so far. */
  get steps(): number {
    return this.#steps;
  }

  /** A copy of what training has moved. */
  state(): ResnetState {
    return {
      tensors: copyOf(this.#tensors),
      firstMoment: copyOf(this.#first),
      secondMoment: copyOf(this.#second),
      steps: this.#steps,
    };
  }

  /**
   * One step of Adam; batch normalisation goes by the batch, and moves its running statistics.
   * @param labels 0 real, 1 generated; [count]
   * @returns binary cross-entropy before the step, mean over the batch and all places
   */
  async step(batch: ImageBatch, labels: Uint8Array, learningRate: number): Promise<number> {
    const session = await this.#sessionOf(batch);
    const { beta1, beta2, epsilon } = this.#graphs.adam;
    const steps = this.#steps + 1, correction = Math.sqrt(1 - beta2 ** steps);
    const scalar = (value: number) => ortTensor("float32", Float32Array.of(value), []);
    await session.run({
      ...this.#weights,
      ...this.#moments,
      ...await this.#graphs.inputs(batch),
      labels: ortTensor("float32", Float32Array.from(labels), [batch.count, 1]),
      stepSize: scalar(learningRate * correction / (1 - beta1 ** steps)),
      epsilon: scalar(epsilon * correction),
    }, this.#fetches);
    this.#steps = steps;
    return this.#loss[0]!;
  }

  /**
   * Logits by the running statistics, as the network has them once it is trained.
   * @returns [count], or [count, places] where several places of an image are judged
   */
  async logits(batch: ImageBatch): Promise<Float32Array> {
    this.#predicting ??= await openSession(this.#graphs.logits(), {
      ...this.#options,
      sizesVary: true,
    });
    const { logits } = await this.#predicting.run({
      ...this.#weights,
      ...await this.#graphs.inputs(batch),
    });
    return logits!.data as Float32Array;
  }

  /** Closes its sessions. */
  async dispose(): Promise<void> {
    await this.#stepping?.session.release();
    await this.#predicting?.release();
  }

  /** Steps are opened for one size of images at a time. */
  async #sessionOf({ height, width }: ImageBatch): Promise<Session> {
    const size = `${height} × ${width}`;
    if (this.#stepping?.size !== size) {
      await this.#stepping?.session.release();
      const session = await openSession(this.#graphs.step([height, width]), this.#options);
      this.#stepping = { size, session };
    }
    return this.#stepping.session;
  }
}

/** A ResNet in training, all of whose tensors move. */
export class ResnetTrainer extends Trainer {
  /** As {@linkcode Trainer}. */
  constructor(network: TrainedNetwork, state: ResnetState, options: SessionOptions = {}) {
    super(
      {
        adam: network.adam,
        step: (sizePx) => stepModel(network, sizePx),
        logits: () => logitsModel(network),
        inputs: (batch) => ({ images: imagesOf(batch) }),
      },
      state,
      options,
    );
  }
}

/** Images as a graph takes them. */
export function imagesOf({ images, count, height, width }: ImageBatch): OrtTensor {
  return images instanceof Uint8Array
    ? ortTensor("uint8", images, [count, height, width, 3])
    : ortTensor("float32", images, [count, 3, height, width]);
}

function copyOf(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...tensors].map(([name, { data, shape }]) => [name, tensor(data.slice(), shape)]),
  );
}
