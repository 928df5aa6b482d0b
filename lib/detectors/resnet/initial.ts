/**
 * What a ResNet with one logit is before its first step.
 * @module
 */
import { torchvisionResnet } from "../../backbones/families/torchvision_resnet.ts";
import { weightsPath } from "../../backbones/open.ts";
import { lastChannels, tensorShapes } from "../../backbones/resnet/architecture.ts";
import { readResnetWeights } from "../../backbones/resnet/weights.ts";
import { UserError } from "../../io/errors.ts";
import { exists } from "../../io/files.ts";
import { readSafetensors } from "../../io/safetensors.ts";
import { sizeOf, type Tensor, tensor } from "../../io/tensor.ts";
import type { Random } from "../../random.ts";
import type { PixelRecipe, Start } from "../pixel_training.ts";
import { LAST_BIAS, LAST_WEIGHT } from "./checkpoint.ts";

/**
 * Tensors before the first step: a backbone's, or random as torchvision's are. The last layer is drawn:
 * weights normal, the bias as PyTorch's Linear has it.
 * Released: CNNDetection, `networks/trainer.py`.
 * @param backbones folder of backbones
 * @throws {UserError} as {@linkcode initialBody}
 */
export async function initialClassifier(
  { start, lastDeviation }: Pick<PixelRecipe, "start" | "lastDeviation">,
  backbones: string,
  random: Random,
): Promise<Map<string, Tensor>> {
  const tensors = await initialBody(start, backbones, random);
  const width = Math.max(...[...tensors.values()].map(({ shape }) => shape[0]!));
  const bound = 1 / Math.sqrt(width);
  const last = Float32Array.from({ length: width }, () => lastDeviation * random.normal());
  tensors.set(LAST_WEIGHT, tensor(last, [1, width]));
  tensors.set(LAST_BIAS, tensor(Float32Array.of(random.uniform(-bound, bound)), [1]));
  return tensors;
}

/**
 * Tensors of the stem and the stages before the first step: a backbone's, or random ones.
 * Source: torchvision, `models/resnet.py`.
 * @param backbones folder of backbones
 * @throws {UserError} of kind `missing`, where the backbone is not there; where it is no such ResNet
 */
export async function initialBody(
  start: Start,
  backbones: string,
  random: Random,
): Promise<Map<string, Tensor>> {
  if (start.kind === "random") return randomTensors(start, random);
  if (start.kind === "backbone") return await backboneTensors(start.name, backbones);
  throw new UserError(
    "usage",
    `Cannot train a ResNet: expected a recipe that starts from one, found one of ${
      start.kind === "xception" ? "an Xception" : `the detector ${start.name}`
    }`,
  );
}

/** Kernels by Kaiming's rule for the outputs; normalisations pass on what they normalise. */
function randomTensors(
  { width, stages }: { readonly width: number; readonly stages: readonly number[] },
  random: Random,
): Map<string, Tensor> {
  const embeddingWidth = lastChannels({ width, stages });
  const shapes = tensorShapes({ width, stages, embeddingWidth }, torchvisionResnet, 0);
  return new Map(
    [...shapes].map(([name, shape]) => {
      const data = new Float32Array(sizeOf(shape));
      const [outputs, , height, columns] = shape;
      if (height !== undefined) {
        const deviation = Math.sqrt(2 / (outputs! * height * columns!));
        for (let i = 0; i < data.length; i++) data[i] = deviation * random.normal();
      } else if (!/\.(bias|running_mean)$/.test(name)) data.fill(1);
      return [name, tensor(data, shape)];
    }),
  );
}

async function backboneTensors(name: string, folder: string): Promise<Map<string, Tensor>> {
  const path = weightsPath(folder, name);
  if (!await exists(path)) {
    throw new UserError(
      "missing",
      `Cannot train from ${name}: expected its weights at ${path}, found none; ` +
        `\`deno task backbone import FILE --name ${name} --backbones ${folder}\` adds them`,
    );
  }
  const { tensors } = await readResnetWeights(path, torchvisionResnet);
  return (await readSafetensors(path, [...tensors.keys()])).tensors;
}
