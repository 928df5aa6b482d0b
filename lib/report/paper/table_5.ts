/**
 * Table 5: the best heads on perturbed images. Paper: §5.6.
 * @module
 */
import { PERTURBATIONS } from "../../image/perturb.ts";
import { bestHeads, byClassSet } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import type { Table } from "../table.ts";
import { chosenRemark, drawsRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf, scoreCells, scoreColumns } from "./columns.ts";

/** A row for each perturbation, and one for none. */
export function table5({ profile, rows }: Shown): Table {
  const perturbed = byClassSet(profile, rows, "perturbations");
  return {
    id: "table_5",
    title: "Table 5. Robustness to perturbations",
    caption: "ACC and AP of the best heads on test images of which half are perturbed." +
      chosenRemark(profile) + seedsRemark(rows, "spread") +
      drawsRemark(perturbed.flatMap(({ rows }) => rows)),
    ...noticeOf(profile),
    rowKeys: ["measure", "training", "perturbation"],
    rankWithin: "group",
    columns: [
      { key: "measure", name: "measure" },
      { key: "training", name: "training" },
      { key: "perturbation", name: "perturbation" },
      ...scoreColumns(profile.testSets),
    ],
    rows: MEASURES.flatMap((metric) =>
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
    ),
  };
}
