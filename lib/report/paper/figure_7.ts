/**
 * Figure 7: which blocks the best heads weigh most. Paper: §5.7.
 * @module
 */
import { readRineHead } from "../../detectors/rine/head.ts";
import { bestHeads } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { bars, nominal, ordinal, percentAxis, quantitative, scoreRange } from "../marks.ts";
import { meanOf } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { classSetEncoding, classSetNames, noticeOf } from "./columns.ts";

/** A bar for each block and class set; none where no head's blocks were counted. */
export function figure7({ profile, rows }: Shown): Figure | undefined {
  const data = bestHeads(profile, rows).flatMap(({ name, rows }) => {
    const counted = rows.flatMap(({ blockImportance, head }) => {
      const { projectionDim } = readRineHead(head);
      return blockImportance ? [blockImportance.map((count) => count / projectionDim)] : [];
    });
    return (counted[0] ?? []).map((_, block): FigureRow => ({
      training: name,
      block: block + 1,
      value: meanOf(counted.map((shares) => shares[block]!)),
    }));
  });
  if (data.length === 0) return undefined;
  const trainings = [...new Set(data.map(({ training }) => training))];
  const unknown = classSetNames(profile).filter((name) => !trainings.includes(name));
  const { ticks } = scoreRange([{ value: 0 }, ...data], 0);
  return {
    id: "figure_7",
    title: "Figure 7. Importance of the Transformer blocks",
    caption: "Share of the d′ features to which a block is the most important, in the best heads " +
      `(${trainings.join(", ")}).` +
      (unknown.length > 0 ? ` Of ${unknown.join(" and ")} heads it is not known.` : "") +
      chosenRemark(profile) + seedsRemark(rows, "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: bars({ width: 600, height: 110 }, {
      x: ordinal("block", {
        title: "Transformer block",
        scale: { paddingInner: 0.25, paddingOuter: 0.15 },
      }),
      xOffset: nominal("training", { sort: classSetNames(profile) }),
      y: quantitative("value", {
        axis: { ...percentAxis("features"), values: ticks },
        scale: { domain: [0, ticks.at(-1)!], nice: false },
      }),
      color: classSetEncoding(profile, data),
    }),
  };
}
