import assert from "node:assert/strict";
import { type HeadArchitecture, initialParameters } from "../lib/head/architecture.ts";
import {
  blockImportance,
  loadCheckpoint,
  loadTrainingState,
  saveCheckpoint,
  saveTrainingState,
} from "../lib/head/checkpoint.ts";
import { initialState } from "../lib/head/engine.ts";
import { writeSafetensors } from "../lib/io/safetensors.ts";
import { tensor } from "../lib/io/tensor.ts";
import { randomStream } from "../lib/random.ts";

const architecture: HeadArchitecture = {
  blocks: 3,
  width: 5,
  projectionLayers: 2,
  projectionDim: 4,
  ablation: "tie",
};

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a checkpoint comes back with its architecture, values and metadata", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.safetensors`;
    const parameters = initialParameters(architecture, randomStream(1));
    await saveCheckpoint(path, architecture, parameters, { run: "a" });
    const found = await loadCheckpoint(path, architecture);
    assert.deepEqual(found.architecture, architecture);
    assert.deepEqual(found.parameters, parameters);
    assert.equal(found.metadata["run"], "a");
  }));

Deno.test("a checkpoint of another shape is refused with file, tensor and both shapes", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.safetensors`;
    await saveCheckpoint(path, architecture, initialParameters(architecture, randomStream(1)));
    await assert.rejects(loadCheckpoint(path, { ...architecture, projectionDim: 8 }), {
      name: "TypeError",
      message: `Cannot load ${path}: expected alpha [1, 3, 8], found [1, 3, 4]`,
    });
    await assert.rejects(loadCheckpoint(path, { ...architecture, projectionLayers: 1 }), {
      name: "TypeError",
      message: `Cannot load ${path}: expected no proj1.4.weight with 1 projection layers`,
    });
    await assert.rejects(loadCheckpoint(path, { ...architecture, ablation: "none" }), {
      name: "TypeError",
      message: `Cannot load ${path}: expected ablation none, found tie`,
    });
  }));

Deno.test("a file without a head, or with part of one, is refused by what is missing", () =>
  inFolder(async (folder) => {
    const path = `${folder}/head.safetensors`;
    await writeSafetensors(path, [["weight", tensor(new Float32Array(3), [3])]]);
    await assert.rejects(loadCheckpoint(path), {
      message: `Cannot load ${path}: expected alpha [1, blocks, projectionDim], found none`,
    });
    const parameters = new Map(initialParameters(architecture, randomStream(1)));
    parameters.delete("head.3.bias");
    await writeSafetensors(path, parameters);
    await assert.rejects(loadCheckpoint(path), {
      message: `Cannot load ${path}: expected head.3.bias [4], found none`,
    });
    await Deno.truncate(path, (await Deno.stat(path)).size - 1);
    await assert.rejects(loadCheckpoint(path), { name: "SyntaxError", message: /cut off at/ });
  }));

Deno.test("a training state comes back whole, and serves as a checkpoint too", () =>
  inFolder(async (folder) => {
    const path = `${folder}/state.safetensors`;
    const state = {
      ...initialState(architecture, randomStream(1)),
      firstMoment: initialParameters(architecture, randomStream(2)),
      steps: 7,
    };
    await saveTrainingState(path, architecture, state);
    assert.deepEqual((await loadTrainingState(path, architecture)).state, state);
    assert.deepEqual((await loadCheckpoint(path)).parameters, state.parameters);
    await saveCheckpoint(path, architecture, state.parameters);
    await assert.rejects(loadTrainingState(path), {
      name: "SyntaxError",
      message: `Cannot load ${path}: expected a number of steps, found none`,
    });
  }));

Deno.test("blockImportance() counts for each block the features that weigh it most", () => {
  const alpha = tensor(Float32Array.of(1, 5, 0, 2, 2, 0, 0, 9, 3), [1, 3, 3]);
  assert.deepEqual(blockImportance(new Map([["alpha", alpha]])), [0, 1, 2]);
});
