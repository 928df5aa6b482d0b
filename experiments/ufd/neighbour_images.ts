/**
 * Images of latent diffusion that are nearest to and farthest from the generated training images.
 *
 * deno task reproduce --only ufd_neighbour_images
 *
 * Expects the nearest to share content or flaws with their neighbours: UFD's Figure 9. Reads the
 * embeddings of the section on classifiers; seconds beside them.
 * @module
 */
import { UFD_NEIGHBOUR_IMAGES, ufdFigure9 } from "../../lib/report/ufd/neighbour_images.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** UFD §6 */
export default defineSection({
  name: "ufd_neighbour_images",
  paper: "ufd",
  section: "UFD §6",
  title: "Nearest and farthest images",
  dependsOn: [],
  makes: UFD_NEIGHBOUR_IMAGES,
  runs: () => [],
  shows: [ufdFigure9],
});
