/**
 * What the sections share: how a head is trained in a profile, and what a class set is called.
 * @module
 */
import type { RunRow, TrainingConfig } from "../lib/results/run.ts";
import type { Profile } from "./profiles/profile.ts";

/** The fields in which the heads of the paper differ. */
export type HeadChoice = Pick<
  TrainingConfig,
  | "trainingSet"
  | "classes"
  | "fraction"
  | "backbone"
  | "contrastiveWeight"
  | "projectionLayers"
  | "projectionDim"
  | "variant"
  | "epochs"
  | "decayEpochs"
>;

/** A head's whole configuration: the choice, and what all trainings of the profile have in common. */
export function trainingConfig(profile: Profile, choice: HeadChoice, seed: number): TrainingConfig {
  const { batchSize, learningRate } = profile.training;
  return { ...choice, batchSize, learningRate, seed };
}

/** The choice that an evaluated head came from, for training it otherwise. */
export function choiceOf(row: RunRow): HeadChoice {
  return {
    trainingSet: row.trainingSet,
    classes: row.classes,
    fraction: row.fraction,
    backbone: row.backbone,
    contrastiveWeight: row.contrastiveWeight,
    projectionLayers: row.projectionLayers,
    projectionDim: row.projectionDim,
    variant: row.variant,
    epochs: row.epochs,
    decayEpochs: [],
  };
}

/** Names of the profile's 20 test sets, in the order of the paper's tables. */
export function testSetNames(profile: Profile): string[] {
  return profile.testSets.map(({ name }) => name);
}

/** Name of the class set that a head was trained on: `2-class`. */
export function classSetName(profile: Profile, classes: readonly string[]): string {
  const found = profile.classSets.find((set) => set.classes.join() === classes.join());
  return found?.name ?? `${classes.length}-class`;
}

/** `notice`, where the profile's numbers are not the paper's, as a field of tables and figures. */
export function noticeOf({ notice }: Profile): { notice?: string } {
  return notice === undefined ? {} : { notice };
}
