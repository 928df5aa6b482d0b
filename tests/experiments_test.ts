import assert from "node:assert/strict";
import { paper } from "../experiments/profiles/paper.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { GAN_SETS, SYNTHBUSTER_SETS, TEST_SETS_20 } from "../lib/data/catalog.ts";
import { readRineHead } from "../lib/detectors/rine/head.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import { product, type RunConfig, type RunRow } from "../lib/runs/config.ts";
import { bestConfiguration, configurations, rankConfigurations } from "../lib/runs/select.ts";

const { sections } = EXPERIMENTS;
const rows = publishedRows(await publishedLogs(), paper.backboneSizes);
const grid = rows.filter(({ experiment }) => experiment === "grid");

function section(name: string) {
  return sections.find((section) => section.name === name)!;
}

/** What tells the published heads apart. */
function headOf(head: RunConfig["training"] | RunRow): string {
  const { trainingSet, classes, fraction, backbone } = head;
  const { contrastiveWeight, projectionLayers, projectionDim, variant } = readRineHead(head.head);
  return JSON.stringify([
    trainingSet,
    classes,
    fraction,
    backbone,
    variant,
    contrastiveWeight,
    projectionLayers,
    projectionDim,
  ]);
}

function planned(name: string, seeds: readonly number[] = [0]): readonly RunConfig[] {
  return section(name).runs(paper, seeds, grid);
}

for (const name of ["grid", "ablations", "epochs", "dataset_size"]) {
  Deno.test(`${name} plans the very heads that the authors published`, () => {
    const heads = planned(name).map(({ training }) => headOf(training));
    assert.equal(new Set(heads).size, heads.length, "a head is planned twice");
    const published = rows.filter(({ experiment }) => experiment === name).map(headOf);
    assert.deepEqual(heads.sort(), [...new Set(published)].sort());
  });
}

Deno.test("epochs tries its heads after 3, 5, 10 and 15 epochs, with the rate falling twice", () => {
  for (const { training, evaluation } of planned("epochs")) {
    assert.equal(training.epochs, 15);
    assert.deepEqual(training.decayEpochs, [6, 11]);
    assert.deepEqual(evaluation.atEpochs, [3, 5, 10, 15]);
  }
});

Deno.test("synthbuster plans the published LDM heads at 1, 3 and 5 epochs, and tries the 4-class head", () => {
  const runs = planned("synthbuster");
  const trained = runs.filter(({ training }) => training.trainingSet === "ldm");
  const published = rows.filter(({ experiment }) => experiment === "synthbuster");
  assert.deepEqual(
    trained.flatMap(({ training, evaluation }) =>
      evaluation.atEpochs.map((epochs) => `${headOf(training)} ${epochs}`)
    ).sort(),
    published.map((row) => `${headOf(row)} ${row.epochs}`).sort(),
  );
  const tried = runs.filter(({ training }) => training.trainingSet === "progan");
  assert.deepEqual(tried.map(({ training }) => training.classes.length), [4]);
  for (const { evaluation } of runs) {
    assert.equal(evaluation.view, "ten");
    assert.deepEqual(evaluation.testSets, SYNTHBUSTER_SETS.map(({ name }) => name));
  }
});

Deno.test("perturbations and comparison train nothing: they try heads that the grid trains", () => {
  const known = new Set(planned("grid").map(({ training }) => JSON.stringify(training)));
  for (const name of ["perturbations", "comparison"]) {
    const runs = planned(name);
    assert.ok(runs.length > 0);
    for (const { training } of runs) assert.ok(known.has(JSON.stringify(training)), name);
  }
  for (const { evaluation } of planned("comparison")) assert.equal(evaluation.bootstrap, 1000);
  assert.deepEqual(
    [...new Set(planned("perturbations").map(({ evaluation }) => evaluation.view))],
    ["blur", "crop", "compress", "noise", "combined"],
  );
  const drawsOf = (heads: readonly RunRow[]) =>
    section("perturbations").runs(paper, [], heads)
      .filter(({ evaluation }) => evaluation.view === "blur").slice(0, 3)
      .map(({ training, evaluation }) => [training.seed, evaluation.draw]);
  assert.deepEqual(drawsOf(grid), [[0, undefined], [0, 1], [0, 2]]);
  // several seeds each have a draw of their own
  const twice = grid.flatMap((row) => [row, { ...row, seed: 5 }]);
  assert.deepEqual(drawsOf(twice), [[0, undefined], [5, undefined], [0, undefined]]);
});

Deno.test("a head of all images in §5.5 is the grid's own", () => {
  const known = new Set(planned("grid").map(({ training }) => JSON.stringify(training)));
  const whole = planned("dataset_size").filter(({ training }) => training.fraction === 1);
  assert.equal(whole.length, 3);
  for (const { training } of whole) assert.ok(known.has(JSON.stringify(training)));
});

Deno.test("seeds multiply the heads and differ in nothing else", () => {
  const one = planned("grid"), three = planned("grid", [0, 1, 2]);
  assert.equal(three.length, 3 * one.length);
  const seedless = three.map(({ training: { seed: _seed, ...training } }) =>
    JSON.stringify(training)
  );
  assert.equal(new Set(seedless).size, one.length);
});

Deno.test("sections stand after the sections whose rows they read", () => {
  sections.forEach(({ dependsOn }, i) => {
    const before = sections.slice(0, i).map(({ name }): string => name);
    for (const name of dependsOn) assert.ok(before.includes(name));
  });
  assert.equal(new Set(sections.map(({ name }) => name)).size, sections.length);
});

Deno.test("the best published heads are the released ones, and the highest sum wins", () => {
  const released = { 1: [0.1, 4, 1024], 2: [0.2, 4, 128], 4: [0.2, 2, 1024] };
  for (const [classes, expected] of Object.entries(released)) {
    const own = grid.filter((row) => row.classes.length === Number(classes));
    const [best] = bestConfiguration(own, "test");
    const { contrastiveWeight, projectionLayers, projectionDim } = readRineHead(best.head);
    assert.deepEqual([contrastiveWeight, projectionLayers, projectionDim], expected);
    assert.equal(best.backbone, "ViT-L/14");
  }
});

Deno.test("choosing by validation looks at no test score", () => {
  const blind = grid.map((row) => ({ ...row, test: {} }));
  const chosen = bestConfiguration(grid, "val")[0], blindly = bestConfiguration(blind, "val")[0];
  assert.equal(headOf(chosen), headOf(blindly));
  assert.equal(chosen.valAcc, Math.max(...grid.map(({ valAcc }) => valAcc)));
});

Deno.test("seeds of one configuration are ranked by their mean", () => {
  const [a, b] = grid as [RunRow, RunRow];
  const scored = (row: RunRow, seed: number, acc: number) => ({
    ...row,
    seed,
    test: { progan: { acc, ap: 0 } },
  });
  const seeds = [scored(a, 0, 1), scored(b, 0, 0.7), scored(a, 1, 0.2), scored(b, 1, 0.7)];
  assert.equal(configurations(seeds).length, 2);
  const ranked = rankConfigurations(seeds, "test");
  assert.deepEqual(ranked.map((group) => headOf(group[0])), [headOf(b), headOf(a)]);
  assert.deepEqual(ranked[0]!.map(({ seed }) => seed), [0, 1]);
});

Deno.test("the catalog has the published counts of images", () => {
  const totals = Object.fromEntries(
    TEST_SETS_20.map(({ name, expected }) => [name, expected!.real + expected!.generated]),
  );
  assert.deepEqual(totals, {
    progan: 8000,
    stylegan: 11982,
    stylegan2: 15976,
    biggan: 4000,
    cyclegan: 2642,
    stargan: 3998,
    gaugan: 10000,
    deepfake: 5405,
    seeingdark: 360,
    san: 438,
    crn: 12764,
    imle: 12764,
    guided: 2000,
    ldm_200: 2000,
    ldm_200_cfg: 2000,
    ldm_100: 2000,
    glide_100_27: 2000,
    glide_50_27: 2000,
    glide_100_10: 2000,
    dalle: 2000,
  });
});

Deno.test("published accuracies are whole numbers of the catalog's images", () => {
  const counts = new Map(
    [...TEST_SETS_20, ...SYNTHBUSTER_SETS].map(({ name, expected }) => [
      name,
      expected!.real + expected!.generated,
    ]),
  );
  for (const { test } of rows) {
    for (const [name, { acc }] of Object.entries(test)) {
      const right = acc * counts.get(name)!;
      assert.ok(Math.abs(right - Math.round(right)) < 1e-6, `${name}: ${right}`);
    }
  }
});

Deno.test("the sets that are GANs are those of Table 4", () => {
  assert.deepEqual(
    GAN_SETS,
    TEST_SETS_20.map(({ name }) => name).filter((name) => /gan/.test(name)),
  );
  assert.deepEqual(paper.ganSets, GAN_SETS);
});

Deno.test("of a product's combinations the last field changes first", () => {
  assert.deepEqual(product({ a: [1, 2], b: ["x", "y"] }), [
    { a: 1, b: "x" },
    { a: 1, b: "y" },
    { a: 2, b: "x" },
    { a: 2, b: "y" },
  ]);
});

Deno.test("rows are of one configuration where nothing differs but seed, numbers and the order of fields", () => {
  const row: RunRow = { ...grid[0]!, batchSize: 16, learningRate: 1e-3 };
  const others: Partial<RunRow>[] = [
    { experiment: "other" },
    { detector: "other" },
    { trainingSet: "other" },
    { classes: ["other"] },
    { fraction: .5 },
    { backbone: "other" },
    { head: { ...row.head, projectionDim: 1 } },
    { epochs: 2 },
    { batchSize: 8 },
    { learningRate: 1e-4 },
    { view: "ten" },
  ];
  const rows = [row, ...others.map((change) => ({ ...row, ...change }))];
  assert.equal(configurations(rows).length, rows.length);
  const head = Object.fromEntries(Object.entries(row.head).reverse());
  const alike = [{ seed: 7 }, { valAcc: 0 }, { test: {} }, { trainingSeconds: 1 }, { head }];
  assert.equal(configurations([row, ...alike.map((same) => ({ ...row, ...same }))]).length, 1);
});
