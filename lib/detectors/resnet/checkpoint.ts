/**
 * Checkpoints of detectors that are a ResNet with one logit: Wang et al.'s, DMID's, and the classifier
 * of LGrad, which have the same tensors.
 * @module
 */
import { torchvisionResnet } from "../../backbones/families/torchvision_resnet.ts";
import {
  readResnetWeights,
  resnetOfTensors,
  type ResnetWeights,
} from "../../backbones/resnet/weights.ts";
import { UserError } from "../../io/errors.ts";
import type { SafetensorsFile } from "../../io/safetensors.ts";
import { type Tensor, tensor } from "../../io/tensor.ts";
import { isPytorchFile } from "../../io/pytorch_file.ts";
import { readCheckpointNames, readModelFile } from "../checkpoint_file.ts";
import { metadataRows, row } from "../description.ts";
import type { PixelNormalisation } from "../pixel_detector.ts";

/** The last layer: a sum of the last map's means. */
export const LAST_WEIGHT = "fc.weight", LAST_BIAS = "fc.bias";

/** What every tensor of a feature pyramid is called first. */
export const PYRAMID_PREFIX = "fpn.";

/** Whether a feature pyramid is among the tensors. */
export function hasPyramid(tensors: ReadonlySet<string>): boolean {
  return [...tensors].some((name) => name.startsWith(PYRAMID_PREFIX));
}

/** Whether these are the tensors of a ResNet of bottlenecks with a last layer on its last map. */
export function isResnetClassifier(tensors: ReadonlySet<string>): boolean {
  return [torchvisionResnet.mark, "conv1.weight", "bn1.weight", LAST_WEIGHT, LAST_BIAS]
    .every((name) => tensors.has(name)) && !hasPyramid(tensors);
}

/** ImageNet's, which torchvision's networks are trained with. */
export const IMAGENET_NORMALISATION: PixelNormalisation = {
  mean: torchvisionResnet.pixelMean,
  std: torchvisionResnet.pixelStd,
};

/**
 * Finds the network in a checkpoint. The values of an imported one stay in its file; those of a
 * released one are read, without what its optimiser kept.
 * @throws {UserError} where tensors are missing, left over or of other shapes, it has not one logit, or
 * the file is damaged
 */
export async function readClassifier(path: string): Promise<ResnetWeights> {
  return withLastLayer(path, await readBody(path));
}

/**
 * Finds the network in tensors that are in memory.
 * @param path what to call them in errors
 * @throws {UserError} as {@linkcode readClassifier}
 */
export function classifierOfTensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
): ResnetWeights {
  return withLastLayer(path, resnetOfTensors(path, tensors, torchvisionResnet));
}

function withLastLayer(path: string, weights: ResnetWeights): ResnetWeights {
  const { header: { tensors }, architecture: { embeddingWidth: width } } = weights;
  const found = [LAST_WEIGHT, LAST_BIAS].map((name) => tensors.get(name)?.shape);
  if (`${found[0]}` !== `1,${width}` || `${found[1]}` !== "1") {
    const shown = (shape?: readonly number[]) => shape ? `[${shape.join(", ")}]` : "none";
    throw new UserError(
      "usage",
      `Cannot load ${path}: expected a detector's last layer, ${LAST_WEIGHT} [1, ${width}] and ` +
        `${LAST_BIAS} [1], found ${shown(found[0])} and ${shown(found[1])}: ` +
        (found[0]?.[0] === 1000 ? "ImageNet's classifier" : "another network"),
    );
  }
  const last = [LAST_WEIGHT, LAST_BIAS].map((name) => [name, tensors.get(name)!] as const);
  return { ...weights, tensors: new Map([...weights.tensors, ...last]) };
}

async function readBody(path: string): Promise<ResnetWeights> {
  if (!await isPytorchFile(path)) return await readResnetWeights(path, torchvisionResnet);
  return resnetOfTensors(path, (await readModelFile(path)).tensors, torchvisionResnet);
}

/**
 * The tensors of a checkpoint, checked.
 * @throws {UserError} as {@linkcode readClassifier}, and where a value is no number
 */
export async function classifierTensors(path: string): Promise<SafetensorsFile> {
  const { tensors: own, values, header: { metadata } } = await readClassifier(path);
  const tensors = values ?? (await readModelFile(path)).tensors;
  const wanted = new Map<string, Tensor>();
  for (const name of own.keys()) {
    const { data, shape } = tensors.get(name)!;
    const other = data.find((value) => !Number.isFinite(value));
    if (other !== undefined) {
      throw new UserError(
        "damaged",
        `Cannot load ${path}: expected numbers in ${name}, found ${other}`,
      );
    }
    wanted.set(name, tensor(data, shape));
  }
  return { tensors: wanted, metadata };
}

/** What a checkpoint holds, in lines for people. */
export async function describeClassifier(path: string, title: string): Promise<string[]> {
  const { architecture: { stages, width, embeddingWidth }, tensors } = await readClassifier(path);
  const { metadata } = await readCheckpointNames(path);
  const values = [...tensors].filter(([name]) => !/running_(mean|var)$/.test(name))
    .reduce((sum, [, { shape }]) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return [
    `${path}: ${title}, a ResNet with one logit`,
    row("bottlenecks", stages.join(", ")),
    row("channels at first", width),
    row("features", embeddingWidth),
    row("parameters", values),
    ...metadataRows(metadata),
  ];
}
