import assert from "node:assert/strict";
import { join } from "node:path";
import { dryRun } from "../lib/cli/dry_run.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { inOrder } from "../lib/cli/reproduce.ts";
import type { StandingOptions } from "../lib/runs/standing.ts";
import { openMadeWorld } from "../lib/runs/world.ts";
import { exists } from "../lib/io/files.ts";
import { RecordStore } from "../lib/runs/record.ts";
import { execute } from "../lib/runs/execute.ts";
import { makeSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

async function withFolder(use: (options: StandingOptions) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  try {
    await use({
      data: join(folder, "data"),
      results: join(folder, "results"),
      seed: 0,
      engine: "onnx",
      precision: "full",
      protocol: "released",
      force: false,
      skipCorrupt: false,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

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

Deno.test("from nothing all is left, the images that will be made included, and nothing is made", () =>
  withFolder(async (options) => {
    const plan = await dryRun(mini, inOrder([]), [0], options);
    const { left, "from nothing": whole, grid, comparison } = table(plan);
    assert.deepEqual(grid, [288, 0, 288, 100, 15600]);
    assert.deepEqual(comparison, [3, 0, 0, 0, 0], "its heads are the grid's");
    assert.deepEqual(left, [345, 323, 330, 58760]);
    assert.deepEqual(whole, left);
    assert.match(plan, /\nThe mini world has not been made; so nothing counts as done$/);
    assert.equal(await exists(options.data), false);
    assert.equal(await exists(options.results), false);
  }));

Deno.test("runs, heads and tokens that are on disk are not counted as work", () =>
  withFolder(async (options) => {
    await makeSmallWorld(options.data);
    const profile = smallProfile, sections = inOrder(["ablations"]);
    const plan = async (changes: Partial<StandingOptions> = {}, seeds: readonly number[] = [0]) =>
      table(await dryRun(profile, sections, seeds, { ...options, ...changes }));

    const before = await plan();
    const [runs, heads, sets, crops] = before["from nothing"]!;
    assert.deepEqual(before["left"], [runs, heads, sets, crops]);
    assert.deepEqual(before["grid"]!.slice(0, 3), [2, 0, 2]);
    assert.ok(sets! > 0 && crops! > 0);

    const world = await openMadeWorld(profile, { ...options, device: "cpu" });
    const store = new RecordStore(join(options.results, "mini"));
    const executeSection = async (
      only: string,
      rows: Parameters<typeof sections[0]["runs"]>[2],
    ) => {
      const section = sections.find(({ name }) => name === only)!;
      return (await execute(only, section.runs(profile, [0], rows), world, {
        ...{ store, tokensFolder: join(options.data, "tokens"), engine: "onnx", device: "cpu" },
        ...{ seed: 0, batchSize: 32, cores: 2, force: false },
      })).rows;
    };
    const rows = await executeSection("grid", []);
    const between = await plan();
    assert.deepEqual(between["grid"], [2, 2, 0, 0, 0]);
    assert.deepEqual(between["ablations"], [3, 0, 3, 0, 0], "the tokens are the grid's");
    assert.deepEqual(between["left"], [3, 3, 0, 0]);
    assert.deepEqual(between["from nothing"], before["from nothing"]);

    await executeSection("ablations", rows);
    for (const backbone of world.backbones.values()) await backbone[Symbol.asyncDispose]();
    assert.deepEqual((await plan())["left"], [0, 0, 0, 0]);
    const more = await plan({}, [0, 1]);
    assert.deepEqual(more["grid"], [4, 2, 2, 0, 0], "a second seed has the tokens, not the heads");
    assert.deepEqual((await plan({ force: true }))["left"], [5, 5, 0, 0]);
    assert.deepEqual((await plan({ protocol: "paper" }))["grid"]!.slice(0, 3), [2, 0, 2]);

    const [record] = [...Deno.readDirSync(join(options.results, "mini", "grid"))];
    await Deno.remove(join(options.results, "mini", "grid", record!.name));
    const lost = await plan();
    assert.deepEqual(lost["grid"], [2, 1, 0, 0, 0], "the head is there, it is only tried again");
  }));
