/**
 * §5.4: the three best heads of each class set, trained for longer.
 *
 * deno task reproduce --only epochs
 *
 * Expects no gain from more than one epoch: Figure 5. Nine heads of 15 epochs, whose images are
 * augmented anew in every epoch; in the mini profile five augmentations come again in turn. The
 * longest section, minutes in the mini profile.
 * @module
 */
import { figure5, topConfigurations } from "../../lib/report/paper/figure_5.ts";
import { retrained, testSetNames } from "../../lib/runs/choices.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §5.4 */
export default defineSection({
  name: "epochs",
  paper: "rine",
  section: "§5.4",
  title: "Training for longer",
  dependsOn: ["grid"],
  runs: (profile, _seeds, rows) =>
    topConfigurations(profile, rows).flat().map((row) => ({
      training: retrained(profile, row, {
        epochs: Math.max(...profile.epochs.atEpochs),
        decayEpochs: profile.epochs.decayEpochs,
      }),
      evaluation: {
        testSets: testSetNames(profile),
        view: "center",
        atEpochs: profile.epochs.atEpochs,
      },
    })),
  shows: [figure5],
});
