/**
 * A ResNet with one logit as an ONNX graph: the last layer at every place of the last map, so that the
 * mean of the places' logits is the logit of the image.
 * @module
 */
import { basename } from "node:path";
import { addResnet, pixelsFromRgb } from "../../backbones/resnet/graph.ts";
import { ResnetLayers } from "../../backbones/resnet/layers.ts";
import type { ResnetWeights } from "../../backbones/resnet/weights.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { PixelNormalisation } from "../pixel_detector.ts";
import { LAST_BIAS, LAST_WEIGHT } from "./checkpoint.ts";

/** What the graph is besides its weights. */
export interface ClassifierOptions {
  readonly normalisation: PixelNormalisation;
  /** Step of the first convolution and of the maximum after it: 2, or 1 without down-sampling. */
  readonly stemStride: 1 | 2;
  /** Name of the weights' file in the folder that the session is opened with. */
  readonly weightsFile?: string;
  /** Whether the means over the places of all maps are given too; default no. */
  readonly means?: boolean;
}

/**
 * Builds the graph. Input: `images`, uint8 [N, H, W, 3]. Output, float32: `map` [N, 1, h, w], a logit
 * at each place; where means are asked for, `stem`, `layer1` to `layer4` and `features`, [N, channels].
 */
export function buildClassifierGraph(
  weights: ResnetWeights,
  { normalisation, stemStride, means = false, weightsFile = basename(weights.header.path) }:
    ClassifierOptions,
): Uint8Array<ArrayBuffer> {
  const { embeddingWidth: width } = weights.architecture;
  const g = new GraphBuilder();
  const layers = new ResnetLayers(g, weights, "float32", weightsFile);
  const images = g.input("images", "uint8", ["N", "H", "W", 3]);
  const { mean: pixelMean, std: pixelStd } = normalisation;
  const last = addResnet(g, layers, weights, {
    pixels: pixelsFromRgb(g, images, { pixelMean, pixelStd }), // [N, 3, H, W]
    stemStride,
    ...(means
      ? {
        onMap: (name, map, channels) =>
          g.output(name, layers.mean(map), "float32", ["N", channels]),
      }
      : {}),
  }); // [N, C, h, w]
  const kernel = g.op("Reshape", [layers.weight(LAST_WEIGHT), g.int([1, width, 1, 1])]);
  const map = g.op("Conv", [last, kernel, layers.weight(LAST_BIAS)]); // [N, 1, h, w]
  g.output("map", map, "float32", ["N", 1, "h", "w"]);
  if (means) g.output("features", layers.mean(last), "float32", ["N", width]);
  return g.build();
}
