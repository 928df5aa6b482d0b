/**
 * The means behind Figure 6: heads trained on a share of the images. Paper: §5.5.
 * @module
 */
import { byClassSet } from "../../runs/choices.ts";
import type { Shown } from "../../runs/section.ts";
import { meanScore } from "../../runs/select.ts";
import { percentColumn, spread, type Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { noticeOf } from "./columns.ts";

/** Means over the test sets by class set and share; the paper has no such table. */
export function datasetSize({ profile, rows }: Shown): Table {
  const cells = byClassSet(profile, rows, "dataset_size").flatMap(({ name, rows }) =>
    profile.fractions.map((fraction) => {
      const own = rows.filter((row) => row.fraction === fraction);
      return {
        training: name,
        fraction,
        acc: spread(own.map((row) => meanScore(row, "acc"))),
        ap: spread(own.map((row) => meanScore(row, "ap"))),
      };
    })
  );
  return {
    id: "dataset_size",
    title: "Share of the training images",
    caption: "Mean over the test sets of the best heads, trained on a share of the images (§5.5)." +
      chosenRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["training", "fraction"],
    rankWithin: "training",
    columns: [
      { key: "training", name: "training" },
      { key: "fraction", name: "images", unit: "%", scale: 100, digits: 0 },
      percentColumn("acc", "ACC"),
      percentColumn("ap", "AP"),
    ],
    rows: cells,
  };
}
