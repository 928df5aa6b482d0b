/**
 * UFD's linear layer: a weighted sum of an image embedding.
 * Paper: §5.1, the compared method of Ojha et al.; released: UniversalFakeDetect, `fc_weights.pth`.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { readCheckpointFile, readCheckpointNames } from "../checkpoint_file.ts";

/** A linear layer with one output. */
export interface LinearProbe {
  /** One weight for each feature of the embedding. */
  readonly weight: Float32Array;
  /** Added to the weighted sum. */
  readonly bias: number;
}

/** Before a layer's names in files of whole trainings: `model.fc.weight`. */
const WRAPPERS = ["", "model.", "module.", "model.module."];

/** Before the names of what belongs to an optimiser. */
const OPTIMIZER = "optimizer.";

/**
 * The name before `weight` and `bias` of the layer in a file: none in `fc_weights.pth`, `model.fc.` in
 * a file of a whole training, whose frozen backbone lies beside it as `model.model.*`.
 * @returns `undefined` where there is no such layer, or it is the end of another network
 */
export function probePrefix(names: ReadonlySet<string>): string | undefined {
  const own = [...names].filter((name) => !name.startsWith(OPTIMIZER));
  const has = (prefix: string) => names.has(`${prefix}weight`) && names.has(`${prefix}bias`);
  if (has("") && own.length === 2) return "";
  const wrapper = WRAPPERS.find((wrapper) =>
    has(`${wrapper}fc.`) &&
    own.every((name) =>
      [`${wrapper}fc.weight`, `${wrapper}fc.bias`].includes(name) ||
      name.startsWith(`${wrapper}model.`)
    )
  );
  return wrapper === undefined ? undefined : `${wrapper}fc.`;
}

/**
 * Reads a linear layer: released, of a whole training, or trained here; `.pth` or safetensors.
 * @throws {UserError} naming the file, where it holds other tensors than `weight` [1, d] and `bias` [1]
 * @throws {UserError} where the file is damaged, holds more than tensors, or what is no number
 */
export async function loadLinearProbe(path: string): Promise<LinearProbe> {
  return (await loadProbeFile(path)).probe;
}

/** As {@linkcode loadLinearProbe}, with what was written beside it. */
export async function loadProbeFile(
  path: string,
): Promise<{ probe: LinearProbe; metadata: Readonly<Record<string, string>> }> {
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot load ${path}: expected weight [1, features] and bias [1], found ${found}`,
    );
  const { names } = await readCheckpointNames(path);
  const prefix = probePrefix(names);
  if (prefix === undefined) throw bad([...names].slice(0, 3).join(", ") || "none");
  const wanted = [`${prefix}weight`, `${prefix}bias`];
  const { tensors, metadata } = await readCheckpointFile(path, (name) => wanted.includes(name));
  const [weight, bias] = wanted.map((name) => tensors.get(name)!);
  const { shape } = weight!;
  if (shape[0] !== 1 || shape.length !== 2 || shape[1] === 0 || bias!.data.length !== 1) {
    const found = [...tensors].map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
    throw bad(found.join(", "));
  }
  const probe = { weight: weight!.data, bias: bias!.data[0]! };
  const other = [...probe.weight, probe.bias].find((value) => !Number.isFinite(value));
  if (other !== undefined) throw bad(`${other} in it`);
  return { probe, metadata };
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
