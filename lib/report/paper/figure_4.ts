/**
 * Figure 4: ACC of the grid by number of projection layers and by their width. Paper: §5.3.
 * @module
 */
import { readRineHead } from "../../detectors/rine/head.ts";
import { classSetName } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { meanScore } from "../../runs/select.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { boxes, nominal, panels, scores } from "../marks.ts";
import { headsABox, seedsRemark } from "./captions.ts";
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
      "of trainable parameters. Boxes span the quartiles, whiskers 1.5 times as far; " +
      `${headsABox(data, ["layers", "dim"])}.` + flatRemark(data) +
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
        }),
      ),
    },
  };
}

/** For captions: that some boxes have no height, because most of their heads came to the same. */
function flatRemark(rows: readonly FigureRow[]): string {
  const boxes = [...Map.groupBy(rows, ({ layers, dim }) => `${layers} ${dim}`).values()];
  const isFlat = (box: readonly FigureRow[]) => {
    const values = box.map(({ value }) => Number(value)).sort((a, b) => a - b);
    const at = (share: number) => values[Math.round(share * (values.length - 1))]!;
    return box.length > 2 && at(.75) - at(.25) < 1e-9;
  };
  return boxes.some(isFlat)
    ? " A box that is a line alone: most of its heads came to the same."
    : "";
}

/**
 * How counts are written, all in the unit of the largest and with as many decimals as the smallest needs:
 * `0.18 M`, `10.52 M`.
 */
function countFormat(counts: readonly number[]): (count: number) => string {
  const [scale, unit] = Math.max(...counts) >= 1e6 ? [1e6, "M"] : [1e3, "k"];
  const decimals = 1 - Math.floor(Math.log10(Math.min(...counts) / scale));
  return (count) => `${(count / scale).toFixed(Math.min(2, Math.max(0, decimals)))} ${unit}`;
}
