import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { NEIGHBOURS } from "../lib/detectors/ufd/neighbours_head.ts";
import { UFD_RECIPE } from "../lib/detectors/ufd/probe_head.ts";
import { makeAlike } from "../lib/image/alike.ts";
import { centerCrop } from "../lib/image/crop.ts";
import { applyTransform, isRandom } from "../lib/image/transform.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { reportOf, type Section } from "../lib/runs/section.ts";
import { noiseImage } from "./image_samples.ts";

const section = EXPERIMENTS.sections.find(({ name }) => name === "bias") as Section;
const published = publishedRows(await publishedLogs(), paper.backboneSizes);
const grid = published.filter(({ experiment }) => experiment === "grid");

Deno.test("images are made alike as Pillow does it: resize, crop, JPEG of quality 96", () => {
  const image = noiseImage(45, 37);
  // Pillow 12: resize((29, 24), BILINEAR) and resize((60, 50), BILINEAR), crop, save(quality=96)
  const sums = { 24: "9d0e76ba23441f02", 50: "feef195a028f3cb7" };
  for (const [side, sum] of Object.entries(sums)) {
    const { width, height, data } = makeAlike(image, { sidePx: +side, jpegQuality: 96 });
    assert.deepEqual([width, height], [+side, +side]);
    assert.equal(createHash("sha256").update(data).digest("hex").slice(0, 16), sum);
  }
  const alike = { sidePx: 24, jpegQuality: 96 };
  const [crop] = applyTransform(image, { kind: "alike", size: 16, ...alike }, {
    ...{ seed: 0, epoch: 0, path: "a.png" },
  });
  assert.deepEqual(crop, centerCrop(makeAlike(image, alike), 16).data);
  assert.equal(isRandom({ kind: "alike", size: 16, ...alike }), false);
});

Deno.test("every best head and UFD's are tried on all test sets, as they are and alike", () => {
  const runs = section.runs(paper, [0, 1], grid);
  const counts = Map.groupBy(
    runs,
    ({ training, evaluation }) => `${training.detector} ${evaluation.view}`,
  );
  assert.deepEqual([...counts].map(([name, runs]) => [name, runs.length]), [
    ["rine alike", 3],
    ["ufd_probe center", 2],
    ["ufd_neighbours center", 1],
    ["ufd_probe alike", 2],
    ["ufd_neighbours alike", 1],
  ]);
  for (const { evaluation } of runs) {
    assert.deepEqual(evaluation.testSets, paper.testSets.map(({ name }) => name));
    assert.equal(evaluation.sample, undefined);
  }
  const { ufd: _ufd, ...without } = mini;
  assert.deepEqual(section.runs(without, [0], []), [], "without UFD and a grid nothing is run");
});

/** A row whose measures are the same on every set but the last, which has none of the change. */
function row(of: Partial<RunRow>, acc: number, last: number): RunRow {
  const names = paper.testSets.map(({ name }) => name);
  return {
    ...grid[0]!,
    experiment: "bias",
    ...of,
    test: Object.fromEntries(
      names.map((name, i) => {
        const value = i === names.length - 1 ? last : acc;
        return [name, { acc: value, ap: value / 2 }];
      }),
    ),
  } as RunRow;
}

Deno.test("the change is taken seed by seed, and its mean is over the paper's sets", () => {
  const probe = { detector: "ufd_probe", head: { ...UFD_RECIPE, smallestRate: 1e-6 } };
  const { ...nearest } = { detector: "ufd_neighbours", head: { ...NEIGHBOURS, k: 9 } };
  const rows = [
    row({ ...probe, view: "center", seed: 0 }, .9, .6),
    row({ ...probe, view: "center", seed: 1 }, .7, .6),
    // in another order, and one that diverged has no row
    row({ ...probe, view: "alike", seed: 1 }, .8, .6),
    row({ ...probe, view: "alike", seed: 0 }, .6, .6),
    row({ ...nearest, view: "center", seed: 0 }, .8, .6),
  ];
  const { tables: [table], figures: [figure] } = reportOf(section, {
    ...{ profile: paper, rows, printed: [], points: [] },
  });
  assert.deepEqual(table!.rows.map(({ measure, method, variant }) => [measure, method, variant]), [
    ["ACC", "UFD, linear probe", "as they are"],
    ["ACC", "UFD, linear probe", "alike"],
    ["ACC", "UFD, linear probe", "change"],
    ["AP", "UFD, linear probe", "as they are"],
    ["AP", "UFD, linear probe", "alike"],
    ["AP", "UFD, linear probe", "change"],
  ]);
  const near = (cell: unknown, mean: number, deviation: number) => {
    const found = cell as { mean: number; deviation: number };
    assert.ok(Math.abs(found.mean - mean) < 1e-12, JSON.stringify(cell));
    assert.ok(Math.abs(found.deviation - deviation) < 1e-12, JSON.stringify(cell));
  };
  const [first, last] = [paper.testSets[0]!.name, paper.testSets.at(-1)!.name];
  const change = table!.rows[2]!, changeOfAp = table!.rows[5]!;
  // −.3 of seed 0 and +.1 of seed 1
  near(change[first], -.1, .4 / Math.SQRT2);
  near(changeOfAp[first], -.05, .2 / Math.SQRT2);
  near(change[last], 0, 0);
  near(change["AVG"], -.1 * 19 / 20, .4 / Math.SQRT2 * 19 / 20);
  near(table!.rows[1]![first], .7, .2 / Math.SQRT2);
  assert.ok(table!.columns.every(({ best }) => best === undefined));
  assert.match(table!.caption, /short side resized to 256 px.*JPEG of quality 96/);
  const points = figure!.rows.filter(({ measure }) => measure === "ACC");
  assert.equal(points.length, 20);
  assert.ok(Math.abs(Number(points[0]!["change"]) + .1) < 1e-12);
});

Deno.test("RINE's heads stand beside their own rows of the grid", () => {
  const best = grid.filter(({ classes }) => classes.length === 2);
  const alike = section.runs(paper, [0], best).filter(({ training }) =>
    training.detector === "rine"
  )
    .map(({ training, evaluation }) => row({ ...training, view: evaluation.view }, .5, .5));
  assert.equal(alike.length, 1);
  const { tables: [table] } = reportOf(section, {
    ...{ profile: paper, rows: [...best, ...alike], printed: [], points: [] },
  });
  const [plain, after, change] = table!.rows;
  assert.equal(plain!["method"], "RINE, 2-class");
  assert.equal(after!["AVG"], .5);
  // Table 1 of the paper has 91.1 for the best 2-class head
  assert.ok(Math.abs((change!["AVG"] as number) - (.5 - (plain!["AVG"] as number))) < 1e-12);
});

Deno.test("detectors on pixels stand there too, on the same images made alike", () => {
  const measures = (acc: number) =>
    Object.fromEntries(paper.testSets.map(({ name }) => [name, { acc, ap: acc }]));
  const made = [
    { title: "DMID", reads: "whole image", test: measures(.9), alike: measures(.7) },
    { title: "LGrad", problem: "its loss is NaN" },
  ];
  const { tables: [table] } = reportOf(section, {
    ...{ profile: paper, rows: [], printed: [], points: [], made },
  });
  assert.equal(table!.rows.length, 6);
  const [plain, alike, change] = table!.rows;
  const [set] = paper.testSets.map(({ name }) => name);
  assert.deepEqual([plain!["method"], plain![set!], alike![set!]], ["DMID, run here", .9, .7]);
  assert.ok(Math.abs((change!["AVG"] as number) + .2) < 1e-12);
});
