/**
 * The tensors of a checkpoint as a network is put together of them: each taken once, of the shape that
 * it must have, and none left over.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { type Tensor, tensor } from "../io/tensor.ts";

/** What a batch normalisation adds to variances, in PyTorch. */
const EPSILON = 1e-5;

/** Shape of a tensor; `undefined` where any length will do. */
export type ShapePattern = readonly (number | undefined)[];

/** A convolution with the batch normalisation after it folded in. */
export interface FoldedConvolution {
  /** [outputs, inputs / groups, k, k] */
  readonly weight: Tensor;
  /** [outputs] */
  readonly bias: Tensor;
}

/** Hands out a checkpoint's tensors. */
export class CheckpointTensors {
  /** Path of the file, for errors. */
  readonly path: string;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #network: string;
  readonly #taken = new Set<string>();

  /**
   * Takes none yet.
   * @param network what they are said to be, for errors: `Patch-Forensics`
   */
  constructor(path: string, tensors: ReadonlyMap<string, Tensor>, network: string) {
    this.path = path;
    this.#tensors = tensors;
    this.#network = network;
  }

  /** Whether there is a tensor of that name. */
  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** Names of all tensors, in the file's order. */
  get names(): string[] {
    return [...this.#tensors.keys()];
  }

  /**
   * A tensor.
   * @throws {UserError} where it is missing, of another shape, or holds what is no number
   */
  take(name: string, shape: ShapePattern): Tensor {
    const found = this.#tensors.get(name);
    const isRight = found?.shape.length === shape.length &&
      shape.every((size, axis) => size === undefined || size === found.shape[axis]);
    if (!found || !isRight) {
      const wanted = shape.map((size) => size ?? "any").join(", ");
      throw this.damaged(
        `expected ${name} [${wanted}]`,
        found ? `[${found.shape.join(", ")}]` : "none",
      );
    }
    const other = found.data.find((value) => !Number.isFinite(value));
    if (other !== undefined) throw this.damaged(`expected numbers in ${name}`, `${other}`);
    this.#taken.add(name);
    return found;
  }

  /**
   * A convolution without bias and the batch normalisation after it, as one convolution.
   * @param shape of the convolution's weight
   * @throws {UserError} as {@linkcode CheckpointTensors.take}
   */
  takeFolded(conv: string, norm: string, shape: ShapePattern): FoldedConvolution {
    const weight = this.take(`${conv}.weight`, shape);
    const outputs = weight.shape[0]!;
    const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((
      part,
    ) => this.take(`${norm}.${part}`, [outputs]).data) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const scale = Float64Array.from(gamma, (value, i) => value / Math.sqrt(variance[i]! + EPSILON));
    const fanIn = weight.data.length / outputs;
    return {
      weight: tensor(
        weight.data.map((value, i) => value * scale[Math.floor(i / fanIn)]!),
        weight.shape,
      ),
      bias: tensor(beta.map((value, i) => value - mean[i]! * scale[i]!), [outputs]),
    };
  }

  /** The tensors that have been taken, under their names. */
  taken(): Map<string, Tensor> {
    return new Map([...this.#tensors].filter(([name]) => this.#taken.has(name)));
  }

  /**
   * Makes sure that all tensors have been taken.
   * @param ignored names that the network has no use for
   * @throws {UserError} where others are left over: it is another network then
   */
  assertAllTaken(ignored: RegExp = /(?!)/): void {
    const left = this.names.filter((name) => !this.#taken.has(name) && !ignored.test(name));
    if (left.length === 0) return;
    const shown = left.slice(0, 3).join(", ");
    throw this.damaged(
      `expected the weights of ${this.#network} and no others`,
      left.length > 3 ? `${shown} and ${left.length - 3} more` : shown,
    );
  }

  /** An error that names the file, what was expected in it and what was found. */
  damaged(expected: string, found: string): UserError {
    return new UserError("damaged", `Cannot load ${this.path}: ${expected}, found ${found}`);
  }
}
