/**
 * What each method costs: parameters, milliseconds an image, training seconds.
 *
 * deno task reproduce --only cost
 *
 * The grid's best heads, UFD's linear layer and nearest neighbours, and every detector on pixels that
 * was trained here or imported, on images of the first test set, one after the other. Expects a head's
 * time to be its backbone's; at the paper's size RINE's and UFD's frozen CLIP ViT-L/14 takes many times
 * as long as a ResNet-50, and their heads train in minutes where the others take days. It is no section
 * of the paper. Seconds in the mini profile; times are of this machine, and of what else runs there.
 */
import { costTable, methodCosts } from "../../lib/report/paper/cost.ts";
import { bestHeads, retrained } from "../../lib/runs/choices.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { neighboursRun, probeRun, ufdRuns } from "../../lib/runs/ufd.ts";
import { READS } from "./reads.ts";

/** A table that the paper has not, beside §5.1's of accuracy */
export default defineSection({
  name: "cost",
  paper: "rine",
  section: "Beside §5.1",
  title: "Time and memory",
  dependsOn: ["grid"],
  runs: (profile, seeds, rows) => {
    const testSets = profile.testSets.slice(0, 1).map(({ name }) => name);
    const evaluation = { testSets, view: "center" };
    return [
      ...bestHeads(profile, rows).flatMap(({ rows }) =>
        rows.map((row) => ({
          training: retrained(profile, row),
          evaluation: { ...evaluation, atEpochs: [1] },
        }))
      ),
      ...ufdRuns(profile, (profile) => {
        const k = Math.max(...profile.ufd.neighbours);
        return [
          ...seeds.map((seed) => probeRun(profile, { seed })),
          neighboursRun(profile, { seed: 0, k }),
        ].map(({ training, evaluation: { atEpochs } }) => ({
          training,
          evaluation: { ...evaluation, atEpochs },
        }));
      }),
    ];
  },
  makes: methodCosts(READS),
  shows: [costTable],
});
