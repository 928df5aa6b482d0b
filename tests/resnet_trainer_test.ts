import assert from "node:assert/strict";
import { join } from "node:path";
import {
  classifierOfTensors,
  IMAGENET_NORMALISATION as normalisation,
  readClassifier,
} from "../lib/detectors/resnet/checkpoint.ts";
import { ResnetTrainer, stateBefore } from "../lib/detectors/resnet/trainer.ts";
import { readModelFile } from "../lib/detectors/checkpoint_file.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { assertSteps, readStepGolden } from "./step_golden.ts";

const { metadata, tensors } = await readSafetensors(join(GOLDENS, "cnn_training.safetensors"));
const number = (name: string) => Number(metadata[name]);
const adam = { beta1: number("beta1"), beta2: number("beta2"), epsilon: number("eps") };

const under = (...prefixes: string[]): Map<string, Tensor> =>
  new Map(
    prefixes.flatMap((prefix) =>
      [...tensors].filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value] as const)
    ).filter(([name]) => !name.endsWith("num_batches_tracked")),
  );

Deno.test("three steps have the released trainer's losses, parameters and running statistics", async () => {
  const start = under("resnet.param.", "resnet.buffer.");
  const weights = classifierOfTensors("golden", start);
  const trainer = new ResnetTrainer({ weights, stemStride: 2, adam }, stateBefore(start), {
    threads: 1,
  });
  const { data: images, shape: [count, , height, width] } = tensors.get("pixels")!;
  const batch = { images, count: count!, height: height!, width: width! };
  const labels = Uint8Array.from(tensors.get("labels")!.data);
  const losses: number[] = [];
  for (let step = 0; step < number("steps"); step++) {
    losses.push(await trainer.step(batch, labels, number("learningRate")));
  }
  const { tensors: found, steps } = trainer.state();
  await trainer.dispose();
  assert.equal(steps, 3);
  assertClose(losses, tensors.get("resnet.losses")!.data, 1e-4, "losses");
  for (const [name, { data }] of under("resnet.buffer3.")) {
    assertClose(found.get(name)!.data, data, 1e-4, name);
  }
  const off = [...under("resnet.param3.")].flatMap(([name, { data }]) =>
    [...data].map((expected, i) => Math.abs(expected - found.get(name)!.data[i]!))
  );
  assert.ok(off.every((by) => by <= 5e-5), `parameters are off by ${Math.max(...off)}`);
  const far = off.filter((by) => by > 2e-6).length;
  assert.ok(far <= off.length / 1000, `${far} of ${off.length} are off by over 2e-6`);
});

Deno.test("three steps with a stem of stride 1 have PyTorch's losses, state and logits after them", async () => {
  const golden = await readStepGolden("dmid_training");
  const { start, adam } = golden;
  const weights = classifierOfTensors("golden", start);
  const trainer = new ResnetTrainer({ weights, stemStride: 1, adam }, stateBefore(start), {
    threads: 1,
  });
  const { data: images, shape: [count, , height, width] } = golden.tensors.get("pixels")!;
  const batch = { images, count: count!, height: height!, width: width! };
  await assertSteps(trainer, batch, golden);
});

for (const [stemStride, way] of [[2, "crop"], [1, "dmid"]] as const) {
  Deno.test(`logits by the running statistics are the released code's, with a stem of stride ${stemStride}`, async () => {
    const golden = await readSafetensors(join(GOLDENS, "resnet.safetensors"));
    const path = join(GOLDENS, "wang.pth");
    const weights = await readClassifier(path);
    const all = (await readModelFile(path)).tensors;
    const start = new Map([...weights.tensors.keys()].map((name) => [name, all.get(name)!]));
    const trainer = new ResnetTrainer(
      { weights, stemStride, normalisation, adam },
      stateBefore(start),
      { threads: 1 },
    );
    const found: number[] = [];
    for (let i = 0; i < Number(golden.metadata["images"]); i++) {
      const name = way === "crop" ? `crop.rgb_${i}` : `image_${i}`;
      const { data, shape: [height, width] } = golden.tensors.get(name)!;
      const images = Uint8Array.from(data);
      found.push(
        ...await trainer.logits({ images, count: 1, height: height!, width: width! }),
      );
    }
    await trainer.dispose();
    found.forEach((logit, i) => {
      const expected = golden.tensors.get(`${way}.logits`)!.data[i]!;
      assert.ok(Math.abs(logit - expected) <= 1e-4, `${logit} is not ${expected}`);
    });
  });
}
