import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { checkpointPath } from "../lib/detectors/detector.ts";
import { exists } from "../lib/io/files.ts";
import { execute } from "../lib/runs/execute.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import type { Experiments } from "../lib/runs/section.ts";
import { makeSetup, type SetupOptions } from "../lib/runs/setup.ts";
import { type Dropped, dropSpent } from "../lib/runs/spent.ts";
import { Status } from "../lib/runs/status.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { makeSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

/** The grid, the ablations, and epochs of which the first is the grid's. */
const SMALL: Experiments = {
  sections: EXPERIMENTS.sections.filter(({ name }) =>
    ["grid", "ablations", "epochs"].includes(name)
  ),
  profiles: {
    mini: { ...smallProfile, epochs: { atEpochs: [1, 3], decayEpochs: [2] } },
  },
};

const base = temporaryFolder("spent_");
const folders = { data: join(base, "data"), results: join(base, "results") };
const tokens = join(folders.data, "tokens"), results = join(folders.results, "mini");
await makeSmallWorld(folders.data);
const broken = join(folders.data, "mini/train/discs/1_fake/00003.png");
await Deno.writeTextFile(broken, "no image");

/** Runs some sections, and drops what is spent after each. */
async function run(
  names: readonly string[],
  options: SetupOptions = {},
): Promise<{ records: RunRecord[]; reused: number; dropped: Dropped[] }> {
  const setup = await makeSetup(SMALL, { ...folders, skipCorrupt: true, ...options });
  await using world = await openMadeWorld(setup);
  const records: RunRecord[] = [], dropped: Dropped[] = [];
  let reused = 0;
  for (const section of SMALL.sections.filter(({ name }) => names.includes(name))) {
    const { rows } = section.dependsOn.length === 0
      ? { rows: [] }
      : await new Status(setup, world).section("grid");
    const done = await execute(
      section.name,
      section.runs(setup.profile, setup.seeds, rows),
      world,
      setup,
    );
    records.push(...done.records);
    reused += done.reused;
    dropped.push(await dropSpent(world, setup));
  }
  return { records, reused, dropped };
}

const trainKeys = (
  records: readonly RunRecord[],
) => [...new Set(records.flatMap(({ features }) => features.train.flat()))];
const areThere = async (keys: readonly string[]) =>
  (await Promise.all(keys.map((key) => exists(join(tokens, `${key}.npy`))))).filter(Boolean).length;

const all = ["grid", "ablations", "epochs"];
let usual: RunRecord[];

Deno.test("features of augmented images are dropped when the last section has learned from them, and no others", async () => {
  const { records, dropped } = await run(all);
  usual = records;
  assert.equal(usual.length, 2 + 3 + 2);
  assert.ok(usual.every(({ skippedImages }) => skippedImages!.train.length === 1));
  const keys = trainKeys(usual);
  assert.equal(keys.length, 2 * 3, "real and generated ones, three epochs");
  // the grid's epoch is the ablations' and the epochs' first one
  assert.deepEqual(dropped.map(({ sets }) => sets), [0, 0, 6]);
  assert.ok(dropped[2]!.bytes > 6 * 1000);
  assert.equal(await areThere(keys), 0);
  for (const key of keys) {
    assert.deepEqual(
      [".json", ".labels.npy", ".paths.txt"].map((end) =>
        [...Deno.readDirSync(tokens)]
          .some(({ name }) => name === key + end)
      ),
      [true, false, false],
    );
  }
  const others = usual.flatMap((
    { features: { val, test } },
  ) => [...val, ...Object.values(test).flat()]);
  assert.equal(await areThere([...new Set(others)]), new Set(others).size);
});

Deno.test("what is done without its features stays done, left out images and all", async () => {
  const again = await run(all);
  assert.equal(again.reused, usual.length);
  assert.deepEqual(again.records, usual);
  assert.deepEqual(again.dropped.map(({ sets }) => sets), [0, 0, 0]);
  assert.equal(await areThere(trainKeys(usual)), 0);
});

Deno.test("heads are tried on a new set without the features that they have learned from", async () => {
  const folder = join(base, "own");
  for (const label of ["0_real", "1_fake"]) {
    await Deno.mkdir(join(folder, label), { recursive: true });
    await Deno.copyFile(
      join(folders.data, "mini/val/discs", label, "00000.png"),
      join(folder, label, "00000.png"),
    );
  }
  const datasets = join(base, "sets.json");
  await Deno.writeTextFile(
    datasets,
    JSON.stringify([{ name: "own", real: "own/0_real", generated: "own/1_fake" }]),
  );
  const before = await Deno.readFile(join(results, checkpointPath(usual[0]!.trainingKey, 1)));
  const { records, reused } = await run(["grid"], { datasets });
  assert.equal(reused, 0);
  assert.deepEqual(
    records.map(({ trainingKey }) => trainingKey),
    usual.slice(0, 2).map(({ trainingKey }) => trainingKey),
  );
  assert.ok(records.every(({ evaluations }) => "own" in evaluations[0]!.test));
  assert.equal(await areThere(trainKeys(records)), 0);
  assert.deepEqual(
    await Deno.readFile(join(results, checkpointPath(usual[0]!.trainingKey, 1))),
    before,
  );
});

Deno.test("a head that is damaged has its features made again, and is trained to the same numbers", async () => {
  const { trainingKey, key } = usual[1]!;
  await Deno.truncate(join(results, checkpointPath(trainingKey, 1)), 100);
  await Deno.remove(join(results, "records", "grid", `${key}.json`));
  const { records, reused } = await run(["grid"]);
  assert.equal(reused, 1);
  assert.equal(await areThere(trainKeys(records)), 0, "and dropped again");
  const numbers = ({ evaluations, epochs }: RunRecord) => [evaluations, epochs];
  assert.deepEqual(records.map(numbers), usual.slice(0, 2).map(numbers));
});

Deno.test("a drop that was killed in the middle of a set is finished by the next", async () => {
  const { trainingKey, key } = usual[6]!;
  await Deno.remove(join(results, checkpointPath(trainingKey, 3)));
  await Deno.remove(join(results, "records", "epochs", `${key}.json`));
  const setup = await makeSetup(SMALL, { ...folders, skipCorrupt: true });
  {
    await using world = await openMadeWorld(setup);
    const { rows } = await new Status(setup, world).section("grid");
    const configs = SMALL.sections.find(({ name }) => name === "epochs")!.runs(
      setup.profile,
      [0],
      rows,
    );
    await execute("epochs", configs, world, setup);
  }
  const keys = trainKeys(usual);
  assert.equal(await areThere(keys), 6);
  await Deno.remove(join(tokens, `${keys[0]}.npy`));
  await Deno.remove(join(tokens, `${keys[1]}.npy`));
  await Deno.remove(join(tokens, `${keys[1]}.labels.npy`));
  const { reused, dropped } = await run(["grid"]);
  assert.equal(reused, 2);
  assert.equal(dropped[0]!.sets, 6);
  const left = [...Deno.readDirSync(tokens)].map(({ name }) => name).filter((name) =>
    keys.includes(name.slice(0, 16))
  );
  assert.deepEqual(left.sort(), keys.map((key) => `${key}.json`).sort());
});
