/**
 * Table 6: heads trained on latent-diffusion images beside those trained on the main set's. Paper: §5.8.
 * @module
 */
import { describeRineHead, readRineHead } from "../../detectors/rine/head.ts";
import type { Shown } from "../../runs/section.ts";
import { bestConfiguration } from "../../runs/select.ts";
import type { Table } from "../table.ts";
import { chosenRemark, seedsRemark } from "./captions.ts";
import { MEASURES, noticeOf, scoreCells, scoreColumns } from "./columns.ts";

/** The best head of each training set. */
export function table6({ profile, rows }: Shown): Table {
  const own = rows.filter(({ experiment }) => experiment === "synthbuster");
  const { main, latent } = profile.trainedOn;
  const cells = MEASURES.flatMap((metric) =>
    [main, latent].flatMap(({ name, title: training }) => {
      const trained = own.filter((row) => row.trainingSet === name);
      if (trained.length === 0) return [];
      const best = bestConfiguration(trained, profile.selection ?? "test");
      const [{ head, epochs }] = best;
      return [{
        metric,
        measure: metric.toUpperCase(),
        training,
        head: describeRineHead(readRineHead(head)),
        epochs,
        ...scoreCells(best, metric, profile.synthbusterSets),
      }];
    })
  );
  return {
    id: "table_6",
    title: "Table 6. Training on latent-diffusion images",
    caption: `The best heads trained on images of ${main.title} and of ${latent.title}, on the ` +
      `${profile.synthbusterSets.length} sets of larger images; the mean logit of ten crops decides.` +
      chosenRemark(profile) + seedsRemark(own, "spread"),
    ...noticeOf(profile),
    rowKeys: ["measure", "training"],
    rankWithin: "measure",
    columns: [
      { key: "measure", name: "measure" },
      { key: "training", name: "training" },
      { key: "head", name: "head" },
      { key: "epochs", name: "epochs" },
      ...scoreColumns(profile.synthbusterSets).map(({ group: _group, ...column }) => column),
    ],
    rows: cells,
  };
}
