/**
 * Probe and neighbours on test images that were compressed or blurred.
 *
 * deno task reproduce --only ufd_robustness
 *
 * Expects scores to fall slowly with quality and with blur: UFD's Figure 10.
 * @module
 */
import { ufdFigure10 } from "../../lib/report/ufd/studies.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { degradedViews, neighboursRun, probeRun, ufdRuns } from "../../lib/runs/ufd.ts";

/** UFD §6.7 */
export default defineSection({
  name: "ufd_robustness",
  paper: "ufd",
  section: "UFD §6.7",
  title: "Robustness to compression and blur",
  dependsOn: [],
  runs: (profile, seeds) =>
    ufdRuns(profile, (profile) =>
      degradedViews(profile.ufd).flatMap(({ view }) => [
        neighboursRun(profile, { view, seed: 0 }),
        ...seeds.map((seed) => probeRun(profile, { view, seed })),
      ])),
  shows: [ufdFigure10],
});
