/**
 * §5.5: the best heads, trained on a share of the images.
 *
 * deno task reproduce --only dataset_size
 *
 * Expects little loss down to a fifth of the images: Figure 6. Nine heads on cached tokens, beside
 * those that the grid has trained on all images: seconds in the mini profile.
 * @module
 */
import { type Figure, type FigureRow, percentAxis } from "../../lib/report/figure.ts";
import { type Column, percentColumn, spread, type Table } from "../../lib/report/table.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import { meanScore } from "../../lib/runs/select.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import {
  bestHeads,
  byClassSet,
  noticeOf,
  retrained,
  testSetNames,
} from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** §5.5 */
export default defineExperiment({
  name: "dataset_size",
  section: "§5.5",
  title: "Number of training images",
  dependsOn: ["grid"],
  runs(profile, _seeds, rows) {
    const evaluation = { testSets: testSetNames(profile), view: "center", atEpochs: [1] };
    return bestHeads(profile, rows).flatMap((heads) =>
      profile.fractions.flatMap((fraction) =>
        heads.rows.map((row) => ({ training: retrained(profile, row, { fraction }), evaluation }))
      )
    );
  },
  report(profile, rows) {
    return { tables: [sizeTable(profile, rows)], figures: [sizeFigure(profile, rows)] };
  },
});

function sizeTable(profile: Profile, rows: readonly RunRow[]): Table {
  const columns: Column[] = [
    { key: "training", name: "training" },
    { key: "fraction", name: "images", unit: "%", scale: 100, digits: 0 },
    percentColumn("acc", "ACC"),
    percentColumn("ap", "AP"),
  ];
  const cells = byClassSet(profile, rows, "dataset_size").flatMap(({ name, rows }) =>
    profile.fractions.map((fraction) => {
      const own = rows.filter((row) => row.fraction === fraction);
      return {
        training: name,
        fraction,
        acc: spread(own.map((row) => meanScore(row, "acc"))),
        ap: spread(own.map((row) => meanScore(row, "ap"))),
      };
    })
  );
  return {
    id: "dataset_size",
    title: "Share of the training images",
    caption: "Mean over the test sets of the best heads, trained on a share of the images (§5.5)." +
      chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["training", "fraction"],
    rankWithin: "training",
    columns,
    rows: cells,
  };
}

function sizeFigure(profile: Profile, rows: readonly RunRow[]): Figure {
  const percent = (fraction: number) => `${Math.round(100 * fraction)} %`;
  const data = byClassSet(profile, rows, "dataset_size").flatMap(({ name, rows }) =>
    (["acc", "ap"] as const).flatMap((measure) =>
      profile.testSets.flatMap((set) =>
        profile.fractions.map((fraction): FigureRow => {
          const values = rows.filter((row) => row.fraction === fraction)
            .map((row) => meanScore(row, measure, [set.name]));
          return {
            training: name,
            measure: measure.toUpperCase(),
            set: fullTitle(profile, set.name),
            fraction: percent(fraction),
            value: values.reduce((sum, value) => sum + value, 0) / values.length,
          };
        })
      )
    )
  );
  const lowest = Math.min(0.45, ...data.map(({ value }) => Number(value) - 0.02));
  const panels = byClassSet(profile, rows, "dataset_size").flatMap(({ name }) => [
    { training: name, measure: "ACC" },
    { training: name, measure: "AP" },
  ]);
  return {
    id: "figure_6",
    title: "Figure 6. ACC and AP by share of the training images",
    caption:
      "The best heads, trained on a share of the images. The axis begins below chance (50 %)." +
      chosenRemark(profile) + seedsRemark(rows, "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 6,
      vconcat: panels.map(({ training, measure }, i) => ({
        width: 600,
        height: 74,
        transform: [{
          filter: {
            and: [
              { field: "training", equal: training },
              { field: "measure", equal: measure },
            ],
          },
        }],
        mark: { type: "bar", clip: true },
        encoding: {
          x: {
            field: "set",
            type: "nominal",
            sort: profile.testSets.map(({ name }) => fullTitle(profile, name)),
            title: null,
            axis: i === panels.length - 1 ? { labelAngle: -40 } : { labels: false },
            scale: { paddingInner: 0.25, paddingOuter: 0.15 },
          },
          xOffset: { field: "fraction", type: "ordinal", sort: profile.fractions.map(percent) },
          y: {
            field: "value",
            type: "quantitative",
            axis: { ...percentAxis(`${training} ${measure}`), tickCount: 4 },
            scale: { domain: [Math.floor(lowest * 20) / 20, 1], nice: false },
          },
          color: {
            field: "fraction",
            type: "ordinal",
            sort: profile.fractions.map(percent),
            title: "training images",
          },
        },
      })),
    },
  };
}

/** A set's title, with its family where the title alone does not say what it is. */
function fullTitle(profile: Profile, name: string): string {
  const { title, family } = profile.testSets.find((set) => set.name === name)!;
  if (/^\d/.test(title)) return `${family === "Latent diffusion" ? "LDM" : family} ${title}`;
  return title;
}
