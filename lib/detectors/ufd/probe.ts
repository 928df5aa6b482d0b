/**
 * UFD's linear layer: a weighted sum of an image embedding.
 * Paper: §5.1, the compared method of Ojha et al.; released: UniversalFakeDetect, `fc_weights.pth`.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { readCheckpointFile } from "../checkpoint_file.ts";

/** A linear layer with one output. */
export interface LinearProbe {
  /** One weight for each feature of the embedding. */
  readonly weight: Float32Array;
  /** Added to the weighted sum. */
  readonly bias: number;
}

/**
 * Reads a linear layer, from `.pth` or safetensors.
 * @throws {UserError} naming the file, where it holds other tensors than `weight` [1, d] and `bias` [1]
 * @throws {UserError} where the file is damaged or holds more than tensors
 */
export async function loadLinearProbe(path: string): Promise<LinearProbe> {
  const { tensors } = await readCheckpointFile(path);
  const weight = tensors.get("weight"), bias = tensors.get("bias");
  if (weight?.shape[0] !== 1 || weight.shape.length !== 2 || bias?.data.length !== 1) {
    const found = [...tensors].map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
    throw new UserError(
      "damaged",
      `Cannot load ${path}: expected weight [1, features] and bias [1], found ${
        found.slice(0, 3).join(", ")
      }`,
    );
  }
  return { weight: weight.data, bias: bias.data[0]! };
}

/**
 * Logits of embeddings.
 * @param features [count, d], row-major
 * @returns [count]; the score is their sigmoid
 * @throws {UserError} where the values do not make rows of the layer's width
 */
export function probeLogits({ weight, bias }: LinearProbe, features: Float32Array): Float32Array {
  const width = weight.length;
  if (features.length % width !== 0) {
    throw new UserError(
      "usage",
      `Cannot probe: expected features [count, ${width}], found ${features.length} values`,
    );
  }
  return Float32Array.from({ length: features.length / width }, (_, image) => {
    let sum = bias;
    for (let i = 0; i < width; i++) sum += weight[i]! * features[image * width + i]!;
    return sum;
  });
}
