/**
 * Figure 3: ACC and AP of the grid by backbone, and by contrastive weight. Paper: §5.3.
 * @module
 */
import { readRineHead } from "../../detectors/rine/head.ts";
import { classSetName } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { meanScore } from "../../runs/select.ts";
import type { Figure, FigureRow, Spec } from "../figure.ts";
import { boxes, having, nominal, ordinal, panels, scores } from "../marks.ts";
import { BOX_OPACITY } from "../theme.ts";
import { headsABox, seedsRemark } from "./captions.ts";
import { classSetNames, MEASURE_ENCODING, MEASURES, noticeOf } from "./columns.ts";

/** All runs above; those of the deepest backbone below. */
export function figure3({ profile, rows }: Shown): Figure {
  const deepest = profile.backbones[0]!;
  const own = rows.filter(({ experiment }) => experiment === "grid");
  const data = own.flatMap((row) => {
    const { contrastiveWeight, projectionLayers, projectionDim } = readRineHead(row.head);
    return MEASURES.map((measure): FigureRow => ({
      training: classSetName(profile, row.classes),
      backbone: row.backbone,
      xi: contrastiveWeight,
      q: projectionLayers,
      dim: projectionDim,
      seed: row.seed,
      measure: measure.toUpperCase(),
      value: meanScore(row, measure),
    }));
  });
  const sort = classSetNames(profile);
  const rowOf = (x: Spec, column: Spec): Spec =>
    panels(
      "training",
      column,
      { axis: { x: "independent" } },
      boxes({ width: 190, height: 150 }, 14, {
        x: { ...x, scale: { paddingInner: 0.35, paddingOuter: 0.25 } },
        xOffset: { ...MEASURE_ENCODING, scale: { ...MEASURE_ENCODING.scale, paddingInner: 0.2 } },
        y: scores("mean over test sets", data),
        color: { ...MEASURE_ENCODING, legend: { symbolOpacity: BOX_OPACITY } },
      }),
    );
  return {
    id: "figure_3",
    title: "Figure 3. ACC and AP by backbone and by ξ",
    caption: "Above, all runs of the grid by backbone; below, those of the deepest backbone " +
      `(${deepest}) by contrastive weight ξ. Boxes span the quartiles, whiskers 1.5 times as far; ` +
      `${headsABox(data, ["training", "backbone"])} above, ` +
      `${
        headsABox(data.filter(({ backbone }) => backbone === deepest), ["training", "xi"])
      } below.` +
      seedsRemark(own, "each"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 8,
      vconcat: [
        {
          transform: [],
          ...rowOf(
            nominal("backbone", { sort: profile.backbones, title: "backbone" }),
            { sort },
          ),
        },
        {
          transform: [{ filter: having("backbone", deepest) }],
          ...rowOf(
            ordinal("xi", { title: "contrastive weight ξ" }),
            { sort, header: { labels: false } },
          ),
        },
      ],
    },
  };
}
