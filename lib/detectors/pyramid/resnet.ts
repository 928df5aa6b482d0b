/**
 * A ResNet with a feature pyramid on its four stages and one logit, as a detector: all of it is
 * trained, from ImageNet's weights on.
 * Paper: RINE, appendix, Table 7, "RN50 w/ FPN"; levels, channels, pooling, loss and recipe are not
 * published, and are Lin et al.'s, the mean, and Wang et al.'s.
 * @module
 */
import { join } from "node:path";
import { torchvisionResnet } from "../../backbones/families/torchvision_resnet.ts";
import { EXPANSION } from "../../backbones/resnet/architecture.ts";
import { addResnet, pixelsFromRgb } from "../../backbones/resnet/graph.ts";
import { ResnetLayers } from "../../backbones/resnet/layers.ts";
import { resnetOfTensors, type ResnetWeights } from "../../backbones/resnet/weights.ts";
import { UserError } from "../../io/errors.ts";
import { countParameters, type Tensor } from "../../io/tensor.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import { readModelFile } from "../checkpoint_file.ts";
import { metadataRows, row } from "../description.ts";
import { definePixelDetector, type PixelScorer } from "../pixel_detector.ts";
import { type PixelRecipe, trainingStatePath } from "../pixel_training.ts";
import {
  hasPyramid,
  IMAGENET_NORMALISATION,
  LAST_BIAS,
  LAST_WEIGHT,
  PYRAMID_PREFIX,
} from "../resnet/checkpoint.ts";
import { initialBody } from "../resnet/initial.ts";
import { sessionOptions, trainOnPixels } from "../resnet/train.ts";
import { ResnetTrainer } from "../resnet/trainer.ts";
import { wangRecipe } from "../wang.ts";
import {
  addLast,
  addPyramid,
  addPyramidLogits,
  channelsOf,
  initialPyramid,
  pyramidOf,
  type PyramidSizes,
} from "./layers.ts";
import { openPyramidScorer } from "./scorer.ts";

const NAME = "rn50_fpn", TITLE = "RN50 w/ FPN";

/**
 * How it is trained: as Wang et al. train, for the ten epochs after which it converges in the paper.
 * @param channels of each level; 256 in Lin et al.'s paper
 */
export function resnetPyramidRecipe(channels = 256): PixelRecipe {
  return { ...wangRecipe(.5), epochs: 10, network: { channels } };
}

/**
 * The network in tensors: the body's sizes, and all tensors.
 * @throws {UserError} where tensors are missing, left over or of other shapes
 */
export function resnetPyramidOf(path: string, all: ReadonlyMap<string, Tensor>): ResnetWeights {
  const isOwn = (name: string) =>
    name.startsWith(PYRAMID_PREFIX) || [LAST_WEIGHT, LAST_BIAS].includes(name);
  const own = [...all].filter(([name]) => isOwn(name));
  const body = resnetOfTensors(
    path,
    new Map([...all].filter(([name]) => !isOwn(name))),
    torchvisionResnet,
  );
  const { maps } = pyramidOf(path, new Map(own.map(([name, { shape }]) => [name, shape])));
  const channels = stageChannels(body.architecture);
  if (`${maps}` !== `${channels}`) {
    throw new UserError(
      "damaged",
      `Cannot load ${path}: expected a pyramid on maps of ${channels.join(", ")} channels, found ` +
        `one on ${maps.join(", ")}`,
    );
  }
  const entries = own.map(([name, { shape, data }]) =>
    [name, { dtype: "F32", shape, offset: 0, length: data.byteLength }] as const
  );
  return { ...body, tensors: new Map([...body.tensors, ...entries]), values: all };
}

function stageChannels({ width, stages }: ResnetWeights["architecture"]): number[] {
  return stages.map((_, stage) => EXPANSION * width * 2 ** stage);
}

/**
 * A graph of prediction: `images`, uint8 [N, H, W, 3], to `logits` [N, 1] and to `features`, the means
 * of the levels, [N, levels · channels].
 */
function buildGraph(weights: ResnetWeights): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const layers = new ResnetLayers(g, weights, "float32", "");
  const images = g.input("images", "uint8", ["N", "H", "W", 3]);
  const maps: Value[] = [];
  addResnet(g, layers, weights, {
    pixels: pixelsFromRgb(g, images, {
      pixelMean: IMAGENET_NORMALISATION.mean,
      pixelStd: IMAGENET_NORMALISATION.std,
    }),
    onMap: (name, map) => {
      if (name !== "stem") maps.push(map);
    },
  });
  const weight = (name: string) => layers.weight(name);
  const features = addPyramid(g, weight, maps);
  g.output("features", features, "float32", ["N", "F"]);
  g.output("logits", addLast(g, weight, features), "float32", ["N", 1]);
  return g.build();
}

async function readNetwork(path: string) {
  const { tensors, metadata } = await readModelFile(path);
  return { weights: resnetPyramidOf(path, tensors), tensors, metadata };
}

/** A ResNet with a feature pyramid as the rest of the library knows it. */
export default definePixelDetector({
  name: NAME,
  title: TITLE,
  reads: {
    transforms: { original: [{ kind: "crop", sizePx: 224 }] },
    normalisation: IMAGENET_NORMALISATION,
  },
  released: [],
  isCheckpoint: (names) => names.has(torchvisionResnet.mark) && hasPyramid(names),
  async open(checkpoint, compute): Promise<PixelScorer> {
    const { weights } = await readNetwork(checkpoint);
    return await openPyramidScorer(buildGraph(weights), checkpoint, compute);
  },
  async ownTensors(checkpoint) {
    const { tensors, metadata } = await readNetwork(checkpoint);
    return { tensors, metadata };
  },
  async describeCheckpoint(checkpoint) {
    const { weights: { architecture: { stages, width } }, tensors, metadata } = await readNetwork(
      checkpoint,
    );
    return [
      `${checkpoint}: ${TITLE}, a ResNet with a feature pyramid and one logit`,
      row("bottlenecks", stages.join(", ")),
      row("channels at first", width),
      row("parameters", countParameters(tensors)),
      ...metadataRows(metadata),
    ];
  },
  train(training, context) {
    const { key, recipe } = training;
    const { beta1, beta2, epsilon, lastDeviation, start } = recipe;
    const state = join(context.folder, trainingStatePath(key));
    return trainOnPixels(training, {
      name: NAME,
      load: async (path) => ({ metadata: (await readNetwork(path)).metadata }),
      async initial(random) {
        const body = await initialBody(start, context.backbones, random);
        const { architecture } = resnetOfTensors(state, body, torchvisionResnet);
        const sizes: PyramidSizes = {
          maps: stageChannels(architecture),
          channels: channelsOf(recipe.network ?? {}, TITLE),
        };
        return new Map([...body, ...initialPyramid(sizes, lastDeviation, random)]);
      },
      open: (before) =>
        new ResnetTrainer(
          {
            weights: resnetPyramidOf(state, before.tensors),
            ...{ normalisation: IMAGENET_NORMALISATION, stemStride: 2, head: addPyramidLogits },
            adam: { beta1, beta2, epsilon },
          },
          before,
          sessionOptions(context, recipe, before.tensors),
        ),
    }, context);
  },
});
