/**
 * Figure 6: the best heads, trained on a share of the images, test set by test set. Paper: §5.5.
 * @module
 */
import { byClassSet } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { meanIfAny } from "../../runs/select.ts";
import type { Figure, FigureRow } from "../figure.ts";
import {
  having,
  nominal,
  ordinal,
  percentAxis,
  points,
  quantitative,
  scoreRange,
} from "../marks.ts";
import { meanOf } from "../table.ts";
import { TITLE_INK } from "../theme.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf } from "./columns.ts";

/** Steps of the axis, for whose labels a low panel has room. */
const MOST_STEPS = 5;

/** A row of marks for each class set and measure. */
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
  const { domain, ticks } = scoreRange(data, 0.2, MOST_STEPS);
  const sort = profile.fractions.map(percent);
  const panels = heads.flatMap(({ name }) =>
    MEASURES.map((measure) => ({ training: name, measure: measure.toUpperCase() }))
  );
  return {
    id: "figure_6",
    title: "Figure 6. ACC and AP by share of the training images",
    caption:
      "The best heads, trained on a share of the images: a mark for each share, in its order from left " +
      "to right. " +
      (domain[0] < 0.5
        ? "The broken line at 50 % is chance."
        : `The axis begins at ${percent(domain[0])}, chance is 50 %.`) +
      chosenRemark(profile) + seedsRemark(rows, "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 6,
      vconcat: panels.map(({ training, measure }, i) => {
        const own = { and: [having("training", training), having("measure", measure)] };
        const y = quantitative("value", {
          axis: { ...percentAxis(measure), values: ticks },
          // some room over the last tick, where many marks lie
          scale: { domain: [domain[0], domain[1] + 0.02], nice: false, zero: false },
        });
        const sharesOf = points({}, { filled: true, size: 22, opacity: 1 }, {
          x: nominal("set", {
            sort: sets.map(({ fullTitle }) => fullTitle),
            title: null,
            axis: {
              grid: true,
              ...(i === panels.length - 1 ? { labelAngle: -40 } : { labels: false }),
            },
            scale: { paddingInner: 0.25, paddingOuter: 0.15 },
          }),
          xOffset: ordinal("fraction", { sort }),
          y,
          color: ordinal("fraction", { sort, title: "training images" }),
          shape: nominal("fraction", {
            sort,
            title: "training images",
            scale: { domain: sort, range: ["circle", "square", "diamond", "triangle-up"] },
          }),
        });
        const chance = {
          mark: { type: "rule", stroke: "#777", strokeDash: [3, 2], strokeWidth: 0.8 },
          encoding: { y: { datum: 0.5, type: "quantitative" } },
        };
        return {
          ...{ width: 600, height: 74, transform: [{ filter: own }] },
          title: { text: `${training}, ${measure}`, offset: 2, color: TITLE_INK },
          layer: domain[0] < 0.5 ? [chance, sharesOf] : [sharesOf],
        };
      }),
    },
  };
}
