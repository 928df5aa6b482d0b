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

/** Memory that heads in training, parameters and two moments, and banks may take together. */
const HEAD_MEMORY_BYTES = 4 * 2 ** 30;

/** Heads that one worker does in one go: they read the same features in the same order. */
export type Group = readonly PlannedRun[];

/**
 * Divides runs into groups. Runs of a detector that read the same features in the same order belong together; a
 * group is small enough for memory, and there are enough of them to keep every worker busy. Runs that
 * search the same bank stay together: a worker holds it once for all of them.
 * @param learned how many rows of features a run learns from
 */
export function groupRuns(
  runs: readonly PlannedRun[],
  world: World,
  workers: number,
  learned: (run: PlannedRun) => number,
): Group[] {
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
    const banks = banksOf(stream, world, learned);
    if (banks.length > 0) {
      groups.push(...packed(banks, HEAD_MEMORY_BYTES / workers));
      continue;
    }
    const bytes = headBytes(stream, world);
    const parts = Math.min(
      stream.length,
      Math.max(workers, Math.ceil(bytes / (HEAD_MEMORY_BYTES / workers))),
    );
    // heads of one size side by side share a session
    const ordered = stream.toSorted((a, b) => headSize(a, world) - headSize(b, world));
    for (let part = 0; part < parts; part++) {
      groups.push(ordered.filter((_, index) => index % parts === part));
    }
  }
  const cost = (group: Group) =>
    group.reduce((sum, run) => sum + headSize(run, world), bankBytes(group, world, learned));
  return groups.toSorted((a, b) => cost(b) - cost(a));
}

/** A bank that runs of a group search. */
interface SearchedBank {
  /** In memory, float32. */
  readonly bytes: number;
  readonly runs: PlannedRun[];
}

/** Banks of runs that read the same features; none where their detector keeps no features. */
function banksOf(
  runs: Group,
  world: World,
  learned: (run: PlannedRun) => number,
): SearchedBank[] {
  const banks = new Map<string, SearchedBank>();
  for (const run of runs) {
    const { detector, backbone, head } = run.config.training;
    const { keptFeatures, reads } = detectorNamed(detector);
    if (!keptFeatures) continue;
    const { rows, blocks, draw } = keptFeatures(head, learned(run));
    const { width } = world.backbones.get(backbone)!.at(reads.tap).featureSizes;
    const bank = banks.get(draw) ??
      { bytes: rows * blocks * width * Float32Array.BYTES_PER_ELEMENT, runs: [] };
    bank.runs.push(run);
    banks.set(draw, bank);
  }
  return [...banks.values()];
}

/** Groups whose banks take no more memory than there is, but for a bank that alone takes more. */
function packed(banks: readonly SearchedBank[], limit: number): Group[] {
  const groups: SearchedBank[] = [];
  for (const { bytes, runs } of banks.toSorted((a, b) => b.bytes - a.bytes)) {
    const place = groups.findIndex((group) => group.bytes + bytes <= limit);
    const before = groups[place] ?? { bytes: 0, runs: [] };
    const group = { bytes: before.bytes + bytes, runs: [...before.runs, ...runs] };
    groups.splice(place < 0 ? groups.length : place, 1, group);
  }
  return groups.map(({ runs }) => runs);
}

function bankBytes(group: Group, world: World, learned: (run: PlannedRun) => number): number {
  return banksOf(group, world, learned).reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * How many groups may be under way at once: as many as fit into memory, whichever they are. Groups
 * without banks are divided so that all workers' fit.
 * @returns at least 1; infinity where there is room for all
 */
export function groupsAtOnce(
  groups: readonly Group[],
  world: World,
  learned: (run: PlannedRun) => number,
): number {
  const banks = groups.map((group) => bankBytes(group, world, learned));
  if (banks.every((bytes) => bytes === 0)) return Infinity;
  const sizes = groups.map((group, g) => banks[g]! + headBytes(group, world))
    .sort((a, b) => b - a);
  let bytes = 0;
  const first = sizes.findIndex((size) => (bytes += size) > HEAD_MEMORY_BYTES);
  return first < 0 ? Infinity : Math.max(1, first);
}

function headBytes(group: Group, world: World): number {
  return group.reduce((sum, { config }) => sum + trainingBytes(config.training, world), 0);
}

/** Runs that try one head, by its training's key, where they are several. */
export function sharedHeads(
  runs: readonly PlannedRun[],
): ReadonlyMap<string, readonly PlannedRun[]> {
  const tried = new Map<string, PlannedRun[]>();
  for (const run of runs) {
    tried.set(run.trainingKey, [...tried.get(run.trainingKey) ?? [], run]);
  }
  return new Map([...tried].filter(([, runs]) => runs.length > 1));
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

/** How many rows of features a run learns from, in all epochs. */
export function learnedCounter(
  requests: ReadonlyMap<string, FeatureRequest>,
): (run: PlannedRun) => number {
  return ({ config: { training: { fraction } }, features }) =>
    features.train.flat()
      .reduce((sum, key) => sum + pickedCount(rowsIn(requests, key), fraction), 0);
}

/** How many rows of features a run learns from and scores: a measure of its work. */
export function rowCounter(
  requests: ReadonlyMap<string, FeatureRequest>,
): (run: PlannedRun) => number {
  const learned = learnedCounter(requests);
  return (run) => {
    const scored = run.sets.flatMap(({ features }) => features)
      .reduce((sum, key) => sum + rowsIn(requests, key), 0);
    return learned(run) + scored * run.config.evaluation.atEpochs.length;
  };
}

function rowsIn(requests: ReadonlyMap<string, FeatureRequest>, key: string): number {
  const { images, transform } = requests.get(key)!;
  return images.length * cropsPerImage(transform);
}
