/**
 * Appendix: other backbones, other ways to use their blocks, other numbers of training classes.
 *
 * deno task reproduce --only appendix
 *
 * Expects the 4-class head above all of them: Table 7. The other methods' results are those printed
 * in the paper; nothing is run, so it takes no time.
 * @module
 */
import { table7 } from "../../lib/report/paper/table_7.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** Table 7 */
export default defineSection({
  name: "appendix",
  paper: "rine",
  section: "Appendix",
  title: "Other backbones and heads",
  dependsOn: ["grid"],
  runs: () => [],
  shows: [table7],
});
