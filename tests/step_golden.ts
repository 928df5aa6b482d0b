/** Goldens of `golden/detector_training.py`: steps of Adam on a network, and what it is after them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { isStatistic } from "../lib/detectors/live_norm.ts";
import type { ImageBatch, Trainer } from "../lib/detectors/resnet/trainer.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";

/** What PyTorch came to. */
export interface StepGolden {
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Tensors before the first step. */
  readonly start: ReadonlyMap<string, Tensor>;
  readonly labels: Uint8Array;
  readonly adam: { readonly beta1: number; readonly beta2: number; readonly epsilon: number };
  readonly learningRate: number;
  readonly steps: number;
}

/** Reads a golden. */
export async function readStepGolden(name: string): Promise<StepGolden> {
  const { tensors, metadata } = await readSafetensors(join(GOLDENS, `${name}.safetensors`));
  const stated = (field: string) => Number(metadata[field]);
  return {
    tensors,
    start: under(tensors, "start."),
    labels: Uint8Array.from(tensors.get("labels")!.data),
    adam: { beta1: stated("beta1"), beta2: stated("beta2"), epsilon: stated("epsilon") },
    learningRate: stated("learningRate"),
    steps: stated("steps"),
  };
}

function under(tensors: ReadonlyMap<string, Tensor>, prefix: string): Map<string, Tensor> {
  return new Map(
    [...tensors].filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value] as const),
  );
}

/** Makes the golden's steps and holds losses, first gradients, state and logits after them to it. */
export async function assertSteps(
  trainer: Trainer,
  batch: ImageBatch,
  { tensors, labels, adam, learningRate, steps }: StepGolden,
  logitsOf: (output: Tensor) => ArrayLike<number> = ({ data }) => data,
): Promise<void> {
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    losses.push(await trainer.step(batch, labels, learningRate));
    if (step > 0) continue;
    const { firstMoment } = trainer.state();
    for (const [name, { data }] of under(tensors, "grad.")) {
      const gradient = firstMoment.get(name)!.data.map((value) => value / (1 - adam.beta1));
      assertClose(gradient, data, 2e-5, `gradient of ${name}`);
    }
  }
  assertClose(losses, tensors.get("losses")!.data, 1e-4, "losses");
  const output = logitsOf(tensors.get("output")!);
  assertClose(await trainer.logits(batch), Float32Array.from(output), 2e-3, "logits");
  const { tensors: found } = trainer.state();
  await trainer.dispose();
  const after = under(tensors, "after.");
  assert.deepEqual(new Set(found.keys()), new Set(after.keys()));
  const off = [...after].filter(([name]) => !isStatistic(name)).flatMap(([name, { data }]) =>
    [...data].map((expected, i) => Math.abs(expected - found.get(name)!.data[i]!))
  );
  // where a unit is at its kink in one of the two and not in the other, they go apart from then on
  assert.ok(off.every((by) => by <= learningRate / 2), `off by ${Math.max(...off)}`);
  const far = off.filter((by) => by > learningRate / 10).length;
  assert.ok(far <= off.length / 50, `${far} of ${off.length} are off by a tenth of a step`);
  for (const [name, { data }] of [...after].filter(([name]) => isStatistic(name))) {
    assertClose(found.get(name)!.data, data, 2e-4, name);
  }
}
