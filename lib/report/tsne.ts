/**
 * Feature spaces in two dimensions.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { Tensor } from "../io/tensor.ts";
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
 * @param features [count, width], row-major; or a tensor whose first size is `count`: one row for each
 * image of what `backbone.features` gives
 * @param count of images; that of the tensor where it is left out
 * @returns [count, 2], row-major
 * @throws {UserError} where there are not `count` rows
 * @throws {UserError} where there are too few rows for the perplexity
 */
export function projectFeatures(
  features: Float32Array | Tensor,
  count?: number,
  options: ProjectionOptions = {},
): Float64Array {
  const { data, shape } = features instanceof Float32Array
    ? { data: features, shape: [count ?? NaN] }
    : features;
  const rows = count ?? shape[0]!;
  const { perplexity = Math.min(30, rows / 3), iterations = 500, seed = 0 } = options;
  const width = data.length / rows;
  if (!Number.isInteger(width)) {
    throw new UserError(
      "usage",
      `Cannot project features: expected rows of ${
        typeof rows === "number" ? `${rows} images` : `a number of images, not ${typeof rows}`
      }, found ${data.length} numbers`,
    );
  }
  if (rows < 3 * perplexity) {
    throw new UserError(
      "usage",
      `Cannot project features: expected at least ${3 * perplexity} images, found ${rows}`,
    );
  }
  const points = Array.from(
    { length: rows },
    (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)),
  );
  const projection = new TSNE(points, { perplexity, epsilon: 10, d: 2, seed });
  return Float64Array.from((projection.transform(iterations) as number[][]).flat());
}
