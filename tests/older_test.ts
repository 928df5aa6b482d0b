import assert from "node:assert/strict";
import { join } from "node:path";
import { readSafetensors, verifySafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { RecordStore, type RunRecord } from "../lib/runs/record.ts";
import { executeSmall, makeSmallWorld, smallRun } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const data = temporaryFolder("older_");
await makeSmallWorld(data);
const RUNS = [smallRun(), smallRun({ contrastiveWeight: .4 })];
const results = temporaryFolder("older_results_");
const { records } = await executeSmall(data, RUNS, results);
const [first, second] = records as [RunRecord, RunRecord];
const recordPath = ({ experiment, key }: RunRecord) =>
  new RecordStore(results).path(experiment, key);

/** Heads and scores of the runs, and their content. */
const whole = new Map<string, Uint8Array>();
for (const { evaluations } of records) {
  for (const { checkpoint, scores } of evaluations) {
    const folder = join(results, scores);
    const paths = Array.from(Deno.readDirSync(folder), ({ name }) => join(folder, name));
    for (const path of [join(results, checkpoint), ...paths]) {
      whole.set(path, Deno.readFileSync(path));
    }
  }
}

/** Writes all as it was written before there were seals. */
async function unseal(): Promise<void> {
  for (const record of records) {
    await Deno.writeTextFile(recordPath(record), JSON.stringify(record, null, 2) + "\n");
  }
  for (const path of whole.keys()) {
    const { tensors, metadata } = await readSafetensors(path);
    await writeSafetensors(path, tensors, metadata);
    assert.equal(await verifySafetensors(path), false);
  }
}

async function again(): Promise<{ readonly reused: number; readonly lines: string[] }> {
  const lines: string[] = [];
  const onDamage = (line: string) => lines.push(line);
  const { reused, records: found } = await executeSmall(data, RUNS, results, { onDamage });
  for (const [i, { key, evaluations }] of found.entries()) {
    assert.deepEqual([key, evaluations], [records[i]!.key, records[i]!.evaluations]);
    assert.match(await Deno.readTextFile(recordPath(records[i]!)), /"seal": "[0-9a-f]{64}"\n\}\n$/);
  }
  return { reused, lines };
}

Deno.test("heads and scores of before there were seals are held to their records, and get seals", async () => {
  await unseal();
  assert.deepEqual(await again(), { reused: RUNS.length, lines: [] });
  for (const [path, bytes] of whole) assert.deepEqual(await Deno.readFile(path), bytes, path);
});

Deno.test("scores without a seal that are not those of their record are made again, which is said", async () => {
  await unseal();
  const folder = join(results, first.evaluations[0]!.scores);
  const [path] = [...whole.keys()].filter((path) => path.startsWith(folder)) as [string];
  const { tensors, metadata } = await readSafetensors(path);
  const [name, { data: scores }] = [...tensors][0]!;
  scores[0] = 1 - scores[0]!;
  await writeSafetensors(path, tensors, metadata);
  const testSet = Object.keys(first.evaluations[0]!.sets)
    .find((set) => first.evaluations[0]!.sets[set] === name)!;
  assert.deepEqual(await again(), {
    reused: 1,
    lines: [
      `Cannot use ${folder}: expected the scores that its record was measured on, found others of ` +
      `${testSet}; they are made again`,
    ],
  });
  assert.deepEqual(await Deno.readFile(path), whole.get(path));
});

Deno.test("a head without a seal that is another run's is made again, which is said", async () => {
  await unseal();
  const [path, other] = [first, second].map(({ evaluations }) =>
    join(results, evaluations[0]!.checkpoint)
  ) as [string, string];
  await Deno.copyFile(other, path);
  assert.deepEqual(await again(), {
    reused: 1,
    lines: [
      `Cannot use ${path}: expected a head of the run's configuration, found another's; it is made again`,
    ],
  });
  assert.equal(await verifySafetensors(path), true);
  const { tensors } = await readSafetensors(path);
  const before = join(temporaryFolder(), "before.safetensors");
  await Deno.writeFile(before, whole.get(path)!);
  assert.deepEqual(tensors, (await readSafetensors(before)).tensors);
});
