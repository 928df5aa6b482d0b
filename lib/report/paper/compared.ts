/**
 * Other detectors tried on a profile's test sets, released ones and those trained here: rows of Tables 2
 * and 3 beside the printed ones.
 * @module
 */
import type { LabelledImage } from "../../data/dataset.ts";
import type { TrainedHead } from "../../detectors/detector.ts";
import type { ReleasedRow } from "../../detectors/pixel_detector.ts";
import type { Alike } from "../../image/alike.ts";
import { evaluateScores, type SetScores } from "../../metrics.ts";
import { averagedNames } from "../../runs/choices.ts";
import { defineMaking } from "../../runs/made.ts";
import type { Making } from "../../runs/making.ts";
import type { ReadyDetector } from "../../runs/released_scores.ts";
import type { ComparedDetectors, Profile } from "../../runs/profile.ts";
import type { Shown } from "../../runs/section.ts";
import { type Cell, meanOf } from "../table.ts";

/** Counts what the numbers hang on beside images, checkpoints and transforms. */
const VERSION = 2;

/** A detector, and what came of it. */
export interface TriedDetector {
  readonly title: string;
  readonly row?: ReleasedRow;
  /** How it was trained here; absent where it was released. */
  readonly trained?: {
    readonly classes: readonly string[];
    readonly epochs: number;
    readonly seconds: number;
    /** Accuracy on its validation images of the weights that were kept. */
    readonly valAcc: number;
  };
  /** What it reads of an image, in words. */
  readonly reads: string;
  /** By test set. */
  readonly test: Readonly<Record<string, SetScores>>;
  /** The same on images that are all of one size and one format, where that was asked for. */
  readonly alike?: Readonly<Record<string, SetScores>>;
}

/** A detector whose training came to nothing. */
interface FailedDetector {
  readonly title: string;
  readonly problem: string;
}

/** Which detectors are tried, and on what. */
export interface TriedChoice {
  /** How each released kind reads images, by its name: `{ wang: "original" }`; others are left out. */
  readonly transforms?: Readonly<Record<string, string>>;
  /** Those among them that a profile trains; by default the ones of Tables 2 and 3. */
  readonly trained?: (profile: Profile) => ComparedDetectors | undefined;
  /** Whether images that are all of one size and one format are tried besides; default no. */
  readonly isAlikeToo?: boolean;
}

/**
 * Scores of other detectors on all test sets: of released ones that lie in the data folder, and of those
 * that the profile trains.
 */
export function triedDetectors(
  { transforms = {}, trained = ({ detectors }) => detectors, isAlikeToo = false }: TriedChoice,
): Making {
  return defineMaking<(TriedDetector | FailedDetector)[]>({
    isDivided: true,
    isOptional: true,
    reads: ({ testSets }) => ({ sets: testSets, backbones: [] }),
    async plan(materials) {
      const released = await materials.detectors(transforms);
      const own = await materials.trainedDetectors(trained(materials.profile));
      const detectors = [...released, ...own];
      if (detectors.length === 0) return undefined;
      const { testSets, alike } = materials.profile;
      const sets: { name: string; lists: (readonly LabelledImage[])[] }[] = [];
      for (const spec of testSets) {
        const real = await materials.images(spec, 0), generated = await materials.images(spec, 1);
        sets.push({ name: spec.name, lists: [...real, ...generated] });
      }
      return {
        parameters: [
          "compared",
          VERSION,
          detectors.map(parametersOf),
          sets.map(({ name }) => name),
          isAlikeToo ? alike : "as they are",
        ],
        async make() {
          const tried: (TriedDetector | FailedDetector)[] = [];
          const all = sets.flatMap(({ lists }) => lists);
          const views = isAlikeToo ? [undefined, alike] : [undefined];
          const trained = await materials.trainAll(own.map(({ key }) => key), all, views);
          for (const { title, row, reads, key, trainedOn } of detectors) {
            const training = trained.get(key);
            if (training && "problem" in training) {
              tried.push({ title, problem: training.problem });
              continue;
            }
            const tryOn = async (view?: Alike) => {
              const scores = await materials.scores(key, all, view);
              const test: Record<string, SetScores> = {};
              let first = 0;
              for (const { name, lists } of sets) {
                const images = lists.flat();
                test[name] = measured(images, scores.subarray(first, first += images.length));
              }
              return test;
            };
            const test = await tryOn();
            tried.push({
              ...{ title, reads, test, ...(row ? { row } : {}) },
              ...(isAlikeToo ? { alike: await tryOn(alike) } : {}),
              ...(training && trainedOn ? { trained: factsOf(training, trainedOn) } : {}),
            });
          }
          return tried;
        },
      };
    },
  });
}

/** What the result hangs on of a detector: not where its file lies. */
function parametersOf({ path: _path, ...detector }: ReadyDetector) {
  return detector;
}

function measured(images: readonly LabelledImage[], scores: Float32Array): SetScores {
  const there = [...scores.keys()].filter((i) => !Number.isNaN(scores[i]));
  return evaluateScores(
    Uint8Array.from(there, (i) => images[i]!.label),
    Float32Array.from(there, (i) => scores[i]!),
  );
}

function factsOf({ epochs, trainingSeconds }: TrainedHead, classes: readonly string[]) {
  const last = epochs.at(-1)!;
  const kept = epochs.find(({ epoch }) => epoch === last.keptEpoch) ?? last;
  return { classes, epochs: epochs.length, seconds: trainingSeconds, valAcc: kept.valAcc };
}

/** A row of a table, and the printed one that it stands behind. */
export interface TriedRow {
  readonly cells: Readonly<Record<string, Cell>>;
  readonly row?: ReleasedRow;
}

/** What was made, as rows of a table of one measure. */
export function triedRows(
  { made, profile: { testSets } }: Pick<Shown, "made" | "profile">,
  metric: "acc" | "ap",
): TriedRow[] {
  return triedOf(made).map((one) => {
    const { row, trained, test } = one;
    const value = (name: string) => test[name]![metric] ?? null;
    const averaged = averagedNames(testSets);
    return {
      ...(row ? { row } : {}),
      cells: {
        method: comparedName(one),
        trainingClasses: trained ? `${trained.classes.length}` : row?.trainingClasses ?? "",
        variant: "",
        metric,
        ...Object.fromEntries(testSets.map(({ name }) => [name, value(name)])),
        AVG: averaged.length === 0 ? null : meanOf(averaged.flatMap((name) => value(name) ?? [])),
      },
    };
  });
}

/**
 * Sentences for captions: what ran here, and what it reads; what was trained here, and on what; what
 * came to nothing. Nothing where nothing ran.
 */
export function triedRemark({ made, profile }: { made?: unknown; profile: Profile }): string {
  const tried = triedOf(made);
  const list = (some: readonly TriedDetector[]) =>
    some.map(({ title, reads }) => `${title}: ${reads}`).join("; ");
  const released = tried.filter(({ trained }) => !trained);
  const trained = tried.filter(({ trained }) => trained);
  return [
    ...(released.length === 0 ? [] : [
      ` "Run here" are released checkpoints on the images of the ${profile.name} profile: ${
        list(released)
      }.`,
    ]),
    ...(trained.length === 0 ? [] : [
      ` "Trained here" are detectors on pixels by their own recipes` +
      (profile.isComparable ? "" : ", made smaller") +
      `, trained once with the first seed on ${profile.trainedOn.main.title}: ${list(trained)}.`,
    ]),
    failedRemark(made),
  ].join("");
}

/** Sentences for captions: which detectors came to nothing, and why. */
export function failedRemark(made: unknown): string {
  return failedOf(made).map(({ title, problem }) => ` ${title} is left out: ${problem}.`).join("");
}

/** What a detector is called in tables: `Wang et al. (.5), trained here`. */
export function comparedName({ title, row, trained }: TriedDetector): string {
  return `${row?.method ?? title}, ${trained ? "trained here" : "run here"}`;
}

/** The detectors that were tried, of what was made. */
export function triedOf(made: unknown): readonly TriedDetector[] {
  return comparedOf(made).filter((one) => "test" in one);
}

function failedOf(made: unknown): readonly FailedDetector[] {
  return comparedOf(made).filter((one) => "problem" in one);
}

function comparedOf(made: unknown): readonly (TriedDetector | FailedDetector)[] {
  return made === undefined ? [] : made as readonly (TriedDetector | FailedDetector)[];
}
