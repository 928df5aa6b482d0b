import assert from "node:assert/strict";
import { mini } from "../experiments/profiles/mini.ts";
import { bestLines, skippedLines } from "../lib/cli/summary.ts";
import type { RunRow } from "../lib/runs/config.ts";
import type { RunRecord } from "../lib/runs/record.ts";

/** A head of the grid on the smallest class set, as good on all test sets. */
function row(contrastiveWeight: number, seed: number, acc: number, ap: number): RunRow {
  return {
    experiment: "grid",
    detector: "rine",
    trainingSet: mini.trainedOn.main.name,
    classes: mini.classSets[0]!.classes,
    fraction: 1,
    backbone: "Mini-B/16",
    head: { contrastiveWeight, projectionLayers: 2, projectionDim: 16, variant: "full" },
    epochs: 1,
    seed,
    view: "center",
    parameterCount: 1,
    valLoss: 1,
    valAcc: 1 - acc,
    test: Object.fromEntries(mini.testSets.map(({ name }) => [name, { acc, ap }])),
  };
}

Deno.test("the best head is said with the means of its measures, and where it lies", () => {
  const rows = [row(.1, 0, .6, .7), row(.2, 0, .7, .9)];
  const says = `over ${mini.testSets.length} test sets`;
  assert.deepEqual(bestLines(mini, rows, new Map([["1-class", "best.safetensors"]])), [
    `Best 1-class: Mini-B/16, ξ 0.2, q 2, d′ 16: ACC 70.0 %, AP 90.0 % ${says}`,
    "  best.safetensors  its head",
  ]);
  assert.deepEqual(bestLines({ ...mini, selection: "val" }, rows, new Map()), [
    `Best 1-class: Mini-B/16, ξ 0.1, q 2, d′ 16: ACC 60.0 %, AP 70.0 % ${says}`,
  ]);
});

Deno.test("of several seeds the mean is said, and whose head lies there", () => {
  const rows = [row(.2, 3, .7, .9), row(.2, 4, .8, 1)];
  const [line, head] = bestLines(mini, rows, new Map([["1-class", "best.safetensors"]]));
  assert.match(line!, /: ACC 75\.0 %, AP 95\.0 % over \d+ test sets, mean of 2 seeds$/);
  assert.equal(head, "  best.safetensors  its head, of seed 3");
});

Deno.test("images that were left out are counted once for each use", () => {
  const record = (skippedImages: RunRecord["skippedImages"]) => ({ skippedImages }) as RunRecord;
  const records = [
    record({ train: ["a", "b", "c"], val: ["d", "e"], test: { one: ["f"] } }),
    record({ train: ["a", "b", "c"], val: ["d", "e"], test: { one: ["f"], two: [] } }),
    record(undefined),
  ];
  assert.deepEqual(skippedLines(records), [
    "Left out images that cannot be decoded: 3 of training, 2 of validation, 1 of one; the records " +
    "name them",
    "",
  ]);
  assert.deepEqual(skippedLines([record(undefined)]), []);
});
