import assert from "node:assert/strict";
import { paper } from "../experiments/profiles/paper.ts";
import type { HeadConfig } from "../lib/detectors/detector.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import { bestRecords } from "../lib/runs/best_heads.ts";
import { bestHeads } from "../lib/runs/choices.ts";
import type { RunRow } from "../lib/runs/config.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { frozen } from "../lib/runs/status.ts";
import { threeSeeds } from "./published_seeds.ts";

const seeds = threeSeeds(publishedRows(await publishedLogs(), paper.backboneSizes));

function dimOf({ head }: { readonly head: HeadConfig }) {
  return head["projectionDim"];
}

/** A row as the record that it would have been made of. */
function recordOf({ experiment, view, epochs, test, valLoss, valAcc, ...training }: RunRow) {
  return {
    key: JSON.stringify(training),
    experiment,
    config: { training, evaluation: { view } },
    parameterCount: training.parameterCount,
    timings: { trainingSeconds: 0 },
    epochs: [{ epoch: epochs, valLoss, valAcc }],
    evaluations: [{ epoch: epochs, test }],
  } as unknown as RunRecord;
}

Deno.test("the records of the best heads are those of the best rows, for all seeds, however chosen", () => {
  const records = seeds.map(recordOf);
  const dims = new Set<string>();
  for (const selection of ["test", "val"] as const) {
    const profile = { ...paper, selection };
    const best = bestRecords(profile, records);
    for (const [i, { name, rows }] of bestHeads(profile, seeds).entries()) {
      assert.equal(best[i]!.name, name);
      assert.deepEqual(
        best[i]!.records.map(({ config: { training } }) => [dimOf(training), training.seed]),
        rows.map((row) => [dimOf(row), row.seed]),
      );
      assert.equal(best[i]!.records.length, 3);
    }
    dims.add(best.map(({ records: [first] }) => dimOf(first!.config.training)).join());
  }
  assert.equal(dims.size, 2, "the choice makes no difference");
});

Deno.test("rows cannot be changed by mistake", () => {
  const row = frozen({ q: 1, classes: ["a"], test: { set: { acc: .5 } } });
  assert.throws(() => row.q = 4, TypeError);
  assert.throws(() => row.classes.length = 4, TypeError);
  assert.throws(() => row.test.set.acc = 1, TypeError);
  assert.deepEqual(row, { q: 1, classes: ["a"], test: { set: { acc: .5 } } });
});
