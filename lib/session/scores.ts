/**
 * Scores image by image: those that a run kept, and those of a detector on a test set.
 * @module
 */
import { resolve } from "node:path";
import { type DatasetSpec, type Label, listImages } from "../data/dataset.ts";
import { UserError } from "../io/errors.ts";
import { evaluateScores, type SetScores } from "../metrics.ts";
import type { RunRecord } from "../runs/record.ts";
import { readScores } from "../runs/scores.ts";
import { reproduceCommand, type Setup } from "../runs/setup.ts";
import type { World } from "../runs/world.ts";
import { readPaths } from "../tokens/paths.ts";
import { readLabels } from "../tokens/rows.ts";
import { findFeatures } from "../tokens/store.ts";
import { showingProgress } from "./progress.ts";

/** The score that a detector gave to one image of a test set. */
export interface ImageScore {
  /** Path of its file, relative to the data root or absolute. */
  readonly path: string;
  /** 0 real, 1 generated. */
  readonly label: Label;
  /** Name of the test set; `real` where it is real. */
  readonly generator: string;
  /** Probability in [0, 1] that it is generated. */
  readonly score: number;
}

/** The head that a row is about: its run, and the epoch after which it was evaluated. */
export interface Tried {
  readonly record: RunRecord;
  /** Epochs trained when evaluated. */
  readonly epoch: number;
}

/**
 * The scores that a run kept of a test set, with their images, in the order in which they were read.
 * @throws {UserError} where the run was not tried on that set, or its features or scores are not on
 * disk
 */
export async function keptScores(
  { record, epoch }: Tried,
  testSet: string,
  setup: Setup,
): Promise<ImageScore[]> {
  const { sets } = record.evaluations.find((evaluation) => evaluation.epoch === epoch)!;
  const key = sets[testSet];
  if (key === undefined) {
    throw new UserError(
      "usage",
      `Cannot show scores: expected a test set of ${
        Object.keys(sets).join(", ")
      }; found ${testSet}`,
    );
  }
  const images: Omit<ImageScore, "score">[] = [];
  for (const features of record.features.test[testSet]!) {
    images.push(...await readableImages(setup, features, testSet));
  }
  const scores = (await readScores(setup.folder, record.trainingKey, epoch)).get(key);
  if (scores?.length === images.length) {
    return images.map((image, i) => ({ ...image, score: scores[i]! }));
  }
  throw new UserError(
    "missing",
    `Cannot show scores: expected those of ${images.length} images of ${testSet} in ` +
      `${setup.folder}, found ${scores?.length ?? "none"}; ` +
      `\`${reproduceCommand(setup, [record.experiment])} --force\` makes them`,
  );
}

/** The images of a set of features that could be decoded, as they were when it was made. */
async function readableImages(
  { tokens: folder }: Setup,
  key: string,
  testSet: string,
): Promise<Omit<ImageScore, "score">[]> {
  const set = await findFeatures(folder, key);
  if (!set) {
    throw new UserError(
      "missing",
      `Cannot show scores: expected the features of ${testSet}, ${key}.npy, in ${folder}, found none`,
    );
  }
  const [paths, labels] = [await readPaths(set), await readLabels(set)];
  const unreadable = new Set(set.unreadable);
  return paths.map((path, i) => ({
    path,
    label: labels[i] as Label,
    generator: labels[i] === 0 ? "real" : testSet,
  })).filter((_, i) => !unreadable.has(i));
}

/** Anything that scores images: a detector of this project, or one of the reader's own. */
export interface Judge {
  /**
   * Scores images, in their order.
   * @param paths of image files
   */
  detectAll(paths: readonly string[]): AsyncIterable<
    | { readonly path: string; readonly score: number }
    | { readonly path: string; readonly problem: string }
  >;
}

/**
 * Tries a detector on the images of a test set.
 * @throws {UserError} where an image cannot be decoded and is not to be left out
 */
export async function evaluateDetector(
  detector: Judge,
  spec: DatasetSpec,
  { root }: World,
  { skipCorrupt }: Setup,
): Promise<SetScores> {
  const images = await listImages(root, spec);
  const labels: number[] = [], scores: number[] = [];
  await showingProgress(async (onProgress) => {
    let done = 0;
    const report = () =>
      onProgress({ stage: spec.name, unit: "images", done, total: images.length });
    report();
    const paths = images.map(({ path }) => resolve(root, path));
    for await (const detection of detector.detectAll(paths)) {
      const { label } = images[done++]!;
      report();
      if (!("problem" in detection)) {
        labels.push(label);
        scores.push(detection.score);
      } else if (!skipCorrupt) {
        throw new UserError(
          "damaged",
          `Cannot decode ${detection.path}: ${detection.problem}; openSession({ skipCorrupt: true }) ` +
            "leaves it out",
        );
      }
    }
  });
  return evaluateScores(Uint8Array.from(labels), scores);
}
