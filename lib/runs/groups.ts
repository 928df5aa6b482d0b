/**
 * Divides runs among workers: heads that read the same features in the same order go together, in
 * groups that fit into memory and keep every worker busy.
 * @module
 */
import type { TrainingConfig } from "../detectors/detector.ts";
import { detectorNamed } from "../detectors/index.ts";
import { cropsPerImage } from "../image/transform.ts";
import type { FeatureRequest } from "../tokens/request.ts";
import { pickedCount } from "../tokens/rows.ts";
import type { PlannedRun } from "./plan.ts";
import type { World } from "./world.ts";

/** Memory that heads in training may take together: parameters and two moments. */
const HEAD_MEMORY_BYTES = 4 * 2 ** 30;

/** Heads that one worker does in one go: they read the same features in the same order. */
export type Group = readonly PlannedRun[];

/**
 * Divides runs into groups. Runs of a detector that read the same features in the same order belong together; a
 * group is small enough for memory, and there are enough of them to keep every worker busy.
 */
export function groupRuns(runs: readonly PlannedRun[], world: World, workers: number): Group[] {
  const streams = new Map<string, PlannedRun[]>();
  for (const run of runs) {
    const { config: { training, evaluation }, features, sets } = run;
    const { detector, fraction, batchSize, epochs, seed } = training;
    const stream = JSON.stringify([
      detector,
      features,
      sets,
      fraction,
      batchSize,
      epochs,
      seed,
      evaluation,
    ]);
    streams.set(stream, [...streams.get(stream) ?? [], run]);
  }
  const groups: Group[] = [];
  for (const stream of streams.values()) {
    const bytes = stream.reduce(
      (sum, { config }) => sum + trainingBytes(config.training, world),
      0,
    );
    const { together } = detectorNamed(stream[0]!.config.training.detector);
    const parts = together ? 1 : Math.min(
      stream.length,
      Math.max(workers, Math.ceil(bytes / (HEAD_MEMORY_BYTES / workers))),
    );
    // heads of one size side by side share a session
    const ordered = stream.toSorted((a, b) => headSize(a, world) - headSize(b, world));
    for (let part = 0; part < parts; part++) {
      groups.push(ordered.filter((_, index) => index % parts === part));
    }
  }
  const cost = (group: Group) => group.reduce((sum, run) => sum + headSize(run, world), 0);
  return groups.toSorted((a, b) => cost(b) - cost(a));
}

/** One run of each training that is in several groups. */
export function sharedTrainings(groups: readonly Group[]): PlannedRun[] {
  const seen = new Map<string, Group>(), shared = new Map<string, PlannedRun>();
  for (const group of groups) {
    for (const run of group) {
      const first = seen.get(run.trainingKey);
      if (first !== undefined && first !== group) shared.set(run.trainingKey, run);
      seen.set(run.trainingKey, first ?? group);
    }
  }
  return [...shared.values()];
}

function headSize({ config }: PlannedRun, world: World): number {
  return trainingBytes(config.training, world) * config.training.classes.length;
}

/** Parameters and two moments, as float32. */
function trainingBytes(training: TrainingConfig, world: World): number {
  return 3 * 4 * parameterCountOf(training, world);
}

/** Number of trainable parameters of a configuration's head. */
export function parameterCountOf(
  { detector: name, backbone, head }: TrainingConfig,
  world: World,
): number {
  const { parameterCount, reads } = detectorNamed(name);
  return parameterCount(head, world.backbones.get(backbone)!.at(reads.tap).featureSizes);
}

/** How many rows of features a run learns from and scores: a measure of its work. */
export function rowCounter(
  requests: ReadonlyMap<string, FeatureRequest>,
): (run: PlannedRun) => number {
  const rows = (key: string) => {
    const { images, transform } = requests.get(key)!;
    return images.length * cropsPerImage(transform);
  };
  return ({ config: { training, evaluation }, features, sets }) => {
    const { fraction } = training;
    const learned = features.train.flat()
      .reduce((sum, key) => sum + pickedCount(rows(key), fraction), 0);
    const scored = sets.flatMap(({ features }) => features)
      .reduce((sum, key) => sum + rows(key), 0);
    return learned + scored * evaluation.atEpochs.length;
  };
}
