import assert from "node:assert/strict";
import { join } from "node:path";
import type { FailedHead, TrainedHead } from "../lib/detectors/detector.ts";
import { findDetector } from "../lib/detectors/index.ts";
import { openPixelScorer } from "../lib/detectors/pixel_scorer.ts";
import {
  type PixelRecipe,
  type PixelTraining,
  type PixelTrainingContext,
  trainedPath,
  trainingStatePath,
  trainingTransform,
  validationTransform,
} from "../lib/detectors/pixel_training.ts";
import wang, { wangRecipe } from "../lib/detectors/wang.ts";
import { decodeImage } from "../lib/image/image.ts";
import { encodePng } from "../lib/image/png.ts";
import { exists } from "../lib/io/files.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { assertClose } from "./head_golden.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const SIZE_PX = 36, CROP_PX = 32;
const root = temporaryFolder("pixel_training_");

/** Real images are noise; generated ones have half its contrast. */
async function writeImages(name: string, count: number) {
  const images = Array.from({ length: count }, (_, i) => {
    const label = Number(i % 2 > 0) as 0 | 1;
    return { path: `${name}_${i}.png`, label };
  });
  for (const { path, label } of images) {
    const image = noiseImage(SIZE_PX, SIZE_PX, path);
    if (label === 1) image.data.forEach((value, i) => image.data[i] = 64 + value / 2);
    await Deno.writeFile(join(root, path), await encodePng(image));
  }
  return images;
}

const RECIPE: PixelRecipe = {
  ...wangRecipe(.1),
  start: { kind: "random", width: 4, stages: [1, 1, 1, 1] },
  shortSidePx: SIZE_PX,
  cropPx: CROP_PX,
  batchSize: 8,
  learningRate: 3e-3,
  epochs: 4,
};
const TRAINING: PixelTraining = {
  key: "small",
  recipe: RECIPE,
  seed: 5,
  root,
  // a last batch of one image
  train: await writeImages("train", 41),
  val: await writeImages("val", 20),
  trainedOn: { set: "noise", images: 41 },
};

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

const whole = temporaryFolder("pixel_whole_");
/** Epochs that were gains. */
const THREE = [undefined, undefined, undefined];
let seen = 0;
const trained = await wang.train!(
  TRAINING,
  contextIn(whole, { onImages: (count) => seen += count }),
);
assertTrained(trained);
const path = join(whole, trainedPath("small"));
const { tensors, metadata } = await readSafetensors(path);

Deno.test("training by Wang's recipe learns, and its numbers are those of the first time", () => {
  assert.equal(seen, 4 * 40, "a last batch of one image is left out");
  assert.equal(trained.epochs.length, 4);
  const [first] = trained.epochs;
  assertClose([first!.trainLoss, first!.valLoss], [.66475, .63550], 1e-3, "losses at first");
  const losses = trained.epochs.flatMap(({ trainLoss, valLoss }) => [trainLoss, valLoss]);
  assertClose(losses.slice(2), [.4933, .5541, .4776, .4216, .2811, .3059], .03, "losses later");
  assert.deepEqual(trained.epochs.map(({ keptEpoch }) => keptEpoch), [...THREE, 3]);
  assert.deepEqual(trained.epochs.map(({ learningRate }) => learningRate), Array(4).fill(3e-3));
});

Deno.test("a training that is interrupted ends with the bytes of one that is not", async () => {
  for (const images of [40, 72]) {
    const folder = temporaryFolder("pixel_resumed_");
    let done = 0;
    const interrupted = wang.train!(
      TRAINING,
      contextIn(folder, {
        saveIntervalMs: 0,
        onImages: (count) => {
          if ((done += count) > images) throw new Error("interrupted");
        },
      }),
    );
    await assert.rejects(interrupted, /interrupted/);
    const state = join(folder, trainingStatePath("small"));
    const { metadata: kept } = await readSafetensors(state);
    assert.equal(Number(kept["steps"]), images / 8);
    assert.equal(await exists(join(folder, trainedPath("small"))), false);
    let rest = 0;
    const resumed = await wang.train!(
      TRAINING,
      contextIn(folder, { onImages: (count) => rest += count, workers: 1 }),
    );
    assertTrained(resumed);
    assert.deepEqual(resumed.epochs, trained.epochs);
    assert.equal(rest, 160 - images);
    assert.equal(await exists(state), false);
    const again = await readSafetensors(join(folder, trainedPath("small")));
    assert.deepEqual(again.tensors, tensors);
  }
});

Deno.test("what is trained is found, and not trained again", async () => {
  const again = await wang.train!(TRAINING, contextIn(whole, { onImages: () => assert.fail() }));
  assert.deepEqual(again, trained);
});

Deno.test("a checkpoint that was trained here says so, and is read by crops of its own size", async () => {
  const { kind } = await findDetector(path);
  assert.equal(kind, wang);
  assert.deepEqual(JSON.parse(metadata["recipe"]!), { ...RECIPE, seed: 5 });
  assert.deepEqual(JSON.parse(metadata["trainedOn"]!), TRAINING.trainedOn);
  const lines = (await wang.describeCheckpoint(path)).join("\n");
  assert.match(lines, /trainedOn\n +set +noise/);
  await using scorer = await openPixelScorer(wang, path, "original", { engine: "onnx" });
  assert.equal(scorer.reads, `centre crop ${CROP_PX} (original)`);
  const images = await Promise.all(TRAINING.val.map(({ path }) => decodeImage(join(root, path))));
  const logits = await scorer.logits(images.map(scorer.view));
  const right = TRAINING.val.filter(({ label }, i) => (logits[i]! > 0) === (label === 1)).length;
  assert.ok(right >= 18, `${right} of 20 are told apart`);
});

Deno.test("training ends where validation says so, with the weights of the last gain", async () => {
  const folder = temporaryFolder("pixel_stopped_");
  const schedule = { ...RECIPE.schedule, patience: 1, smallestRate: 1e-3 } as const;
  const stopped = await wang.train!(
    { ...TRAINING, recipe: { ...RECIPE, epochs: 50, schedule } },
    contextIn(folder),
  );
  assertTrained(stopped);
  assert.deepEqual(stopped.epochs, trained.epochs);
  const three = await wang.train!(
    { ...TRAINING, key: "three", recipe: { ...RECIPE, epochs: 3 } },
    contextIn(folder),
  );
  assertTrained(three);
  assert.deepEqual(three.epochs, trained.epochs.slice(0, 3));
  for (const key of ["small", "three"]) {
    assert.deepEqual((await readSafetensors(join(folder, trainedPath(key)))).tensors, tensors);
  }
});

Deno.test("a rate that falls in steps keeps the last epoch", async () => {
  const folder = temporaryFolder("pixel_steps_");
  const schedule = { kind: "steps", everyEpochs: 2, factor: .8 } as const;
  const stepped = await wang.train!(
    { ...TRAINING, recipe: { ...RECIPE, schedule } },
    contextIn(folder),
  );
  assertTrained(stepped);
  const rates = stepped.epochs.map(({ learningRate }) => learningRate);
  assert.deepEqual(rates, [3e-3, 3e-3, 3e-3 * .8, 3e-3 * .8]);
  assert.deepEqual(stepped.epochs.map(({ keptEpoch }) => keptEpoch), [...THREE, undefined]);
  const last = await readSafetensors(join(folder, trainedPath("small")));
  assert.notDeepEqual(last.tensors.get("fc.weight"), tensors.get("fc.weight"));
});

Deno.test("a rate that stays keeps the best epoch, and training ends some epochs after it", async () => {
  const folder = temporaryFolder("pixel_best_");
  const schedule = { kind: "best", patience: 2 } as const;
  const found = await wang.train!(
    { ...TRAINING, recipe: { ...RECIPE, epochs: 30, learningRate: 1e-2, schedule } },
    contextIn(folder),
  );
  assertTrained(found);
  const { epochs } = found, accuracies = epochs.map(({ valAcc }) => valAcc);
  const best = accuracies.indexOf(Math.max(...accuracies)) + 1;
  assert.ok(epochs.length < 30, `${accuracies}`);
  assert.ok(accuracies.at(-1) === 1 || epochs.length === best + 2, `${accuracies}`);
  assert.equal(epochs.at(-1)!.keptEpoch ?? epochs.length, best, `${accuracies}`);
  assert.ok(epochs.every(({ learningRate }) => learningRate === 1e-2));
});

Deno.test("a loss that is no number ends a training in one line", async () => {
  const folder = temporaryFolder("pixel_diverged_");
  const failed = await wang.train!(
    { ...TRAINING, recipe: { ...RECIPE, learningRate: 1e30 } },
    contextIn(folder),
  );
  assert.ok("problem" in failed);
  assert.match(
    failed.problem,
    /^Cannot train a detector on set noise, images 41, seed 5: its loss is NaN at step \d+, in epoch 1; try/,
  );
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), []);
});

Deno.test("an image that cannot be decoded stops a training by its name", async () => {
  const folder = temporaryFolder("pixel_damaged_");
  await Deno.writeTextFile(join(root, "no.png"), "no image");
  const train = [...TRAINING.train, { path: "no.png", label: 1 as const }];
  await assert.rejects(
    wang.train!({ ...TRAINING, train }, contextIn(folder)),
    /^UserError: Cannot decode .*no\.png: expected an image, found/,
  );
});

Deno.test("a training that starts from a backbone says where it is expected", async () => {
  const recipe: PixelRecipe = { ...RECIPE, start: { kind: "backbone", name: "ResNet-50" } };
  await assert.rejects(
    wang.train!({ ...TRAINING, recipe }, contextIn(temporaryFolder())),
    /Cannot train from ResNet-50: expected its weights at .*ResNet-50.model\.safetensors, found none/,
  );
});

Deno.test("Wang's training and validation images go through what the released options say", () => {
  assert.deepEqual(trainingTransform(wangRecipe(.5)), {
    kind: "train",
    size: 224,
    shortSidePx: 256,
    augmentation: {
      blurProbability: .5,
      blurSigmaPx: [0, 3],
      jpegProbability: .5,
      jpegQualities: [30, 100],
      flipProbability: .5,
      protocol: "paper",
    },
  });
  assert.deepEqual(validationTransform(wangRecipe(.1)), {
    kind: "train",
    size: 224,
    shortSidePx: 256,
    crop: "center",
    augmentation: {
      blurProbability: .1,
      blurSigmaPx: [1.5, 1.5],
      jpegProbability: .1,
      jpegQualities: [65, 65],
      flipProbability: 0,
      protocol: "paper",
    },
  });
});
