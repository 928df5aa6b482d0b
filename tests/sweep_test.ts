import assert from "node:assert/strict";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { type Sweep, sweepRuns } from "../lib/session/sweep.ts";

const SWEEP: Sweep = {
  contrastiveWeights: [0, .3],
  projectionLayers: [1],
  projectionDims: [16, 32],
  classSets: ["1-class", "2-class"],
};

Deno.test("a sweep combines all values with each other, and with each seed", () => {
  const runs = sweepRuns(mini, { ...SWEEP, testSets: ["bilinear_2x"] }, [0, 1]);
  assert.equal(runs.length, 2 * 2 * 2 * 2);
  assert.equal(new Set(runs.map((run) => JSON.stringify(run))).size, runs.length);
  for (const { evaluation } of runs) assert.deepEqual(evaluation.testSets, ["bilinear_2x"]);
  const told = runs.slice(0, 5).map(({ training: { seed, classes, head } }) => [
    ...[seed, classes.length, head["contrastiveWeight"], head["projectionDim"]],
  ]);
  assert.deepEqual(told, [[0, 1, 0, 16], [0, 1, 0, 32], [0, 1, .3, 16], [0, 1, .3, 32], [
    ...[0, 2, 0, 16],
  ]]);
});

Deno.test("a sweep with values of the grid plans the grid's own heads, in its order", () => {
  const grid = EXPERIMENTS.sections.find(({ name }) => name === "grid")!;
  for (const profile of [mini, paper]) {
    const runs = sweepRuns(profile, {
      ...profile.grid,
      classSets: profile.classSets.map(({ name }) => name),
      backbones: profile.backbones,
    }, [0]);
    assert.deepEqual(runs, grid.runs(profile, [0], []));
  }
});

Deno.test("a sweep of nothing is the first head of the profile's grid on most classes", () => {
  assert.deepEqual(sweepRuns(mini, {}, [0]), [{
    training: {
      detector: "rine",
      trainingSet: "zero_insertion",
      classes: mini.classSets[2]!.classes,
      fraction: 1,
      backbone: "Mini-L/8",
      head: { contrastiveWeight: .1, projectionLayers: 1, projectionDim: 16, variant: "full" },
      epochs: 1,
      decayEpochs: [],
      batchSize: 16,
      learningRate: 3e-3,
      seed: 0,
    },
    evaluation: {
      testSets: mini.testSets.map(({ name }) => name),
      view: "center",
      atEpochs: [1],
    },
  }]);
});

/** A row of the grid whose measures are all the same. */
function gridRow(classes: readonly string[], projectionDim: number, score: number): RunRow {
  return {
    experiment: "grid",
    detector: "rine",
    trainingSet: "zero_insertion",
    classes,
    fraction: 1,
    backbone: "Mini-B/16",
    head: { contrastiveWeight: .4, projectionLayers: 2, projectionDim, variant: "full" },
    epochs: 1,
    seed: 0,
    view: "center",
    parameterCount: 1,
    valLoss: 1,
    valAcc: .5,
    test: { one: { acc: score, ap: score } as RunRow["test"][string] },
  };
}

Deno.test("what a sweep leaves out is as in the grid's best head of most classes", () => {
  const [few, , most] = mini.classSets.map(({ classes }) => classes);
  const rows = [gridRow(few!, 16, .9), gridRow(most!, 32, .7), gridRow(most!, 64, .8)];
  const [run, ...others] = sweepRuns(mini, { contrastiveWeights: [0] }, [0], rows);
  assert.deepEqual(others, []);
  assert.equal(run!.training.backbone, "Mini-B/16");
  assert.deepEqual(run!.training.classes, most);
  assert.deepEqual(run!.training.head, {
    contrastiveWeight: 0,
    projectionLayers: 2,
    projectionDim: 64,
    variant: "full",
  });
});

Deno.test("a sweep starts from the grid's best head of RINE, whatever else the grid has", () => {
  const { classes } = mini.classSets[2]!;
  const other: RunRow = {
    ...gridRow(classes, 64, .9),
    detector: "other",
    backbone: "Mini-L/8",
    head: { rank: 4 },
  };
  const [run] = sweepRuns(mini, {}, [0], [gridRow(classes, 32, .7), other]);
  assert.equal(run!.training.backbone, "Mini-B/16");
  assert.equal(run!.training.head["projectionDim"], 32);
});

Deno.test("the rate falls at the start of an epoch, in the last one too", () => {
  const epochs = [5, 6, 10, 11];
  const runs = sweepRuns(mini, { epochs }, [0]);
  assert.deepEqual(runs.map(({ training }) => training.decayEpochs), [[], [6], [6], [6, 11]]);
});

Deno.test("how heads are trained and tried can be swept too", () => {
  const runs = sweepRuns(mini, {
    variants: ["no TIE"],
    epochs: [1, 7],
    fractions: [.5, 1],
    learningRates: [1e-3],
    batchSizes: [8],
    view: "ten",
  }, [0]);
  assert.deepEqual(
    runs.map(({ training: { head, epochs, decayEpochs, fraction, learningRate, batchSize } }) => [
      ...[head["variant"], epochs, decayEpochs, fraction, learningRate, batchSize],
    ]),
    [
      ["no TIE", 1, [], .5, 1e-3, 8],
      ["no TIE", 1, [], 1, 1e-3, 8],
      ["no TIE", 7, [6], .5, 1e-3, 8],
      ["no TIE", 7, [6], 1, 1e-3, 8],
    ],
  );
  assert.deepEqual(runs.map(({ evaluation: { view, atEpochs } }) => [view, atEpochs]), [
    ["ten", [1]],
    ["ten", [1]],
    ["ten", [7]],
    ["ten", [7]],
  ]);
});

Deno.test("seeds can be swept, and the training set of §5.8", () => {
  const { name } = mini.trainedOn.latent;
  const runs = sweepRuns(mini, { seeds: [3, 5], classSets: ["1-class", name] }, [0]);
  assert.deepEqual(
    runs.map(({ training: { seed, trainingSet, classes } }) => [seed, trainingSet, classes]),
    [3, 5].flatMap((seed) => [
      [seed, "zero_insertion", mini.classSets[0]!.classes],
      [seed, name, Object.keys(mini.trainingSets[name]!)],
    ]),
  );
});

Deno.test("what a cell gives amiss is named, with what was wanted", () => {
  const says = (changes: object, message: string) =>
    assert.throws(() => sweepRuns(mini, { ...SWEEP, ...changes }, [0]), {
      name: "UserError",
      message: `Cannot sweep: expected ${message}`,
    });
  says({ projectionDims: 16 }, "projectionDims as a list, [16]; found 16");
  says({ classSets: "1-class" }, "classSets as a list, [1-class]; found 1-class");
  says({ contrastiveWeights: null }, "contrastiveWeights as a list, […]; found nothing");
  says({ testSets: [] }, "values in testSets; found none");
  says({ projectionLayers: [0] }, "projectionLayers of whole numbers from 1; found 0");
  says({ projectionDims: [1.5] }, "projectionDims of whole numbers from 1; found 1.5");
  says({ contrastiveWeights: [-1] }, "contrastiveWeights of numbers from 0; found -1");
  says({ contrastiveWeights: ["0.2"] }, 'contrastiveWeights of numbers from 0; found "0.2"');
  says({ contrastiveWeights: [Infinity] }, "contrastiveWeights of numbers from 0; found Infinity");
  says({ contrastiveWeights: [.1, .1] }, "different contrastiveWeights; found 0.1 twice");
  says(
    { classSets: ["3-class"] },
    'classSets of 1-class, 2-class, 4-class, latent_dct; found "3-class"',
  );
  says({ testSets: ["progan"] }, `testSets of ${testSetsOf(mini)}; found "progan"`);
  says(
    { variants: ["no tie"] },
    [
      "variants of full, no contrastive loss, no TIE, no intermediate",
      'found "no tie"',
    ].join("; "),
  );
  says({ seeds: [-1] }, "seeds of whole numbers from 0; found -1");
  says({ backbones: [3] }, "backbones of names; found 3");
  says({ epochs: [0] }, "epochs of whole numbers from 1; found 0");
  says({ fractions: [0] }, "fractions of numbers above 0 and up to 1; found 0");
  says({ fractions: [1.1] }, "fractions of numbers above 0 and up to 1; found 1.1");
  says({ learningRates: [0] }, "learningRates of numbers above 0; found 0");
  says({ batchSizes: [.5] }, "batchSizes of whole numbers from 1; found 0.5");
  says(
    { view: "five" },
    'view, one of center, ten, alike, blur, crop, compress, noise, combined; found "five"',
  );
  says(
    { projectionDim: [16] },
    "contrastiveWeights, projectionLayers, projectionDims, variants, classSets, backbones, " +
      "testSets, epochs, fractions, learningRates, batchSizes, seeds, view; found projectionDim",
  );
});

Deno.test("a field of a sweep that is misspelt is a type error too", () => {
  // @ts-expect-error the field is projectionDims
  assert.throws(() => sweepRuns(mini, { projectionDim: [16] }, [0]), /; found projectionDim$/);
});

function testSetsOf({ testSets, synthbusterSets }: typeof mini): string {
  return [...testSets, ...synthbusterSets].map(({ name }) => name).join(", ");
}
