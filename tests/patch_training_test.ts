import assert from "node:assert/strict";
import { join } from "node:path";
import { initialPatches, patchForensicsRecipe } from "../lib/detectors/patch_forensics/train.ts";
import { patchLogits, patchStep } from "../lib/detectors/patch_forensics/training_graph.ts";
import { trainingTransform, validationTransform } from "../lib/detectors/pixel_training.ts";
import { imagesOf, stateBefore, Trainer } from "../lib/detectors/resnet/trainer.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { randomStream } from "../lib/random.ts";
import { GOLDENS } from "./goldens.ts";
import { assertSteps, readStepGolden } from "./step_golden.ts";

Deno.test("three steps of an Xception have PyTorch's losses over patches, state and logits after them", async () => {
  const golden = await readStepGolden("patches_training");
  const { start, adam, labels } = golden;
  const { tensors } = await readSafetensors(join(GOLDENS, "patch_forensics.safetensors"));
  const crops = [...labels].map((_, i) => tensors.get(`crop_${i}`)!);
  const [height, width] = crops[0]!.shape as [number, number];
  const images = Uint8Array.from(crops.flatMap(({ data }) => [...data]));
  const trainer = new Trainer(
    {
      adam,
      step: (sizePx) => patchStep(start, adam, sizePx),
      logits: () => patchLogits(start),
      inputs: (batch) => ({ images: imagesOf(batch) }),
    },
    stateBefore(start),
    { threads: 1 },
  );
  await assertSteps(trainer, { images, count: 4, height, width }, golden, ({ data, shape }) => {
    const [count, , rows, columns] = shape as [number, number, number, number];
    const places = rows * columns;
    return Array.from({ length: count * places }, (_, i) => {
      const generated = 2 * places * Math.floor(i / places) + i % places;
      return data[generated]! - data[generated + places]!;
    });
  });
});

Deno.test("an Xception begins with the released network's tensors, by Xavier's rule", async () => {
  const { tensors } = await readSafetensors(join(GOLDENS, "patch_forensics.safetensors"));
  const released = [...tensors].filter(([name]) =>
    /^weights\..*(?<!num_batches_tracked)$/.test(name)
  )
    .map(([name, { shape }]) => [name.replace("weights.", ""), shape] as const);
  const begin = (channels: number[]) =>
    initialPatches({ start: { kind: "xception", channels }, lastDeviation: .02 }, randomStream(0));
  const small = begin([8, 12, 20, 28]);
  assert.deepEqual(
    new Map([...small].map(([name, { shape }]) => [name, shape])),
    new Map(released),
  );
  const own = initialPatches(patchForensicsRecipe, randomStream(0));
  // Paper: of the network up to its second block
  const parameters = [...own].filter(([name]) => !name.includes("running_"))
    .reduce((sum, [, { data }]) => sum + data.length, 0);
  assert.equal(parameters, 191_330);
  const deviation = (name: string, mean = 0) => {
    const { data } = own.get(name)!;
    return Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length);
  };
  const near = (found: number, expected: number, by: number) =>
    assert.ok(Math.abs(found / expected - 1) < by, `${found} is not ${expected}`);
  near(deviation("block2.rep.4.pointwise.weight"), .02 * Math.sqrt(2 / 512), .02);
  near(deviation("block2.rep.4.conv1.weight"), .02 * Math.sqrt(2 / (257 * 9)), .05);
  near(deviation("block2.rep.5.weight", 1), .02, .15);
  assert.ok(own.get("convout.bias")!.data.every((value) => value === 0));
  assert.throws(
    () => begin([8, 12]),
    /expected a recipe that starts from an Xception of one block/,
  );
});

Deno.test("training images are resized by Lanczos and mirrored, validation images resized alone", () => {
  const { augmentation } = patchForensicsRecipe;
  assert.deepEqual(trainingTransform(patchForensicsRecipe), {
    ...{ kind: "train", size: 299, shortSidePx: 299, shortSideFilter: "lanczos", augmentation },
  });
  assert.deepEqual([augmentation.blurProbability, augmentation.jpegProbability], [0, 0]);
  assert.deepEqual(validationTransform(patchForensicsRecipe), {
    ...trainingTransform(patchForensicsRecipe),
    crop: "center",
    augmentation: { ...augmentation, flipProbability: 0 },
  });
});
