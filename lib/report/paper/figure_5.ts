/**
 * Figure 5: ACC and AP of the best heads, trained for longer. Paper: §5.4.
 * @module
 */
import { byClassSet, classSetName } from "../../runs/choices.ts";
import type { RunRow } from "../../runs/config.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import {
  type Configuration,
  configurations,
  meanScore,
  rankConfigurations,
} from "../../runs/select.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { having, nominal, panels, quantitative, scores } from "../marks.ts";
import { meanOf } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { classSetNames, MEASURE_ENCODING, MEASURES, noticeOf } from "./columns.ts";

/** Configurations trained for longer, of each class set. Paper: §5.4. */
export const TOP_CONFIGURATIONS = 3;

/** Area of the legends' symbols: about that of the ones that are drawn. */
const LEGEND_PX2 = 60;

/** The grid's best configurations of each class set: the ones that are trained for longer. */
export function topConfigurations(profile: Profile, rows: readonly RunRow[]): Configuration[] {
  return byClassSet(profile, rows, "grid").flatMap((heads) =>
    rankConfigurations(heads.rows, profile.selection ?? "test").slice(0, TOP_CONFIGURATIONS)
  );
}

/** Best and mean of them by class set and number of epochs. */
export function figure5({ profile, rows }: Shown): Figure {
  const longer = rows.filter(({ experiment }) => experiment === "epochs");
  const top = topConfigurations(profile, rows).flat();
  const data = groups(profile, [...top, ...longer]).flatMap(({ training, epochs, rows }) =>
    MEASURES.flatMap((measure): FigureRow[] => {
      const values = configurations(rows).map((head) =>
        meanOf(head.map((row) => meanScore(row, measure)))
      );
      const common = { training, epochs, measure: measure.toUpperCase() };
      return [
        { ...common, statistic: "best", value: Math.max(...values) },
        { ...common, statistic: "mean", value: meanOf(values) },
      ];
    })
  );
  const steps = [...new Set(data.map(({ epochs }) => Number(epochs)))].sort((a, b) => a - b);
  return {
    id: "figure_5",
    title: "Figure 5. ACC and AP by number of epochs",
    caption:
      `Best and mean of the ${TOP_CONFIGURATIONS} best heads of the grid (n = ${TOP_CONFIGURATIONS}), ` +
      "trained for longer; where both are the same, a dot stands in a ring. " +
      "The learning rate falls tenfold at the start of epochs " +
      `${profile.epochs.decayEpochs.join(" and ")}.` +
      chosenRemark(profile) + seedsRemark([...top, ...longer], "mean"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 8,
      ...panels(
        "training",
        { sort: classSetNames(profile) },
        { axis: { x: "independent" } },
        {
          ...{ width: 198, height: 140 },
          encoding: {
            x: quantitative("epochs", {
              title: "epochs",
              axis: { values: steps, labelOverlap: false },
              scale: { domain: [0, Math.max(...steps) + 1], nice: false },
            }),
            y: scores("mean over test sets", data),
            color: { ...MEASURE_ENCODING, legend: { symbolSize: LEGEND_PX2 } },
            shape: MEASURE_ENCODING,
          },
          layer: [
            {
              mark: "line",
              encoding: {
                strokeDash: nominal("statistic", {
                  title: null,
                  scale: { domain: ["best", "mean"], range: [[1, 0], [4, 2]] },
                  legend: {
                    symbolType: "stroke",
                    symbolSize: 3 * LEGEND_PX2,
                    symbolStrokeWidth: 1.5,
                  },
                }),
              },
            },
            // the best as dots, the mean as rings around them
            ...[["best", true, 20], ["mean", false, 48]].map(([statistic, filled, size]) => ({
              transform: [{ filter: having("statistic", statistic as string) }],
              mark: { type: "point", filled, size, strokeWidth: 1.2 },
            })),
          ],
        },
      ),
    },
  };
}

/** Rows by class set and number of epochs, in the order in which these first appear. */
function groups(profile: Profile, rows: readonly RunRow[]) {
  const found = new Map<string, { training: string; epochs: number; rows: RunRow[] }>();
  for (const row of rows) {
    const training = classSetName(profile, row.classes), { epochs } = row;
    const key = `${training} ${epochs}`;
    const group = found.get(key) ?? { training, epochs, rows: [] };
    group.rows.push(row);
    found.set(key, group);
  }
  return [...found.values()];
}
