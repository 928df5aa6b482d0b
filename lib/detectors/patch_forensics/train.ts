/**
 * Trains a network of patches: an Xception that is cut off after some blocks, from random weights.
 * Paper: Chai et al., ECCV 2020. Released: chail/patch-forensics, `train.py`, `networks/`.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import type { SafetensorsFile } from "../../io/safetensors.ts";
import { sizeOf, type Tensor, tensor } from "../../io/tensor.ts";
import type { Random } from "../../random.ts";
import type { FailedHead, TrainedHead } from "../detector.ts";
import { isStatistic } from "../live_norm.ts";
import type { PixelRecipe, PixelTraining, PixelTrainingContext } from "../pixel_training.ts";
import { FLIPS } from "../recipes.ts";
import { sessionOptions, trainOnPixels } from "../resnet/train.ts";
import { imagesOf, Trainer } from "../resnet/trainer.ts";
import { LAST } from "./graph.ts";
import { patchLogits, patchStep } from "./training_graph.ts";

/**
 * How Patch-Forensics is trained: an Xception up to its second block, as it is on faces in the paper.
 * Released: patch-forensics, `options/`, `networks/networks.py`, `train.py`. Batches there are half
 * real; here they are as the images come.
 */
export const patchForensicsRecipe: PixelRecipe = {
  start: { kind: "xception", channels: [32, 64, 128, 256] },
  lastDeviation: .02,
  shortSidePx: 299,
  shortSideFilter: "lanczos",
  cropPx: 299,
  augmentation: FLIPS,
  batchSize: 32,
  learningRate: 1e-3,
  beta1: .9,
  beta2: .999,
  epsilon: 1e-8,
  epochs: 1000,
  // 5 × the patience of 20 that is in the released model's name
  schedule: { kind: "best", patience: 100 },
};

/**
 * Trains one, as the seam has it.
 * @param load reads a checkpoint, and so finds what is damaged
 */
export function trainPatches(
  training: PixelTraining,
  name: string,
  load: (path: string) => Promise<SafetensorsFile>,
  context: PixelTrainingContext,
): Promise<TrainedHead | FailedHead> {
  const { recipe, recipe: { beta1, beta2, epsilon, shortSidePx, cropPx } } = training;
  const adam = { beta1, beta2, epsilon };
  return trainOnPixels(training, {
    name,
    load,
    initial: (random) => Promise.resolve(initialPatches(recipe, random)),
    open: (before) =>
      new Trainer(
        {
          adam,
          step: (sizePx) => patchStep(before.tensors, adam, sizePx),
          logits: () => patchLogits(before.tensors),
          inputs: (batch) => ({ images: imagesOf(batch) }),
        },
        before,
        sessionOptions(context, recipe, before.tensors),
      ),
    metadata: { loadSize: `${shortSidePx ?? cropPx}` },
  }, context);
}

/**
 * Tensors before the first step. Kernels by Xavier's normal rule, scales of normalisations normal about
 * 1, all other parameters 0.
 * Released: patch-forensics, `networks/networks.py`, `init_weights`
 * @throws {UserError} where the recipe starts from another network
 */
export function initialPatches(
  { start, lastDeviation: gain }: Pick<PixelRecipe, "start" | "lastDeviation">,
  random: Random,
): Map<string, Tensor> {
  if (start.kind !== "xception" || start.channels.length < 3) {
    throw new UserError(
      "usage",
      "Cannot train Patch-Forensics: expected a recipe that starts from an Xception of one block or " +
        `more, found ${JSON.stringify(start)}`,
    );
  }
  return new Map(
    [...shapesOf(start.channels)].map(([name, shape]) => {
      const data = new Float32Array(sizeOf(shape));
      const [outputs, inputs, height, columns] = shape as [number, number, number?, number?];
      if (height !== undefined) {
        const deviation = gain * Math.sqrt(2 / ((inputs + outputs) * height * columns!));
        for (let i = 0; i < data.length; i++) data[i] = deviation * random.normal();
      } else if (name.endsWith(".running_var")) {
        data.fill(1);
      } else if (name.endsWith(".weight") && !isStatistic(name)) {
        for (let i = 0; i < data.length; i++) data[i] = 1 + gain * random.normal();
      }
      return [name, tensor(data, shape)];
    }),
  );
}

/** Every tensor of an Xception that is cut off, by its name. Released: networks/xception.py */
function shapesOf(channels: readonly number[]): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const normalised = (norm: string, count: number) => {
    for (const part of ["weight", "bias", "running_mean", "running_var"]) {
      shapes.set(`${norm}.${part}`, [count]);
    }
  };
  const [first, second, ...blocks] = channels as [number, number, ...number[]];
  shapes.set("conv1.weight", [first, 3, 3, 3]);
  normalised("bn1", first);
  shapes.set("conv2.weight", [second, first, 3, 3]);
  normalised("bn2", second);
  let inputs = second;
  blocks.forEach((outputs, index) => {
    const block = `block${index + 1}`;
    // the first block has no ReLU before its first convolution, which counts among its layers
    const places = index === 0 ? [0, 3] : [1, 4];
    places.forEach((place, i) => {
      const from = i === 0 ? inputs : outputs;
      shapes.set(`${block}.rep.${place}.conv1.weight`, [from, 1, 3, 3]);
      shapes.set(`${block}.rep.${place}.pointwise.weight`, [outputs, from, 1, 1]);
      normalised(`${block}.rep.${place + 1}`, outputs);
    });
    shapes.set(`${block}.skip.weight`, [outputs, inputs, 1, 1]);
    normalised(`${block}.skipbn`, outputs);
    inputs = outputs;
  });
  shapes.set(`${LAST}.weight`, [2, inputs, 1, 1]);
  shapes.set(`${LAST}.bias`, [2]);
  return shapes;
}
