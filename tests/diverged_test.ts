import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { exists } from "../lib/io/files.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { smallCommandLine } from "./command_line.ts";
import "./small_paper.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const made = temporaryFolder("diverged_");
await makeSmallWorld(made);
const data = join(made, "mini"), results = join(made, "results");
const profile = EXPERIMENTS.profiles["paper"]!;

const reproduce = (...words: string[]) =>
  smallCommandLine(
    ...["reproduce", "--profile", "paper", "--data", data, "--results", results, ...words],
  );

/** The records of a section as they lie on disk. */
async function recordsIn(section: string): Promise<[path: string, record: RunRecord][]> {
  const folder = join(results, profile.name, "records", section);
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  return await Promise.all(names.map(async (name) => {
    const path = join(folder, name);
    return [path, JSON.parse(await Deno.readTextFile(path))] as [string, RunRecord];
  }));
}

Deno.test("trainings that diverge cost themselves: the report is written without them, and says so", async () => {
  const only = ["--only", "grid,comparison,ablations,epochs,dataset_size,perturbations,importance"];
  const { code, out, error } = await reproduce(...only, "--learning-rate", "1e30");
  assert.equal(code, 0, error);
  assert.match(out, /^Left out \d+ runs whose training diverged \(--learning-rate .*its loss is/m);
  const outputs = join(results, profile.name, "learning-rate-1e30");
  const report = await Deno.readTextFile(join(outputs, "report.md"));
  assert.match(report, /--learning-rate 1e30/);
  assert.equal(await exists(join(outputs, "best_1-class.safetensors")), false);
  assert.ok((await recordsIn("grid")).every(([, { failed }]) => failed !== undefined));
});

Deno.test("one head that diverged is left out of tables, whose captions count it", async () => {
  const only = ["--only", "grid,ablations"];
  assert.equal((await reproduce(...only)).code, 0);
  const kept = (await recordsIn("grid")).filter(([, { failed }]) => failed === undefined);
  const [[path, record]] = kept as [[string, RunRecord]];
  const failed = { ...record, failed: "its loss is NaN", epochs: [], evaluations: [] };
  await Deno.writeTextFile(path, JSON.stringify(failed, null, 2) + "\n");
  const { code, out, error } = await reproduce(...only);
  assert.equal(code, 0, error);
  assert.match(out, /^Left out a run whose training diverged .*: its loss is NaN$/m);
  const table = await Deno.readTextFile(join(results, profile.name, "tables", "table_1.md"));
  assert.match(
    table,
    new RegExp(`1 of ${kept.length} runs left out, whose training diverged\\.`, "i"),
  );
});

Deno.test("a learning rate that is none is a word that was off", async () => {
  for (const word of ["0", "-1", "x", "NaN", "Infinity", "1e999", ""]) {
    const { code, error } = await reproduce("--learning-rate", word);
    assert.equal(code, 2, word);
    assert.match(error, /learning-rate.*Expected a number above 0/);
  }
});
