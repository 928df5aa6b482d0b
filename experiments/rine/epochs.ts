/**
 * §5.4: the three best heads of each class set, trained for longer.
 *
 * deno task reproduce --only epochs
 *
 * Expects no gain from more than one epoch: Figure 5. Nine heads of 15 epochs, whose images are
 * augmented anew in every epoch: the longest section, minutes in the mini profile.
 * @module
 */
import { type Figure, type FigureRow, percentAxis, scoreScale } from "../../lib/report/figure.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import {
  type Configuration,
  configurations,
  meanScore,
  rankConfigurations,
} from "../../lib/runs/select.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import {
  byClassSet,
  classSetName,
  MEASURE_ENCODING,
  noticeOf,
  retrained,
  testSetNames,
} from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** Configurations trained for longer, of each class set. */
const BEST = 3;

/** Area of the legends' symbols: large enough to tell dashes from a line, the same for both rows. */
const LEGEND_PX2 = 150;

/** §5.4 */
export default defineExperiment({
  name: "epochs",
  section: "§5.4",
  title: "Training for longer",
  dependsOn: ["grid"],
  runs(profile, _seeds, rows) {
    const { atEpochs, decayEpochs } = profile.epochs;
    const evaluation = { testSets: testSetNames(profile), view: "center", atEpochs };
    const epochs = Math.max(...atEpochs);
    return topConfigurations(profile, rows).flat().map((row) => ({
      training: retrained(profile, row, { epochs, decayEpochs }),
      evaluation,
    }));
  },
  report(profile, rows) {
    return { tables: [], figures: [epochsFigure(profile, rows)] };
  },
});

function topConfigurations(profile: Profile, rows: readonly RunRow[]): Configuration[] {
  return byClassSet(profile, rows, "grid").flatMap((heads) =>
    rankConfigurations(heads.rows, profile.selection ?? "test").slice(0, BEST)
  );
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function epochsFigure(profile: Profile, rows: readonly RunRow[]): Figure {
  const longer = rows.filter(({ experiment }) => experiment === "epochs");
  const top = topConfigurations(profile, rows).flat();
  const groups = new Map<string, RunRow[]>();
  for (const row of [...top, ...longer]) {
    const key = JSON.stringify([classSetName(profile, row.classes), row.epochs]);
    groups.set(key, [...groups.get(key) ?? [], row]);
  }
  const data = [...groups].flatMap(([key, group]) => {
    const [training, epochs] = JSON.parse(key) as [string, number];
    return (["acc", "ap"] as const).flatMap((measure): FigureRow[] => {
      const values = configurations(group).map((head) =>
        average(head.map((row) => meanScore(row, measure)))
      );
      const common = { training, epochs, measure: measure.toUpperCase() };
      return [
        { ...common, statistic: "best", value: Math.max(...values) },
        { ...common, statistic: "mean", value: average(values) },
      ];
    });
  });
  return {
    id: "figure_5",
    title: "Figure 5. ACC and AP by number of epochs",
    caption:
      `Best and mean of the ${BEST} best heads of the grid, trained for longer; the learning ` +
      `rate falls tenfold at the start of epochs ${profile.epochs.decayEpochs.join(" and ")}.` +
      chosenRemark(profile) + seedsRemark([...top, ...longer], "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 8,
      facet: {
        column: {
          field: "training",
          type: "nominal",
          title: null,
          sort: profile.classSets.map(({ name }) => name),
        },
      },
      resolve: { axis: { x: "independent" } },
      spec: {
        width: 198,
        height: 140,
        mark: { type: "line", point: true },
        encoding: {
          x: { field: "epochs", type: "ordinal", title: "epochs" },
          y: {
            field: "value",
            type: "quantitative",
            axis: percentAxis("mean over test sets"),
            scale: scoreScale(data),
          },
          color: { ...MEASURE_ENCODING, legend: { symbolSize: LEGEND_PX2 } },
          shape: MEASURE_ENCODING,
          strokeDash: {
            field: "statistic",
            type: "nominal",
            title: null,
            legend: { symbolType: "stroke", symbolSize: LEGEND_PX2, symbolStrokeWidth: 1.5 },
          },
        },
      },
    },
  };
}
