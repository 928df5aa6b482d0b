/**
 * A head whose parameters stay where TensorFlow computes, be it a GPU.
 * @module
 */
import type { Tensor as TfTensor, Tensor2D } from "@tensorflow/tfjs";
import { tensor } from "../../../io/tensor.ts";
import {
  blocksRead,
  type HeadArchitecture,
  type Parameters,
  trainedParameters,
} from "../architecture.ts";
import { DropoutMasks } from "../dropout.ts";
import type { TokenBatch, TrainerOptions } from "../engine.ts";
import { tensorflowHead, tensorflowLoss, type TensorflowOutput } from "./head.ts";
import type { TensorflowLibrary } from "./library.ts";
import { assertBatch, readTokens } from "../token_batch.ts";

/** What one pass forward and backward gives; gradients in the order of the trained parameters. */
export type Derivative = TensorflowOutput & {
  bce: TfTensor;
  supcon: TfTensor;
  gradients: TfTensor[];
};

/** A head whose parameters lie where TensorFlow computes. */
export class ResidentHead {
  /** Names of the parameters that training moves. */
  readonly trained: readonly string[];
  readonly #library: TensorflowLibrary;
  readonly #architecture: HeadArchitecture;
  readonly #masks: DropoutMasks;
  #parameters: Map<string, TfTensor>;

  /** Uploads the parameters. */
  constructor(library: TensorflowLibrary, architecture: HeadArchitecture, parameters: Parameters) {
    this.trained = trainedParameters(architecture);
    this.#library = library;
    this.#architecture = architecture;
    this.#masks = new DropoutMasks(architecture);
    this.#parameters = upload(library, parameters);
  }

  /** A parameter's present values. */
  parameter(name: string): TfTensor {
    return this.#parameters.get(name)!;
  }

  /** Takes new values of a trained parameter, and frees the old ones. */
  replace(name: string, value: TfTensor): void {
    this.parameter(name).dispose();
    this.#parameters.set(name, value);
  }

  /** Runs the head without dropout. The caller disposes of the result. */
  predict(tokens: Float32Array, count: number): TensorflowOutput {
    this.#library.use();
    const { tf } = this.#library;
    return tf.tidy(() => ({
      ...tensorflowHead(tf, this.#architecture, this.#tokens(tokens, count), this.#parameters),
    }));
  }

  /** Runs the head forward and backward. The caller disposes of the result. */
  differentiate(
    { dropout, dropoutKey, contrastiveWeight }: Omit<TrainerOptions, "state">,
    batch: TokenBatch,
    step: number,
  ): Derivative {
    assertBatch(this.#architecture, batch);
    this.#library.use();
    const { tf } = this.#library;
    return tf.tidy(() => {
      const tokens = this.#tokens(batch.tokens, batch.count);
      const labels = tf.tensor2d(Float32Array.from(batch.labels), [batch.count, 1]);
      const masks = dropout ? this.#drawMasks(dropoutKey, step, batch.count) : undefined;
      const kept: Omit<Derivative, "gradients">[] = [];
      const { grads } = tf.valueAndGrads((...trained: TfTensor[]) => {
        const parameters = new Map(this.#parameters);
        this.trained.forEach((name, i) => parameters.set(name, trained[i]!));
        const output = tensorflowHead(tf, this.#architecture, tokens, parameters, masks);
        const losses = tensorflowLoss(tf, output, labels);
        const all = { ...output, ...losses };
        Object.values(all).forEach((value) => tf.keep(value));
        kept.push(all);
        return tf.add(losses.bce, tf.mul(losses.supcon, contrastiveWeight));
      })(this.trained.map((name) => this.parameter(name)));
      return { ...kept[0]!, gradients: grads };
    });
  }

  #tokens(tokens: Float32Array, count: number): Tensor2D {
    const { tf } = this.#library;
    const rows = count * blocksRead(this.#architecture);
    return tf.tensor2d(readTokens(this.#architecture, tokens, count), [
      rows,
      this.#architecture.width,
    ]);
  }

  #drawMasks(key: readonly (string | number)[], step: number, count: number) {
    const { tf } = this.#library;
    return new Map(
      this.#masks.draw(key, step, count).map((mask, i) => {
        const { name, width } = this.#masks.layers[i]!;
        const kept = tf.tensor2d(mask, [mask.length / width, width], "bool");
        return [name, tf.cast(kept, "float32")];
      }),
    );
  }

  /** A copy of the values. */
  download(): Parameters {
    return download(this.#parameters);
  }

  /** Frees the parameters. */
  dispose(): void {
    this.#library.tf.dispose([...this.#parameters.values()]);
  }
}

/** Tensors of parameters, where TensorFlow computes. */
export function upload(
  { tf, use }: TensorflowLibrary,
  parameters: Parameters,
): Map<string, TfTensor> {
  use();
  // a copy: the JavaScript backend computes on the array that it is given
  return new Map(
    [...parameters].map(([name, { data, shape }]) => [name, tf.tensor(data.slice(), [...shape])]),
  );
}

/** A copy of tensors' values. */
export function download(tensors: ReadonlyMap<string, TfTensor>): Parameters {
  return new Map([...tensors].map(([name, value]) => [name, tensor(values(value), value.shape)]));
}

/** A copy of a tensor's values. */
export function values(value: TfTensor): Float32Array {
  return (value.dataSync() as Float32Array).slice();
}
