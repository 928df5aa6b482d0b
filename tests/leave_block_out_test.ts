import assert from "node:assert/strict";
import { join } from "node:path";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import rine from "../lib/detectors/rine/detector.ts";
import { tensor } from "../lib/io/tensor.ts";
import { randomStream } from "../lib/random.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder();
const whole = {
  blocks: 5,
  width: 12,
  projectionLayers: 2,
  projectionDim: 6,
  ablation: "none",
} as const;
const parameters = initialParameters(whole, randomStream(3));
const random = randomStream(4);
const features = Float32Array.from({ length: whole.blocks * whole.width }, () => random.normal());

/** Rows of an array without one of them. */
function without(rows: Float32Array, length: number, row: number): Float32Array {
  return Float32Array.from([...rows].filter((_, i) => Math.floor(i / length) !== row));
}

Deno.test("a verdict without a block is that of a head which never had it", async () => {
  const path = join(folder, "whole.safetensors");
  await saveCheckpoint(path, whole, parameters);
  const scorer = await rine.open(path, { engine: "onnx" });
  const logits = (await scorer.withoutBlocks!(features, 1)).map(([logit]) => logit!);
  const [all] = await scorer.logits(features, 1);
  await scorer.dispose();
  assert.equal(logits.length, whole.blocks);
  for (const [block, logit] of logits.entries()) {
    const { projectionDim: d, blocks } = whole;
    const alpha = tensor(without(parameters.get("alpha")!.data, d, block), [1, blocks - 1, d]);
    const smaller = join(folder, `without-${block}.safetensors`);
    const rest = new Map([...parameters, ["alpha", alpha]]);
    await saveCheckpoint(smaller, { ...whole, blocks: blocks - 1 }, rest);
    const other = await rine.open(smaller, { engine: "onnx" });
    const [expected] = await other.logits(without(features, whole.width, block), 1);
    await other.dispose();
    assert(Math.abs(logit - expected!) < 1e-5, `block ${block}: ${logit}, expected ${expected}`);
    assert.notEqual(logit, all, `block ${block} counts for nothing`);
  }
});

Deno.test("of a head that weighs no blocks none is left out", async () => {
  for (const ablation of ["tie", "intermediate"] as const) {
    const path = join(folder, `${ablation}.safetensors`);
    await saveCheckpoint(path, { ...whole, ablation }, parameters);
    const scorer = await rine.open(path, { engine: "onnx" });
    assert.equal(scorer.withoutBlocks, undefined);
    await scorer.dispose();
  }
});
