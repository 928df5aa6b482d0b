/**
 * §5.1: the best heads beside the other methods, test set by test set.
 *
 * deno task reproduce --only comparison
 *
 * Expects RINE above the other methods on average, ProGAN near 100 %, and SAN and the deepfakes
 * hardest: Tables 2 and 3. The grid's best heads are tried again, with intervals and with measures
 * that the paper does not report; nothing is trained. Under a minute in the mini profile.
 * @module
 */
import {
  type Cell,
  type Column,
  percentColumn,
  spread,
  type Table,
} from "../../lib/report/table.ts";
import type { PrintedCell } from "../../lib/published/published.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import {
  averagedNames,
  bestHeads,
  byClassSet,
  noticeOf,
  retrained,
  scoreCells,
  scoreColumns,
  testSetNames,
} from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** Resamples of the test images for the 95 % intervals. */
const BOOTSTRAP = 1000;

/** §5.1 */
export default defineExperiment({
  name: "comparison",
  section: "§5.1",
  title: "Comparison with other methods",
  dependsOn: ["grid"],
  runs(profile, _seeds, rows) {
    const evaluation = {
      testSets: testSetNames(profile),
      view: "center",
      atEpochs: [1],
      bootstrap: BOOTSTRAP,
    };
    return bestHeads(profile, rows).flatMap((heads) =>
      heads.rows.map((row) => ({ training: retrained(profile, row), evaluation }))
    );
  },
  report(profile, rows, { printed = [] } = {}) {
    const measured = rows.filter((row) =>
      row.experiment === "comparison" && Object.values(row.test)[0]?.["auc"] !== undefined
    );
    return {
      tables: [
        comparisonTable(profile, rows, printed, 2, "acc"),
        comparisonTable(profile, rows, printed, 3, "ap"),
        ...(measured.length === 0 ? [] : [measuresTable(profile, measured)]),
      ],
      figures: [],
    };
  },
});

function comparisonTable(
  profile: Profile,
  rows: readonly RunRow[],
  printed: readonly PrintedCell[],
  number: number,
  metric: "acc" | "ap",
): Table {
  const others = printedRows(
    printed.filter(({ table, method }) => table === number && method !== "RINE"),
  );
  const own = bestHeads(profile, rows).map((heads) => ({
    method: "RINE",
    trainingClasses: String(heads.classes.length),
    variant: "",
    metric,
    ...scoreCells(heads.rows, metric, profile.testSets),
  }));
  const measure = metric === "acc" ? "Accuracy" : "Average precision";
  return {
    id: `table_${number}`,
    title: `Table ${number}. ${measure} on ${setCount(profile)}`,
    caption: `${measure} of the best head of each number of training classes` +
      (others.length > 0 ? "; results of other methods are those printed in the paper." : ".") +
      chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["method", "trainingClasses"],
    columns: [
      { key: "method", name: "method" },
      { key: "trainingClasses", name: "classes" },
      ...scoreColumns(profile.testSets),
    ],
    rows: [...others, ...own],
  };
}

/** How many sets there are: `20 test sets`, `20 test sets and 2 added ones`. */
function setCount({ testSets }: Profile): string {
  const paper = averagedNames(testSets).length, added = testSets.length - paper;
  const says = `${paper} test sets`;
  return added === 0 ? says : `${says} and ${added} added one${added === 1 ? "" : "s"}`;
}

/** Printed cells as rows of a table, as fractions; one row a method, classes and variant. */
export function printedRows(cells: readonly PrintedCell[]): Record<string, Cell>[] {
  const rows = new Map<string, Record<string, Cell>>();
  for (const { method, trainingClasses, variant, metric, generator, percent } of cells) {
    const key = JSON.stringify([method, trainingClasses, variant, metric]);
    const row = rows.get(key) ?? { method, trainingClasses, variant, metric };
    row[generator] = percent === null ? null : percent / 100;
    rows.set(key, row);
  }
  return [...rows.values()];
}

/** Measures that the paper does not report; column, name, and whether more is better. */
const MEASURES: readonly (readonly [string, string, "max" | "min" | undefined])[] = [
  ["acc", "ACC", "max"],
  ["accLow", "from", undefined],
  ["accHigh", "to", undefined],
  ["ap", "AP", "max"],
  ["apLow", "from", undefined],
  ["apHigh", "to", undefined],
  ["auc", "ROC AUC", "max"],
  ["balancedAcc", "balanced ACC", "max"],
  ["accReal", "ACC real", "max"],
  ["accGenerated", "ACC generated", "max"],
  ["tprAt1Fpr", "TPR at 1 % FPR", "max"],
  ["tprAt5Fpr", "TPR at 5 % FPR", "max"],
  ["ece", "ECE", "min"],
];

function measuresTable(profile: Profile, rows: readonly RunRow[]): Table {
  const cells = byClassSet(profile, rows, "comparison").flatMap((heads) =>
    profile.testSets.map(({ name, title }) => ({
      training: heads.name,
      set: title,
      ...Object.fromEntries(MEASURES.map(([key]) => [
        key,
        spread(heads.rows.flatMap(({ test }) => test[name]?.[key] ?? [])),
      ])),
    }))
  );
  const columns = MEASURES.map(([key, name, best]): Column => {
    const { best: _best, ...column } = percentColumn(key, name);
    return best === undefined ? column : { ...column, best };
  });
  return {
    id: "measures",
    title: "Further measures of the best heads",
    caption:
      "Beside ACC and AP with their 95 % bootstrap intervals over images: area under the ROC " +
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
