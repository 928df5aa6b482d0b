import assert from "node:assert/strict";
import grid from "../experiments/grid.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { publishedReport } from "../experiments/published.ts";
import type { Figure } from "../lib/report/figure.ts";
import { completeSpec, renderFigure } from "../lib/report/render.ts";
import { themeConfig, THEMES } from "../lib/report/theme.ts";
import { assertSnapshot, roundedJson } from "./snapshot.ts";

const sections = await publishedReport();
const figures = sections.flatMap(({ report }) => report.figures);
const tables = sections.flatMap(({ report }) => report.tables);

/** A figure in short: its specification, and of its rows the number, some, and the means. */
function summary({ rows, ...figure }: Figure) {
  const numeric = Object.keys(rows[0]!).filter((key) => typeof rows[0]![key] === "number");
  const mean = (key: string) => rows.reduce((sum, row) => sum + Number(row[key]), 0) / rows.length;
  return {
    ...figure,
    rowCount: rows.length,
    someRows: rows.filter((_, i) => i % Math.ceil(rows.length / 5) === 0),
    means: Object.fromEntries(numeric.map((key) => [key, mean(key)])),
  };
}

Deno.test("the paper's figures are all there", () => {
  assert.deepEqual(figures.map(({ id }) => id).sort(), [
    "figure_1",
    "figure_3",
    "figure_4",
    "figure_5",
    "figure_6",
    "figure_7",
  ]);
});

for (const figure of figures) {
  Deno.test(`${figure.id} has the specification and the rows of its snapshot`, () => {
    assertSnapshot(`${figure.id}.json`, roundedJson(summary(figure)));
  });

  Deno.test(`${figure.id} names its axes and is drawn without warning about as wide as its columns`, async () => {
    const named = JSON.stringify(figure.spec);
    assert.match(named, /"title":"[^"]+"/);
    const every = Math.ceil(figure.rows.length / 1000);
    const { svg } = await renderFigure({
      ...figure,
      rows: figure.rows.filter((_, i) => i % every === 0),
    });
    const [, width] = svg.match(/viewBox="0 0 ([\d.]+) /)!;
    const target = (figure.columns === 1 ? 84 : 174) * 96 / 25.4;
    // The picture is scaled to fit: text stays within a tenth of its size.
    assert.ok(Math.abs(Number(width) / target - 1) < 0.1, `${width} px for ${target} px`);
  });
}

for (const theme of THEMES) {
  Deno.test(`the ${theme} theme is that of its snapshot`, () => {
    assertSnapshot(`theme_${theme}.json`, roundedJson(themeConfig(theme)));
  });
}

Deno.test("the default theme's colours fall apart in grey", () => {
  const { range } = themeConfig("default") as { range: Record<string, string[]> };
  const lightness = (hex: string) => {
    const [r, g, b] = [1, 3, 5].map((i) => (parseInt(hex.slice(i, i + 2), 16) / 255) ** 2.2);
    return 116 * Math.cbrt(0.2126 * r! + 0.7152 * g! + 0.0722 * b!) - 16;
  };
  const apart = (colours: readonly string[], least: number) => {
    const sorted = colours.map(lightness).sort((a, b) => a - b);
    sorted.slice(1).forEach((value, i) =>
      assert.ok(value - sorted[i]! >= least, `${sorted.map(Math.round)} of ${colours}`)
    );
  };
  apart(range["category"]!.slice(0, 2), 25);
  apart(range["ordinal"]!, 15);
});

for (const table of tables) {
  Deno.test(`${table.id} has the rows of its snapshot`, async () => {
    const { tableToMarkdown } = await import("../lib/report/table.ts");
    assertSnapshot(`${table.id}.md`, tableToMarkdown(table));
  });
}

Deno.test("a profile's notice is on every table and figure and in the picture's specification", () => {
  const notice = "mini profile: not comparable";
  const rows = paper.classSets.map(({ classes }) => ({
    experiment: "grid",
    trainingSet: "progan",
    classes,
    fraction: 1,
    backbone: "ViT-L/14",
    contrastiveWeight: 0.1,
    projectionLayers: 1,
    projectionDim: 128,
    variant: "full" as const,
    epochs: 1,
    seed: 0,
    view: "center",
    parameterCount: 1,
    valLoss: 1,
    valAcc: 1,
    test: Object.fromEntries(paper.testSets.map(({ name }) => [name, { acc: 0.9, ap: 0.95 }])),
  }));
  const report = grid.report({ ...paper, notice }, rows);
  for (const { notice: found } of [...report.tables, ...report.figures]) {
    assert.equal(found, notice);
  }
  const spec = completeSpec(report.figures[0]!, "default", { values: [] });
  assert.equal((spec["title"] as { text: string }).text, notice);
});
