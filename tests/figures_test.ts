import assert from "node:assert/strict";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { runsFigure, setsFigure } from "../lib/session/explore.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import grid from "../experiments/rine/grid.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { figure1 } from "../lib/report/paper/figure_1.ts";
import { figure4 } from "../lib/report/paper/figure_4.ts";
import { figure6 } from "../lib/report/paper/figure_6.ts";
import { figure7 } from "../lib/report/paper/figure_7.ts";
import { publishedReport } from "../lib/report/paper/published.ts";
import { scoreRange } from "../lib/report/marks.ts";
import type { Figure, Spec } from "../lib/report/figure.ts";
import { figureMedia } from "../lib/report/write/media.ts";
import { tableToMarkdown } from "../lib/report/write/markdown.ts";
import { completeSpec, renderFigure } from "../lib/report/write/render.ts";
import type { RunRow } from "../lib/runs/config.ts";
import { reportOf, type Shown } from "../lib/runs/section.ts";
import { themeConfig, THEMES } from "../lib/report/theme.ts";
import { assertSnapshot, roundedJson } from "./snapshot.ts";

const sections = await publishedReport(EXPERIMENTS);
const figures = sections.flatMap(({ report }) => report.figures);
const tables = sections.flatMap(({ report }) => report.tables);

function shownOf(rows: readonly RunRow[]): Shown {
  return { profile: paper, rows, printed: [], points: [] };
}

/** A head of the grid, as good on every set. */
function rowOf(classes: readonly string[]): RunRow {
  return {
    experiment: "grid",
    detector: "rine",
    trainingSet: "progan",
    classes,
    fraction: 1,
    backbone: "ViT-L/14",
    head: { contrastiveWeight: 0.1, projectionLayers: 1, projectionDim: 128, variant: "full" },
    epochs: 1,
    seed: 0,
    view: "center",
    parameterCount: 1,
    valLoss: 1,
    valAcc: 1,
    test: Object.fromEntries(paper.testSets.map(({ name }) => [name, { acc: 0.9, ap: 0.95 }])),
  };
}

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

const PERCENT = "mean over test sets (%)";

/** Titles of the axes, layer by layer; `null` where the labels say what they are. */
const AXES: Readonly<Record<string, readonly string[]>> = {
  figure_1: ["RINE", "UFD", "Wang"].flatMap(() => ["x: t-SNE 1", "y: t-SNE 2"]),
  figure_3: ["x: backbone", `y: ${PERCENT}`, "x: contrastive weight ξ", `y: ${PERCENT}`],
  figure_4: ["x: d′ and trainable parameters", "y: mean ACC over test sets (%)"],
  figure_5: ["x: epochs", `y: ${PERCENT}`],
  figure_6: ["1-class", "2-class", "4-class"].flatMap(() =>
    ["ACC", "AP"].flatMap((measure) => ["x: null", `y: ${measure} (%)`])
  ),
  figure_7: ["x: Transformer block", "y: features (%)"],
  runs: ["x: trainable parameters", "y: mean ACC over test sets (%)"],
  sets: ["y: null", "x: ACC (%)", "y: null", "x: ACC (%)"],
};

/** Titles of a specification's axes, down to its last layer. */
function axes(spec: Spec): string[] {
  const parts: Spec[] = ["spec", "layer", "concat", "hconcat", "vconcat"]
    .flatMap((key) => (spec[key] ?? []) as Spec | readonly Spec[]);
  const encoding = (spec["encoding"] ?? {}) as Record<string, Spec>;
  const own = Object.entries(encoding).filter(([channel]) => channel === "x" || channel === "y")
    .map(([channel, { title, axis }]) =>
      `${channel}: ${(axis as Spec | undefined)?.["title"] ?? title}`
    );
  return [...own, ...parts.flatMap(axes)];
}

Deno.test("figures to look around in name their axes in every layer", () => {
  const rows = paper.classSets.map(({ classes }) => rowOf(classes));
  for (const figure of [runsFigure(paper, rows), setsFigure(paper, rows)]) {
    assert.deepEqual(axes(figure.spec), AXES[figure.id]);
  }
});

Deno.test("runs of one training are told apart by what they differ in; ticks are labelled ones", () => {
  const rows = [.1, .2].map((contrastiveWeight, i) => {
    const row = rowOf(paper.classSets[0]!.classes);
    return { ...row, parameterCount: [900, 2e5][i]!, head: { ...row.head, contrastiveWeight } };
  });
  const encoding = (runsFigure(paper, rows).spec["encoding"]) as Record<
    "color" | "shape" | "x",
    { field: string; legend: Spec; axis: Spec }
  >;
  assert.equal(encoding.color.field, "ξ");
  assert.deepEqual(encoding.shape.legend, { values: ["ViT-L/14"] }, "none that is not there");
  assert.deepEqual(encoding.x.axis["values"], [
    ...[1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000],
  ]);
  const others = paper.classSets.map(({ classes }) => rowOf(classes));
  const { color } = runsFigure(paper, others).spec["encoding"] as typeof encoding;
  assert.equal(color.field, "training");
});

Deno.test("a class set has the same colour in every figure, alone or among others", () => {
  const rowsOf = (names: readonly string[]) =>
    paper.classSets.filter(({ name }) => names.includes(name)).map(({ classes }) => ({
      ...rowOf(classes),
      blockImportance: [128],
    }));
  for (const names of [["2-class"], ["1-class", "2-class", "4-class"]]) {
    const rows = rowsOf(names);
    const shown = [figure7(shownOf(rows))!, runsFigure(paper, rows)];
    for (const { spec } of shown) {
      const { color } = spec["encoding"] as { color: { scale: Spec; legend: Spec } };
      assert.deepEqual(color.scale, { domain: ["1-class", "2-class", "4-class"] });
      assert.deepEqual(color.legend, { values: names });
    }
  }
});

Deno.test("Figure 4 writes all counts in the unit of the largest and with the decimals of the smallest", () => {
  const sizes = (counts: readonly number[]) => {
    const rows = counts.map((parameterCount) => ({
      ...rowOf(paper.classSets[0]!.classes),
      parameterCount,
    }));
    return figure4(shownOf(rows)).rows.map(({ size }) => String(size).split("\n")[1]);
  };
  assert.deepEqual(sizes([180_224, 1_330_000, 10_521_600]), ["0.18 M", "1.33 M", "10.52 M"]);
  assert.deepEqual(sizes([840, 3_020, 99_960, 165_700]), [
    "0.84 k",
    "3.02 k",
    "99.96 k",
    "165.70 k",
  ]);
});

Deno.test("Figure 6 says where its axis begins, and where chance is", () => {
  const shownWith = (acc: number) => {
    const rows = [{
      ...rowOf(paper.classSets[0]!.classes),
      experiment: "dataset_size",
      test: Object.fromEntries(paper.testSets.map(({ name }) => [name, { acc, ap: .9 }])),
    }];
    const { spec, caption } = figure6({
      ...shownOf(rows),
      profile: { ...paper, fractions: [1] },
    });
    const [{ layer }] = spec["vconcat"] as [{ layer: readonly Spec[] }];
    const { y } = layer.at(-1)!["encoding"] as { y: { scale: Spec; axis: Spec } };
    return { domain: y.scale["domain"], ticks: y.axis["values"], layers: layer.length, caption };
  };
  const above = shownWith(.62);
  assert.deepEqual(above.domain, [.6, 1.02]);
  assert.deepEqual(above.ticks, [.6, .7, .8, .9, 1]);
  assert.equal(above.layers, 1);
  assert.match(above.caption, /The axis begins at 60 %, chance is 50 %\./);
  const below = shownWith(.41);
  assert.deepEqual([below.domain, below.ticks], [[.4, 1.02], [.4, .6, .8, 1]]);
  assert.equal(below.layers, 2, "a line at chance");
  assert.match(below.caption, /The broken line at 50 % is chance\./);
});

Deno.test("Figure 1 has the same unit in both directions", () => {
  const points = [[0, 10], [4, 10.5], [2, 11]].map(([x, y], i) => ({
    ...{ detector: "RINE", x: x!, y: y!, label: i % 2 as 0 | 1, generator: "progan" },
  }));
  const { spec } = figure1({ ...shownOf([]), points })!;
  const [{ width, height, encoding }] = spec["hconcat"] as [{
    width: number;
    height: number;
    encoding: Record<"x" | "y", { scale: { domain: [number, number] } }>;
  }];
  const [x, y] = [encoding.x, encoding.y].map(({ scale: { domain: [from, to] } }) => to - from);
  assert.equal(width, height);
  assert(Math.abs(x! - y!) < 1e-9 && x! > 4, `${x} and ${y}`);
  const [low, high] = encoding.y.scale.domain;
  assert(Math.abs((low + high) / 2 - 10.5) < 1e-9, "the narrower direction stands in the middle");
});

Deno.test("captions of boxes say how many heads each holds, and which are only lines", () => {
  const rows = [.1, .2, .4, .8].map((xi) => {
    const row = rowOf(paper.classSets[0]!.classes);
    return { ...row, head: { ...row.head, contrastiveWeight: xi } };
  });
  const { caption } = figure4(shownOf(rows));
  assert.match(
    caption,
    /4 heads a box\. A box that is a line alone: most of its heads came to the same\./,
  );
  const published = figures.find(({ id }) => id === "figure_4")!;
  assert.match(published.caption, /12 heads a box\.$/);
  assert.match(
    figures.find(({ id }) => id === "figure_3")!.caption,
    /48 heads a box above, 12 heads a box below\.$/,
  );
});

for (const figure of figures) {
  Deno.test(`${figure.id} has the specification and the rows of its snapshot`, () => {
    assertSnapshot(`${figure.id}.json`, roundedJson(summary(figure)));
  });

  Deno.test(`${figure.id} names its axes and is drawn without warning about as wide as its columns`, async () => {
    assert.deepEqual(axes(figure.spec), AXES[figure.id]);
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

/** What a dark page brings along: vega-embed's theme `dark`, with all text white that may be. */
const DARK = {
  background: "#333",
  view: { stroke: "#888" },
  title: { color: "#fff", subtitleColor: "#fff" },
  style: {
    "guide-label": { fill: "#fff" },
    "guide-title": { fill: "#fff" },
    "group-title": { fill: "#fff" },
    "group-subtitle": { fill: "#fff" },
  },
  axis: { domainColor: "#fff", gridColor: "#888", tickColor: "#fff" },
  legend: { labelColor: "#fff", titleColor: "#fff" },
  header: { labelColor: "#fff", titleColor: "#fff" },
};

Deno.test("a dark page that shows a figure as vega-lite or as Vega does not recolour it", async () => {
  const draw = async (spec: vega.Spec, config?: vega.Config) => {
    const view = new vega.View(vega.parse(spec, config), { renderer: "none" });
    const svg = await view.toSVG();
    view.finalize();
    return svg.replace(/clip\d+/g, "clip"); // numbered through the process
  };
  for (const figure of figures) {
    const rows = figure.rows.filter((_, i) => i % Math.ceil(figure.rows.length / 300) === 0);
    const noticed = { ...figure, rows, notice: "in red" };
    const spec = completeSpec(noticed, "default", { values: rows }) as unknown as TopLevelSpec;
    const ours = await draw(compile(spec).spec);
    assert.equal(await draw(compile(spec).spec, DARK), ours, `${figure.id} as Vega`);
    assert.equal(
      await draw(compile(spec, { config: DARK }).spec),
      ours,
      `${figure.id} as vega-lite`,
    );
    assert.ok(!/fill="#fff"/i.test(ours), "there is white ink");
  }
});

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
  Deno.test(`${table.id} has the rows of its snapshot`, () => {
    assertSnapshot(`${table.id}.md`, tableToMarkdown(table));
  });
}

Deno.test("a profile's notice is on every table and figure and in the picture's specification", () => {
  const notice = "mini profile: not comparable";
  const rows = paper.classSets.map(({ classes }) => rowOf(classes));
  const report = reportOf(grid, { ...shownOf(rows), profile: { ...paper, notice } });
  for (const { notice: found } of [...report.tables, ...report.figures]) {
    assert.equal(found, notice);
  }
  const spec = completeSpec(report.figures[0]!, "default", { values: [] });
  assert.equal((spec["title"] as { text: string }).text, notice);
});

Deno.test("an axis of scores begins and ends with a tick, and leaves room for the marks", () => {
  const range = (values: readonly number[], least?: number) =>
    scoreRange(values.map((value) => ({ value })), least);
  assert.deepEqual(range([.62, .8]).domain, [.6, .85]);
  assert.deepEqual(range([.62, .8]).ticks, [.6, .65, .7, .75, .8, .85]);
  assert.deepEqual(range([.6, .79]).domain, [.55, .8]);
  assert.deepEqual(range([0, 1]), { domain: [0, 1], ticks: [0, .2, .4, .6, .8, 1] });
  assert.deepEqual(range([.36, .93]).ticks, [.3, .4, .5, .6, .7, .8, .9, 1]);
  // small differences do not look large, unless that is wanted
  assert.deepEqual(range([.991, .992]).domain, [.8, 1]);
  assert.deepEqual(range([0, .061], 0).ticks, [0, .01, .02, .03, .04, .05, .06, .07]);
});

Deno.test("a figure is as wide as one column of a page, or as two", async () => {
  const spec = { mark: "point", encoding: { x: { field: "value", type: "quantitative" } } };
  const rows = [{ value: 1 }, { value: 2 }];
  for (const [columns, mm, px] of [[1, 84, 992], [2, 174, 2055]] as const) {
    const { svg, png } = await renderFigure({
      id: "x",
      title: "X",
      caption: "",
      columns,
      spec,
      rows,
    });
    assert.match(svg, new RegExp(`^<svg width="${mm}mm"`));
    // at 300 dots per inch
    assert.equal(new DataView(png.buffer, png.byteOffset).getUint32(16), px);
  }
});

Deno.test("figures of one name in a page have ids of their own, whichever kernel drew them", async () => {
  // vega counts its clip paths from the start of the process
  const prefixOf = async (value: number) => {
    const encoding = { x: { field: "value", type: "quantitative" } };
    const spec = { mark: { type: "point", clip: true }, encoding };
    const figure: Figure = {
      id: "x",
      title: "X",
      caption: "",
      columns: 1,
      spec,
      rows: [{ value }],
    };
    const [{ "image/svg+xml": svg } = {}] = await figureMedia(figure, "default");
    const [, prefix] = /\bid="(x-[0-9a-f]{8}-)/.exec(String(svg)) ?? [];
    assert.match(
      String(svg),
      new RegExp(
        ` aria-labelledby="${prefix}x-title ${prefix}x-description"><title id="${prefix}x-title">`,
      ),
    );
    return prefix;
  };
  const [one, again, other] = [await prefixOf(1), await prefixOf(1), await prefixOf(2)];
  assert.ok(one !== undefined && other !== undefined);
  assert.equal(again, one);
  assert.notEqual(other, one);
});
