/**
 * Whether detectors go by formats and sizes: images of both classes brought to one size and one format.
 *
 * deno task reproduce --only bias
 *
 * In many test sets real images are JPEG files of all sizes and generated ones PNG files of one size:
 * a detector can be right for that alone. Here every test image is resized, cropped and compressed
 * alike before a detector sees it. Expects little change where a detector goes by what generators
 * leave behind; compression at this quality and a resize take some of that away too, so a small loss
 * is no proof of the opposite. It is no section of the paper. Nothing is trained but UFD's probe;
 * every test image goes through the backbones once more.
 */
import { triedDetectors } from "../../lib/report/paper/compared.ts";
import { biasFigure, biasTable } from "../../lib/report/paper/bias.ts";
import { bestHeads, retrained, testSetNames } from "../../lib/runs/choices.ts";
import type { RunConfig } from "../../lib/runs/config.ts";
import { defineSection } from "../../lib/runs/section.ts";
import { neighboursRun, probeRun, type UfdChoice, ufdRuns } from "../../lib/runs/ufd.ts";
import { READS } from "./reads.ts";
import { ALIKE_VIEW } from "../../lib/runs/world.ts";

const VIEWS = ["center", ALIKE_VIEW];

/** A view of formats and sizes, beside §5.6's of perturbations */
export default defineSection({
  name: "bias",
  paper: "rine",
  section: "Beside §5.6",
  title: "Formats and sizes",
  dependsOn: ["grid"],
  runs: (profile, seeds, rows) => {
    // all images of each set, as RINE's heads are tried: UFD's own sections draw some
    const onAllImages = ({ training, evaluation: { atEpochs, view } }: RunConfig) => ({
      training,
      evaluation: { testSets: testSetNames(profile), view, atEpochs },
    });
    return [
      // how they do on images as they are is in the grid's rows
      ...bestHeads(profile, rows).flatMap(({ rows }) =>
        rows.map((row) => ({
          training: retrained(profile, row),
          evaluation: { testSets: testSetNames(profile), view: ALIKE_VIEW, atEpochs: [1] },
        }))
      ),
      ...ufdRuns(profile, (profile) =>
        VIEWS.flatMap((view) => {
          const k = Math.max(...profile.ufd.neighbours);
          const choice = (seed: number): UfdChoice => ({ seed, view });
          return [
            ...seeds.map((seed) => probeRun(profile, choice(seed))),
            neighboursRun(profile, { ...choice(0), k }),
          ].map(onAllImages);
        })),
    ];
  },
  makes: triedDetectors({ transforms: READS, isAlikeToo: true }),
  shows: [biasTable, biasFigure],
});
