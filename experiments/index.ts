/**
 * Every section of the paper, in the order in which they are run.
 * @module
 */
import ablations from "./ablations.ts";
import appendix from "./appendix.ts";
import comparison from "./comparison.ts";
import datasetSize from "./dataset_size.ts";
import epochs from "./epochs.ts";
import type { Experiment } from "./experiment.ts";
import featureSpace from "./feature_space.ts";
import grid from "./grid.ts";
import importance from "./importance.ts";
import perturbations from "./perturbations.ts";
import synthbuster from "./synthbuster.ts";

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
