import assert from "node:assert/strict";
import { join } from "node:path";
import { keepBestHeads } from "../lib/runs/best_heads.ts";
import { findSection } from "../lib/runs/finished.ts";
import { loadCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { meanScore } from "../lib/runs/select.ts";
import { rowsOf } from "../lib/runs/record.ts";
import { trainedConfig } from "../lib/detectors/rine/train.ts";
import { executeSmall, makeSmallWorld, smallProfile } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

Deno.test("the best head of a class set lies under a name that stays", async () => {
  const data = temporaryFolder("best_"), results = join(data, "results");
  await makeSmallWorld(data);
  const configs = findSection("grid").runs(smallProfile, [0], []);
  const { records } = await executeSmall(data, configs, results);
  const sums = records.flatMap(rowsOf).map((row) => meanScore(row, "acc") + meanScore(row, "ap"));
  const best = records[sums.indexOf(Math.max(...sums))]!;
  const path = join(results, "best_1-class.safetensors");

  const keep = () => keepBestHeads(smallProfile, records, results);
  assert.deepEqual([...await keep()], [["1-class", path]]);
  assert.deepEqual(trainedConfig(await loadCheckpoint(path)), best.config.training);

  const { mtime } = await Deno.stat(path);
  await keep();
  assert.deepEqual((await Deno.stat(path)).mtime, mtime, "written again, though it is the same");

  await Deno.writeTextFile(path, "another run's");
  await keep();
  assert.deepEqual(trainedConfig(await loadCheckpoint(path)), best.config.training);
});
