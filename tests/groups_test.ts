import assert from "node:assert/strict";
import { groupRuns, parameterCountOf, rowCounter } from "../lib/runs/groups.ts";
import type { PlannedRun } from "../lib/runs/plan.ts";
import type { World } from "../lib/runs/world.ts";
import type { FeatureRequest } from "../lib/tokens/request.ts";

/** A world with one backbone of ViT-L/14's sizes, which is never asked for features. */
const world = {
  backbones: new Map([["large", { at: () => ({ featureSizes: { blocks: 24, width: 1024 } }) }]]),
} as unknown as World;

/** A run on given features with a head of a given size. */
function run(feature: string, projectionDim: number, seed = 0): PlannedRun {
  const head = { projectionLayers: 2, projectionDim, contrastiveWeight: 0, variant: "full" };
  const training = {
    ...{ detector: "rine", backbone: "large", classes: ["car"], fraction: 1, seed },
    ...{ epochs: 1, batchSize: 128, learningRate: .001, head },
  };
  const features = { train: [[feature]], val: [[feature]] };
  return { config: { training, evaluation: {} }, features, sets: [] } as unknown as PlannedRun;
}

/** Features and head sizes of each group. */
function shown(runs: readonly PlannedRun[], workers: number): string[][] {
  return groupRuns(runs, world, workers).map((group) =>
    group.map(({ features, config: { training } }) =>
      `${features.train[0]} ${training.head["projectionDim"]}`
    )
  );
}

Deno.test("heads that read the same features stand together, the costliest group first", () => {
  const runs = [run("a", 64), run("b", 512), run("a", 128), run("b", 1024)];
  assert.deepEqual(shown(runs, 1), [["b 512", "b 1024"], ["a 64", "a 128"]]);
  assert.equal(shown([run("a", 64, 0), run("a", 64, 1)], 1).length, 2, "another order of images");
});

Deno.test("heads are divided so that those of all workers together fit into 4 GiB", () => {
  const bytes = 12 * parameterCountOf(run("a", 1024).config.training, world);
  const count = Math.floor(3.5 * 2 ** 31 / bytes);
  const groups = shown(Array.from({ length: count }, () => run("a", 1024)), 2);
  assert.equal(groups.length, 4);
  for (const group of groups) assert.ok(group.length * bytes <= 2 ** 31);
});

Deno.test("a run's work is the rows it learns from and, at each epoch measured, all it scores", () => {
  const of = (count: number, kind: "center" | "ten") => ({
    images: Array.from({ length: count }, () => ({})),
    transform: { kind, size: 224 },
  });
  const requests = new Map([["a", of(40, "center")], ["test", of(7, "ten")]]);
  const rows = rowCounter(requests as unknown as ReadonlyMap<string, FeatureRequest>);
  const scoring = (...atEpochs: number[]) => {
    const one = run("a", 64);
    const config = { ...one.config, evaluation: { atEpochs } };
    return { ...one, config, sets: [{ features: ["test"] }] } as unknown as PlannedRun;
  };
  assert.equal(rows(scoring(1)), 40 + 70);
  assert.equal(rows(scoring(1, 5, 10)), 40 + 3 * 70);
});
