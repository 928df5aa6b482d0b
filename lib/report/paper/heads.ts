/**
 * What the sections share: how a head is trained, which heads are the best, and how their scores
 * stand in a table.
 * @module
 */
import type { DatasetSpec } from "../../data/dataset.ts";
import type { FigureRow, Spec } from "../figure.ts";
import { type Cell, type Column, percentColumn, spread } from "../table.ts";
import type { RunRow, TrainingConfig } from "../../runs/config.ts";
import {
  bestConfiguration,
  type Configuration,
  meanScore,
  type Selection,
} from "../../runs/select.ts";
import type { Profile } from "../../runs/profile.ts";

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
    trainingSet: row.trainingSet,
    classes: row.classes,
    fraction: row.fraction,
    backbone: row.backbone,
    contrastiveWeight: row.contrastiveWeight,
    projectionLayers: row.projectionLayers,
    projectionDim: row.projectionDim,
    variant: row.variant,
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

/** A column for each test set under its family, and one for the mean over all but a user's own. */
export function scoreColumns(sets: readonly DatasetSpec[]): Column[] {
  return [
    ...sets.map(({ name, title, family, isOwn }) => ({
      ...percentColumn(name, title, family),
      ...(isOwn ? { isAdded: true } : {}),
    })),
    { ...percentColumn("AVG", "AVG"), isPinned: true },
  ];
}

/** Cells for {@linkcode scoreColumns}: a measure by test set and its mean, over seeds. */
export function scoreCells(
  rows: readonly RunRow[],
  measure: string,
  sets: readonly DatasetSpec[],
): Record<string, Cell> {
  const names = sets.map(({ name }) => name);
  return {
    ...Object.fromEntries(
      names.map((name) => [name, spread(rows.map((row) => meanScore(row, measure, [name])))]),
    ),
    AVG: spread(rows.map((row) => meanScore(row, measure, averagedNames(sets)))),
  };
}

/** `notice`, where the profile's numbers are not the paper's, as a field of tables and figures. */
export function noticeOf({ notice }: Profile): { notice?: string } {
  return notice === undefined ? {} : { notice };
}

/**
 * Colour and legend of class sets, named in the rows' field `training`: each has the same colour in every
 * figure, whichever of them it shows. What is no class set of the profile comes after them.
 */
export function classSetEncoding({ classSets }: Profile, rows: readonly FigureRow[]): Spec {
  const known = classSets.map(({ name }) => name);
  const shown = new Set(rows.map(({ training }) => String(training)));
  const domain = [...new Set([...known, ...shown])];
  return {
    field: "training",
    type: "ordinal",
    title: null,
    scale: { domain },
    legend: { values: domain.filter((name) => shown.has(name)) },
  };
}

/** Colour, legend and order of ACC and AP in figures. */
export const MEASURE_ENCODING = {
  field: "measure",
  type: "nominal",
  title: null,
  scale: { domain: ["ACC", "AP"] },
} as const;
