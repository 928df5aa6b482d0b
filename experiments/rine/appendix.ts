/**
 * Appendix: other backbones, other ways to use their blocks, other numbers of training classes.
 *
 * deno task reproduce --only appendix
 *
 * Expects the 4-class head above all of them: Table 7. The other methods' results are those printed
 * in the paper; nothing is run.
 * @module
 */
import type { Table } from "../../lib/report/table.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import { printedRows } from "./comparison.ts";
import { bestHeads, noticeOf, scoreCells, scoreColumns } from "../../lib/report/paper/heads.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** Our own row's name: in the paper, whose rows are all its authors', and beside theirs. */
export const OWN = { printed: "RINE 4-cl. (ours)", shown: "RINE 4-class, ours" } as const;

/** Table 7 */
export default defineExperiment({
  name: "appendix",
  section: "Appendix",
  title: "Other backbones and heads",
  dependsOn: ["grid"],
  runs: () => [],
  report(profile, rows, { printed = [] } = {}) {
    const others = printedRows(
      printed.filter(({ table, method }) => table === 7 && method !== OWN.printed),
    );
    const best = bestHeads(profile, rows).find(({ classes }) => classes.length === 4);
    // Without the other methods the table would only repeat a row of Tables 2 and 3.
    if (others.length === 0 || best === undefined) return { tables: [], figures: [] };
    const table: Table = {
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
      rows: (["acc", "ap"] as const).flatMap((metric) => [
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
    return { tables: [table], figures: [] };
  },
});
