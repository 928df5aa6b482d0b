/**
 * A session that all heads of one architecture share, and what goes in and out of it.
 * @module
 */
import { openSession, type OrtTensor, ortTensor, type Session } from "../../../onnx/session.ts";
import type { SessionOptions } from "../../../onnx/session.ts";
import { sizeOf } from "../../../io/tensor.ts";
import { blocksRead, type HeadArchitecture, type Parameters } from "../architecture.ts";
import { DropoutMasks } from "../dropout.ts";
import type { TokenBatch } from "../engine.ts";
import { gradientModel, predictionModel, trainingModel } from "./graph.ts";
import { type ParameterLayout, parameterLayout } from "./layout.ts";
import { readTokens } from "../token_batch.ts";

/** What a session computes. */
export type ModelKind = "train" | "predict" | "gradients";

/** Tensors by the names of a model's inputs or outputs. */
export type Feeds = Record<string, OrtTensor>;

/** A session and its buffers. */
export class SharedModel {
  /** How the parameters lie in one array. */
  readonly layout: ParameterLayout;
  readonly #architecture: HeadArchitecture;
  readonly #session: Session;
  readonly #masks: DropoutMasks | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(architecture: HeadArchitecture, dropout: boolean, session: Session) {
    this.layout = parameterLayout(architecture);
    this.#architecture = architecture;
    this.#masks = dropout ? new DropoutMasks(architecture) : undefined;
    this.#session = session;
  }

  /** Builds a model and opens its session. */
  static async open(
    kind: ModelKind,
    architecture: HeadArchitecture,
    dropout: boolean,
    options: SessionOptions,
  ): Promise<SharedModel> {
    const build = {
      train: () => trainingModel(architecture, dropout),
      gradients: () => gradientModel(architecture, dropout),
      predict: () => predictionModel(architecture),
    };
    const session = await openSession(build[kind](), options);
    return new SharedModel(architecture, dropout, session);
  }

  /** Runs the session after all runs before it: their masks lie in the same buffers. */
  run(feeds: () => Feeds, fetches?: Feeds): Promise<Feeds> {
    const result = this.#last.then(() =>
      fetches ? this.#session.run(feeds(), fetches) : this.#session.run(feeds())
    );
    this.#last = result.catch(() => {});
    return result;
  }

  /** The trained parameters in one array, by the layout. */
  flatten(parameters: Parameters): Float32Array {
    const flat = new Float32Array(this.layout.length);
    for (const [name, { offset }] of this.layout.spans) {
      flat.set(parameters.get(name)!.data, offset);
    }
    return flat;
  }

  /** Views of the parameters in an array, each under its own name. */
  weights(flat: Float32Array): Feeds {
    return Object.fromEntries(
      [...this.layout.spans].map(([name, { offset, shape }]) => {
        return [name, view(flat, offset, shape)];
      }),
    );
  }

  /** Views of the layout's chunks in an array: `name.0`, `name.1` …, each with the suffix. */
  chunks(name: string, flat: Float32Array, suffix = ""): Feeds {
    return Object.fromEntries(
      this.layout.chunks.map(({ offset, length }, i) => {
        return [`${name}.${i}${suffix}`, view(flat, offset, [length])];
      }),
    );
  }

  /** The input `tokens`. */
  tokens(tokens: Float32Array, count: number): OrtTensor {
    const { width } = this.#architecture;
    const rows = count * blocksRead(this.#architecture);
    return ortTensor("float32", readTokens(this.#architecture, tokens, count), [rows, width]);
  }

  /** The inputs that a batch and its masks make; valid until the next call. */
  batch(
    { tokens, labels, count }: TokenBatch,
    dropoutKey: readonly (string | number)[],
    step: number,
  ): Feeds {
    const feeds: Feeds = {
      tokens: this.tokens(tokens, count),
      signs: ortTensor("float32", Float32Array.from(labels, (label) => 1 - 2 * label), [count, 1]),
    };
    this.#masks?.draw(dropoutKey, step, count).forEach((mask, i) => {
      const { name, width } = this.#masks!.layers[i]!;
      feeds[`dropout.${name}`] = ortTensor("bool", mask, [mask.length / width, width]);
    });
    return feeds;
  }

  /** Closes the session after the runs that are under way. */
  async close(): Promise<void> {
    await this.#last;
    await this.#session.release();
  }
}

/** A tensor of one value. */
export function scalar(value: number): OrtTensor {
  return ortTensor("float32", Float32Array.of(value), []);
}

function view(flat: Float32Array, offset: number, shape: readonly number[]): OrtTensor {
  return ortTensor("float32", flat.subarray(offset, offset + sizeOf(shape)), shape);
}
