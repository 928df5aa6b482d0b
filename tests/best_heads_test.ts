import assert from "node:assert/strict";
import { join } from "node:path";
import grid from "../experiments/rine/grid.ts";
import { checkpointFacts, readCheckpointFile } from "../lib/detectors/checkpoint_file.ts";
import { keepBestHeads } from "../lib/runs/best_heads.ts";
import { rowsOf } from "../lib/runs/record.ts";
import { meanScore } from "../lib/runs/select.ts";
import { executeSmall, makeSmallWorld, smallProfile, smallSetup } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("best_");
await makeSmallWorld(data);
const configs = grid.runs(smallProfile, [0], []);

/** How the head in a file was trained. */
async function trainedConfig(path: string) {
  return checkpointFacts(path, (await readCheckpointFile(path)).metadata).config;
}

/** Runs the small grid into a folder, whose best head is then as found. */
async function bestOf(results: string) {
  const { records } = await executeSmall(data, configs, results);
  const sums = records.flatMap(rowsOf).map((row) => meanScore(row, "acc") + meanScore(row, "ap"));
  const best = records[sums.indexOf(Math.max(...sums))]!;
  return {
    best,
    others: records.filter((record) => record !== best),
    copy: join(results, "best_1-class.safetensors"),
    head: join(results, best.evaluations.at(-1)!.checkpoint),
    record: join(results, "records", "grid", `${best.key}.json`),
    keep: () => keepBestHeads(smallSetup(data, results), records),
  };
}

Deno.test("the best head of a class set lies under a name that stays", async () => {
  const { best, copy, keep } = await bestOf(temporaryFolder());
  assert.deepEqual(await keep(), {
    copies: new Map([["1-class", copy]]),
    problems: [],
    damaged: [],
  });
  assert.deepEqual(await trainedConfig(copy), best.config.training);

  const { mtime } = await Deno.stat(copy);
  await keep();
  assert.deepEqual((await Deno.stat(copy)).mtime, mtime, "written again, though it is the same");

  await Deno.writeTextFile(copy, "another run's");
  await keep();
  assert.deepEqual(await trainedConfig(copy), best.config.training);
});

Deno.test("a damaged head replaces no copy, is named with what to do, and that helps", async () => {
  const results = temporaryFolder();
  const { best, others, copy, head, record, keep } = await bestOf(results);
  await keep();
  const intact = await Deno.readFile(copy), other = others[0]!.evaluations.at(-1)!.checkpoint;
  const infinite = intact.slice();
  infinite.set([0, 0, 0x80, 0x7f], infinite.length - 4);
  const damages: [string, Uint8Array | undefined, RegExp][] = [
    ["cut off", intact.subarray(0, -100), /expected .*, found /],
    ["empty", new Uint8Array(), /found 0 bytes/],
    ["text", new TextEncoder().encode("hello"), /expected .*, found /],
    ["infinite", infinite, /found a file that was changed since/],
    [
      "another configuration's",
      await Deno.readFile(join(results, other)),
      /expected a head of the run's configuration, found another's/,
    ],
    ["not there", undefined, /expected a head, found none/],
  ];
  for (const [what, bytes, says] of damages) {
    if (bytes) await Deno.writeFile(head, bytes);
    else await Deno.remove(head);
    const { copies, problems } = await keep();
    assert.deepEqual(await Deno.readFile(copy), intact, what);
    assert.deepEqual([...copies], [["1-class", copy]]);
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, says);
    assert.ok(problems[0]!.startsWith(`Cannot keep the best 1-class head, ${head}: expected `));
    const advice = bytes ? `delete it and ${record}` : `delete ${record}`;
    assert.ok(problems[0]!.endsWith(`; ${advice} and run again`), `${problems[0]}`);
    assert.ok(!problems[0]!.includes("\n"));
  }
  await Deno.writeFile(copy, intact.subarray(0, 50));
  assert.deepEqual([...(await keep()).copies], [], "a damaged copy counts as none");

  await Deno.remove(record);
  const again = await bestOf(results);
  assert.equal(again.best.key, best.key);
  assert.deepEqual((await again.keep()).problems, []);
  assert.deepEqual(
    (await readCheckpointFile(copy)).tensors,
    (await readCheckpointFile(head)).tensors,
  );
});
