/**
 * Measures that the paper does not report, beside ACC and AP with their intervals.
 * @module
 */
import { byClassSet } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { type Column, percentColumn, spread, type Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { noticeOf } from "./columns.ts";

/** Column, name, and whether more is better. */
const FURTHER: readonly (readonly [string, string, "max" | "min"])[] = [
  ["acc", "ACC", "max"],
  ["ap", "AP", "max"],
  ["auc", "ROC AUC", "max"],
  ["balancedAcc", "balanced ACC", "max"],
  ["accReal", "ACC real", "max"],
  ["accGenerated", "ACC generated", "max"],
  ["tprAt1Fpr", "TPR at 1 % FPR", "max"],
  ["tprAt5Fpr", "TPR at 5 % FPR", "max"],
  ["ece", "ECE", "min"],
];

/** The ends of the intervals, by the column that they stand in. */
const ENDS: Readonly<Record<string, readonly [string, string]>> = {
  acc: ["accLow", "accHigh"],
  ap: ["apLow", "apHigh"],
};

/** A row for each class set and test set; none where no run was measured further. */
export function measures({ profile, rows: all }: Shown): Table | undefined {
  const rows = all.filter(({ experiment, test }) =>
    experiment === "comparison" && Object.values(test)[0]?.["auc"] !== undefined
  );
  if (rows.length === 0) return undefined;
  const cells = byClassSet(profile, rows, "comparison").flatMap((heads) =>
    profile.testSets.map(({ name, title }) => ({
      training: heads.name,
      set: title,
      ...Object.fromEntries(
        [...FURTHER.map(([key]) => key), ...Object.values(ENDS).flat()].map((key) => [
          key,
          spread(heads.rows.flatMap(({ test }) => test[name]?.[key] ?? [])),
        ]),
      ),
    }))
  );
  const columns = FURTHER.map(([key, name, best]): Column => {
    const ends = ENDS[key];
    return { ...percentColumn(key, name), best, ...(ends === undefined ? {} : { ends }) };
  });
  return {
    id: "measures",
    title: "Further measures of the best heads",
    caption:
      "ACC and AP with their 95 % bootstrap intervals over images [from, to]; area under the ROC " +
      "curve, balanced accuracy, accuracy on real and on generated images, true positive rate at 1 % " +
      "and 5 % false positives, and expected calibration error." +
      chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["training", "set"],
    rankWithin: "set",
    columns: [
      { key: "training", name: "training" },
      { key: "set", name: "test set" },
      ...columns,
    ],
    rows: cells,
  };
}
