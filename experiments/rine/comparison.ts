/**
 * §5.1: the best heads beside the other methods, test set by test set.
 *
 * deno task reproduce --only comparison
 *
 * Expects RINE above the other methods on average, ProGAN near 100 %, and SAN and the deepfakes
 * hardest: Tables 2 and 3. The grid's best heads are tried again, with intervals and with measures
 * that the paper does not report. Some two minutes in the mini profile.
 *
 * In the mini profile other detectors, on pixels, are trained here by their own recipes made smaller. At
 * the paper's size that takes weeks on a processor: `deno task detector train` does it for one, which then
 * stands in the tables too.
 *
 * Released detectors that `deno task detector import` has taken in are tried on the same images, each
 * as its own code reads them: a second an image and more for DMID on a processor.
 * @module
 */
import { READS } from "./reads.ts";
import { measures } from "../../lib/report/paper/measures.ts";
import { triedDetectors } from "../../lib/report/paper/compared.ts";
import { table2, table3 } from "../../lib/report/paper/tables_2_3.ts";
import { bestHeads, retrained, testSetNames } from "../../lib/runs/choices.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §5.1 */
export default defineSection({
  name: "comparison",
  paper: "rine",
  section: "§5.1",
  title: "Comparison with other methods",
  dependsOn: ["grid"],
  runs: (profile, _seeds, rows) =>
    bestHeads(profile, rows).flatMap(({ rows }) =>
      rows.map((row) => ({
        training: retrained(profile, row),
        evaluation: {
          testSets: testSetNames(profile),
          view: "center",
          atEpochs: [1],
          bootstrap: 1000,
        },
      }))
    ),
  makes: triedDetectors({ transforms: READS }),
  shows: [table2, table3, measures],
});
