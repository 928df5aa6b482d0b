/**
 * A ResNet as an ONNX graph. The weights stay in their safetensors file, as external data; batch
 * normalisations are part of the convolutions before them.
 * @module
 */
import { basename } from "node:path";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import type { Device } from "../../onnx/session.ts";
import type { Arithmetic } from "../network.ts";
import { bottlenecks, EXPANSION, lastChannels, type ResnetArchitecture } from "./architecture.ts";
import { ResnetLayers } from "./layers.ts";
import type { ResnetWeights } from "./weights.ts";

/** What the graph takes and gives. */
export interface ResnetGraphOptions {
  /**
   * `rgb`: uint8 [N, H, W, 3], normalised in the graph. `pixels`: float32 [N, 3, H, W], already
   * normalised.
   */
  readonly input: "rgb" | "pixels";
  /** Whether the stem's and each stage's means are given too; default no. */
  readonly means?: boolean;
  /** Name of the weights' file in the folder that the session is opened with. */
  readonly weightsFile?: string;
  /** What the graph computes in; half precision is for GPUs. */
  readonly compute: Arithmetic;
  /** Where it runs: equal on all. */
  readonly device?: Device;
}

/**
 * Builds the graph. Input: `images`, as the options say, of any height and width where the last map
 * is averaged, of the network's resolution where attention pools it. Output, float32: `embedding`
 * [N, E]; where means are asked for, `stem` and `layer1` to `layer4`, [N, channels], over the places
 * of the maps that the stem and the stages give.
 */
export function buildResnetGraph(
  weights: ResnetWeights,
  { input, means = false, compute, weightsFile = basename(weights.header.path) }:
    ResnetGraphOptions,
): Uint8Array<ArrayBuffer> {
  const { architecture } = weights;
  const { embeddingWidth, heads, resolutionPx } = architecture;
  const g = new GraphBuilder();
  const layers = new ResnetLayers(g, weights, compute, weightsFile);
  const give = (name: string, value: Value, channels: number) => {
    const result = compute === "float32" ? value : g.op("Cast", [value], { to: "float32" });
    g.output(name, result, "float32", ["N", channels]);
  };
  const [height, columns] = heads === undefined ? ["H", "W"] : [resolutionPx, resolutionPx];
  const pixels = input === "rgb"
    ? pixelsFromRgb(g, g.input("images", "uint8", ["N", height!, columns!, 3]), architecture)
    : g.input("images", "float32", ["N", 3, height!, columns!]); // [N, 3, H, W]
  const x = addResnet(g, layers, weights, {
    pixels: compute === "float32" ? pixels : g.op("Cast", [pixels], { to: compute }),
    ...(means ? { onMap: (name, map, channels) => give(name, layers.mean(map), channels) } : {}),
  });
  const embedding = heads === undefined
    ? layers.mean(x)
    : layers.attentionPool(x, heads, lastChannels(architecture)); // [N, E]
  give("embedding", embedding, embeddingWidth);
  return g.build();
}

/** What the stem and the stages are computed on, and how. */
export interface ResnetMaps {
  /** [N, 3, H, W], normalised, in what the graph computes in. */
  readonly pixels: Value;
  /** Step of the stem's first convolution and of its maximum; default the family's own, 2. */
  readonly stemStride?: 1 | 2;
  /** Told of the map that the stem (`stem`) and each stage (`layer1` …) gives. */
  readonly onMap?: (name: string, map: Value, channels: number) => void;
  /** Told of the map that each bottleneck gives, in their order. */
  readonly onBottleneck?: (map: Value, channels: number) => void;
}

/**
 * Adds the stem and the four stages of a ResNet to a graph.
 * @returns the last map, [N, C, H/32, W/32]; [N, C, H/8, W/8] where the stem steps by 1
 */
export function addResnet(
  g: GraphBuilder,
  layers: ResnetLayers,
  { architecture: { width, stages }, family }: ResnetWeights,
  { pixels, stemStride, onMap = () => {}, onBottleneck = () => {} }: ResnetMaps,
): Value {
  let x = pixels;
  for (const { conv, norm, kernelPx, stride } of family.stem) {
    const window = { kernelPx, stride: stemStride ?? stride };
    x = g.op("Relu", [layers.convolve(x, conv, norm, window)]); // [N, ·, H/2, W/2]
  }
  x = family.halving === "average" ? layers.halve(x) : layers.maxima(x, stemStride ?? 2);
  onMap("stem", x, width); // [N, w, H/4, W/4]
  stages.forEach((count, stage) => {
    const channels = EXPANSION * width * 2 ** stage;
    bottlenecks(stage, count).forEach((block, index) => {
      x = layers.bottleneck(x, block, stage > 0 && index === 0 ? 2 : 1);
      onBottleneck(x, channels);
    }); // [N, 4·w·2^stage, H/2^(stage + 2), W/2^(stage + 2)]
    onMap(`layer${stage + 1}`, x, channels);
  });
  return x;
}

/** uint8 [N, H, W, 3] → float32 [N, 3, H, W], normalised. */
export function pixelsFromRgb(
  g: GraphBuilder,
  images: Value,
  { pixelMean, pixelStd }: Pick<ResnetArchitecture, "pixelMean" | "pixelStd">,
): Value {
  const scale = g.float(pixelStd.map((std) => 1 / (255 * std))); // [3]
  const shift = g.float(pixelMean.map((mean, channel) => -mean / pixelStd[channel]!)); // [3]
  const values = g.op("Cast", [images], { to: "float32" }); // [N, H, W, 3]
  const pixels = g.op("Add", [g.op("Mul", [values, scale]), shift]); // [N, H, W, 3]
  return g.op("Transpose", [pixels], { perm: [0, 3, 1, 2] }); // [N, 3, H, W]
}
