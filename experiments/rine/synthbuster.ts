/**
 * §5.8: training on latent-diffusion images, tried on the larger images of Synthbuster.
 *
 * deno task reproduce --only synthbuster
 *
 * Expects heads trained on latent-diffusion images above those trained on ProGAN's where the
 * generator is of their kind: Table 6. Eight heads of five epochs; ten crops of every test image.
 * @module
 */
import type { Table } from "../../lib/report/table.ts";
import type { RunRow } from "../../lib/runs/config.ts";
import { bestConfiguration } from "../../lib/runs/select.ts";
import { defineExperiment } from "../../lib/runs/section.ts";
import {
  bestHeads,
  noticeOf,
  retrained,
  scoreCells,
  scoreColumns,
  trainingConfig,
} from "../../lib/report/paper/heads.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { chosenRemark, seedsRemark } from "../../lib/report/paper/captions.ts";

/** Epochs after which heads are tried. Released: scripts/diffusion.py */
const AT_EPOCHS = [1, 3, 5];

/** §5.8 */
export default defineExperiment({
  name: "synthbuster",
  section: "§5.8",
  title: "Training on latent-diffusion images",
  dependsOn: ["grid"],
  runs(profile, seeds, rows) {
    const { synthbusterSets, trainedOn: { latent } } = profile;
    const testSets = synthbusterSets.map(({ name }) => name);
    const { contrastiveWeights, projectionLayers, projectionDims } = profile.ldmGrid;
    const choices = contrastiveWeights.flatMap((contrastiveWeight) =>
      projectionLayers.flatMap((layers) =>
        projectionDims.map((projectionDim) => ({
          trainingSet: latent.name,
          classes: Object.keys(profile.trainingSets[latent.name] ?? {}),
          fraction: 1,
          backbone: profile.backbones[0]!,
          contrastiveWeight,
          projectionLayers: layers,
          projectionDim,
          variant: "full" as const,
          epochs: Math.max(...AT_EPOCHS),
          decayEpochs: [],
        }))
      )
    );
    const trained = seeds.flatMap((seed) =>
      choices.map((choice) => ({
        training: trainingConfig(profile, choice, seed),
        evaluation: { testSets, view: "ten", atEpochs: AT_EPOCHS },
      }))
    );
    const most = bestHeads(profile, rows).at(-1)?.rows ?? [];
    const tried = most.map((row) => ({
      training: retrained(profile, row),
      evaluation: { testSets, view: "ten", atEpochs: [1] },
    }));
    return [...trained, ...tried];
  },
  report(profile, rows) {
    return { tables: [synthbusterTable(profile, rows)], figures: [] };
  },
});

function synthbusterTable(profile: Profile, rows: readonly RunRow[]): Table {
  const own = rows.filter(({ experiment }) => experiment === "synthbuster");
  const { main, latent } = profile.trainedOn;
  const cells = (["acc", "ap"] as const).flatMap((metric) =>
    [main, latent].flatMap(({ name, title: training }) => {
      const trained = own.filter((row) => row.trainingSet === name);
      if (trained.length === 0) return [];
      const best = bestConfiguration(trained, profile.selection ?? "test");
      const [{ contrastiveWeight, projectionLayers, projectionDim, epochs }] = best;
      return [{
        metric,
        measure: metric.toUpperCase(),
        training,
        head: `ξ ${contrastiveWeight}, q ${projectionLayers}, d′ ${projectionDim}`,
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
