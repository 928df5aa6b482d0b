import assert from "node:assert/strict";
import { paper } from "../experiments/profiles/paper.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { evaluateScores } from "../lib/metrics.ts";
import { tableToMarkdown } from "../lib/report/write/markdown.ts";
import { readRineHead } from "../lib/detectors/rine/head.ts";
import { publishedLogs } from "../lib/published/logs.ts";
import { publishedRows } from "../lib/report/paper/published_rows.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { headingOf, reportOf, type Section } from "../lib/runs/section.ts";
import { threeSeeds } from "./published_seeds.ts";

const rows = publishedRows(await publishedLogs(), paper.backboneSizes);
const seeds = threeSeeds(rows);

function section(name: string): Section {
  return EXPERIMENTS.sections.find((section) => section.name === name)!;
}

function report(name: string, rows: readonly RunRow[]) {
  return reportOf(section(name), { profile: paper, rows, printed: [], points: [] });
}

for (
  const name of ["grid", "comparison", "ablations", "dataset_size", "perturbations", "synthbuster"]
) {
  Deno.test(`the tables of ${name} give mean ± standard deviation over seeds`, () => {
    const single = report(name, rows).tables, several = report(name, seeds).tables;
    assert.deepEqual(several.map(({ id }) => id), single.map(({ id }) => id));
    several.forEach((table, t) => {
      assert.equal(table.rows.length, single[t]!.rows.length);
      const results = table.columns.filter(({ best }) => best !== undefined);
      assert.ok(results.length > 0);
      for (const { key, name, group } of results) {
        table.rows.forEach((row, r) => {
          const value = single[t]!.rows[r]![key], cell = row[key];
          const where = `${table.id}, row ${r}, ${key}: ${JSON.stringify(cell)}`;
          // printed results of other methods are of no seed of ours
          if (value === null || value === undefined) return assert.equal(cell ?? null, null, where);
          assert.ok(cell !== null && typeof cell === "object", where);
          assert.ok(Math.abs(cell.mean - (value as number)) < 1e-9, where);
          const measure = table.id === "table_2"
            ? "ACC"
            : table.id === "table_3"
            ? "AP"
            : undefined;
          const isAcc = [measure, row["measure"], name, group].includes("ACC");
          assert.ok(Math.abs(cell.deviation - (isAcc ? .01 : 0)) < 1e-9, where);
        });
      }
      assert.match(tableToMarkdown(table), / ± (1|0)\.0/);
    });
  });
}

Deno.test("Table 1 shows the choice by validation beside the choice by test sets", () => {
  const [table] = report("grid", rows).tables;
  assert.deepEqual(
    table!.rows.map(({ classes, selection }) => `${classes} ${selection}`),
    ["1-class", "2-class", "4-class"].flatMap((
      name,
    ) => [`${name} test sets`, `${name} validation`]),
  );
  for (let i = 0; i < 6; i += 2) {
    const sum = (row: number) =>
      (table!.rows[row]!["acc"] as number) + (table!.rows[row]!["ap"] as number);
    assert.ok(sum(i) >= sum(i + 1));
  }
});

Deno.test("--select val starts the other sections from the heads chosen by validation", () => {
  const plan = (selection: "test" | "val") =>
    section("ablations").runs({ ...paper, selection }, [0], rows)
      .map(({ training }) => readRineHead(training.head).projectionDim);
  assert.deepEqual([...new Set(plan("test"))].sort(), [1024, 128]);
  assert.deepEqual([...new Set(plan("val"))].sort(), [1024, 128, 512]);
});

Deno.test("the comparison shows measures and intervals where they were taken", () => {
  const labels = Uint8Array.from({ length: 200 }, (_, i) => i % 2);
  const scores = Array.from(labels, (label, i) => ((i * 37) % 100) / 200 + label * 0.4);
  const measured = evaluateScores(labels, scores, { resamples: 200, key: ["test"] });
  const best = rows.filter((row) => row.experiment === "grid" && row.classes.length === 1)
    .slice(0, 1)
    .map((row) => ({
      ...row,
      experiment: "comparison",
      test: Object.fromEntries(paper.testSets.map(({ name }) => [name, measured])),
    }));
  const table = report("comparison", [...rows, ...best]).tables.find(({ id }) =>
    id === "measures"
  )!;
  assert.equal(table.rows.length, 20);
  for (const row of table.rows) {
    assert.equal(row["acc"], measured.acc);
    assert.ok(
      (row["accLow"] as number) < measured.acc && measured.acc < (row["accHigh"] as number),
    );
    assert.equal(row["tprAt5Fpr"], measured["tprAt5Fpr"]);
  }
  assert.equal(report("comparison", rows).tables.some(({ id }) => id === "measures"), false);
});

Deno.test("further measures of several seeds are mean ± standard deviation, a row a set", () => {
  const set = paper.testSets[0]!.name;
  const measured = [.8, .9].map((auc, seed) => ({
    ...rows.find((row) => row.experiment === "grid")!,
    experiment: "comparison",
    seed,
    test: { [set]: { acc: .75, ap: .75, auc, ece: auc - .5 } },
  }));
  const table = report("comparison", [...rows, ...measured]).tables.at(-1)!;
  assert.deepEqual(table.rowKeys, ["training", "set"]);
  const row = table.rows.find((row) => row["set"] === "ProGAN")!;
  assert.equal(table.rows.filter((row) => row["set"] === "ProGAN").length, 1);
  assert.match(
    tableToMarkdown(table),
    /\| ProGAN \| 75\.0 ± 0\.0 .* 85\.0 ± 7\.1 .* 35\.0 ± 7\.1 \|/,
  );
  assert.equal(row["balancedAcc"], null);
});

Deno.test("importance reports shares that sum to one for each class set it knows", () => {
  const [figure] = report("importance", rows).figures;
  const sum = figure!.rows.reduce((sum, { value }) => sum + Number(value), 0);
  assert.ok(Math.abs(sum - 1) < 1e-9);
  assert.equal(figure!.rows.length, 24);
  const without = rows.map(({ blockImportance: _, ...row }) => row);
  assert.deepEqual(report("importance", without).figures, []);
});

Deno.test("epochs shows the best and the mean of the three best heads, one epoch from the grid", () => {
  const [figure] = report("epochs", rows).figures;
  const epochs = [...new Set(figure!.rows.map(({ epochs }) => epochs))];
  assert.deepEqual(epochs.map(Number).sort((a, b) => a - b), [1, 3, 5, 10, 15]);
  assert.equal(figure!.rows.length, 3 * 5 * 2 * 2);
  for (const row of figure!.rows.filter(({ statistic }) => statistic === "best")) {
    const mean = figure!.rows.find((other) =>
      other["statistic"] === "mean" && other["epochs"] === row["epochs"] &&
      other["training"] === row["training"] && other["measure"] === row["measure"]
    )!;
    assert.ok(Number(row["value"]) >= Number(mean["value"]));
  }
});

Deno.test("the best of Figure 5 is the best mean over seeds, not the luckiest seed", () => {
  const [single] = report("epochs", rows).figures;
  const lucky = (row: RunRow) =>
    row.experiment === "epochs" && row.epochs === 15 && row.classes.length === 1;
  // at 15 epochs one head of each configuration is far better, and as many are far worse
  const spreadOut = [-.1, .1].flatMap((shift, seed) =>
    rows.map((row) => ({
      ...row,
      seed,
      test: lucky(row)
        ? Object.fromEntries(
          Object.entries(row.test).map(([name, { acc, ap }]) => [name, { acc: acc + shift, ap }]),
        )
        : row.test,
    }))
  );
  const [figure] = report("epochs", spreadOut).figures;
  assert.equal(figure!.rows.length, single!.rows.length);
  figure!.rows.forEach((row, i) => {
    const { value } = single!.rows[i]!;
    assert.ok(Math.abs(Number(row["value"]) - Number(value)) < 1e-9, JSON.stringify(row));
  });
});

Deno.test("a section's heading begins with its number, or with what stands for one and a full stop", () => {
  assert.equal(headingOf({ section: "§5.3", title: "Grid" }), "§5.3 Grid");
  assert.equal(headingOf({ section: "Appendix", title: "Others" }), "Appendix. Others");
});
