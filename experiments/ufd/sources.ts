/**
 * Probe and neighbours trained on GAN images, on latent-diffusion images, and on both.
 *
 * deno task reproduce --only ufd_sources
 *
 * Expects either training to carry over to the other kind of generator: UFD's Figures 7 and 14.
 * @module
 */
import { ufdFigure7 } from "../../lib/report/ufd/studies.ts";
import { product } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { neighboursRun, probeRun, trainingSources, ufdRuns } from "../../lib/runs/ufd.ts";

/** UFD §6.4 and appendix */
export default defineSection({
  name: "ufd_sources",
  paper: "ufd",
  section: "UFD §6.4",
  title: "Training source",
  dependsOn: [],
  runs: (profile, seeds) =>
    ufdRuns(profile, (profile) =>
      trainingSources(profile).flatMap(({ trainingSet, classes }) => [
        neighboursRun(profile, { trainingSet, classes, seed: 0 }),
        ...product({ seed: seeds }).map(({ seed }) =>
          probeRun(profile, { trainingSet, classes, seed })
        ),
      ])),
  shows: [ufdFigure7],
});
