/**
 * Features that heads have learned from and that no head will learn from any more: whoever has little
 * room drops them, and what is done stays done.
 * @module
 */
import { join } from "node:path";
import { checkpointPath } from "../detectors/detector.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import type { Listings } from "../data/listing.ts";
import { type FeatureRequest, nameFeatures } from "../tokens/request.ts";
import { readIndex } from "../tokens/set_index.ts";
import { dropContent, featurePaths } from "../tokens/store.ts";
import { headProblem } from "./damage.ts";
import { keysOf, type Plan, type PlannedRun, requestsOf } from "./plan.ts";
import type { Setup } from "./setup.ts";
import { Status } from "./status.ts";
import type { World } from "./world.ts";

/** What was dropped. */
export interface Dropped {
  readonly sets: number;
  readonly bytes: number;
}

/**
 * Drops the augmented images' features that all runs which learn from them are done with, in all sections
 * whose images are there. As long as a section is not done that others hang on, nothing is dropped: what
 * they will read is not known. Nobody may train on the same images under other conditions meanwhile.
 */
export async function dropSpent(world: World, setup: Setup): Promise<Dropped> {
  const status = new Status({ ...setup, force: false }, world);
  const needed = new Set<string>(), spent = new Set<string>();
  for (const { name, dependsOn } of setup.experiments.sections) {
    const { runs = [] } = await status.section(name);
    for (const other of dependsOn) {
      if (!(await status.section(other)).isDone) return { sets: 0, bytes: 0 };
    }
    for (const { record, features } of runs) {
      for (const key of features.train.flat()) (record ? spent : needed).add(key);
    }
  }
  let sets = 0, bytes = 0;
  for (const key of spent) {
    if (needed.has(key) || !await isAugmented(setup.tokens, key)) continue;
    const freed = await dropContent(setup.tokens, key);
    sets += freed > 0 ? 1 : 0;
    bytes += freed;
  }
  return { sets, bytes };
}

async function isAugmented(tokens: string, key: string): Promise<boolean> {
  try {
    const index = await readIndex(featurePaths(tokens, key).index, key);
    return index?.source.transform.kind === "train";
  } catch (error) {
    // what is damaged is made again, or is nobody's
    if (error instanceof UserError && error.kind === "damaged") return false;
    throw error;
  }
}

/**
 * What makes the features that runs have still to read: of a run whose heads are trained, not those that
 * it learned from and that are gone.
 */
export async function requestsLeft(
  runs: readonly PlannedRun[],
  requests: Plan["requests"],
  listings: Listings,
  setup: Setup,
): Promise<FeatureRequest[]> {
  const all = requestsOf(runs, requests);
  if (setup.force) return all;
  const needed = new Set<string>();
  const gone = new Map<string, boolean>();
  let hasGone = false;
  for (const run of runs) {
    const learned = new Set(run.features.train.flat());
    for (const key of learned) {
      if (!gone.has(key)) {
        const { features, index } = featurePaths(setup.tokens, key);
        gone.set(key, await exists(index) && !await exists(features));
      }
    }
    const lacks = [...learned].some((key) => gone.get(key)) && await hasHeads(run, setup.folder);
    hasGone ||= lacks;
    const others = new Set([...run.features.val, ...run.sets.flatMap(({ features }) => features)]);
    for (const key of keysOf(run)) {
      if (!lacks || !gone.get(key) || others.has(key)) needed.add(key);
    }
  }
  if (!hasGone) return all;
  const left: FeatureRequest[] = [];
  for (const request of all) {
    const [keys] = await nameFeatures([request], listings);
    const backbones = request.backbones.filter((_, b) => needed.has(keys![b]!));
    if (backbones.length > 0) left.push({ ...request, backbones });
  }
  return left;
}

/** Whether all heads of a run are there as they were trained. */
async function hasHeads(run: PlannedRun, folder: string): Promise<boolean> {
  for (const epoch of run.config.evaluation.atEpochs) {
    const path = join(folder, checkpointPath(run.trainingKey, epoch));
    if (await headProblem(path, run, true) !== undefined) return false;
  }
  return true;
}
