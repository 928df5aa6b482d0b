import assert from "node:assert/strict";
import { join } from "node:path";
import { dryRun } from "../lib/cli/dry_run.ts";
import { inOrder } from "../lib/cli/reproduce.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { exists } from "../lib/io/files.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { execute } from "../lib/runs/execute.ts";
import { makeSetup, type Setup } from "../lib/runs/setup.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { makeSmallWorld, smallSetup } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

/** Lines of the table by their first word, and the rest of them as numbers. */
function table(plan: string): Record<string, number[]> {
  const lines = plan.split("\n").slice(3).map((line) => line.split(/ {2,}/));
  return Object.fromEntries(
    lines.filter((cells) => cells.length > 4).map(([name, ...cells]) => [
      name!,
      cells.slice(0, -1).map((cell) => Number(cell.replaceAll(",", ""))),
    ]),
  );
}

const sectionsOf = (...names: string[]) => inOrder(EXPERIMENTS, names);

Deno.test("from nothing all is left, the images that will be made included, and nothing is made", async () => {
  const folder = temporaryFolder();
  const data = join(folder, "data"), results = join(folder, "results");
  const lines = await dryRun(await makeSetup(EXPERIMENTS, { data, results }), sectionsOf());
  const { left, "from nothing": whole, grid, comparison } = table(lines.join("\n"));
  assert.deepEqual(grid, [288, 0, 288, 100, 15600]);
  assert.deepEqual(comparison, [3, 0, 0, 0, 0], "its heads are the grid's");
  assert.deepEqual(left, [424, 345, 949, 121360]);
  assert.deepEqual(whole, left);
  assert.equal(lines.at(-1), "The mini world has not been made; so nothing counts as done");
  assert.equal(
    lines.at(-2),
    "Not counted: what comparison, cost, bias, feature_space, appendix, ufd_spectra, ufd_tsne, ufd_neighbour_images make of images besides runs, where they can, training of wang, dmid, patch_forensics, lgrad, clip_fpn, rn50_fpn, rine_wang among it",
  );
  assert.match(lines.at(-3)!, /^About \d.*, from nothing about \d.*, at the \d+ GFLOP\/s that /);
  assert.equal(await exists(data), false);
  assert.equal(await exists(results), false);
});

Deno.test("images that are brought and not there are counted as published", async () => {
  const data = temporaryFolder();
  const setup = await makeSetup(EXPERIMENTS, { profile: "paper", data, results: data });
  const lines = await dryRun(setup, sectionsOf("grid"));
  // of a class 36,000 images to train on and 400 to validate; seven test sets share 1,000 real ones
  let sources = 4 * 2 * 2 - 6, images = 4 * (36_000 + 400) - 6 * 1000;
  for (const set of setup.profile.testSets) {
    sources += set.sources.length;
    images += set.expected!.real + set.expected!.generated;
  }
  const { grid } = table(lines.join("\n"));
  assert.deepEqual(grid, [288, 0, 288, 2 * sources, 2 * images]);
  assert.match(lines.at(-2)!, /^Cannot open backbone: .*; so nothing counts as done$/);
  assert.equal(lines.at(-1), "Images that are not on disk are counted as published");
});

Deno.test("runs, heads and features that are on disk are not counted as work", async () => {
  const folder = temporaryFolder();
  const data = join(folder, "data"), results = join(folder, "results");
  await makeSmallWorld(data);
  const sections = sectionsOf("ablations");
  const setup = smallSetup(data, results);
  const plan = async (changes: Partial<Setup> = {}) =>
    table((await dryRun({ ...setup, ...changes }, sections)).join("\n"));

  const before = await plan();
  const [runs, heads, sets, crops] = before["from nothing"]!;
  assert.deepEqual(before["left"], [runs, heads, sets, crops]);
  assert.deepEqual(before["grid"]!.slice(0, 3), [2, 0, 2]);
  assert.ok(sets! > 0 && crops! > 0);

  const executeSection = async (only: string, rows: readonly RunRow[]) => {
    await using world = await openMadeWorld(setup);
    const section = sections.find(({ name }) => name === only)!;
    return (await execute(only, section.runs(setup.profile, [0], rows), world, setup)).rows;
  };
  const rows = await executeSection("grid", []);
  const between = await plan();
  assert.deepEqual(between["grid"], [2, 2, 0, 0, 0]);
  assert.deepEqual(between["ablations"], [3, 0, 3, 0, 0], "the features are the grid's");
  assert.deepEqual(between["left"], [3, 3, 0, 0]);
  assert.deepEqual(between["from nothing"], before["from nothing"]);

  await executeSection("ablations", rows);
  assert.deepEqual((await plan())["left"], [0, 0, 0, 0]);
  const time = (await dryRun(setup, sections)).find((line) => line.startsWith("About "))!;
  assert.match(time, /^About 0(\.0)? s, from nothing about (?!0(\.0)? s)/);
  const more = await plan({ seeds: [0, 1] });
  assert.deepEqual(more["grid"], [4, 2, 2, 2, 40], "a second seed learns from images of its own");
  const { profile } = setup;
  const shared = await plan({ seeds: [0, 1], profile: { ...profile, draws: 1 } });
  assert.deepEqual(shared["grid"], [4, 2, 2, 0, 0], "or shares the first one's");
  assert.deepEqual((await plan({ force: true }))["left"], [5, 5, 0, 0]);
  assert.deepEqual((await plan({ protocol: "paper" }))["grid"]!.slice(0, 3), [2, 0, 2]);

  const records = join(results, "records", "grid");
  const [record] = [...Deno.readDirSync(records)];
  await Deno.remove(join(records, record!.name));
  const lost = await plan();
  assert.deepEqual(lost["grid"], [2, 1, 0, 0, 0], "the head is there, it is only tried again");

  await Deno.remove(join(results, "heads"), { recursive: true });
  const gone = await plan();
  assert.deepEqual(gone["grid"], [2, 0, 2, 0, 0], "heads that are gone are trained again");
});
