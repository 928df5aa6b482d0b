/**
 * Trains LGrad's classifier: gradient pictures of all images are made once and lie on disk, as the
 * released code has them, while a ResNet-50 learns from them.
 * Paper: Tan et al., CVPR 2023. Released: LGrad, `img2gad_pytorch/`, `CNNDetection/train.py`.
 * @module
 */
import { dirname, join } from "node:path";
import type { LabelledImage } from "../../data/dataset.ts";
import { decodeImage } from "../../image/image.ts";
import { readPixels } from "../../image/pixels.ts";
import { exists, writeFileAtomic } from "../../io/files.ts";
import { readBytes } from "../../io/regular.ts";
import { readSafetensors } from "../../io/safetensors.ts";
import { writeSealedSafetensors } from "../../io/safetensors_writer.ts";
import { sha256 } from "../../io/seal.ts";
import { sizeOf, type Tensor, tensor } from "../../io/tensor.ts";
import { randomStream } from "../../random.ts";
import type { FailedHead, TrainedHead } from "../detector.ts";
import {
  type Discriminator,
  type PixelRecipe,
  type PixelTraining,
  type PixelTrainingContext,
  trainedPath,
} from "../pixel_training.ts";
import { FLIPS } from "../recipes.ts";
import { trainClassifier, type TrainedClassifier } from "../resnet/train.ts";
import { discriminatorKind, importedDiscriminator, ownDiscriminator } from "./checkpoint.ts";
import { GAIN, LAST_SIZE } from "./discriminator.ts";
import { openPictures } from "./pictures.ts";

/** How LGrad is trained, after the 4-class model. Released: LGrad, `CNNDetection/options/`. */
export const lgradRecipe: PixelRecipe = {
  start: { kind: "backbone", name: "ResNet-50" },
  lastDeviation: .02,
  discriminator: { kind: "imported", sizePx: 256 },
  cropPx: 224,
  augmentation: FLIPS,
  batchSize: 16,
  learningRate: 5e-4,
  beta1: .9,
  beta2: .999,
  epsilon: 1e-8,
  epochs: 100,
  schedule: { kind: "steps", everyEpochs: 10, factor: .8 },
};

/**
 * Trains one, as the seam has it. Its discriminator comes to lie beside it.
 * @throws {UserError} where the discriminator is not there, or an image cannot be decoded
 */
export async function trainOnGradients(
  training: PixelTraining,
  classifier: TrainedClassifier,
  context: PixelTrainingContext,
): Promise<TrainedHead | FailedHead> {
  const { key, recipe: { discriminator }, root, train, val } = training;
  const { folder, compute, onPrepared } = context;
  const path = join(folder, trainedPath(key)), beside = ownDiscriminator(path);
  if (!await exists(path) || !await exists(beside)) {
    await writeSealedSafetensors(beside, await discriminatorTensors(discriminator, context), {
      detector: discriminatorKind.name,
    });
  }
  const pictures = join(dirname(path), `${key}.pictures`);
  const of = ({ path, label }: LabelledImage) => ({ path: `${path}.ppm`, label });
  if (!await exists(path)) {
    const open = await openPictures(beside, compute);
    const { sizePx } = open, images = [...train, ...val];
    try {
      for (const [i, { path: name }] of images.entries()) {
        onPrepared?.(i + 1, images.length);
        const to = join(pictures, `${name}.ppm`);
        await keepPicture(to, sizePx, async () => {
          const image = await decodeImage(join(root, name));
          const { data } = readPixels(image, [{ kind: "square", sizePx, filter: "bilinear" }]);
          return await open.picture(data);
        });
      }
    } finally {
      await open.dispose();
    }
  }
  const result = await trainClassifier(
    { ...training, root: pictures, train: train.map(of), val: val.map(of) },
    classifier,
    context,
  );
  if (await exists(pictures)) await Deno.remove(pictures, { recursive: true });
  return result;
}

/**
 * Makes a picture, unless an earlier process has and it is whole: its header names the SHA-256 of its
 * pixels.
 * @param make gives uint8 [sizePx, sizePx, 3]
 */
export async function keepPicture(
  path: string,
  sizePx: number,
  make: () => Promise<Uint8Array>,
): Promise<void> {
  const headerOf = (rgb: Uint8Array) =>
    new TextEncoder().encode(`P6 ${sizePx} ${sizePx}\n# SHA-256 ${sha256(rgb)}\n255\n`);
  const length = 3 * sizePx ** 2;
  if (await exists(path)) {
    const found = await readBytes(path);
    const header = headerOf(found.subarray(-length));
    const isWhole = found.length === header.length + length &&
      header.every((byte, i) => byte === found[i]);
    if (isWhole) return;
  }
  const rgb = await make(), header = headerOf(rgb);
  const bytes = new Uint8Array(header.length + length);
  bytes.set(header);
  bytes.set(rgb, header.length);
  await writeFileAtomic(path, bytes);
}

async function discriminatorTensors(
  discriminator: Discriminator | undefined,
  { detectors }: PixelTrainingContext,
): Promise<ReadonlyMap<string, Tensor>> {
  if (discriminator?.kind === "drawn") return drawnDiscriminator(discriminator);
  return (await readSafetensors(await importedDiscriminator(detectors))).tensors;
}

/**
 * A small discriminator that nobody trained. Its first layer is always at work. The second sees
 * differences of neighbours alone, and all that comes after it adds up what it finds: so the gradient
 * says, place by place, which way the differences go.
 */
export function drawnDiscriminator(
  { sizePx, channels, seed }: Extract<Discriminator, { kind: "drawn" }>,
): Map<string, Tensor> {
  const random = randomStream(seed, "discriminator");
  const tensors = new Map<string, Tensor>();
  const layer = (
    name: string,
    shape: readonly number[],
    draw = () => Math.abs(random.normal()),
  ) => {
    const data = Float32Array.from({ length: sizeOf(shape) }, draw);
    tensors.set(`${name}.weight`, tensor(data, shape));
    tensors.set(`${name}.bias`, tensor(new Float32Array(shape[0]!), [shape[0]!]));
    return data;
  };
  const colours = layer("input0", [channels, 3, 1, 1], () => random.normal());
  // pixels are from −1 on
  tensors.get("input0.bias")!.data.forEach((_, i, biases) => {
    const sum = colours.subarray(i * 3, i * 3 + 3).reduce((all, value) => all + Math.abs(value), 0);
    biases[i] = sum * GAIN / Math.sqrt(3);
  });
  let count = 0;
  for (let size = sizePx; size > LAST_SIZE; size /= 2, count += 2) {
    const signed = count === 0 ? () => random.normal() : undefined;
    const kernels = layer(`layer${count}`, [channels, channels, 3, 3], signed);
    if (count === 0) {
      for (let at = 0; at < kernels.length; at += 9) {
        const own = kernels.subarray(at, at + 9), mean = own.reduce((a, b) => a + b, 0) / 9;
        own.forEach((value, i) => own[i] = value - mean);
      }
    }
    layer(`layer${count + 1}`, [channels, channels, 3, 3]);
    const blur = Array.from({ length: channels }, () => [1, 2, 1, 2, 4, 2, 1, 2, 1]).flat();
    tensors.set(
      `layer${count + 1}.blur.kernel`,
      tensor(Float32Array.from(blur, (value) => value / 16), [channels, 1, 3, 3]),
    );
  }
  layer(`layer${count}`, [channels, channels + 1, 3, 3]);
  layer(`layer${count + 1}`, [channels, channels * LAST_SIZE ** 2]);
  layer(`layer${count + 2}`, [1, channels]);
  return tensors;
}
