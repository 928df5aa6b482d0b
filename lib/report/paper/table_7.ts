/**
 * Table 7: the best head of four classes beside other backbones and heads, as printed. Paper: appendix.
 * @module
 */
import { bestHeads } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import type { Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf, printedRows, scoreCells, scoreColumns } from "./columns.ts";

/** Our own row's name: in the paper, whose rows are all its authors', and beside theirs. */
export const OWN = { printed: "RINE 4-cl. (ours)", shown: "RINE 4-class, ours" } as const;

/** None without the other methods: it would only repeat a row of Tables 2 and 3. */
export function table7({ profile, rows, printed }: Shown): Table | undefined {
  const others = printedRows(
    printed.filter(({ table, method }) => table === 7 && method !== OWN.printed),
  );
  const best = bestHeads(profile, rows).find(({ classes }) => classes.length === 4);
  if (others.length === 0 || best === undefined) return undefined;
  return {
    id: "table_7",
    title: "Table 7. Other backbones and heads",
    caption: "ACC and AP; results of other methods are those printed in the paper." +
      chosenRemark(profile) + seedsRemark(best.rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["measure", "method"],
    rankWithin: "metric",
    columns: [
      { key: "measure", name: "measure" },
      { key: "method", name: "method" },
      ...scoreColumns(profile.testSets),
    ],
    rows: MEASURES.flatMap((metric) => [
      ...others.filter((row) => row["metric"] === metric),
      {
        method: OWN.shown,
        trainingClasses: "",
        variant: "",
        metric,
        ...scoreCells(best.rows, metric, profile.testSets),
      },
    ]).map((row) => ({ ...row, measure: String(row["metric"]).toUpperCase() })),
  };
}
