/**
 * A grid of the reader's own: some values of ξ, q and d′ on some class sets.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { RunConfig } from "../runs/config.ts";
import { testSetNames, trainingConfig } from "../report/paper/heads.ts";
import type { Profile } from "../runs/profile.ts";

/** Values that are combined, each with each. */
export interface Sweep {
  /** ξ, at least 0 */
  readonly contrastiveWeights: readonly number[];
  /** q, at least 1 */
  readonly projectionLayers: readonly number[];
  /** d′, at least 1 */
  readonly projectionDims: readonly number[];
  /** Names of class sets: `1-class`, `2-class`, `4-class`. */
  readonly classSets: readonly string[];
  /** The profile's, or imported ones; default the profile's first. */
  readonly backbones?: readonly string[];
  /** Names of test sets, the generators that heads are tried on; default all. */
  readonly testSets?: readonly string[];
}

/**
 * The runs of a sweep.
 * @throws {UserError} where a class set is not the profile's, or a value is out of range
 */
export function sweepRuns(profile: Profile, sweep: Sweep, seeds: readonly number[]): RunConfig[] {
  const {
    contrastiveWeights,
    projectionLayers,
    projectionDims,
    classSets,
    backbones = [profile.backbones[0]!],
    testSets = testSetNames(profile),
  } = sweep;
  assertKnown(sweep);
  const isCount = (value: number) => Number.isInteger(value) && value >= 1;
  assertAll(
    "contrastiveWeights",
    contrastiveWeights,
    "numbers from 0",
    (value) => Number.isFinite(value) && value >= 0,
  );
  assertAll("projectionLayers", projectionLayers, "whole numbers from 1", isCount);
  assertAll("projectionDims", projectionDims, "whole numbers from 1", isCount);
  for (const [name, values] of Object.entries({ classSets, backbones, testSets })) {
    assertList(name as keyof Sweep, values);
  }
  const evaluation = { testSets, view: "center", atEpochs: [1] };
  return seeds.flatMap((seed) =>
    backbones.flatMap((backbone) =>
      classSets.map((name) => classesOf(profile, name)).flatMap((classes) =>
        contrastiveWeights.flatMap((contrastiveWeight) =>
          projectionLayers.flatMap((layers) =>
            projectionDims.map((projectionDim) => ({
              training: trainingConfig(profile, {
                trainingSet: profile.trainedOn.main.name,
                classes,
                fraction: 1,
                backbone,
                contrastiveWeight,
                projectionLayers: layers,
                projectionDim,
                variant: "full",
                epochs: 1,
                decayEpochs: [],
              }, seed),
              evaluation,
            }))
          )
        )
      )
    )
  );
}

const SWEPT = [
  "contrastiveWeights",
  "projectionLayers",
  "projectionDims",
  "classSets",
  "backbones",
  "testSets",
] as const satisfies (keyof Sweep)[];

/** Cells are not checked for types before they run. */
function assertKnown(sweep: Sweep): void {
  const unknown = Object.keys(sweep).find((name) => !(SWEPT as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UserError("usage", `Cannot sweep: expected ${SWEPT.join(", ")}; found ${unknown}`);
  }
}

function assertList(name: keyof Sweep, values: unknown): void {
  if (!Array.isArray(values)) {
    throw new UserError(
      "usage",
      `Cannot sweep: expected ${name} as a list, [${values ?? "…"}]; found ${values ?? "nothing"}`,
    );
  }
  if (values.length === 0) {
    throw new UserError("usage", `Cannot sweep: expected values in ${name}, found none`);
  }
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice !== undefined) {
    throw new UserError("usage", `Cannot sweep: expected different ${name}, found ${twice} twice`);
  }
}

function assertAll(
  name: keyof Sweep,
  values: readonly number[],
  wanted: string,
  fits: (value: number) => boolean,
): void {
  assertList(name, values);
  const wrong = values.find((value) => !fits(value));
  if (wrong !== undefined) {
    throw new UserError(
      "usage",
      `Cannot sweep: expected ${name} of ${wanted}, found ${JSON.stringify(wrong)}`,
    );
  }
}

function classesOf({ classSets }: Profile, name: string): readonly string[] {
  const found = classSets.find((set) => set.name === name);
  if (found) return found.classes;
  throw new UserError(
    "usage",
    `Cannot sweep: expected a class set of ${
      classSets.map(({ name }) => name).join(", ")
    }; found ${name}`,
  );
}
