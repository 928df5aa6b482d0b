/** Every detector on pixels that is trained here: it learns, goes on where it was stopped, and is read. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { FailedHead, TrainedHead } from "../lib/detectors/detector.ts";
import dmid, { dmidRecipe } from "../lib/detectors/dmid.ts";
import { findDetector } from "../lib/detectors/index.ts";
import { drawnDiscriminator, keepPicture, lgradRecipe } from "../lib/detectors/lgrad/train.ts";
import lgrad from "../lib/detectors/lgrad/detector.ts";
import { discriminatorSizePx, ownDiscriminator } from "../lib/detectors/lgrad/checkpoint.ts";
import { openPictures } from "../lib/detectors/lgrad/pictures.ts";
import patchForensics from "../lib/detectors/patch_forensics/detector.ts";
import { patchForensicsRecipe } from "../lib/detectors/patch_forensics/train.ts";
import type { PixelDetectorKind } from "../lib/detectors/pixel_detector.ts";
import { openPixelScorer } from "../lib/detectors/pixel_scorer.ts";
import {
  type PixelRecipe,
  type PixelTraining,
  type PixelTrainingContext,
  trainedPath,
  trainingStatePath,
} from "../lib/detectors/pixel_training.ts";
import { decodeImage } from "../lib/image/image.ts";
import { encodePng } from "../lib/image/png.ts";
import { exists } from "../lib/io/files.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const SIZE_PX = 32;
const root = temporaryFolder("trained_kinds_");

/** Real images are noise; of generated ones neighbouring pixels are equal, four by four. */
async function writeImages(name: string, count: number) {
  const images = Array.from(
    { length: count },
    (_, i) => ({ path: `${name}_${i}.png`, label: Number(i % 2 > 0) as 0 | 1 }),
  );
  for (const { path, label } of images) {
    const image = noiseImage(SIZE_PX, SIZE_PX, path);
    if (label === 1) {
      const { data } = noiseImage(SIZE_PX, SIZE_PX, path);
      image.data.forEach((_, i) => {
        const [row, column] = [Math.floor(i / 3 / SIZE_PX), Math.floor(i / 3) % SIZE_PX];
        const from = (row - row % 4) * SIZE_PX + column - column % 4;
        image.data[i] = data[from * 3 + i % 3]!;
      });
    }
    await Deno.writeFile(join(root, path), await encodePng(image));
  }
  return images;
}

const train = await writeImages("train", 48), val = await writeImages("val", 20);

interface Kind {
  readonly kind: PixelDetectorKind;
  readonly recipe: PixelRecipe;
  /** What a trained one reads. */
  readonly reads: string;
  /** Validation images of 20 that it must tell apart; of gradients there is more to learn than 48 show. */
  readonly least: number;
}

const { variation } = dmidRecipe;

const KINDS: readonly Kind[] = [
  {
    kind: dmid,
    recipe: {
      ...dmidRecipe,
      start: { kind: "random", width: 4, stages: [1, 1, 1, 1] },
      cropPx: 16,
      variation: {
        ...variation!,
        resizedCrop: { ...variation!.resizedCrop, probability: 0 },
        colours: { ...variation!.colours, probability: .2 },
        hole: { ...variation!.hole, probability: .1, sizePx: 8 },
      },
      augmentation: { ...dmidRecipe.augmentation, blurProbability: 0, jpegProbability: 0 },
      batchSize: 4,
      learningRate: 3e-3,
      epochs: 4,
    },
    reads: "whole image (original)",
    least: 17,
  },
  {
    kind: patchForensics,
    recipe: {
      ...patchForensicsRecipe,
      start: { kind: "xception", channels: [4, 8, 12] },
      shortSidePx: SIZE_PX,
      cropPx: 24,
      batchSize: 4,
      learningRate: 1e-2,
      epochs: 4,
    },
    reads: "short side 32 (lanczos), centre crop 32 (original)",
    least: 17,
  },
  {
    kind: lgrad,
    recipe: {
      ...lgradRecipe,
      start: { kind: "random", width: 4, stages: [1, 1, 1, 1] },
      discriminator: { kind: "drawn", sizePx: SIZE_PX, channels: 3, seed: 0 },
      cropPx: 28,
      batchSize: 8,
      learningRate: 1e-2,
      epochs: 8,
    },
    reads: "resized to 32 × 32 (bilinear) (original)",
    least: 13,
  },
];

function contextIn(folder: string, more: Partial<PixelTrainingContext> = {}): PixelTrainingContext {
  return {
    compute: { engine: "onnx", threads: 1 },
    folder,
    backbones: join(root, "backbones"),
    detectors: join(root, "detectors"),
    workers: 2,
    onImages: () => {},
    ...more,
  };
}

function assertTrained(result: TrainedHead | FailedHead): asserts result is TrainedHead {
  assert.ok("epochs" in result, JSON.stringify(result));
}

for (const { kind, recipe, reads, least } of KINDS) {
  const training: PixelTraining = {
    ...{ key: "small", recipe, seed: 3, root, train, val },
    trainedOn: { set: "noise" },
  };
  Deno.test(`${kind.title} learns by its recipe, and one that is stopped ends with the same bytes`, async () => {
    const whole = temporaryFolder("kind_whole_"), folder = temporaryFolder("kind_resumed_");
    const trained = await kind.train!(training, contextIn(whole));
    assertTrained(trained);
    const losses = trained.epochs.map(({ trainLoss }) => trainLoss);
    assert.ok(losses.at(-1)! < .8 * losses[0]!, `losses are ${losses}`);
    const path = join(whole, trainedPath("small"));
    const { tensors, metadata } = await readSafetensors(path);
    assert.equal(metadata["detector"], kind.name);
    assert.deepEqual(JSON.parse(metadata["recipe"]!), { ...recipe, seed: 3 });
    const { batchSize } = recipe, stop = train.length + batchSize * 2;
    let done = 0;
    const interrupted = kind.train!(
      training,
      contextIn(folder, {
        saveIntervalMs: 0,
        onImages: (count) => {
          if ((done += count) > stop) throw new Error("interrupted");
        },
      }),
    );
    await assert.rejects(interrupted, /interrupted/);
    const state = await readSafetensors(join(folder, trainingStatePath("small")));
    assert.equal(Number(state.metadata["steps"]), stop / batchSize);
    let rest = 0;
    const resumed = await kind.train!(
      training,
      contextIn(folder, { onImages: (count) => rest += count, workers: 1 }),
    );
    assertTrained(resumed);
    assert.deepEqual(resumed.epochs, trained.epochs);
    assert.equal(rest, train.length * recipe.epochs - stop);
    assert.equal(await exists(join(folder, trainingStatePath("small"))), false);
    assert.deepEqual((await readSafetensors(join(folder, trainedPath("small")))).tensors, tensors);
    // what is trained is opened, as what it is
    assert.equal((await findDetector(path)).kind, kind);
    await using scorer = await openPixelScorer(kind, path, "original", { engine: "onnx" });
    assert.equal(scorer.reads, reads);
    const images = await Promise.all(val.map(({ path }) => decodeImage(join(root, path))));
    const logits = await scorer.logits(images.map(scorer.view));
    const right = val.filter(({ label }, i) => (logits[i]! > 0) === (label === 1)).length;
    assert.ok(right >= least, `${right} of 20 are told apart`);
  });
}

Deno.test("LGrad learns from the pictures that it sees later, and leaves none behind", async () => {
  const { recipe } = KINDS.find(({ kind }) => kind === lgrad)!;
  const folder = temporaryFolder("kind_pictures_");
  const training: PixelTraining = {
    ...{ key: "pictures", recipe: { ...recipe, epochs: 1 }, seed: 3, root, train, val },
    trainedOn: {},
  };
  const path = join(folder, trainedPath("pictures"));
  const pictures = join(folder, "detectors", "pictures.pictures");
  const prepared: number[] = [];
  let seen: Uint8Array | undefined;
  await lgrad.train!(
    training,
    contextIn(folder, {
      onPrepared: (done) => prepared.push(done),
      onImages: () => {
        seen ??= Deno.readFileSync(join(pictures, `${train[0]!.path}.ppm`));
      },
    }),
  );
  assert.deepEqual(prepared, Array.from({ length: 68 }, (_, i) => i + 1));
  const discriminator = ownDiscriminator(path);
  assert.equal(await discriminatorSizePx(discriminator), SIZE_PX);
  const open = await openPictures(discriminator, { engine: "onnx", threads: 1 });
  const { data } = await decodeImage(join(root, train[0]!.path));
  const picture = await open.picture(data);
  await open.dispose();
  assert.deepEqual(seen!.slice(-picture.length), picture);
  assert.match(
    new TextDecoder().decode(seen!.slice(0, -picture.length)),
    /^P6 32 32\n# SHA-256 [0-9a-f]{64}\n255\n$/,
  );
  assert.ok(picture.includes(0) && picture.includes(255));
  assert.ok(!await exists(pictures));
  assert.deepEqual(await lgrad.besides!(path), [discriminator]);
});

Deno.test("a picture that a killed training has left is kept where it is whole, else made again", async () => {
  const path = join(temporaryFolder("picture_"), "a.ppm");
  const rgb = Uint8Array.from({ length: 12 }, (_, i) => 20 * i);
  let made = 0;
  const keep = () => keepPicture(path, 2, () => Promise.resolve((made++, rgb)));
  await keep();
  await keep();
  assert.equal(made, 1);
  const whole = await Deno.readFile(path);
  assert.deepEqual((await decodeImage(path)).data, rgb);
  for (let at = 0; at < whole.length; at++) {
    await Deno.writeFile(path, whole.map((byte, i) => i === at ? byte ^ 1 : byte));
    await keep();
    assert.deepEqual([made, await Deno.readFile(path)], [at + 2, whole], `byte ${at}`);
  }
  await Deno.writeFile(path, whole.subarray(0, 50));
  await keep();
  assert.deepEqual(await Deno.readFile(path), whole);
});

Deno.test("a discriminator that is drawn sees differences alone, and no image has a dark first layer", async () => {
  const drawn = drawnDiscriminator({ kind: "drawn", sizePx: 32, channels: 3, seed: 0 });
  const kernels = drawn.get("layer0.weight")!.data;
  for (let at = 0; at < kernels.length; at += 9) {
    assert.ok(Math.abs(kernels.subarray(at, at + 9).reduce((a, b) => a + b)) < 1e-5);
  }
  const colours = drawn.get("input0.weight")!.data;
  drawn.get("input0.bias")!.data.forEach((bias, i) => {
    const most = colours.subarray(i * 3, i * 3 + 3).reduce((sum, x) => sum + Math.abs(x), 0);
    assert.ok(bias >= .99 * most * Math.sqrt(2 / 3), "the gain of StyleGAN's layers is in it");
  });
  const imported: PixelRecipe = { ...lgradRecipe, start: KINDS[0]!.recipe.start };
  const training = { key: "none", recipe: imported, seed: 0, root, train, val, trainedOn: {} };
  await assert.rejects(
    lgrad.train!(training, contextIn(temporaryFolder())),
    /Cannot train LGrad: expected StyleGAN's discriminator, for LGrad, at .*, found none; `deno task detector import/,
  );
});
