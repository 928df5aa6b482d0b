/**
 * Real and generated training images in several feature spaces, projected to two dimensions.
 *
 * deno task reproduce --only ufd_tsne
 *
 * Expects the space of CLIP's vision transformer to keep them apart best: UFD's Figure 6. Nothing is
 * trained; some seconds a space in the mini profile, a minute in the paper profile.
 * @module
 */
import { UFD_PROJECTIONS, ufdFigure6 } from "../../lib/report/ufd/tsne.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** UFD §3 */
export default defineSection({
  name: "ufd_tsne",
  paper: "ufd",
  section: "UFD §3",
  title: "Feature spaces, projected",
  dependsOn: [],
  makes: UFD_PROJECTIONS,
  runs: () => [],
  shows: [ufdFigure6],
});
