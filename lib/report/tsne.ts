/**
 * Feature spaces in two dimensions.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { TSNE } from "@saehrimnir/druidjs";

/** How {@linkcode projectFeatures} looks for neighbours. */
export interface ProjectionOptions {
  /** About how many neighbours count; default 30, as released, or a third of the images where fewer. */
  readonly perplexity?: number;
  /** Steps of gradient descent; default 500. */
  readonly iterations?: number;
  /** Equal seeds give equal points; default 0. */
  readonly seed?: number;
}

/**
 * Projects features to two dimensions by t-SNE, learning rate 10. Takes some seconds for 600 images
 * and ten times as long for 2000.
 *
 * Paper: Figure 1. Released: scripts/results.py, which runs 5000 steps
 *
 * @param features [count, width], row-major
 * @returns [count, 2], row-major
 * @throws {UserError} where there are not `count` rows
 * @throws {UserError} where there are too few rows for the perplexity
 */
export function projectFeatures(
  features: Float32Array,
  count: number,
  { perplexity = Math.min(30, count / 3), iterations = 500, seed = 0 }: ProjectionOptions = {},
): Float64Array {
  const width = features.length / count;
  if (!Number.isInteger(width)) {
    throw new UserError(
      "usage",
      `Cannot project features: expected rows of ${count} images, found ${features.length} numbers`,
    );
  }
  if (count < 3 * perplexity) {
    throw new UserError(
      "usage",
      `Cannot project features: expected at least ${3 * perplexity} images, found ${count}`,
    );
  }
  const rows = Array.from(
    { length: count },
    (_, i) => Array.from(features.subarray(i * width, (i + 1) * width)),
  );
  const projection = new TSNE(rows, { perplexity, epsilon: 10, d: 2, seed });
  return Float64Array.from((projection.transform(iterations) as number[][]).flat());
}
