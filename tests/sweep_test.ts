import assert from "node:assert/strict";
import { mini } from "../experiments/profiles/mini.ts";
import { type Sweep, sweepRuns } from "../lib/session/sweep.ts";

const SWEEP: Sweep = {
  contrastiveWeights: [0, .3],
  projectionLayers: [1],
  projectionDims: [16, 32],
  classSets: ["1-class", "2-class"],
};

Deno.test("a sweep combines all values with each other, and with each seed", () => {
  const runs = sweepRuns(mini, SWEEP, [0, 1]);
  assert.equal(runs.length, 2 * 2 * 2 * 2);
  assert.equal(new Set(runs.map((run) => JSON.stringify(run))).size, runs.length);
  assert.deepEqual(runs[0]!.evaluation.testSets, mini.testSets.map(({ name }) => name));
});

Deno.test("what a cell gives amiss is named, with what was wanted", () => {
  const says = (changes: object, message: string) =>
    assert.throws(() => sweepRuns(mini, { ...SWEEP, ...changes }, [0]), {
      name: "UserError",
      message: `Cannot sweep: expected ${message}`,
    });
  says({ projectionDims: 16 }, "projectionDims as a list, [16]; found 16");
  says({ contrastiveWeights: undefined }, "contrastiveWeights as a list, […]; found nothing");
  says({ classSets: "1-class" }, "classSets as a list, [1-class]; found 1-class");
  says({ testSets: [] }, "values in testSets, found none");
  says({ projectionLayers: [0] }, "projectionLayers of whole numbers from 1, found 0");
  says({ contrastiveWeights: [-1] }, "contrastiveWeights of numbers from 0, found -1");
  says({ contrastiveWeights: ["0.2"] }, 'contrastiveWeights of numbers from 0, found "0.2"');
  says({ contrastiveWeights: [Infinity] }, "contrastiveWeights of numbers from 0, found null");
  says({ contrastiveWeights: [.1, .1] }, "different contrastiveWeights, found 0.1 twice");
  says({ classSets: ["3-class"] }, "a class set of 1-class, 2-class, 4-class; found 3-class");
  says(
    { projectionDim: [16] },
    "contrastiveWeights, projectionLayers, projectionDims, classSets, backbones, testSets; " +
      "found projectionDim",
  );
});
