/**
 * Appendix: other backbones, other ways to use their blocks, other numbers of training classes.
 *
 * deno task reproduce --only appendix
 *
 * Expects the 4-class head above all of them: Table 7. The other methods' results are those printed
 * in the paper; nothing is run.
 * @module
 */
import type { Table } from "../lib/report/table.ts";
import { defineExperiment } from "./experiment.ts";
import { printedRows } from "./comparison.ts";
import { bestHeads, noticeOf, scoreCells, scoreColumns } from "./heads.ts";

/** Name of our own row in the paper. */
const OWN = "RINE 4-cl. (ours)";

/** Table 7 */
export default defineExperiment({
  name: "appendix",
  section: "Appendix",
  title: "Other backbones and heads",
  dependsOn: ["grid"],
  runs: () => [],
  report(profile, rows, { printed = [] } = {}) {
    const others = printedRows(
      printed.filter(({ table, method }) => table === 7 && method !== OWN),
    );
    const best = bestHeads(profile, rows).find(({ classes }) => classes.length === 4);
    // Without the other methods the table would only repeat a row of Tables 2 and 3.
    if (others.length === 0 || best === undefined) return { tables: [], figures: [] };
    const table: Table = {
      id: "table_7",
      title: "Table 7. Other backbones and heads",
      caption: "ACC and AP; results of other methods are those printed in the paper.",
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
          method: OWN,
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
