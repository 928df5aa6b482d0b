/**
 * A feature pyramid on the patches of a frozen transformer's blocks, and one logit, as a detector: the
 * pyramid is trained, CLIP stays as it is.
 * Paper: RINE, appendix, Table 7, "CLIP w/ FPN", where it stands for Q1, Q2 and TIE; which blocks feed
 * it, channels, pooling, loss and rate are not published.
 * @module
 */
import * as v from "valibot";
import { CLIP_PIXELS } from "../../backbones/families/family.ts";
import { BACKBONE_FOLDERS } from "../../backbones/open.ts";
import { UserError } from "../../io/errors.ts";
import { COUNT, parseJson } from "../../io/json.ts";
import { countParameters, type Tensor } from "../../io/tensor.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import { openSession, type OrtTensor, ortTensor } from "../../onnx/session.ts";
import type { Value } from "../../onnx/values.ts";
import { type Adam, addStep } from "../adam_step.ts";
import { readModelFile } from "../checkpoint_file.ts";
import { metadataRows, row } from "../description.ts";
import type { HeadConfig } from "../detector.ts";
import { definePixelDetector, type PixelBatch } from "../pixel_detector.ts";
import type { PixelRecipe } from "../pixel_training.ts";
import { AS_RINE } from "../recipes.ts";
import { hasPyramid } from "../resnet/checkpoint.ts";
import { sessionOptions, trainOnPixels } from "../resnet/train.ts";
import { type ImageBatch, Trainer } from "../resnet/trainer.ts";
import { torchvisionResnet } from "../../backbones/families/torchvision_resnet.ts";
import {
  addLast,
  addPyramid,
  addPyramidLogits,
  channelsOf,
  initialPyramid,
  pyramidOf,
  type PyramidSizes,
} from "./layers.ts";
import { openPatchMaps, type PatchMaps } from "./patch_maps.ts";
import { pyramidScorer } from "./scorer.ts";

const NAME = "clip_fpn", TITLE = "CLIP w/ FPN";

/** How it is trained: for one epoch, as in the paper, on the images that RINE's heads learn from. */
export const clipPyramidRecipe: PixelRecipe = {
  start: { kind: "backbone", name: "ViT-L/14" },
  lastDeviation: .02,
  ...AS_RINE,
  network: { blocks: [6, 12, 18, 24], channels: 256 },
};

/** Blocks that feed the levels, as a recipe says them. */
function blocksOf({ blocks }: HeadConfig): readonly number[] {
  if (Array.isArray(blocks) && blocks.length > 0) return blocks as number[];
  throw new UserError(
    "usage",
    `Cannot train ${TITLE}: expected blocks that feed its levels, found ${blocks}`,
  );
}

/** Adds inputs `map.0` …, [N, patches, width] each, and makes maps of them, [N, width, g, g]. */
function addMaps(g: GraphBuilder, { maps }: PyramidSizes, grid: number): Value[] {
  return maps.map((width, level) => {
    const tokens = g.input(`map.${level}`, "float32", ["N", grid ** 2, width]);
    const channels = g.op("Transpose", [tokens], { perm: [0, 2, 1] }); // [N, width, patches]
    return g.op("Reshape", [channels, g.int([0, width, grid, grid])]);
  });
}

/** The pyramid's tensors as inputs. */
function addParameters(
  g: GraphBuilder,
  tensors: ReadonlyMap<string, Tensor>,
): Map<string, Value> {
  return new Map(
    [...tensors].map(([name, { shape }]) => [name, g.input(name, "float32", shape)]),
  );
}

function stepGraph(tensors: ReadonlyMap<string, Tensor>, grid: number, adam: Adam): Uint8Array {
  const g = new GraphBuilder();
  const sizes = sizesOf(NAME, tensors);
  const parameters = addParameters(g, tensors);
  const maps = addMaps(g, sizes, grid);
  const logits = addPyramidLogits(g, (name) => parameters.get(name)!, maps);
  // what the coarsest level adds goes into every other
  const last = `fpn.inner_blocks.${maps.length - 1}.0.weight`;
  addStep(g, logits, { parameters, adam, last });
  return g.build();
}

function logitsGraph(tensors: ReadonlyMap<string, Tensor>, grid: number): Uint8Array {
  const g = new GraphBuilder();
  const parameters = addParameters(g, tensors);
  const maps = addMaps(g, sizesOf(NAME, tensors), grid);
  const weight = (name: string) => parameters.get(name)!;
  g.output("logits", addPyramidLogits(g, weight, maps), "float32", ["N", 1]);
  return g.build();
}

/** Graph of prediction with the tensors in it, to `logits` [N, 1] and `features`, the levels' means. */
function scoringGraph(
  tensors: ReadonlyMap<string, Tensor>,
  sizes: PyramidSizes,
  grid: number,
): Uint8Array {
  const g = new GraphBuilder();
  const weight = (name: string) => {
    const { data, shape } = tensors.get(name)!;
    return g.float(data, shape);
  };
  const features = addPyramid(g, weight, addMaps(g, sizes, grid));
  g.output("features", features, "float32", ["N", "F"]);
  g.output("logits", addLast(g, weight, features), "float32", ["N", 1]);
  return g.build();
}

function sizesOf(path: string, tensors: ReadonlyMap<string, Tensor>): PyramidSizes {
  return pyramidOf(path, new Map([...tensors].map(([name, { shape }]) => [name, shape])));
}

/** Maps of a batch as a graph takes them. */
async function mapInputs(
  maps: PatchMaps,
  batch: PixelBatch,
): Promise<Record<string, OrtTensor>> {
  const found = await maps.read(batch);
  const shape = [batch.count, maps.grid ** 2, maps.width];
  return Object.fromEntries(
    found.map((data, level) => [`map.${level}`, ortTensor("float32", data, shape)]),
  );
}

const RECIPE = v.looseObject({
  start: v.looseObject({ name: v.string() }),
  network: v.looseObject({ blocks: v.array(COUNT) }),
});

async function readCheckpoint(path: string) {
  const { tensors, metadata } = await readModelFile(path);
  const recipe = parseJson<v.InferOutput<typeof RECIPE>>(
    metadata["recipe"] ?? "",
    `how the detector in ${path} was trained`,
    { form: RECIPE },
  );
  return { tensors, metadata, recipe, sizes: sizesOf(path, tensors) };
}

/** Makes sure that a transformer is the one that a pyramid was trained on. */
async function assertTrainedOn(
  maps: PatchMaps,
  path: string,
  { maps: widths }: PyramidSizes,
  weights: string,
): Promise<void> {
  const { name, weights: found } = await maps.describe();
  const hash = (text: string) => text.split(" ", 1)[0]!.slice(0, 12);
  const isIt = hash(weights) === hash(found) && widths.every((width) => width === maps.width);
  if (isIt) return;
  throw new UserError(
    "usage",
    `Cannot detect with ${path}: expected the weights of ${name} that it was trained on (SHA-256 ` +
      `${hash(weights)}…), found others (${hash(found)}…); name the folder of the right ones`,
  );
}

/** A feature pyramid on CLIP as the rest of the library knows it. */
export default definePixelDetector({
  name: NAME,
  title: TITLE,
  reads: {
    transforms: { original: [{ kind: "crop", sizePx: 224 }] },
    normalisation: { mean: CLIP_PIXELS.pixelMean, std: CLIP_PIXELS.pixelStd },
  },
  released: [],
  isCheckpoint: (names) => hasPyramid(names) && !names.has(torchvisionResnet.mark),
  async open(checkpoint, compute, _transform, backbones = BACKBONE_FOLDERS) {
    const { device = "cpu", threads } = compute;
    const options = { device, ...(threads === undefined ? {} : { threads }) };
    const { tensors, metadata, recipe, sizes } = await readCheckpoint(checkpoint);
    const { start: { name: backbone }, network: { blocks } } = recipe;
    const maps = await openPatchMaps({ backbone, backbones, blocks }, options);
    try {
      await assertTrainedOn(maps, checkpoint, sizes, metadata["weights"] ?? "none");
      const session = await openSession(scoringGraph(tensors, sizes, maps.grid), options);
      return pyramidScorer(session, {
        ...{ checkpoint, device },
        inputs: (batch) => mapInputs(maps, batch),
        dispose: () => maps[Symbol.asyncDispose](),
      });
    } catch (error) {
      await maps[Symbol.asyncDispose]();
      throw error;
    }
  },
  async ownTensors(checkpoint) {
    const { tensors, metadata } = await readCheckpoint(checkpoint);
    return { tensors, metadata };
  },
  async describeCheckpoint(checkpoint) {
    const { tensors, metadata, sizes: { maps, channels }, recipe } = await readCheckpoint(
      checkpoint,
    );
    return [
      `${checkpoint}: ${TITLE}, a feature pyramid on a frozen transformer's patches`,
      row("backbone", recipe.start.name),
      row("blocks", recipe.network.blocks.join(", ")),
      row("levels", `${maps.length} of ${channels} channels`),
      row("parameters", countParameters(tensors)),
      ...metadataRows(metadata),
    ];
  },
  async train(training, context) {
    const { recipe, recipe: { beta1, beta2, epsilon, start, lastDeviation } } = training;
    const blocks = blocksOf(recipe.network ?? {});
    const channels = channelsOf(recipe.network ?? {}, TITLE);
    if (start.kind !== "backbone") {
      throw new UserError(
        "usage",
        `Cannot train ${TITLE}: expected a recipe that starts from a backbone, found ${start.kind}`,
      );
    }
    const choice = { backbone: start.name, backbones: context.backbones, blocks };
    await using maps = await openPatchMaps(choice, sessionOptions(context, recipe, new Map()));
    const own = { maps: blocks.map(() => maps.width), channels };
    const adam = { beta1, beta2, epsilon };
    return await trainOnPixels(training, {
      name: NAME,
      load: readCheckpoint,
      initial: (random) => Promise.resolve(initialPyramid(own, lastDeviation, random)),
      open: (before) =>
        new Trainer(
          {
            adam,
            step: () => stepGraph(before.tensors, maps.grid, adam),
            logits: () => logitsGraph(before.tensors, maps.grid),
            inputs: (batch) => mapInputs(maps, pixelsOf(batch)),
          },
          before,
          sessionOptions(context, recipe, before.tensors),
        ),
      metadata: { weights: (await maps.describe()).weights },
    }, context);
  },
});

function pixelsOf({ images, count, height, width }: ImageBatch): PixelBatch {
  return { rgb: images as Uint8Array, count, height, width };
}
