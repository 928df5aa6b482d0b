/**
 * Tables 2 and 3: the best heads beside other methods, test set by test set. Paper: §5.1.
 * @module
 */
import { averagedNames, bestHeads } from "../../runs/choices.ts";
import type { Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import type { Cell, Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { triedRemark, type TriedRow, triedRows } from "./compared.ts";
import { noticeOf, printedRows, scoreCells, scoreColumns } from "./columns.ts";

/** Accuracy. */
export function table2(shown: Shown): Table {
  return comparisonTable(shown, 2, "acc", "Accuracy");
}

/** Average precision. */
export function table3(shown: Shown): Table {
  return comparisonTable(shown, 3, "ap", "Average precision");
}

function comparisonTable(
  { profile, rows, printed, made }: Shown,
  number: number,
  metric: "acc" | "ap",
  measure: string,
): Table {
  const others = printedRows(
    printed.filter(({ table, method }) => table === number && method !== "RINE"),
  );
  const tried = triedRows({ profile, made }, metric);
  const isOf = (row: Readonly<Record<string, Cell>>, { row: printed }: TriedRow) =>
    row["method"] === printed?.method && row["trainingClasses"] === printed?.trainingClasses;
  // each behind its printed row; those that have none come last
  const compared = [
    ...others.flatMap((row) => [
      row,
      ...tried.filter((one) => isOf(row, one)).map(({ cells }) => cells),
    ]),
    ...tried.filter((one) => !others.some((row) => isOf(row, one))).map(({ cells }) => cells),
  ];
  const own = bestHeads(profile, rows).map((heads) => ({
    method: "RINE",
    trainingClasses: String(heads.classes.length),
    variant: "",
    metric,
    ...scoreCells(heads.rows, metric, profile.testSets),
  }));
  return {
    id: `table_${number}`,
    title: `Table ${number}. ${measure} on ${setCount(profile)}`,
    caption: `${measure} of the best head of each number of training classes` +
      (others.length > 0 ? "; results of other methods are those printed in the paper." : ".") +
      triedRemark({ profile, made }) + chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["method", "trainingClasses"],
    columns: [
      { key: "method", name: "method" },
      { key: "trainingClasses", name: "classes" },
      ...scoreColumns(profile.testSets),
    ],
    rows: [...compared, ...own],
  };
}

/** How many sets there are: `20 test sets`, `20 test sets and 2 added ones`. */
function setCount({ testSets }: Profile): string {
  const paper = averagedNames(testSets).length, added = testSets.length - paper;
  const says = `${paper} test sets`;
  return added === 0 ? says : `${says} and ${added} added one${added === 1 ? "" : "s"}`;
}
