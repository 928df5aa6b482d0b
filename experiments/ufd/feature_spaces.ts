/**
 * The linear probe on the features of several networks.
 *
 * deno task reproduce --only ufd_feature_spaces
 *
 * Expects the space of CLIP's vision transformer far above those of networks trained to classify:
 * UFD's Figure 5. In the miniature, the arranged backbones above the random ones.
 * @module
 */
import { ufdFigure5 } from "../../lib/report/ufd/studies.ts";
import { product } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { probeRun, ufdRuns } from "../../lib/runs/ufd.ts";

/** UFD §6.3 */
export default defineSection({
  name: "ufd_feature_spaces",
  paper: "ufd",
  section: "UFD §6.3",
  title: "Feature spaces",
  dependsOn: [],
  runs: (profile, seeds) =>
    ufdRuns(profile, (profile) =>
      product({ space: profile.ufd.featureSpaces, seed: seeds })
        .map(({ space, seed }) => probeRun(profile, { backbone: space.backbone, seed }))),
  shows: [ufdFigure5],
});
