/**
 * Heads of the reader's own choice: every combination of some values, trained and tried.
 * @module
 */
import type { TrainingConfig } from "../detectors/detector.ts";
import { type RineHead, VARIANTS } from "../detectors/rine/head.ts";
import { PERTURBATIONS } from "../image/perturb.ts";
import { UserError } from "../io/errors.ts";
import { bestHeads, testSetNames, trainingConfig } from "../runs/choices.ts";
import { product, type RunConfig, type RunRow } from "../runs/config.ts";
import type { Profile } from "../runs/profile.ts";
import { ALIKE_VIEW } from "../runs/world.ts";

/**
 * Values that are combined, each with each. What is left out is as in the grid's best head of most
 * classes; where the grid has not been run, the first value of the profile's grid.
 */
export interface Sweep {
  /** ξ, at least 0 */
  readonly contrastiveWeights?: readonly number[];
  /** q, at least 1 */
  readonly projectionLayers?: readonly number[];
  /** d′, at least 1 */
  readonly projectionDims?: readonly number[];
  /** `full`, or what is left out of the method: `no TIE`; default `full`. */
  readonly variants?: readonly RineHead["variant"][];
  /**
   * Names of class sets: `1-class`, `2-class`, `4-class`, or that of the training set of §5.8; default
   * that of most classes.
   */
  readonly classSets?: readonly string[];
  /** The profile's, or imported ones. */
  readonly backbones?: readonly string[];
  /** Names of test sets, the generators that heads are tried on; default all. */
  readonly testSets?: readonly string[];
  /** Numbers of epochs; the rate falls where §5.4's does. Default 1. */
  readonly epochs?: readonly number[];
  /** Shares of the training images, in (0, 1]; default 1. */
  readonly fractions?: readonly number[];
  /** The optimiser's, above 0; default the profile's. */
  readonly learningRates?: readonly number[];
  /** Images in a step, at least 1; default the profile's. */
  readonly batchSizes?: readonly number[];
  /** Of parameters, order and dropout, whole and at least 0; default the session's. */
  readonly seeds?: readonly number[];
  /** How test images are cropped: `center`, `ten`, `alike`, or a perturbation; default `center`. */
  readonly view?: string;
}

/** The values that a list may hold: in words, and as a check. */
export type Wanted = readonly [words: string, fits: (value: unknown) => boolean];

const COUNTS: Wanted = ["whole numbers from 1", (value) => Number.isInteger(value) && +value! >= 1];

/** What `view` may be. */
export const VIEWS: readonly string[] = ["center", "ten", ALIKE_VIEW, ...PERTURBATIONS];

/**
 * The runs of a sweep.
 * @param rows of the grid, whose best head of RINE stands for what is left out; often none
 * @throws {UserError} where a field is unknown, or a value is not the profile's or out of range
 */
export function sweepRuns(
  profile: Profile,
  sweep: Sweep,
  seeds: readonly number[],
  rows: readonly RunRow[] = [],
): RunConfig[] {
  assertSweep(profile, sweep);
  const { grid, training, backbones, classSets, epochs: { decayEpochs } } = profile;
  const own = rows.filter(({ detector }) => detector === "rine");
  const best = bestHeads(profile, own).at(-1)?.rows[0];
  const head = best?.head as RineHead | undefined;
  const { testSets = testSetNames(profile), view = "center" } = sweep;
  return product({
    seed: sweep.seeds ?? seeds,
    backbone: sweep.backbones ?? [best?.backbone ?? backbones[0]!],
    classSet: sweep.classSets ?? [classSets.at(-1)!.name],
    contrastiveWeight: sweep.contrastiveWeights ??
      [head?.contrastiveWeight ?? grid.contrastiveWeights[0]!],
    projectionLayers: sweep.projectionLayers ??
      [head?.projectionLayers ?? grid.projectionLayers[0]!],
    projectionDim: sweep.projectionDims ?? [head?.projectionDim ?? grid.projectionDims[0]!],
    variant: sweep.variants ?? ["full" as const],
    epochs: sweep.epochs ?? [1],
    fraction: sweep.fractions ?? [1],
    learningRate: sweep.learningRates ?? [training.learningRate],
    batchSize: sweep.batchSizes ?? [training.batchSize],
  }).map((
    { seed, backbone, classSet, epochs, fraction, learningRate, batchSize, ...head },
  ): RunConfig => ({
    training: {
      ...trainingConfig(profile, {
        detector: "rine",
        ...learnedFrom(profile, classSet),
        fraction,
        backbone,
        head,
        epochs,
        decayEpochs: decayEpochs.filter((start) => start <= epochs),
      }, seed),
      learningRate,
      batchSize,
    },
    evaluation: { testSets, view, atEpochs: [epochs] },
  }));
}

/** The training set and the classes that a class set stands for. */
function learnedFrom(
  { classSets, trainedOn: { main, latent }, trainingSets }: Profile,
  classSet: string,
): Pick<TrainingConfig, "trainingSet" | "classes"> {
  const found = classSets.find(({ name }) => name === classSet);
  if (found) return { trainingSet: main.name, classes: found.classes };
  return { trainingSet: latent.name, classes: Object.keys(trainingSets[latent.name] ?? {}) };
}

/** Cells are not checked for types before they run. */
function assertSweep(profile: Profile, sweep: Sweep): void {
  const wanted = wantedOf(profile);
  const fields = [...Object.keys(wanted), "view"];
  for (const [field, values] of Object.entries(sweep)) {
    if (!fields.includes(field)) throw fail(fields.join(", "), field);
    if (field === "view") {
      if (!VIEWS.includes(values)) throw fail(`view, one of ${VIEWS.join(", ")}`, said(values));
      continue;
    }
    if (values !== undefined) assertList(field, values, wanted[field as keyof typeof wanted]);
  }
}

/** The values that each list of a sweep may hold. */
export function wantedOf(profile: Profile): Record<Exclude<keyof Sweep, "view">, Wanted> {
  const one = (names: readonly string[]): Wanted => [
    names.join(", "),
    (value) => names.includes(value as string),
  ];
  const number = (words: string, fits: (value: number) => boolean): Wanted => [
    words,
    (value) => Number.isFinite(value) && fits(value as number),
  ];
  return {
    contrastiveWeights: number("numbers from 0", (value) => value >= 0),
    projectionLayers: COUNTS,
    projectionDims: COUNTS,
    variants: one(VARIANTS),
    classSets: one([...profile.classSets, profile.trainedOn.latent].map(({ name }) => name)),
    backbones: ["names", (value) => typeof value === "string"],
    testSets: one([...profile.testSets, ...profile.synthbusterSets].map(({ name }) => name)),
    epochs: COUNTS,
    fractions: number("numbers above 0 and up to 1", (value) => value > 0 && value <= 1),
    learningRates: number("numbers above 0", (value) => value > 0),
    batchSizes: COUNTS,
    seeds: ["whole numbers from 0", (value) => Number.isInteger(value) && +value! >= 0],
  };
}

function assertList(field: string, values: unknown, [words, fits]: Wanted): void {
  if (!Array.isArray(values)) {
    throw fail(`${field} as a list, [${values ?? "…"}]`, `${values ?? "nothing"}`);
  }
  if (values.length === 0) throw fail(`values in ${field}`, "none");
  const wrong = values.findIndex((value) => !fits(value));
  if (wrong >= 0) throw fail(`${field} of ${words}`, said(values[wrong]));
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice !== undefined) throw fail(`different ${field}`, `${twice} twice`);
}

/** A value as a cell has it: text in quotes, Infinity by its name. */
export function said(value: unknown): string {
  return typeof value === "number" ? `${value}` : JSON.stringify(value) ?? `${value}`;
}

function fail(wanted: string, found: string): UserError {
  return new UserError("usage", `Cannot sweep: expected ${wanted}; found ${found}`);
}
