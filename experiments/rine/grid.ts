/**
 * §5.3: every combination of backbone, training classes, ξ, q and d′.
 *
 * deno task reproduce --only grid
 *
 * Expects the larger backbone well above the smaller one, little difference between values of ξ, and
 * more parameters not to help: Table 1, Figures 3 and 4. 288 heads on cached tokens: a few minutes in
 * the mini profile on 2 cores, hours in the paper profile.
 * @module
 */
import {
  type Figure,
  type FigureRow,
  percentAxis,
  scoreScale,
  type Spec,
} from "../../lib/report/figure.ts";
import { type Column, percentColumn, spread, type Table } from "../../lib/report/table.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import { bestConfiguration, meanScore, SELECTIONS } from "../../lib/runs/select.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import {
  averagedNames,
  classSetName,
  MEASURE_ENCODING,
  noticeOf,
  testSetNames,
  trainingConfig,
} from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { seedsRemark } from "../../lib/report/paper/captions.ts";

/** §5.3 */
export default defineExperiment({
  name: "grid",
  section: "§5.3",
  title: "Backbone, contrastive weight and size of the head",
  dependsOn: [],
  runs(profile, seeds) {
    const { contrastiveWeights, projectionLayers, projectionDims } = profile.grid;
    const choices = profile.backbones.flatMap((backbone) =>
      profile.classSets.flatMap(({ classes }) =>
        contrastiveWeights.flatMap((contrastiveWeight) =>
          projectionLayers.flatMap((layers) =>
            projectionDims.map((projectionDim) => ({
              trainingSet: profile.trainedOn.main.name,
              classes,
              fraction: 1,
              backbone,
              contrastiveWeight,
              projectionLayers: layers,
              projectionDim,
              variant: "full" as const,
              epochs: 1,
              decayEpochs: [],
            }))
          )
        )
      )
    );
    const evaluation = { testSets: testSetNames(profile), view: "center", atEpochs: [1] };
    return seeds.flatMap((seed) =>
      choices.map((choice) => ({ training: trainingConfig(profile, choice, seed), evaluation }))
    );
  },
  report(profile, rows) {
    const own = rows.filter(({ experiment }) => experiment === "grid");
    return {
      tables: [bestTable(profile, own)],
      figures: [backboneFigure(profile, own), sizeFigure(profile, own)],
    };
  },
});

function bestTable(profile: Profile, rows: readonly RunRow[]): Table {
  const chosen = profile.classSets.flatMap(({ name, classes }) => {
    const own = rows.filter((row) => row.classes.join() === classes.join());
    if (own.length === 0) return [];
    return SELECTIONS.map((by) => {
      const best = bestConfiguration(own, by);
      const [first] = best;
      const seconds = best.flatMap(({ trainingSeconds }) => trainingSeconds ?? []);
      return {
        classes: name,
        selection: by === "test" ? "test sets" : "validation",
        backbone: first.backbone,
        xi: first.contrastiveWeight,
        q: first.projectionLayers,
        dim: first.projectionDim,
        parameters: first.parameterCount,
        time: spread(seconds),
        acc: spread(best.map((row) => meanScore(row, "acc"))),
        ap: spread(best.map((row) => meanScore(row, "ap"))),
      };
    });
  });
  const columns: Column[] = [
    { key: "classes", name: "training" },
    { key: "selection", name: "chosen by" },
    { key: "backbone", name: "backbone" },
    { key: "xi", name: "ξ" },
    { key: "q", name: "q" },
    { key: "dim", name: "d′" },
    { key: "parameters", name: "parameters", unit: "thousand", scale: 1e-3, digits: 1 },
    { key: "time", name: "training time", unit: "s", digits: 1 },
    percentColumn("acc", "ACC"),
    percentColumn("ap", "AP"),
  ];
  return {
    id: "table_1",
    title: "Table 1. Best configuration by training classes",
    caption:
      "Of all backbones, ξ, q and d′, the configuration with the highest mean ACC + mean AP " +
      `over the ${
        averagedNames(profile.testSets).length
      } test sets, as in the paper, and the one with the highest ` +
      "validation accuracy, which has seen no test image. Training time is on cached tokens." +
      seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["classes", "selection"],
    columns,
    rows: chosen,
  };
}

function backboneFigure(profile: Profile, rows: readonly RunRow[]): Figure {
  const deepest = profile.backbones[0]!;
  const data = rows.flatMap((row) =>
    (["acc", "ap"] as const).map((measure): FigureRow => ({
      training: classSetName(profile, row.classes),
      backbone: row.backbone,
      xi: row.contrastiveWeight,
      q: row.projectionLayers,
      dim: row.projectionDim,
      seed: row.seed,
      measure: measure.toUpperCase(),
      value: meanScore(row, measure),
    }))
  );
  const panels = (x: Spec, shown: readonly FigureRow[], transform: unknown[], header: boolean) => ({
    transform,
    facet: {
      column: {
        field: "training",
        type: "nominal",
        title: null,
        sort: profile.classSets.map(({ name }) => name),
        ...(header ? {} : { header: { labels: false } }),
      },
    },
    resolve: { axis: { x: "independent" } },
    spec: {
      width: 190,
      height: 130,
      mark: { type: "boxplot", extent: 1.5, size: 14 },
      encoding: {
        x: { ...x, scale: { paddingInner: 0.35, paddingOuter: 0.25 } },
        xOffset: { ...MEASURE_ENCODING, scale: { ...MEASURE_ENCODING.scale, paddingInner: 0.2 } },
        y: {
          field: "value",
          type: "quantitative",
          axis: percentAxis("mean over test sets"),
          scale: scoreScale(shown),
        },
        color: { ...MEASURE_ENCODING, legend: { orient: "top", direction: "horizontal" } },
      },
    },
  });
  return {
    id: "figure_3",
    title: "Figure 3. ACC and AP by backbone and by ξ",
    caption: "Above, all runs of the grid by backbone; below, those of the deepest backbone " +
      `(${deepest}) by contrastive weight ξ. Boxes span the quartiles, whiskers 1.5 times as far.` +
      seedsRemark(rows, "each"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 8,
      vconcat: [
        panels(
          { field: "backbone", type: "nominal", sort: profile.backbones, title: "backbone" },
          data,
          [],
          true,
        ),
        panels(
          { field: "xi", type: "ordinal", title: "contrastive weight ξ" },
          data.filter(({ backbone }) => backbone === deepest),
          [{ filter: { field: "backbone", equal: deepest } }],
          false,
        ),
      ],
    },
  };
}

function sizeFigure(profile: Profile, rows: readonly RunRow[]): Figure {
  const deepest = profile.backbones[0]!;
  const own = rows.filter(({ backbone }) => backbone === deepest);
  const shown = countFormat(own.map(({ parameterCount }) => parameterCount));
  const data = own.map((row): FigureRow => ({
    training: classSetName(profile, row.classes),
    xi: row.contrastiveWeight,
    layers: `q = ${row.projectionLayers}`,
    dim: row.projectionDim,
    seed: row.seed,
    parameters: row.parameterCount,
    size: `${row.projectionDim}\n${shown(row.parameterCount)}`,
    value: meanScore(row, "acc"),
  }));
  const sizes = [...data].sort((a, b) => Number(a["dim"]) - Number(b["dim"]))
    .map(({ size }) => size!);
  return {
    id: "figure_4",
    title: "Figure 4. ACC by q and d′",
    caption:
      `All runs of the grid with the deepest backbone (${deepest}); under each d′ the number ` +
      "of trainable parameters. Boxes span the quartiles, whiskers 1.5 times as far." +
      seedsRemark(rows, "each"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 8,
      facet: {
        column: {
          field: "layers",
          type: "nominal",
          title: null,
        },
      },
      resolve: { scale: { x: "independent" } },
      spec: {
        width: 198,
        height: 140,
        mark: { type: "boxplot", extent: 1.5, size: 20 },
        encoding: {
          x: {
            field: "size",
            type: "nominal",
            sort: [...new Set(sizes)],
            title: "d′ and trainable parameters",
            axis: { labelExpr: "split(datum.label, '\\n')", labelLineHeight: 11 },
          },
          y: {
            field: "value",
            type: "quantitative",
            axis: percentAxis("mean ACC over test sets"),
            scale: scoreScale(data),
          },
          color: { field: "layers", type: "ordinal", legend: null },
        },
      },
    },
  };
}

/** How counts are written in two or three digits, all in the unit of the largest: `0.18 M`, `10.5 M`. */
function countFormat(counts: readonly number[]): (count: number) => string {
  const [scale, unit] = Math.max(...counts) >= 1e6 ? [1e6, "M"] : [1e3, "k"];
  return (count) => {
    const scaled = count / scale;
    return `${scaled >= 100 ? Math.round(scaled) : scaled.toPrecision(scaled < 1 ? 2 : 3)} ${unit}`;
  };
}
