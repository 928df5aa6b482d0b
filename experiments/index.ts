/**
 * Every section of the paper, in the order in which they are run.
 * @module
 */
import ablations from "./rine/ablations.ts";
import appendix from "./rine/appendix.ts";
import comparison from "./rine/comparison.ts";
import datasetSize from "./rine/dataset_size.ts";
import epochs from "./rine/epochs.ts";
import type { Experiment } from "../lib/runs/section.ts";
import featureSpace from "./rine/feature_space.ts";
import grid from "./rine/grid.ts";
import importance from "./rine/importance.ts";
import perturbations from "./rine/perturbations.ts";
import synthbuster from "./rine/synthbuster.ts";

/** Every section, each after those whose rows it reads. */
export const SECTIONS: readonly Experiment[] = [
  grid,
  comparison,
  ablations,
  epochs,
  datasetSize,
  perturbations,
  importance,
  synthbuster,
  featureSpace,
  appendix,
];
