/**
 * Figure 6: the best heads, trained on a share of the images, test set by test set. Paper: §5.5.
 * @module
 */
import { byClassSet } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { meanIfAny } from "../../runs/select.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { clippedBars, having, nominal, ordinal, percentAxis, quantitative } from "../marks.ts";
import { meanOf } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf } from "./columns.ts";

/** A row of bars for each class set and measure. */
export function figure6({ profile, rows }: Shown): Figure {
  const percent = (fraction: number) => `${Math.round(100 * fraction)} %`;
  const sets = profile.testSets.map(({ name, title, fullTitle = title }) => ({ name, fullTitle }));
  const heads = byClassSet(profile, rows, "dataset_size");
  const data = heads.flatMap(({ name, rows }) =>
    MEASURES.flatMap((measure) =>
      sets.flatMap((set) =>
        profile.fractions.flatMap((fraction): FigureRow[] => {
          const values = rows.filter((row) => row.fraction === fraction)
            .flatMap((row) => meanIfAny(row, measure, [set.name]) ?? []);
          // sets of one kind have no AP
          if (values.length === 0) return [];
          return [{
            training: name,
            measure: measure.toUpperCase(),
            set: set.fullTitle,
            fraction: percent(fraction),
            value: meanOf(values),
          }];
        })
      )
    )
  );
  const lowest = Math.min(0.45, ...data.map(({ value }) => Number(value) - 0.02));
  const sort = profile.fractions.map(percent);
  const panels = heads.flatMap(({ name }) =>
    MEASURES.map((measure) => ({ training: name, measure: measure.toUpperCase() }))
  );
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
      vconcat: panels.map(({ training, measure }, i) => {
        const own = { and: [having("training", training), having("measure", measure)] };
        return clippedBars({ width: 600, height: 74, transform: [{ filter: own }] }, {
          x: nominal("set", {
            sort: sets.map(({ fullTitle }) => fullTitle),
            title: null,
            axis: i === panels.length - 1 ? { labelAngle: -40 } : { labels: false },
            scale: { paddingInner: 0.25, paddingOuter: 0.15 },
          }),
          xOffset: ordinal("fraction", { sort }),
          y: quantitative("value", {
            axis: { ...percentAxis(`${training} ${measure}`), tickCount: 4 },
            scale: { domain: [Math.floor(lowest * 20) / 20, 1], nice: false },
          }),
          color: ordinal("fraction", { sort, title: "training images" }),
        });
      }),
    },
  };
}
