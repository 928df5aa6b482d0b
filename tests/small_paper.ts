/**
 * Loaded before the command line (`--preload`), makes `--profile paper` a small world whose images
 * are brought: two heads a seed on two test sets and one of Synthbuster's.
 */

import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import type { Profile } from "../lib/runs/profile.ts";
import { smallProfile } from "./small_world.ts";

const { made: _, ...brought } = smallProfile;

/** The small world's profile under the paper's name: what is not there is not made. */
export const smallPaper: Profile = {
  ...brought,
  name: "paper",
  folder: "",
  batchSize: 8,
  synthbusterSets: smallProfile.synthbusterSets.slice(0, 1),
  ldmGrid: { contrastiveWeights: [.2], projectionLayers: [1], projectionDims: [8] },
  fractions: [.5, 1],
  epochs: { atEpochs: [2, 3], decayEpochs: [2] },
  // no two numbers alike, so that none can stand for another
  training: {
    ...smallProfile.training,
    blurProbability: .25,
    blurSigmaPx: [.1, .9],
    jpegProbability: .35,
    jpegQualities: [61, 97],
    flipProbability: .45,
    augmentations: 2,
  },
  perturbation: { probability: .55, resizePx: 71 },
  detectors: { trainings: mini.detectors!.trainings, areTrained: false },
};

// the published numbers are still the paper's own
Object.assign(EXPERIMENTS.profiles, { paper: smallPaper, published: paper });
