/**
 * §5.6: the best heads on perturbed images.
 *
 * deno task reproduce --only perturbations
 *
 * Expects cropping and compression to do little, blur and noise more, all together most: Table 5.
 * Nothing is trained; every test image goes through the backbone once for each perturbation.
 * @module
 */
import { PERTURBATIONS } from "../../lib/image/perturb.ts";
import type { Table } from "../../lib/report/table.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import {
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

/** §5.6 */
export default defineExperiment({
  name: "perturbations",
  section: "§5.6",
  title: "Robustness to perturbations",
  dependsOn: ["grid"],
  runs(profile, _seeds, rows) {
    const testSets = testSetNames(profile);
    return bestHeads(profile, rows).flatMap((heads) =>
      PERTURBATIONS.flatMap((view) =>
        heads.rows.map((row) => ({
          training: retrained(profile, row),
          evaluation: { testSets, view, atEpochs: [1] },
        }))
      )
    );
  },
  report(profile, rows) {
    return { tables: [perturbationTable(profile, rows)], figures: [] };
  },
});

function perturbationTable(profile: Profile, rows: readonly RunRow[]): Table {
  const perturbed = byClassSet(profile, rows, "perturbations");
  const cells = (["acc", "ap"] as const).flatMap((metric) =>
    bestHeads(profile, rows).flatMap(({ name, classes, rows: plain }) => {
      const own = perturbed.find((heads) => heads.name === name)?.rows ?? [];
      return [...PERTURBATIONS, "no"].map((variant) => ({
        metric,
        measure: metric.toUpperCase(),
        method: "RINE",
        training: name,
        trainingClasses: String(classes.length),
        variant,
        perturbation: variant === "no" ? "no perturbation" : variant,
        group: `${metric} ${name}`,
        ...scoreCells(
          variant === "no" ? plain : own.filter(({ view }) => view === variant),
          metric,
          profile.testSets,
        ),
      }));
    })
  );
  return {
    id: "table_5",
    title: "Table 5. Robustness to perturbations",
    caption: "ACC and AP of the best heads on test images of which half are perturbed." +
      chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["measure", "training", "perturbation"],
    rankWithin: "group",
    columns: [
      { key: "measure", name: "measure" },
      { key: "training", name: "training" },
      { key: "perturbation", name: "perturbation" },
      ...scoreColumns(profile.testSets),
    ],
    rows: cells,
  };
}
