/**
 * A feature pyramid on the maps of a network: every map is brought to one number of channels, coarse
 * maps are added to the finer ones, and the means of all of them are what a detector decides on.
 * Tensors are named as torchvision names those of its feature pyramid.
 * Paper: Lin et al., CVPR 2017; in RINE's appendix, Table 7, in place of Q1, Q2 and TIE.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { sizeOf, type Tensor, tensor } from "../../io/tensor.ts";
import type { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import type { HeadConfig } from "../detector.ts";
import type { Random } from "../../random.ts";
import { LAST_BIAS, LAST_WEIGHT, PYRAMID_PREFIX } from "../resnet/checkpoint.ts";

/** Sizes of a pyramid. */
export interface PyramidSizes {
  /** Channels of each map that it is built on, the finest first. */
  readonly maps: readonly number[];
  /** Channels of each of its levels. */
  readonly channels: number;
}

const lateral = (level: number) => `${PYRAMID_PREFIX}inner_blocks.${level}.0`;
const smoothing = (level: number) => `${PYRAMID_PREFIX}layer_blocks.${level}.0`;

/** Every tensor of a pyramid of these sizes and of the last layer on it, by its name. */
export function pyramidShapes({ maps, channels }: PyramidSizes): Map<string, number[]> {
  const layers = maps.flatMap((inputs, level): [string, number[]][] => [
    [`${lateral(level)}.weight`, [channels, inputs, 1, 1]],
    [`${lateral(level)}.bias`, [channels]],
    [`${smoothing(level)}.weight`, [channels, channels, 3, 3]],
    [`${smoothing(level)}.bias`, [channels]],
  ]);
  return new Map([
    ...layers,
    [LAST_WEIGHT, [1, maps.length * channels]],
    [LAST_BIAS, [1]],
  ]);
}

/**
 * Sizes of the pyramid that tensors are of.
 * @param path of their file, for the error
 * @param shapes of all of the file's tensors, by their names
 * @throws {UserError} where tensors of a pyramid are missing, left over, or of other shapes
 */
export function pyramidOf(
  path: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): PyramidSizes {
  const maps: number[] = [];
  for (let shape; (shape = shapes.get(`${lateral(maps.length)}.weight`)); maps.push(shape[1]!));
  const channels = shapes.get(`${lateral(0)}.weight`)?.[0] ?? 0;
  const wanted = pyramidShapes({ maps, channels });
  const problems = [...wanted].filter(([name, shape]) => `${shapes.get(name)}` !== `${shape}`)
    .map(([name, shape]) => `${name} ${shown(shapes.get(name))} for ${shown(shape)}`);
  const leftOver = [...shapes.keys()].filter((name) =>
    name.startsWith(PYRAMID_PREFIX) && !wanted.has(name)
  );
  if (maps.length > 0 && problems.length + leftOver.length === 0) return { maps, channels };
  const found = maps.length === 0 ? "none" : [...problems, ...leftOver].slice(0, 3).join(", ");
  throw new UserError(
    "damaged",
    `Cannot load ${path}: expected the tensors of a feature pyramid and its last layer, found ${found}`,
  );
}

function shown(shape: readonly number[] | undefined): string {
  return shape ? `[${shape.join(", ")}]` : "none";
}

/** Channels of the levels, as a recipe says them. */
export function channelsOf({ channels }: HeadConfig, title: string): number {
  if (Number.isInteger(channels) && Number(channels) >= 1) return Number(channels);
  throw new UserError(
    "usage",
    `Cannot train ${title}: expected channels of its levels, a whole number from 1, found ${channels}`,
  );
}

/**
 * A pyramid's tensors before the first step: kernels by Kaiming's uniform rule for the inputs, with a
 * gain of 1; no biases; the last layer's weights normal, its bias as PyTorch's Linear has it.
 * Source: torchvision, `ops/feature_pyramid_network.py`.
 * @param lastDeviation of the last layer's weights
 */
export function initialPyramid(
  sizes: PyramidSizes,
  lastDeviation: number,
  random: Random,
): Map<string, Tensor> {
  return new Map(
    [...pyramidShapes(sizes)].map(([name, shape]) => {
      const data = new Float32Array(sizeOf(shape));
      const bound = name === LAST_BIAS
        ? 1 / Math.sqrt(sizes.maps.length * sizes.channels)
        : shape.length === 4
        ? Math.sqrt(3 / sizeOf(shape.slice(1)))
        : 0;
      for (let i = 0; i < data.length; i++) {
        data[i] = name === LAST_WEIGHT
          ? lastDeviation * random.normal()
          : bound && random.uniform(-bound, bound);
      }
      return [name, tensor(data, shape)];
    }),
  );
}

/**
 * Adds a pyramid to a graph: from the coarsest map on, 1 × 1 convolutions to one number of channels, to
 * which the level above is added, as nearest neighbours at the map's size; a 3 × 3 convolution on each
 * sum; the mean over its places.
 * @param weight a tensor of the pyramid by its name
 * @param maps [N, C, H, W] each, the finest first; where gradients are wanted, of known H and W
 * @returns the levels' means side by side, [N, levels · channels]
 */
export function addPyramid(
  g: GraphBuilder,
  weight: (name: string) => Value,
  maps: readonly Value[],
): Value {
  const convolve = (x: Value, layer: string, kernelPx: 1 | 3) =>
    g.op("Conv", [x, weight(`${layer}.weight`), weight(`${layer}.bias`)], {
      kernel_shape: [kernelPx, kernelPx],
      pads: new Array<number>(4).fill((kernelPx - 1) / 2),
    }); // [N, channels, H, W]
  const means: Value[] = [];
  let above: Value | undefined;
  for (let level = maps.length - 1; level >= 0; level--) {
    const own = convolve(maps[level]!, lateral(level), 1);
    above = above === undefined ? own : g.op("Add", [own, resizedTo(g, above, own)]);
    const smooth = convolve(above, smoothing(level), 3);
    means.unshift(g.op("Flatten", [g.op("GlobalAveragePool", [smooth])], { axis: 1 }));
  }
  return g.op("Concat", means, { axis: 1 });
}

/** Adds pyramid and last layer: maps as {@linkcode addPyramid} takes them → logits [N, 1]. */
export function addPyramidLogits(
  g: GraphBuilder,
  weight: (name: string) => Value,
  maps: readonly Value[],
): Value {
  return addLast(g, weight, addPyramid(g, weight, maps));
}

/** Adds the last layer: [N, levels · channels] → logits [N, 1]. */
export function addLast(
  g: GraphBuilder,
  weight: (name: string) => Value,
  features: Value,
): Value {
  return g.op("Gemm", [features, weight(LAST_WEIGHT), weight(LAST_BIAS)], { transB: 1 });
}

/** A map's nearest neighbours at the size of another; itself where it has that size. */
function resizedTo(g: GraphBuilder, x: Value, like: Value): Value {
  const [from, to] = [x, like].map((value) => g.facts(value).shape?.slice(2));
  const areKnown = [...from ?? ["H"], ...to ?? ["H"]].every((size) => typeof size === "number");
  if (areKnown && `${from}` === `${to}`) return x;
  const sizes = areKnown ? g.int(to as number[]) : g.op("Shape", [like], { start: 2, end: 4 });
  const outer = g.op("Shape", [x], { start: 0, end: 2 });
  return g.op(
    "Resize",
    [x, undefined, undefined, g.op("Concat", [outer, sizes], { axis: 0 })],
    { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
  );
}
