import assert from "node:assert/strict";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import appendix from "../experiments/rine/appendix.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { pixelDetectorNamed } from "../lib/detectors/index.ts";
import { printedCells } from "../lib/published/printed.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import { table7 } from "../lib/report/paper/table_7.ts";
import { cellNumber } from "../lib/report/table.ts";
import { appendixHead } from "../lib/runs/appendix.ts";
import { testSetNames } from "../lib/runs/choices.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { untriedRow } from "../lib/runs/status.ts";

const rows = publishedRows(await publishedLogs(), paper.backboneSizes);
const grid = rows.filter(({ experiment }) => experiment === "grid");
const planned = appendix.runs(paper, [0], grid);

Deno.test("the appendix trains the published 4-class configuration on 20 classes and on ImageNet's ViT, and UFD's probe on 4", () => {
  assert.deepEqual(
    planned.map(({ training: { detector, classes, backbone, epochs, head } }) => [
      ...[detector, classes.length, classes.slice(0, 4).join(), backbone, epochs],
      ...[head["contrastiveWeight"], head["projectionLayers"], head["projectionDim"]],
    ]),
    [
      ["rine", 20, "car,cat,chair,horse", "ViT-L/14", 1, .2, 2, 1024],
      [
        ...["ufd_probe", 4, "car,cat,chair,horse", "ViT-L/14", 100],
        ...[undefined, undefined, undefined],
      ],
      ["rine", 4, "car,cat,chair,horse", "ViT-B/16", 1, .2, 2, 1024],
    ],
  );
  const rine = planned.filter(({ training }) => training.detector === "rine");
  for (const { training } of rine) {
    assert.deepEqual([training.batchSize, training.learningRate], [128, 1e-3]);
  }
  for (const { evaluation } of planned) {
    assert.deepEqual(evaluation.testSets, testSetNames(paper));
    assert.equal(evaluation.sample, undefined, "all images of a set count");
  }
  assert.deepEqual(
    planned.map((config) => appendixHead(paper, untriedRow("appendix", config))),
    ["RINE 20-class", "UFD 4-class", "RINE w/ ViT"],
  );
});

Deno.test("in a world of four classes the head of all classes is the 4-class head itself", () => {
  const untried = (head: RunRow): RunRow => ({
    ...head,
    classes: mini.classSets[2]!.classes,
    backbone: mini.backbones[0]!,
    trainingSet: mini.trainedOn.main.name,
    test: Object.fromEntries(testSetNames(mini).map((name) => [name, { acc: .5, ap: .5 }])),
  });
  const [all] = appendix.runs(mini, [0], [untried(grid[0]!)]);
  assert.deepEqual(all!.training.classes, mini.classSets[2]!.classes);
});

Deno.test("a profile without an appendix, or without the 4-class head, plans none of it", () => {
  const { appendix: _, ...without } = paper;
  assert.deepEqual(appendix.runs(without, [0], grid), []);
  assert.deepEqual(appendix.runs(paper, [0], []), []);
});

/** The appendix's runs with an accuracy and an AP of their own each. */
const ran = planned.map((config, i): RunRow => ({
  ...untriedRow("appendix", config),
  test: Object.fromEntries(
    testSetNames(paper).map((name) => [name, { acc: (10 + i) / 100, ap: (20 + i) / 100 }]),
  ),
}));

/** A network of the appendix that was trained, with an accuracy and an AP of its own. */
const networks = paper.appendix!.detectors.trainings.map(({ detector, classes }, i) => ({
  title: pixelDetectorNamed(detector).title,
  reads: "centre crop 224 (original)",
  trained: { classes, epochs: 10, seconds: 1, valAcc: .9 },
  test: Object.fromEntries(
    testSetNames(paper).map((name) => [name, { acc: (30 + i) / 100, ap: (40 + i) / 100 }]),
  ),
}));

Deno.test("Table 7 sets each run row behind the printed one, and says what the paper leaves open", async () => {
  const shown = table7({
    profile: paper,
    rows: [...ran, ...grid],
    printed: await printedCells(),
    points: [],
    made: networks,
  })!;
  const named = shown.rows.map((row) => [
    ...[row["measure"], row["method"], Number(cellNumber(row["AVG"])!.toFixed(3))],
  ]);
  assert.deepEqual(named.filter(([measure]) => measure === "ACC"), [
    ["ACC", "CLIP w/ FPN", .696],
    ["ACC", "CLIP w/ FPN, run here", .3],
    ["ACC", "RN50 w/ FPN", .672],
    ["ACC", "RN50 w/ FPN, run here", .31],
    ["ACC", "RINE 20-class", .907],
    ["ACC", "RINE 20-class, run here", .1],
    ["ACC", "UFD 4-class", .816],
    ["ACC", "UFD 4-class, run here", .11],
    ["ACC", "RINE w/ ViT", .601],
    ["ACC", "RINE w/ ViT, run here", .12],
    ["ACC", "RINE w/ Wang", .647],
    ["ACC", "RINE w/ Wang, run here", .32],
    named.find(([measure, method]) => measure === "ACC" && method === "RINE 4-class, ours"),
  ]);
  assert.equal(named.filter(([measure]) => measure === "AP").length, 13);
  assert.match(shown.caption, /"run here" are trained here; the others are those printed/);
  assert.match(shown.caption, /all 20 classes; UFD 4-class/);
  assert.match(shown.caption, /on torchvision's ViT-B\/16 of ImageNet/);
  assert.match(
    shown.caption,
    /RN50 w\/ FPN: a pyramid on .* all four stages, 256 channels a level, .* 4 classes, 10 epochs, one seed, centre crop 224[;.]/,
  );
  assert.match(
    shown.caption,
    /CLIP w\/ FPN: a pyramid on the patches that blocks 6, 12, 18, 24 of ViT-L\/14 give,/,
  );
  assert.match(
    shown.caption,
    /RINE w\/ Wang: Wang et al\. \(\.1\), frozen, the mean of each bottleneck's map a token, .* ξ 0\.2, q 2, d′ 1024/,
  );
});

Deno.test("Table 7 of numbers that are not the paper's has its rows alone, under the paper's names", () => {
  const profile = { ...paper, isComparable: false };
  const shown = table7({ profile, rows: [...ran, ...grid], printed: [], points: [] })!;
  assert.deepEqual(shown.rows.slice(0, 4).map((row) => row["method"]), [
    ...["RINE 20-class", "UFD 4-class", "RINE w/ ViT", "RINE 4-class, ours"],
  ]);
  assert.doesNotMatch(shown.caption, /print/);
  assert.equal(table7({ profile, rows: grid, printed: [], points: [] }), undefined);
  const problem = "Cannot train a detector: its loss is NaN";
  const made = [networks[1], { title: "CLIP w/ FPN", problem }];
  const { caption, rows } = table7({ profile, rows: grid, printed: [], points: [], made })!;
  assert.deepEqual(rows.slice(0, 2).map((row) => row["method"]), [
    "RN50 w/ FPN",
    "RINE 4-class, ours",
  ]);
  assert.match(caption, /CLIP w\/ FPN is left out: Cannot train a detector: its loss is NaN\./);
});
