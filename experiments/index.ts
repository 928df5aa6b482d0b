/**
 * The registry of the papers' experiments: every section in the order in which it runs, and the
 * profiles.
 * @module
 */
import type { Experiments } from "../lib/runs/section.ts";
import { mini } from "./profiles/mini.ts";
import { paper } from "./profiles/paper.ts";
import ablations from "./rine/ablations.ts";
import appendix from "./rine/appendix.ts";
import bias from "./rine/bias.ts";
import comparison from "./rine/comparison.ts";
import cost from "./rine/cost.ts";
import datasetSize from "./rine/dataset_size.ts";
import epochs from "./rine/epochs.ts";
import featureSpace from "./rine/feature_space.ts";
import grid from "./rine/grid.ts";
import importance from "./rine/importance.ts";
import perturbations from "./rine/perturbations.ts";
import synthbuster from "./rine/synthbuster.ts";
import ufdBankSize from "./ufd/bank_size.ts";
import ufdBlocks from "./ufd/blocks.ts";
import ufdClasses from "./ufd/classes.ts";
import ufdClassifiers from "./ufd/classifiers.ts";
import ufdFeatureSpaces from "./ufd/feature_spaces.ts";
import ufdNeighbourImages from "./ufd/neighbour_images.ts";
import ufdRobustness from "./ufd/robustness.ts";
import ufdSources from "./ufd/sources.ts";
import ufdSpectra from "./ufd/spectra.ts";
import ufdTsne from "./ufd/tsne.ts";

/** All that is run and shown. */
export const EXPERIMENTS = {
  sections: [
    grid,
    comparison,
    cost,
    ablations,
    epochs,
    datasetSize,
    perturbations,
    bias,
    importance,
    synthbuster,
    featureSpace,
    appendix,
    ufdClassifiers,
    ufdFeatureSpaces,
    ufdSources,
    ufdBankSize,
    ufdRobustness,
    ufdBlocks,
    ufdClasses,
    ufdSpectra,
    ufdTsne,
    ufdNeighbourImages,
  ],
  profiles: { mini, paper },
} satisfies Experiments;

/** Name of a section: a union that an editor completes. */
export type SectionName = typeof EXPERIMENTS["sections"][number]["name"];

/** Name of a profile. */
export type ProfileName = keyof typeof EXPERIMENTS["profiles"];
