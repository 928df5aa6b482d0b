/**
 * Appendix: other backbones, other ways to use their blocks, other numbers of training classes.
 *
 * deno task reproduce --only appendix
 *
 * Expects heads on CLIP's blocks above those on a network that was trained to classify, and little
 * change from four classes to all of them: Table 7. A head of RINE on all classes, one on another
 * transformer, and UFD's probe on four classes; and networks on pixels, which the mini profile trains
 * at once: about a minute there. At the paper's size they take hours and days on a processor: `deno task
 * detector train clip_fpn --profile paper` (or `rn50_fpn`, `rine_wang`) trains one, which then stands in
 * the table. What the paper leaves open is as in the caption.
 * @module
 */
import { triedDetectors } from "../../lib/report/paper/compared.ts";
import { table7 } from "../../lib/report/paper/table_7.ts";
import { appendixRuns } from "../../lib/runs/appendix.ts";
import { defineSection } from "../../lib/runs/section.ts";

/** Table 7 */
export default defineSection({
  name: "appendix",
  paper: "rine",
  section: "Appendix",
  title: "Other backbones and heads",
  dependsOn: ["grid"],
  runs: (profile, _seeds, rows) => appendixRuns(profile, rows),
  makes: triedDetectors({ trained: ({ appendix }) => appendix?.detectors }),
  shows: [table7],
});
