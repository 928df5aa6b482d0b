import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { makeSetup, type SetupOptions } from "../lib/runs/setup.ts";
import { defaultBatch } from "../lib/onnx/batch.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("setup_");
for (const name of ["a", "b"]) {
  for (const path of ["camera", "made"]) {
    await Deno.mkdir(join(folder, name, path), { recursive: true });
    await Deno.writeTextFile(join(folder, name, path, "1.png"), "");
  }
  const sets = [{ name: "faces", real: "camera", generated: "made" }];
  await Deno.writeTextFile(join(folder, name, "my sets.json"), JSON.stringify(sets));
}
const [own, others] = ["a", "b"].map((name) => join(folder, name, "my sets.json"));

const setupOf = (options: SetupOptions) =>
  makeSetup(EXPERIMENTS, {
    data: join(folder, "data"),
    results: join(folder, "results"),
    ...options,
  });

/** The folder of outputs, seen from the profile's folder. */
async function outputsOf(options: SetupOptions): Promise<string> {
  const setup = await setupOf(options);
  return relative(setup.folder, setup.outputs);
}

const DATASETS = /^datasets-my-sets-[0-9a-f]+$/;

/** Conditions, and the folder of each. */
const CONDITIONS: readonly (readonly [SetupOptions, string | RegExp])[] = [
  [{}, ""],
  [{ seed: 3 }, "seed-3"],
  [{ seed: 3, seeds: [0] }, "seed-3+seeds-0"],
  [{ seeds: [3] }, "seeds-3"],
  [{ seeds: [0, 1, 2] }, "seeds-0-1-2"],
  [{ seeds: [0, 12] }, "seeds-0-12"],
  [{ seeds: [0, 1, -2] }, "seeds-0-1--2"],
  [{ engine: "tensorflow" }, "engine-tensorflow"],
  [{ device: "cuda" }, "device-cuda"],
  [{ device: "webgpu" }, "device-webgpu"],
  [{ precision: "int8" }, "precision-int8"],
  [{ protocol: "paper" }, "protocol-paper"],
  [{ select: "val" }, "select-val"],
  [{ skipCorrupt: true }, "skip-corrupt"],
  [{ datasets: own! }, DATASETS],
  [{ datasets: others! }, DATASETS],
  [
    { protocol: "paper", precision: "int8", seeds: [1, 2] },
    "seeds-1-2+precision-int8+protocol-paper",
  ],
];

for (const [options, expected] of CONDITIONS) {
  const what = Object.entries(options).map(([name, value]) =>
    `${name} ${`${value}`.replace(folder, "")}`
  ).join(", ");
  Deno.test(`the outputs of ${what || "usual conditions"} have a folder that says so`, async () => {
    const found = await outputsOf(options);
    if (typeof expected === "string") assert.equal(found, expected);
    else assert.match(found, expected);
  });
}

Deno.test("no two conditions share a folder of outputs", async () => {
  const found = await Promise.all(CONDITIONS.map(([options]) => outputsOf(options)));
  assert.equal(new Set(found).size, CONDITIONS.length);
});

Deno.test("a folder's long name is cut, and still is that of no other conditions", async () => {
  const seeds = Array.from({ length: 60 }, (_, i) => i);
  const found = await Promise.all([
    outputsOf({ seeds }),
    outputsOf({ seeds: [...seeds, 60] }),
    outputsOf({ seeds, select: "val" }),
    outputsOf({ seeds, skipCorrupt: true }),
  ]);
  for (const name of found) assert.match(name, /^seeds-0-1-2-.*-[0-9a-f]{8}$/);
  assert.ok(found.every(({ length }) => length === 80));
  assert.equal(new Set(found).size, found.length);
});

Deno.test("what no number hangs on has no part in the folder of outputs", async () => {
  assert.equal(await outputsOf({ theme: "paper", force: true }), "");
  assert.equal(await outputsOf({ tokens: join(folder, "elsewhere") }), "");
  assert.equal(await outputsOf({ batch: 3 }), "");
  const [mini, paper] = await Promise.all([setupOf({}), setupOf({ profile: "paper" })]);
  assert.equal(mini.outputs, join(folder, "results", "mini"));
  assert.equal(paper.outputs, join(folder, "results", "paper"));
});

Deno.test("heads have the seed of the images where they are given none", async () => {
  assert.deepEqual((await setupOf({ seed: 3 })).seeds, [3]);
  assert.deepEqual((await setupOf({})).seeds, [0]);
  assert.deepEqual((await setupOf({ seed: 3, seeds: [1] })).seeds, [1]);
});

Deno.test("as many crops go through at once as is asked for, else as the profile or the GPU has it", async () => {
  assert.equal((await setupOf({ batch: 3, device: "cuda" })).batchSize, 3);
  for (const profile of ["mini", "paper"] as const) {
    const own = EXPERIMENTS.profiles[profile].batchSize;
    assert.equal((await setupOf({ profile })).batchSize, own);
  }
  const { batchSize } = await setupOf({ device: "cuda" });
  assert.ok(batchSize >= 1 && batchSize <= 64);
  for (const batch of [0, -1, 1.5, NaN]) {
    await assert.rejects(
      setupOf({ batch }),
      /^UserError: Cannot set up: expected a batch of 1 crop/,
    );
  }
});

Deno.test("a GPU has 64 crops at once, fewer where memory is short, and the CPU as many as ever", () => {
  assert.equal(defaultBatch("cpu"), 8);
  assert.equal(defaultBatch("cpu", 32, { freeBytes: 0, threads: 1 }), 32);
  assert.equal(defaultBatch("cuda", 8, { freeBytes: 64e9, threads: 16 }), 64);
  // 301,056 bytes an image, two batches for each of four threads, in an eighth of what is free
  assert.equal(defaultBatch("webgpu", 8, { freeBytes: 5e8, threads: 4 }), 25);
  assert.equal(defaultBatch("cuda", 8, { freeBytes: 0, threads: 4 }), 1);
});
