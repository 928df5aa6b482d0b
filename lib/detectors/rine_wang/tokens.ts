/**
 * Tokens of a frozen ResNet, as RINE reads those of a transformer: the means of maps over their places,
 * behind which zeros stand up to the widest.
 * @module
 */
import { torchvisionResnet } from "../../backbones/families/torchvision_resnet.ts";
import { addResnet, pixelsFromRgb } from "../../backbones/resnet/graph.ts";
import { ResnetLayers } from "../../backbones/resnet/layers.ts";
import { resnetOfTensors, type ResnetWeights } from "../../backbones/resnet/weights.ts";
import type { FeatureSizes } from "../../backbones/backbone.ts";
import type { Tensor } from "../../io/tensor.ts";
import { openChecked } from "../../onnx/device_check.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import { type OrtTensor, ortTensor, type SessionOptions } from "../../onnx/session.ts";
import type { Value } from "../../onnx/values.ts";
import { IMAGENET_NORMALISATION } from "../resnet/checkpoint.ts";

/** Side of the picture that a device is tried on. */
const TRIAL_PX = 64;

/** Whose maps tokens are of: every bottleneck's, or the last one's of each stage. */
export const TOKEN_BLOCKS = ["bottlenecks", "stages"] as const;

/** Whose maps tokens are of. */
export type TokenBlocks = typeof TOKEN_BLOCKS[number];

/** Images of one size, uint8 [count, height, width, 3]. */
export interface Crops {
  readonly rgb: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/** A frozen ResNet that is open. */
export interface TokenReader {
  /** Maps, and channels of the widest. */
  readonly sizes: FeatureSizes;
  /** Tokens of images, [count, blocks, width]. */
  read(crops: Crops): Promise<Float32Array>;
  /** Closes its session. */
  dispose(): Promise<void>;
}

/**
 * How many tokens an image has, and how wide they are.
 * @param path of the ResNet's file, for errors
 * @throws {UserError} where the tensors are not those of a ResNet
 */
export function tokenSizes(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  blocks: TokenBlocks,
): FeatureSizes {
  const { architecture } = resnetOfTensors(path, tensors, torchvisionResnet);
  const { stages, embeddingWidth: width } = architecture;
  const count = blocks === "stages" ? stages.length : stages.reduce((sum, one) => sum + one, 0);
  return { blocks: count, width };
}

/**
 * Opens a ResNet whose tensors are in memory.
 * @param path of its file, for errors
 * @throws {UserError} where the tensors are not those of a ResNet
 */
export async function openTokens(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  blocks: TokenBlocks,
  options: SessionOptions,
): Promise<TokenReader> {
  const weights = resnetOfTensors(path, tensors, torchvisionResnet);
  const { device = "cpu" } = options;
  const session = await openChecked(
    buildTokenGraph(weights, blocks),
    { ...options, device, sizesVary: true },
    TRIAL_PX,
    `Cannot run ${path}`,
  );
  return {
    sizes: tokenSizes(path, tensors, blocks),
    async read({ rgb, count, height, width }) {
      const images: OrtTensor = ortTensor("uint8", rgb, [count, height, width, 3]);
      const { tokens } = await session.run({ images });
      const values = Float32Array.from(tokens!.data as Float32Array);
      tokens!.dispose();
      return values;
    },
    dispose: () => session.release(),
  };
}

/** Graph of `images`, uint8 [N, H, W, 3], to `tokens` [N, blocks, width]. */
function buildTokenGraph(weights: ResnetWeights, blocks: TokenBlocks): Uint8Array<ArrayBuffer> {
  const { embeddingWidth: width } = weights.architecture;
  const g = new GraphBuilder();
  const layers = new ResnetLayers(g, weights, "float32", "");
  const images = g.input("images", "uint8", ["N", "H", "W", 3]);
  const tokens: Value[] = [];
  const add = (map: Value, channels: number) => {
    const mean = layers.mean(map); // [N, C]
    const wide = channels === width
      ? mean
      : g.op("Pad", [mean, g.int([0, 0, 0, width - channels])]); // [N, width]
    tokens.push(g.op("Unsqueeze", [wide, g.int([1])])); // [N, 1, width]
  };
  const pixels = pixelsFromRgb(g, images, {
    pixelMean: IMAGENET_NORMALISATION.mean,
    pixelStd: IMAGENET_NORMALISATION.std,
  });
  const onMap = (name: string, map: Value, channels: number) => {
    if (name !== "stem") add(map, channels);
  };
  addResnet(g, layers, weights, {
    pixels,
    ...(blocks === "stages" ? { onMap } : { onBottleneck: add }),
  });
  g.output("tokens", g.op("Concat", tokens, { axis: 1 }), "float32", ["N", "L", width]);
  return g.build();
}
