/**
 * UFD's classifiers side by side: nearest neighbours and the linear probe on every test set.
 *
 * deno task reproduce --only ufd_classifiers
 *
 * Expects both near each other, the probe ahead in AP: UFD's Tables 2, 3, 5 and 6, the oracle's
 * thresholds and Figure 15. One probe a seed, and a search for each k in one bank.
 * @module
 */
import {
  ufdFigure15,
  ufdOracle,
  ufdTable2,
  ufdTable3,
  ufdTable56,
} from "../../lib/report/ufd/classifiers.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { neighboursRun, probeRun, ufdRuns } from "../../lib/runs/ufd.ts";

/** UFD §6.1 and §6.2. Released: validate.py */
export default defineSection({
  name: "ufd_classifiers",
  paper: "ufd",
  section: "UFD §6",
  title: "Nearest neighbours and linear probe",
  dependsOn: [],
  showsScores: true,
  runs: (profile, seeds) =>
    ufdRuns(profile, (profile) => [
      ...profile.ufd.neighbours.map((k) => neighboursRun(profile, { k, seed: 0, onAll: true })),
      ...seeds.map((seed) => probeRun(profile, { seed, onAll: true })),
    ]),
  shows: [ufdTable2, ufdTable3, ufdTable56, ufdOracle, ufdFigure15],
});
