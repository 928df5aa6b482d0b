import assert from "node:assert/strict";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { inOrder } from "../lib/cli/reproduce.ts";
import type { FigureRow } from "../lib/report/figure.ts";
import { printedOf } from "../lib/report/paper/published.ts";
import type { Table } from "../lib/report/table.ts";
import type { RunConfig, RunRow, ScoredRow } from "../lib/runs/config.ts";
import type { Profile } from "../lib/runs/profile.ts";
import { sampledImages } from "../lib/runs/sample.ts";
import { reportOf, type Section } from "../lib/runs/section.ts";
import { ufdStudySets, ufdTestSets } from "../lib/runs/ufd.ts";

const section = (name: string): Section =>
  EXPERIMENTS.sections.find((section) => section.name === name)!;

/** What tells a section's runs apart, in few words. */
const briefly = (name: string, profile: Profile, say: (run: RunConfig) => string, seeds = [0]) =>
  section(name).runs(profile, seeds, []).map(say);

const headOf = ({ training: { detector, head, seed } }: RunConfig) =>
  `${detector.replace("ufd_", "")} ${head["k"] ?? "-"} seed ${seed}`;

Deno.test("classifiers are four searches in one bank and a probe for each seed", () => {
  assert.deepEqual(briefly("ufd_classifiers", paper, headOf, [4, 7]), [
    ...[1, 3, 5, 9].map((k) => `neighbours ${k} seed 0`),
    "probe - seed 4",
    "probe - seed 7",
  ]);
  for (const { training, evaluation } of section("ufd_classifiers").runs(paper, [4], [])) {
    assert.equal(training.backbone, "ViT-L/14");
    assert.equal(training.classes.length, 20);
    assert.deepEqual(evaluation.testSets, ufdTestSets(paper).map(({ name }) => name));
    assert.deepEqual(evaluation.sample, { most: 1000, fewer: 100, seed: 0 });
    const steps = training.detector === "ufd_probe" ? [256, 1e-4, 100] : [1, 0, 1];
    assert.deepEqual([training.batchSize, training.learningRate, training.epochs], steps);
  }
});

Deno.test("studies vary what the paper varies and nothing else", () => {
  assert.deepEqual(
    briefly("ufd_feature_spaces", paper, ({ training }) => training.backbone),
    ["ViT-L/14", "RN50", "ResNet-50", "ViT-B/16"],
  );
  assert.deepEqual(
    briefly("ufd_bank_size", paper, ({ training: { head } }) => `${head["bankImages"]}`),
    ["8000", "20000", "80000", "200000", "null"],
  );
  assert.deepEqual(
    briefly("ufd_bank_size", paper, ({ training: { head } }) => `${head["bankSeed"]}`, [3, 5]),
    ["3", "5", "3", "5", "3", "5", "3", "5", "0"],
  );
  assert.deepEqual(
    briefly(
      "ufd_blocks",
      paper,
      ({ training }) => `${training.detector} ${training.head["block"]}`,
    ),
    [1, 8, 16, 24].map((block) => `ufd_block_neighbours ${block}`),
  );
  assert.deepEqual(
    briefly("ufd_classes", paper, ({ training: { classes } }) => `${classes.length}`),
    ["2", "4", "8", "20"],
  );
  assert.deepEqual(
    briefly(
      "ufd_sources",
      paper,
      ({ training }) => `${training.detector} ${training.trainingSet} ${training.classes.length}`,
    ),
    ["progan 20", "ldm 1", "both 21"].flatMap((source) => [
      `ufd_neighbours ${source}`,
      `ufd_probe ${source}`,
    ]),
  );
  assert.deepEqual(
    briefly("ufd_robustness", mini, ({ evaluation: { view } }) => view)
      .filter((_, i) => i % 2 === 0),
    ["jpeg 90", "jpeg 50", "blur 0.5", "blur 1"],
  );
  for (const { name, paper: of, runs } of EXPERIMENTS.sections as readonly Section[]) {
    if (of !== "ufd" || name === "ufd_classifiers") continue;
    for (const { evaluation } of runs(mini, [0], [])) {
      assert.deepEqual(evaluation.testSets, ufdStudySets(mini).map(({ name }) => name), name);
    }
  }
});

Deno.test("a profile that says nothing of UFD has none of its runs", () => {
  const { ufd: _, ...without } = mini;
  for (const { paper: of, runs } of EXPERIMENTS.sections as readonly Section[]) {
    if (of === "ufd") assert.deepEqual(runs(without, [0], []), []);
  }
});

Deno.test("one paper's sections can be asked for, and no other's by name", () => {
  const names = (asked: string[], of?: "rine" | "ufd") =>
    inOrder(EXPERIMENTS, asked, of).map(({ name }) => name);
  assert.deepEqual(names([]), EXPERIMENTS.sections.map(({ name }) => name));
  assert.deepEqual(new Set(names([], "ufd").map((name) => name.split("_")[0])), new Set(["ufd"]));
  assert.equal(names([], "rine").length + names([], "ufd").length, names([]).length);
  assert.deepEqual(names(["ufd_blocks"], "ufd"), ["ufd_blocks"]);
  assert.deepEqual(names(["ablations"], "rine"), ["grid", "ablations"]);
  assert.throws(
    () => names(["grid"], "ufd"),
    /^UserError: Cannot reproduce grid with --paper ufd: expected a section of ufd_classifiers, /,
  );
});

Deno.test("as many images as there are to be are measured, fewer where a set has fewer", () => {
  const labels = Uint8Array.from({ length: 30 }, (_, i) => Number(i >= 18)); // 18 real, 12 generated
  const count = (most: number, fewer: number, seed = 0, name = "a") => {
    const drawn = [...sampledImages(labels, { most, fewer, seed }, name)];
    assert.deepEqual(drawn, [...new Set(drawn)].sort((a, b) => a - b));
    return { drawn, counts: [0, 1].map((of) => drawn.filter((i) => labels[i] === of).length) };
  };
  assert.deepEqual(count(12, 3).counts, [12, 12]);
  assert.deepEqual(count(13, 3).counts, [3, 3]);
  assert.deepEqual(count(13, 20).counts, [18, 12], "no more than there are");
  assert.deepEqual(count(5, 3).drawn, count(5, 3).drawn);
  assert.notDeepEqual(count(5, 3, 1).drawn, count(5, 3).drawn);
  assert.notDeepEqual(count(5, 3, 0, "b").drawn, count(5, 3).drawn);
});

/** A row of a section: neighbours or probe, with scores by test set. */
function rowOf(
  experiment: string,
  test: (name: string, place: number) => number,
  changes: Partial<RunRow> = {},
): RunRow {
  const [config] = section("ufd_classifiers").runs(mini, [0], []);
  const { batchSize: _b, learningRate: _l, decayEpochs: _d, ...training } = config!.training;
  return {
    ...training,
    experiment,
    view: "center",
    parameterCount: 0,
    valLoss: 0,
    valAcc: 0,
    test: Object.fromEntries(
      config!.evaluation.testSets.map((name, place) => {
        const acc = test(name, place);
        return [name, { acc, ap: acc / 2, accReal: acc / 4, accGenerated: acc / 8 }];
      }),
    ),
    ...changes,
  };
}

const shown = { profile: mini, printed: [], points: [] };

Deno.test("tables have a row for each head and a column for each set, with their own measures", () => {
  const rows = [rowOf("ufd_classifiers", (_, place) => place / 100)];
  const other = rowOf("grid", () => 1);
  const { tables } = reportOf(section("ufd_classifiers"), { ...shown, rows: [...rows, other] });
  const table = (id: string) => tables.find((table) => table.id === id) as Table;
  assert.deepEqual(tables.map(({ id }) => id), ["ufd_table_2", "ufd_table_3", "ufd_tables_5_6"]);
  const [fourth] = mini.ufd!.testSets.slice(4);
  assert.deepEqual(table("ufd_table_3").rows.map((row) => row[fourth!]), [.04]);
  assert.deepEqual(table("ufd_table_2").rows.map((row) => row[fourth!]), [.02]);
  assert.deepEqual(
    table("ufd_tables_5_6").rows.map((row) => [row["images"], row[fourth!]]),
    [["real", .01], ["generated", .005]],
  );
  // 0, .01 … .19
  assert.ok(Math.abs(Number(table("ufd_table_3").rows[0]!["AVG"]) - .095) < 1e-12);
  assert.match(table("ufd_table_3").caption, /^Measured on 100 images of each label, or 50 /);
});

Deno.test("the oracle's table and the curves are made of kept scores", () => {
  const sets = Object.fromEntries(mini.ufd!.testSets.map((name) => [name, {
    labels: Uint8Array.of(0, 0, 0, 1, 1),
    scores: Float32Array.of(.1, .2, .75, .5, .875),
  }]));
  const rows = [rowOf("ufd_classifiers", () => .5)];
  const scored: ScoredRow[] = [{ row: rows[0]!, sets }];
  const { tables, figures } = reportOf(section("ufd_classifiers"), { ...shown, rows, scored });
  const oracle = tables.find(({ id }) => id === "ufd_oracle")!;
  // at .5 or at .875, 4 of 5 are right
  for (const key of ["AVG", mini.ufd!.testSets[3]!]) {
    assert.ok(Math.abs(Number(oracle.rows[0]![key]) - .8) < 1e-12, key);
  }
  const own = figures[0]!.rows.filter(({ set }) => set === figures[0]!.rows[0]!.set);
  assert.deepEqual(
    own.map(({ recall, precision }) => [recall, precision]),
    [[.5, 1], [.5, .5], [1, 2 / 3], [1, .5], [1, .4]],
  );
});

Deno.test("a study's figure has means over GANs and over the others at each step", () => {
  const { ganSets, ufd } = mini;
  const value = (name: string) => ganSets.includes(name) ? .8 : .6;
  const rows = [50, 200, 1000, null].map((bankImages, i) => {
    const row = rowOf("ufd_bank_size", (name) => value(name) + i / 100);
    return { ...row, head: { ...row.head, bankImages } };
  });
  const { figures: [figure] } = reportOf(section("ufd_bank_size"), { ...shown, rows });
  const acc = figure!.rows.filter(({ measure }) => measure === "ACC");
  const round = ({ value }: FigureRow) => Math.round(100 * Number(value));
  assert.deepEqual(
    acc.map((row) => [row.step, row.kind, round(row)]),
    ["50", "200", "1,000", "all"].flatMap((
      step,
      i,
    ) => [[step, "GANs", 80 + i], [step, "others", 60 + i]]),
  );
  assert.equal(ufd!.studySets.filter((name) => ganSets.includes(name)).length, 4);
});

Deno.test("compressed and blurred images stand on axes of their own", () => {
  const rows = ["jpeg 90", "jpeg 50", "blur 0.5"].map((view, i) =>
    rowOf("ufd_robustness", () => i / 10, { view })
  );
  const { figures: [figure] } = reportOf(section("ufd_robustness"), { ...shown, rows });
  assert.deepEqual(
    figure!.rows.filter(({ measure }) => measure === "ACC")
      .map(({ axis, amount, value }) => [axis, amount, Math.round(10 * Number(value))]),
    [["JPEG quality", 90, 0], ["JPEG quality", 50, 1], ["blur σ (px)", .5, 2]],
  );
});

Deno.test("printed cells are those that were read, and one probe stands there by two tables", async () => {
  const printed = await printedOf(section("ufd_classifiers"));
  const { tables } = reportOf(section("ufd_classifiers"), {
    profile: paper,
    rows: [],
    points: [],
    printed,
  });
  const [table2, table3] = tables;
  assert.equal(tables.length, 2);
  const row = (table: Table, method: string) => table.rows.find((row) => row["method"] === method)!;
  const percent = (table: Table, method: string, set: string) =>
    Number((100 * Number(row(table, method)[set])).toFixed(6));
  // UFD's own print, with two digits, and RINE's of the same file
  assert.equal(percent(table3!, "Linear probe", "seeingdark"), 63);
  assert.equal(percent(table3!, "Linear probe", "AVG"), 81.38);
  assert.equal(percent(table3!, "Linear probe (RINE's tables)", "seeingdark"), 71.4);
  assert.equal(percent(table2!, "Linear probe (RINE's tables)", "san"), 62.6);
  assert.equal(percent(table2!, "Nearest neighbours (k = 9)", "progan"), 100);
  // what nobody has read stays blank
  assert.equal(row(table2!, "Co-occurrence")["progan"], undefined);
  assert.equal(row(table3!, "Nearest neighbours (k = 9)")["progan"], undefined);
  assert.equal(table2!.rows.some((row) => row["method"] === "Linear probe"), false);
  assert.match(table3!.caption, /a dash stands for what could not/);
});
