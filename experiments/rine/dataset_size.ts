/**
 * §5.5: the best heads, trained on a share of the images.
 *
 * deno task reproduce --only dataset_size
 *
 * Expects little loss down to a fifth of the images: Figure 6. Nine heads on cached tokens, beside
 * those that the grid has trained on all images: seconds in the mini profile.
 * @module
 */
import { datasetSize } from "../../lib/report/paper/dataset_size.ts";
import { figure6 } from "../../lib/report/paper/figure_6.ts";
import { bestHeads, retrained, testSetNames } from "../../lib/runs/choices.ts";
import { product } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §5.5 */
export default defineSection({
  name: "dataset_size",
  paper: "rine",
  section: "§5.5",
  title: "Number of training images",
  dependsOn: ["grid"],
  runs: (profile, _seeds, rows) =>
    product({
      best: bestHeads(profile, rows),
      fraction: profile.fractions,
    }).flatMap(({ best, fraction }) =>
      best.rows.map((row) => ({
        training: retrained(profile, row, { fraction }),
        evaluation: { testSets: testSetNames(profile), view: "center", atEpochs: [1] },
      }))
    ),
  shows: [datasetSize, figure6],
});
