/**
 * Table 1: the best configuration of each class set. Paper: §5.3.
 * @module
 */
import { readRineHead } from "../../detectors/rine/head.ts";
import { averagedNames, byClassSet } from "../../runs/choices.ts";
import type { RunRow } from "../../runs/config.ts";
import type { Shown } from "../../runs/section.ts";
import { bestConfiguration, meanScore, SELECTIONS } from "../../runs/select.ts";
import { percentColumn, spread, type Table } from "../table.ts";
import { seedsRemark } from "./captions.ts";
import { noticeOf } from "./columns.ts";

/** A sentence on what one seed says of the best of many. */
function luckRemark(rows: readonly RunRow[]): string {
  return new Set(rows.map(({ seed }) => seed)).size > 1
    ? ""
    : " With one seed, the best of so many is partly luck: repeated, it scores lower in the mean, and " +
      "a seed alone moves ACC by points.";
}

/** Chosen by the test sets, as in the paper, and beside it by validation. */
export function table1({ profile, rows }: Shown): Table {
  const own = rows.filter(({ experiment }) => experiment === "grid");
  const averaged = averagedNames(profile.testSets).length;
  return {
    id: "table_1",
    title: "Table 1. Best configuration by training classes",
    caption:
      "Of all backbones, ξ, q and d′, the configuration with the highest mean ACC + mean AP " +
      `over the ${averaged} test sets, as in the paper, and the one with the highest ` +
      "validation accuracy, which has seen no test image. Training time is on cached tokens." +
      luckRemark(own) + seedsRemark(own, "spread"),
    ...noticeOf(profile),
    rowKeys: ["classes", "selection"],
    columns: [
      { key: "classes", name: "training" },
      { key: "selection", name: "chosen by" },
      { key: "backbone", name: "backbone" },
      { key: "xi", name: "ξ" },
      { key: "q", name: "q" },
      { key: "dim", name: "d′" },
      { key: "parameters", name: "parameters", unit: "thousand", scale: 1e-3, digits: 1 },
      { key: "time", name: "training time", unit: "s", digits: 1 },
      percentColumn("acc", "ACC"),
      percentColumn("ap", "AP"),
    ],
    rows: byClassSet(profile, own, "grid").flatMap(({ name, rows }) =>
      SELECTIONS.map((by) => {
        const best = bestConfiguration(rows, by);
        const [{ backbone, parameterCount, head }] = best;
        const { contrastiveWeight, projectionLayers, projectionDim } = readRineHead(head);
        return {
          classes: name,
          selection: by === "test" ? "test sets" : "validation",
          backbone,
          xi: contrastiveWeight,
          q: projectionLayers,
          dim: projectionDim,
          parameters: parameterCount,
          time: spread(best.flatMap(({ trainingSeconds }) => trainingSeconds ?? [])),
          acc: spread(best.map((row) => meanScore(row, "acc"))),
          ap: spread(best.map((row) => meanScore(row, "ap"))),
        };
      })
    ),
  };
}
