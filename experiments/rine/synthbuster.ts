/**
 * §5.8: training on latent-diffusion images, tried on the larger images of Synthbuster.
 *
 * deno task reproduce --only synthbuster
 *
 * Expects heads trained on latent-diffusion images above those trained on ProGAN's where the
 * generator is of their kind: Table 6. Eight heads of five epochs; ten crops of every test image.
 * @module
 */
import { table6 } from "../../lib/report/paper/table_6.ts";
import { bestHeads, retrained, trainingConfig } from "../../lib/runs/choices.ts";
import { product } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §5.8. Released: scripts/diffusion.py */
export default defineSection({
  name: "synthbuster",
  paper: "rine",
  section: "§5.8",
  title: "Training on latent-diffusion images",
  dependsOn: ["grid"],
  runs(profile, seeds, rows) {
    const testSets = profile.synthbusterSets.map(({ name }) => name);
    const { name: trainingSet } = profile.trainedOn.latent;
    const trained = product({
      seed: seeds,
      contrastiveWeight: profile.ldmGrid.contrastiveWeights,
      projectionLayers: profile.ldmGrid.projectionLayers,
      projectionDim: profile.ldmGrid.projectionDims,
    }).map(({ seed, ...head }) => ({
      training: trainingConfig(profile, {
        detector: "rine",
        trainingSet,
        classes: Object.keys(profile.trainingSets[trainingSet] ?? {}),
        fraction: 1,
        backbone: profile.backbones[0]!,
        head: { ...head, variant: "full" },
        epochs: 5,
        decayEpochs: [],
      }, seed),
      evaluation: { testSets, view: "ten", atEpochs: [1, 3, 5] },
    }));
    const mostClasses = bestHeads(profile, rows).at(-1)?.rows ?? [];
    const tried = mostClasses.map((row) => ({
      training: retrained(profile, row),
      evaluation: { testSets, view: "ten", atEpochs: [1] },
    }));
    return [...trained, ...tried];
  },
  shows: [table6],
});
