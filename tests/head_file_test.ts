import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { type HeadArchitecture, initialParameters } from "../lib/detectors/rine/architecture.ts";
import {
  assertFinite,
  blockImportance,
  loadCheckpoint,
  loadTrainingState,
  notFinite,
  saveCheckpoint,
  saveTrainingState,
} from "../lib/detectors/rine/checkpoint.ts";
import { ADAM, SMALLEST_NORM, TEMPERATURE } from "../lib/detectors/rine/constants.ts";
import { dropoutLayers, DropoutMasks } from "../lib/detectors/rine/dropout.ts";
import { initialState } from "../lib/detectors/rine/engine.ts";
import { trainingFacts } from "../lib/detectors/checkpoint_file.ts";
import { detectorOf } from "../lib/detectors/index.ts";
import { loadLinearProbe, probeLogits } from "../lib/detectors/ufd/probe.ts";
import { readTokens } from "../lib/detectors/rine/token_batch.ts";
import { writePytorchFile } from "../lib/io/pytorch_file.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { randomStream } from "../lib/random.ts";
import { temporaryFolder } from "./temporary.ts";

const small: HeadArchitecture = {
  blocks: 3,
  width: 5,
  projectionLayers: 2,
  projectionDim: 4,
  ablation: "none",
};

Deno.test("numbers that no configuration changes are those of PyTorch and of the released code", () => {
  assert.deepEqual(ADAM, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
  assert.equal(TEMPERATURE, 0.07);
  assert.equal(SMALLEST_NORM, 1e-12, "torch.nn.functional.normalize");
});

Deno.test("a head's own ablation and steps stand in its file, whatever else is kept with it", async () => {
  const path = join(temporaryFolder(), "head.safetensors");
  const architecture = { ...small, ablation: "tie" } as const;
  const state = { ...initialState(architecture, randomStream(0)), steps: 12_345 };
  const others = { ablation: "intermediate", steps: "1", note: "kept" };
  await saveCheckpoint(path, architecture, state.parameters, others);
  const { architecture: found, metadata } = await loadCheckpoint(path);
  assert.deepEqual([found, metadata["note"]], [architecture, "kept"]);
  await saveTrainingState(path, architecture, state, others);
  const training = await loadTrainingState(path, architecture);
  assert.deepEqual([training.architecture, training.state], [architecture, state]);
});

Deno.test("a head or a state that says nothing of its training is named, with what to do", () => {
  for (
    const [metadata, says] of [
      [{}, "JSON, found an empty text"],
      [{ journal: "undefined" }, 'JSON, found "undefined"'],
      [{ journal: "null" }, "an object, found null"],
      [{ journal: "{}" }, "a value at epochs, found none"],
    ] as const
  ) {
    assert.throws(() => trainingFacts("a.safetensors", metadata, "journal"), {
      name: "UserError",
      message:
        `Cannot read journal in a.safetensors: expected ${says}; delete the file and run again`,
    });
  }
});

Deno.test("what is no number is found wherever it is, infinities too", () => {
  for (const wrong of [NaN, Infinity, -Infinity]) {
    const parameters = initialParameters(small, randomStream(0));
    assert.equal(notFinite(parameters), undefined);
    parameters.get("head.6.bias")!.data[0] = wrong;
    assert.equal(notFinite(parameters), "head.6.bias");
    assert.throws(() => assertFinite(parameters, "Cannot try the head", "train it again"), {
      name: "UserError",
      message: "Cannot try the head: expected numbers in head.6.bias, found others; train it again",
    });
  }
});

Deno.test("of blocks that a feature weighs alike, the first is counted", () => {
  const alpha = { data: Float32Array.of(1, 2, 0, 1, 3, 0, 1, 3, -1), shape: [1, 3, 3] };
  // features, down the blocks: 1 1 1, 2 3 3, 0 0 -1
  assert.deepEqual(blockImportance(new Map([["alpha", alpha]])), [2, 1, 0]);
});

Deno.test("a linear probe's logits are the weighted sums and the bias", async () => {
  const path = join(temporaryFolder(), "fc.safetensors");
  await writeSafetensors(path, [
    ["weight", { data: Float32Array.of(1, -2, 0.5), shape: [1, 3] }],
    ["bias", { data: Float32Array.of(0.25), shape: [1] }],
  ]);
  const probe = await loadLinearProbe(path);
  const logits = probeLogits(probe, Float32Array.of(1, 1, 1, 2, 0, -4));
  assert.deepEqual([...logits], [-0.25, 0.25]);
  assert.throws(() => probeLogits(probe, new Float32Array(4)), UserError);
});

Deno.test("a file whose tensors are no detector's is told by their names, whatever detectors there are", async () => {
  const path = join(temporaryFolder("head_"), "other.safetensors");
  await writeSafetensors(path, [["gate", { data: Float32Array.of(1), shape: [1] }]]);
  await assert.rejects(detectorOf(path), {
    name: "UserError",
    message: `Cannot load ${path}: expected a checkpoint of RINE, UFD linear probe, ` +
      "UFD nearest neighbours, UFD nearest neighbours by block; found tensors gate",
  });
});

Deno.test("dropout stands where the released model has it, and takes its bits lowest first", () => {
  assert.deepEqual(dropoutLayers(small), [
    { name: "proj1.0", width: 5, rows: 3 },
    { name: "proj1.3", width: 4, rows: 3 },
    { name: "proj1.6", width: 4, rows: 3 },
    { name: "proj2.0", width: 4, rows: 1 },
    { name: "proj2.3", width: 4, rows: 1 },
    { name: "proj2.6", width: 4, rows: 1 },
    { name: "head.2", width: 4, rows: 1 },
    { name: "head.5", width: 4, rows: 1 },
  ]);
  const masks = new DropoutMasks(small);
  for (const count of [7, 3]) {
    const random = randomStream("dropout", 4, 9);
    const drawn = masks.draw(["dropout", 4], 9, count);
    dropoutLayers(small).forEach(({ name, width, rows }, i) => {
      const length = count * rows * width;
      const expected: number[] = [];
      while (expected.length < length) {
        const bits = random.bits();
        for (let bit = 0; bit < 32; bit++) expected.push(bits >>> bit & 1);
      }
      assert.deepEqual([...drawn[i]!], expected.slice(0, length), `${name} of ${count} images`);
    });
  }
});

Deno.test("without intermediate blocks the head reads the last block's token of each image", () => {
  const tokens = Float32Array.from({ length: 2 * 3 * 5 }, (_, i) => i);
  const read = readTokens({ ...small, ablation: "intermediate" }, tokens, 2);
  assert.deepEqual([...read], [10, 11, 12, 13, 14, 25, 26, 27, 28, 29]);
  assert.equal(readTokens(small, tokens, 2), tokens);
});

Deno.test("equal tensors give equal .pth files whenever they are written: their date is the format's first", async () => {
  const path = join(temporaryFolder(), "head.pth");
  await writePytorchFile(path, [["a", { data: Float32Array.of(1, 2), shape: [2] }]]);
  const { buffer } = await Deno.readFile(path);
  // a zip archive's first entry: time and date as MS-DOS counts them, 1 January 1980
  const entry = new DataView(buffer);
  assert.deepEqual([entry.getUint16(10, true), entry.getUint16(12, true)], [0, 1 << 5 | 1]);
});
