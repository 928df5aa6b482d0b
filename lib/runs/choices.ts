/**
 * Which heads are trained and which are the best: what sections and tables ask of configurations and
 * rows.
 * @module
 */
import type { DatasetSpec } from "../data/dataset.ts";
import type { TrainingConfig } from "../detectors/detector.ts";
import type { RunRow } from "./config.ts";
import type { Profile } from "./profile.ts";
import { bestConfiguration, type Configuration, type Selection } from "./select.ts";

/** The fields in which the heads of the paper differ. */
export type HeadChoice = Omit<TrainingConfig, "batchSize" | "learningRate" | "seed">;

/** A head's whole configuration: the choice, and what all trainings of the profile have in common. */
export function trainingConfig(profile: Profile, choice: HeadChoice, seed: number): TrainingConfig {
  const { batchSize, learningRate } = profile.training;
  return { ...choice, batchSize, learningRate, seed };
}

/** The configuration that a head of one epoch was trained with, with some fields changed. */
export function retrained(
  profile: Profile,
  row: RunRow,
  changes: Partial<HeadChoice> = {},
): TrainingConfig {
  const choice = {
    detector: row.detector,
    trainingSet: row.trainingSet,
    classes: row.classes,
    fraction: row.fraction,
    backbone: row.backbone,
    head: row.head,
    epochs: 1,
    decayEpochs: [],
    ...changes,
  };
  return trainingConfig(profile, choice, row.seed);
}

/** Names of the profile's test sets: 20 in the order of the paper's tables, then a user's own. */
export function testSetNames(profile: Profile): string[] {
  return profile.testSets.map(({ name }) => name);
}

/** Names of the sets that means are taken over: all but a user's own. */
export function averagedNames(sets: readonly DatasetSpec[]): string[] {
  return sets.filter(({ isOwn }) => !isOwn).map(({ name }) => name);
}

/** Name of the class set that a head was trained on: `2-class`. */
export function classSetName(profile: Profile, classes: readonly string[]): string {
  const found = profile.classSets.find((set) => set.classes.join() === classes.join());
  return found?.name ?? `${classes.length}-class`;
}

/** Heads trained on one class set. */
export interface ClassSetHeads {
  /** `2-class` */
  readonly name: string;
  readonly classes: readonly string[];
  readonly rows: readonly RunRow[];
}

/** An experiment's rows by class set, in the profile's order; class sets without rows are left out. */
export function byClassSet(
  profile: Profile,
  rows: readonly RunRow[],
  experiment: string,
): ClassSetHeads[] {
  return profile.classSets.map(({ name, classes }) => ({
    name,
    classes,
    rows: rows.filter((row) =>
      row.experiment === experiment && row.classes.join() === classes.join()
    ),
  })).filter((heads) => heads.rows.length > 0);
}

/** The grid's best configuration of each class set, one row a seed. */
export function bestHeads(
  profile: Profile,
  rows: readonly RunRow[],
  by: Selection = profile.selection ?? "test",
): (ClassSetHeads & { readonly rows: Configuration })[] {
  return byClassSet(profile, rows, "grid").map((heads) => ({
    ...heads,
    rows: bestConfiguration(heads.rows, by),
  }));
}
