/**
 * Dense arrays with a shape: what files and engines exchange.
 * @module
 */
import { UserError } from "./errors.ts";

/** A dense float32 array in row-major order. */
export interface Tensor {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** The values; as many as the product of the shape. */
  readonly data: Float32Array;
}

/** The number of values in a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Number of parameters among a network's tensors: the statistics that batch normalisation keeps of
 * what it has seen are none.
 */
export function countParameters(
  tensors: Iterable<readonly [name: string, { readonly shape: readonly number[] }]>,
): number {
  let count = 0;
  for (const [name, { shape }] of tensors) {
    if (!/(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(name)) count += sizeOf(shape);
  }
  return count;
}

/**
 * Names a tensor's values and shape.
 * @throws {UserError} where there are more or fewer values than the shape holds
 */
export function tensor(data: Float32Array, shape: readonly number[]): Tensor {
  if (data.length !== sizeOf(shape)) {
    throw new UserError(
      "usage",
      `Cannot shape tensor: expected ${sizeOf(shape)} values for [${shape}], found ${data.length}`,
    );
  }
  return { data, shape };
}

/** Values of several arrays in one, in their order. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
