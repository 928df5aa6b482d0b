/**
 * §1: what detectors see: real, GAN and diffusion images in their feature spaces.
 *
 * deno task reproduce --only feature_space
 *
 * Expects RINE to keep generated images apart from real ones, for diffusion models as for GANs:
 * Figure 1. Beside RINE's space stand UFD's, the embedding of its frozen backbone, and that of Wang et
 * al.'s detector where one is trained here or imported, of the same images. Projects up to 2000 images to
 * two dimensions with t-SNE; no head is trained. Some seconds in the mini profile, ten times as long in
 * the paper profile.
 * @module
 */
import { figure1 } from "../../lib/report/paper/figure_1.ts";
import { otherSpaces } from "../../lib/report/paper/other_spaces.ts";
import { READS } from "./reads.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §1 */
export default defineSection({
  name: "feature_space",
  paper: "rine",
  section: "§1",
  title: "Feature spaces",
  dependsOn: ["grid"],
  showsPoints: true,
  makes: otherSpaces(READS),
  runs: () => [],
  shows: [figure1],
});
