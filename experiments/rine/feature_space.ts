/**
 * §1: what detectors see: real, GAN and diffusion images in their feature spaces.
 *
 * deno task reproduce --only feature_space
 *
 * Expects RINE to keep generated images apart from real ones, for diffusion models as for GANs:
 * Figure 1. Projects tokens of up to 2000 images to two dimensions with t-SNE; nothing is trained.
 * Some seconds in the mini profile, ten times as long in the paper profile.
 * @module
 */
import { figure1 } from "../../lib/report/paper/figure_1.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §1 */
export default defineSection({
  name: "feature_space",
  paper: "rine",
  section: "§1",
  title: "Feature spaces",
  dependsOn: ["grid"],
  showsPoints: true,
  runs: () => [],
  shows: [figure1],
});
