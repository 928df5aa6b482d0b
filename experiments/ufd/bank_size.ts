/**
 * Nearest neighbours in banks of more and more training images.
 *
 * deno task reproduce --only ufd_bank_size
 *
 * Expects little to be lost with a third of the images: UFD's Figure 8.
 * @module
 */
import { ufdFigure8 } from "../../lib/report/ufd/studies.ts";
import { product } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { neighboursRun, ufdRuns } from "../../lib/runs/ufd.ts";

/** UFD §6.5; which classifier it tried was not published: nearest neighbours, k = 1, here. */
export default defineSection({
  name: "ufd_bank_size",
  paper: "ufd",
  section: "UFD §6.5",
  title: "Number of training images",
  dependsOn: [],
  runs: (profile, seeds) =>
    ufdRuns(profile, (profile) => [
      ...product({ bankImages: profile.ufd.bankImages, seed: seeds })
        .map((choice) => neighboursRun(profile, choice)),
      neighboursRun(profile, { seed: 0 }),
    ]),
  shows: [ufdFigure8],
});
