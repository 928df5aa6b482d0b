/**
 * Nearest neighbours in banks of few and of many classes.
 *
 * deno task reproduce --only ufd_classes
 *
 * Expects two classes to suffice: UFD's Figure 13.
 * @module
 */
import { ufdFigure13 } from "../../lib/report/ufd/studies.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { neighboursRun, ufdRuns } from "../../lib/runs/ufd.ts";

/** UFD, appendix; which classes the fewer ones were was not published. */
export default defineSection({
  name: "ufd_classes",
  paper: "ufd",
  section: "UFD, appendix",
  title: "Number of training classes",
  dependsOn: [],
  runs: (profile) =>
    ufdRuns(
      profile,
      (profile) =>
        profile.ufd.classSets.map((classes) => neighboursRun(profile, { classes, seed: 0 })),
    ),
  shows: [ufdFigure13],
});
