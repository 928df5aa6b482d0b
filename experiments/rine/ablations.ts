/**
 * §5.2: the best heads with one part left out.
 *
 * deno task reproduce --only ablations
 *
 * Expects the head without intermediate blocks far below the others, and the whole method on top on
 * the sets that are no GANs: Table 4. Nine heads on cached tokens: seconds in the mini profile.
 * @module
 */
import { table4 } from "../../lib/report/paper/table_4.ts";
import { bestHeads, retrained, testSetNames } from "../../lib/runs/choices.ts";
import { product } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §5.2 */
export default defineSection({
  name: "ablations",
  paper: "rine",
  section: "§5.2",
  title: "Ablations",
  dependsOn: ["grid"],
  runs: (profile, _seeds, rows) =>
    product({
      best: bestHeads(profile, rows),
      variant: ["no contrastive loss", "no TIE", "no intermediate"],
    }).flatMap(({ best, variant }) =>
      best.rows.map((row) => ({
        training: retrained(profile, row, { head: { ...row.head, variant } }),
        evaluation: { testSets: testSetNames(profile), view: "center", atEpochs: [1] },
      }))
    ),
  shows: [table4],
});
