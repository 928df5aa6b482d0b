/**
 * Figure 4: ACC of the grid by number of projection layers and by their width. Paper: §5.3.
 * @module
 */
import { readRineHead } from "../../detectors/rine/head.ts";
import { classSetName } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { meanScore } from "../../runs/select.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { boxes, nominal, ordinal, panels, scores } from "../marks.ts";
import { seedsRemark } from "./captions.ts";
import { noticeOf } from "./columns.ts";

/** All runs of the deepest backbone. */
export function figure4({ profile, rows }: Shown): Figure {
  const deepest = profile.backbones[0]!;
  const grid = rows.filter(({ experiment }) => experiment === "grid");
  const own = grid.filter(({ backbone }) => backbone === deepest);
  const shown = countFormat(own.map(({ parameterCount }) => parameterCount));
  const data = own.map((row): FigureRow => {
    const { contrastiveWeight, projectionLayers, projectionDim } = readRineHead(row.head);
    return {
      training: classSetName(profile, row.classes),
      xi: contrastiveWeight,
      layers: `q = ${projectionLayers}`,
      dim: projectionDim,
      seed: row.seed,
      parameters: row.parameterCount,
      size: `${projectionDim}\n${shown(row.parameterCount)}`,
      value: meanScore(row, "acc"),
    };
  });
  const sizes = [...data].sort((a, b) => Number(a["dim"]) - Number(b["dim"]))
    .map(({ size }) => size!);
  return {
    id: "figure_4",
    title: "Figure 4. ACC by q and d′",
    caption:
      `All runs of the grid with the deepest backbone (${deepest}); under each d′ the number ` +
      "of trainable parameters. Boxes span the quartiles, whiskers 1.5 times as far." +
      seedsRemark(grid, "each"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 8,
      ...panels(
        "layers",
        {},
        { scale: { x: "independent" } },
        boxes({ width: 198, height: 140 }, 20, {
          x: nominal("size", {
            sort: [...new Set(sizes)],
            title: "d′ and trainable parameters",
            axis: { labelExpr: "split(datum.label, '\\n')", labelLineHeight: 11 },
          }),
          y: scores("mean ACC over test sets", data),
          color: ordinal("layers", { legend: null }),
        }),
      ),
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
