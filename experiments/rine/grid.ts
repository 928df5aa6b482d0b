/**
 * §5.3: every combination of backbone, training classes, ξ, q and d′.
 *
 * deno task reproduce --only grid
 *
 * Expects the larger backbone well above the smaller one, little difference between values of ξ, and
 * more parameters not to help: Table 1, Figures 3 and 4. 288 heads on cached tokens: a few minutes in
 * the mini profile on 2 cores, hours in the paper profile.
 * @module
 */
import { figure3 } from "../../lib/report/paper/figure_3.ts";
import { figure4 } from "../../lib/report/paper/figure_4.ts";
import { table1 } from "../../lib/report/paper/table_1.ts";
import { testSetNames, trainingConfig } from "../../lib/runs/choices.ts";
import { product } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §5.3 */
export default defineSection({
  name: "grid",
  paper: "rine",
  section: "§5.3",
  title: "Backbone, contrastive weight and size of the head",
  dependsOn: [],
  runs: (profile, seeds) =>
    product({
      seed: seeds,
      backbone: profile.backbones,
      classes: profile.classSets.map(({ classes }) => classes),
      contrastiveWeight: profile.grid.contrastiveWeights,
      projectionLayers: profile.grid.projectionLayers,
      projectionDim: profile.grid.projectionDims,
    }).map(({ seed, backbone, classes, ...head }) => ({
      training: trainingConfig(profile, {
        detector: "rine",
        trainingSet: profile.trainedOn.main.name,
        classes,
        fraction: 1,
        backbone,
        head: { ...head, variant: "full" },
        epochs: 1,
        decayEpochs: [],
      }, seed),
      evaluation: { testSets: testSetNames(profile), view: "center", atEpochs: [1] },
    })),
  shows: [table1, figure3, figure4],
});
