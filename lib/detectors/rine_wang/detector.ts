/**
 * RINE on Wang et al.'s detector instead of CLIP: the ResNet stays as it is, the means of its maps are
 * the tokens, and RINE's head is trained on them.
 * Paper: RINE, appendix, Table 7, "RINE w/ Wang"; which checkpoint, which maps, how they come to one
 * width, and whether they stay frozen are not published.
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../io/errors.ts";
import { countParameters } from "../../io/tensor.ts";
import { metadataRows, row } from "../description.ts";
import { assertLogits, definePixelDetector } from "../pixel_detector.ts";
import { type PixelRecipe, trainingStatePath } from "../pixel_training.ts";
import { AS_RINE } from "../recipes.ts";
import {
  classifierTensors,
  IMAGENET_NORMALISATION,
  LAST_BIAS,
  LAST_WEIGHT,
} from "../resnet/checkpoint.ts";
import { sessionOptions, trainOnPixels } from "../resnet/train.ts";
import { initialParameters } from "../rine/architecture.ts";
import { architectureOf } from "../rine/head.ts";
import { holdEngine } from "../rine/open_engine.ts";
import {
  BODY_PREFIX,
  HEAD_PREFIX,
  isRineWang,
  prefixed,
  readNetwork,
  readRineWang,
} from "./checkpoint.ts";
import { openTokens, tokenSizes } from "./tokens.ts";
import { openRineWangTrainer } from "./trainer.ts";

const NAME = "rine_wang", TITLE = "RINE w/ Wang";

/** Pixels of several images that go through at once: more together are not faster. */
const PIXELS_AT_ONCE = 8 * 224 * 224;

/**
 * How it is trained: as RINE's head of four classes, on the images that it learns from.
 * Rate, moments and epsilon are RINE's Adam's.
 */
export const rineWangRecipe: PixelRecipe = {
  start: { kind: "detector", name: "wang_0.1" },
  lastDeviation: 0,
  ...AS_RINE,
  network: {
    blocks: "bottlenecks",
    contrastiveWeight: .2,
    projectionLayers: 2,
    projectionDim: 1024,
  },
};

/** RINE on Wang et al.'s detector as the rest of the library knows it. */
export default definePixelDetector({
  name: NAME,
  title: TITLE,
  reads: {
    transforms: { original: [{ kind: "crop", sizePx: 224 }] },
    normalisation: IMAGENET_NORMALISATION,
  },
  released: [],
  isCheckpoint: isRineWang,
  async open(checkpoint, { device = "cpu", threads }) {
    const { body, blocks, architecture, parameters } = await readRineWang(checkpoint);
    const options = { device, ...(threads === undefined ? {} : { threads }) };
    const tokens = await openTokens(checkpoint, body, blocks, options);
    const { engine, release } = await holdEngine({ ...options, engine: "onnx" });
    const predictor = await engine.predictor(architecture, parameters);
    return {
      backend: `${engine.name} (${engine.backend})`,
      pixelsAtOnce: PIXELS_AT_ONCE,
      async logits(batch) {
        const { logits } = await predictor.predict(await tokens.read(batch), batch.count);
        assertLogits(logits, checkpoint);
        return logits;
      },
      async represent(batch) {
        return (await predictor.predict(await tokens.read(batch), batch.count)).z;
      },
      async dispose() {
        await predictor.dispose();
        await release();
        await tokens.dispose();
      },
    };
  },
  async ownTensors(checkpoint) {
    const { tensors, metadata } = await readRineWang(checkpoint);
    return { tensors, metadata };
  },
  async describeCheckpoint(checkpoint) {
    const { architecture, parameters, body, metadata } = await readRineWang(checkpoint);
    return [
      `${checkpoint}: ${TITLE}, RINE's head on a frozen ResNet`,
      row("tokens", `${architecture.blocks} of width ${architecture.width}`),
      row("projection", `q ${architecture.projectionLayers}, d′ ${architecture.projectionDim}`),
      row("trained parameters", countParameters(parameters)),
      row("parameters of the ResNet", countParameters(body)),
      ...metadataRows(metadata),
    ];
  },
  train(training, context) {
    const { key, recipe, from, seed } = training;
    const { blocks, head } = readNetwork(recipe.network ?? {});
    const state = join(context.folder, trainingStatePath(key));
    return trainOnPixels(training, {
      name: NAME,
      load: readRineWang,
      async initial(random) {
        if (from === undefined) {
          throw new UserError(
            "usage",
            `Cannot train ${TITLE}: expected a detector to start from, found none in its recipe`,
          );
        }
        const { tensors } = await classifierTensors(from);
        const body = new Map(
          [...tensors].filter(([name]) => name !== LAST_WEIGHT && name !== LAST_BIAS),
        );
        const architecture = architectureOf(head, tokenSizes(from, body, blocks));
        return new Map([
          ...prefixed(HEAD_PREFIX, initialParameters(architecture, random)),
          ...prefixed(BODY_PREFIX, body),
        ]);
      },
      open: (before) =>
        openRineWangTrainer(
          state,
          { head, blocks, seed },
          before,
          sessionOptions(context, recipe, before.tensors),
        ),
    }, context);
  },
});
