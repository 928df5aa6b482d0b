/**
 * §5.7: which blocks the best heads weigh most.
 *
 * deno task reproduce --only importance
 *
 * Expects every block to be the most important to some feature, early ones as much as late ones:
 * Figure 7. Reads the grid's heads; nothing is run.
 * @module
 */
import type { Figure, FigureRow } from "../../lib/report/figure.ts";
import { percentAxis } from "../../lib/report/figure.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import { bestHeads, classSetEncoding, noticeOf } from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** §5.7 */
export default defineExperiment({
  name: "importance",
  section: "§5.7",
  title: "Importance of the blocks",
  dependsOn: ["grid"],
  runs: () => [],
  report(profile, rows) {
    const figure = importanceFigure(profile, rows);
    return { tables: [], figures: figure.rows.length === 0 ? [] : [figure] };
  },
});

function importanceFigure(profile: Profile, rows: readonly RunRow[]): Figure {
  const data = bestHeads(profile, rows).flatMap(({ name, rows }) => {
    const counted = rows.flatMap(({ blockImportance, projectionDim }) =>
      blockImportance === undefined ? [] : [blockImportance.map((count) => count / projectionDim)]
    );
    return (counted[0] ?? []).map((_, block): FigureRow => ({
      training: name,
      block: block + 1,
      value: counted.reduce((sum, shares) => sum + shares[block]!, 0) / counted.length,
    }));
  });
  const order = profile.classSets.map(({ name }) => name);
  return {
    id: "figure_7",
    title: "Figure 7. Importance of the Transformer blocks",
    caption:
      "Share of the d′ features to which a block is the most important, in the best heads (" +
      `${[...new Set(data.map(({ training }) => training))].join(", ")}).` +
      chosenRemark(profile) + seedsRemark(rows, "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      width: 600,
      height: 110,
      mark: "bar",
      encoding: {
        x: {
          field: "block",
          type: "ordinal",
          title: "Transformer block",
          scale: { paddingInner: 0.25, paddingOuter: 0.15 },
        },
        xOffset: { field: "training", type: "nominal", sort: order },
        y: {
          field: "value",
          type: "quantitative",
          axis: { ...percentAxis("features"), tickCount: 5 },
        },
        color: classSetEncoding(profile, data),
      },
    },
  };
}
