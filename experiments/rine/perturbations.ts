/**
 * §5.6: the best heads on perturbed images.
 *
 * deno task reproduce --only perturbations
 *
 * Expects cropping and compression to do little, blur and noise more, all together most: Table 5.
 * Nothing is trained; every test image goes through the backbone once for each perturbation and each
 * of its draws: three where heads have one seed, else one for each seed.
 * @module
 */
import { PERTURBATIONS } from "../../lib/image/perturb.ts";
import { table5 } from "../../lib/report/paper/table_5.ts";
import { bestHeads, retrained, testSetNames } from "../../lib/runs/choices.ts";
import { product } from "../../lib/runs/config.ts";
import type { Profile } from "../../lib/runs/profile.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** Draws of each head's test images, from 0; where there are several seeds each has its own. */
function drawsOf({ draws }: Profile, seeds: number): number[] {
  return [...Array(seeds > 1 ? 1 : draws).keys()];
}

/** §5.6 */
export default defineSection({
  name: "perturbations",
  paper: "rine",
  section: "§5.6",
  title: "Robustness to perturbations",
  dependsOn: ["grid"],
  runs: (profile, _seeds, rows) =>
    product({
      best: bestHeads(profile, rows),
      view: PERTURBATIONS,
    }).flatMap(({ best, view }) =>
      product({ row: best.rows, draw: drawsOf(profile, best.rows.length) }).map((
        { row, draw },
      ) => ({
        training: retrained(profile, row),
        evaluation: {
          testSets: testSetNames(profile),
          view,
          ...(draw === 0 ? {} : { draw: row.seed + draw }),
          atEpochs: [1],
        },
      }))
    ),
  shows: [table5],
});
