/**
 * Loaded before the command line (`--preload`), makes `--profile paper` a small world whose images
 * are brought: two heads a seed on two test sets and one of Synthbuster's.
 */

import type { Profile } from "../experiments/profiles/profile.ts";
import { PROFILES } from "../experiments/reproduce.ts";
import { smallProfile } from "./small_world.ts";

/** The small world's profile under the paper's name: what is not there is not made. */
export const smallPaper: Profile = {
  ...smallProfile,
  name: "paper",
  synthbusterSets: smallProfile.synthbusterSets.slice(0, 1),
  ldmGrid: { contrastiveWeights: [.2], projectionLayers: [1], projectionDims: [8] },
  fractions: [.5, 1],
};

Object.assign(PROFILES, { paper: smallPaper });
