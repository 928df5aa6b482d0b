import assert from "node:assert/strict";
import { NEIGHBOURS } from "../lib/detectors/ufd/neighbours_head.ts";
import {
  type Group,
  groupRuns,
  groupsAtOnce,
  parameterCountOf,
  rowCounter,
} from "../lib/runs/groups.ts";
import type { PlannedRun } from "../lib/runs/plan.ts";
import type { World } from "../lib/runs/world.ts";
import type { FeatureRequest } from "../lib/tokens/request.ts";

/** A world with backbones of ViT-L/14's sizes, which are never asked for features. */
const world = {
  backbones: new Map([
    ["large", { at: () => ({ featureSizes: { blocks: 24, width: 1024 } }) }],
    ["clip", { at: () => ({ featureSizes: { blocks: 1, width: 768 } }) }],
  ]),
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
  return groupRuns(runs, world, workers, () => 0).map((group) =>
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

/** A run on given features that searches a bank of so many images, 720,000 where it is all. */
function search(feature: string, k: number, bankImages: number | null): PlannedRun {
  const one = run(feature, 0);
  const head = { ...NEIGHBOURS, k, bankImages };
  const training = { ...one.config.training, detector: "ufd_neighbours", backbone: "clip", head };
  return { ...one, trainingKey: JSON.stringify(training), config: { ...one.config, training } };
}

Deno.test("runs that search one bank stay together, and banks of all workers fit into 4 GiB", () => {
  const all = 720_000, learned = () => all;
  const of = (group: Group) =>
    group.map(({ config: { training: { head } } }) => [head["bankImages"] ?? all, head["k"]]);
  const sizes = [8_000, null, 20_000, 200_000, 80_000];
  const runs = sizes.flatMap((images) => [1, 3].map((k) => search("a", k, images)));
  // of 768 float32 each: 2.2 GB, more than half of 4 GiB, stand alone; all others are 0.95 GB
  const two = groupRuns(runs, world, 2, learned);
  assert.deepEqual(two.map(of), [
    [[all, 1], [all, 3]],
    [200_000, 80_000, 20_000, 8_000].flatMap((images) => [[images, 1], [images, 3]]),
  ]);
  assert.equal(groupsAtOnce(two, world, learned), Infinity);
  assert.deepEqual(groupRuns(runs, world, 1, learned).map((group) => group.length), [10]);

  // 2.06 GiB twice are more than 4 GiB, with as many workers as there are groups
  const whole = ["a", "b", "c"].map((feature) => search(feature, 1, null));
  const three = groupRuns(whole, world, 3, learned);
  assert.deepEqual(three.map((group) => group.length), [1, 1, 1]);
  assert.equal(groupsAtOnce(three, world, learned), 1);
  const halves = ["a", "b", "c", "d"].map((feature) => [search(feature, 1, all / 2)]);
  assert.equal(groupsAtOnce(halves, world, learned), 3);
  assert.equal(groupsAtOnce(halves.slice(1), world, learned), Infinity);
  assert.equal(groupsAtOnce([[run("a", 1024)], ...three], world, learned), 1);
  assert.equal(groupsAtOnce([[run("a", 1024)]], world, learned), Infinity);
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
