/**
 * Nearest neighbours by the CLS token of single Transformer blocks.
 *
 * deno task reproduce --only ufd_blocks
 *
 * Expects all blocks but the earliest to be alike: UFD's Figure 12.
 * @module
 */
import { ufdFigure12 } from "../../lib/report/ufd/studies.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { neighboursRun, ufdRuns } from "../../lib/runs/ufd.ts";

/** UFD, appendix; which vector of a layer was read was not published: its CLS token here. */
export default defineSection({
  name: "ufd_blocks",
  paper: "ufd",
  section: "UFD, appendix",
  title: "Block of the backbone",
  dependsOn: [],
  runs: (profile) =>
    ufdRuns(
      profile,
      (profile) => profile.ufd.blocks.map((block) => neighboursRun(profile, { block, seed: 0 })),
    ),
  shows: [ufdFigure12],
});
