/**
 * §5.7: which blocks the best heads weigh most.
 *
 * deno task reproduce --only importance
 *
 * Expects every block to be the most important to some feature, early ones as much as late ones:
 * Figure 7. Reads the grid's heads; nothing is run, so it takes no time.
 * @module
 */
import { figure7 } from "../../lib/report/paper/figure_7.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** §5.7 */
export default defineSection({
  name: "importance",
  paper: "rine",
  section: "§5.7",
  title: "Importance of the blocks",
  dependsOn: ["grid"],
  runs: () => [],
  shows: [figure7],
});
