/**
 * Scores that runs kept, image by image, and those among them that are measured.
 * @module
 */
import type { Label } from "../data/dataset.ts";
import { UserError } from "../io/errors.ts";
import { readSafetensors } from "../io/safetensors.ts";
import { readPaths } from "../tokens/paths.ts";
import { readLabels } from "../tokens/rows.ts";
import { featurePaths, findFeatures } from "../tokens/store.ts";
import type { ScoredRow } from "./config.ts";
import { rowsOf, type RunRecord } from "./record.ts";
import { sampledImages } from "./sample.ts";
import { readScores } from "./scores.ts";
import { Remembered } from "../io/remembered.ts";
import { reproduceCommand, type Setup } from "./setup.ts";

/** The score that a detector gave to one image of a test set. */
export interface ImageScore {
  /** Path of its file, relative to the data root or absolute. */
  readonly path: string;
  /** Name of the set that it was looked at in; sets may share real images. */
  readonly set: string;
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
  const scores = (await scoresIn(setup, record, epoch)).get(key);
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

/** What was read for setups: the heads of a section share test sets, and sections share heads. */
const memories = new WeakMap<Setup, Remembered>();

function memoryOf(setup: Setup): Remembered {
  let memory = memories.get(setup);
  if (!memory) memories.set(setup, memory = new Remembered());
  return memory;
}

async function scoresIn(
  setup: Setup,
  { trainingKey }: RunRecord,
  epoch: number,
): ReturnType<typeof readScores> {
  const memory = memoryOf(setup);
  return await readScores(
    setup.folder,
    trainingKey,
    epoch,
    (path) => memory.read("scores", [path], () => readSafetensors(path)),
  );
}

/** The images of a set of features that could be decoded, as they were when it was made. */
async function readableImages(
  setup: Setup,
  key: string,
  testSet: string,
): Promise<readonly Omit<ImageScore, "score">[]> {
  const { features: _features, partial: _partial, progress: _progress, ...files } = featurePaths(
    setup.tokens,
    key,
  );
  try {
    return await memoryOf(setup).read(
      testSet,
      Object.values(files),
      () => imagesOf(setup, key, testSet),
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return await imagesOf(setup, key, testSet);
  }
}

async function imagesOf(
  { tokens: folder }: Setup,
  key: string,
  testSet: string,
): Promise<readonly Omit<ImageScore, "score">[]> {
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
    set: testSet,
    label: labels[i] as Label,
    generator: labels[i] === 0 ? "real" : testSet,
  })).filter((_, i) => !unreadable.has(i));
}

/**
 * Whether all scores of a record can be shown: they are on disk and whole, and so are their images'
 * paths and labels.
 */
export async function hasScores(record: RunRecord, setup: Setup): Promise<boolean> {
  for (const { epoch, sets } of record.evaluations) {
    const scores = await scoresIn(setup, record, epoch);
    for (const testSet of record.config.evaluation.testSets) {
      let count = 0;
      for (const features of record.features.test[testSet] ?? []) {
        count += await imageCount(setup, features, testSet) ?? NaN;
      }
      if (scores.get(sets[testSet]!)?.length !== count) return false;
    }
  }
  return true;
}

async function imageCount(...of: Parameters<typeof readableImages>): Promise<number | undefined> {
  try {
    return (await readableImages(...of)).length;
  } catch (error) {
    const isLacking = error instanceof UserError &&
      (error.kind === "missing" || error.kind === "damaged");
    if (!isLacking) throw error;
    return undefined;
  }
}

/**
 * The scores that the rows of records were measured on, in the order of the rows.
 * @throws {UserError} of kind `missing`, where scores or features are not on disk
 */
export async function scoredRows(
  records: readonly RunRecord[],
  setup: Setup,
): Promise<ScoredRow[]> {
  const scored: ScoredRow[] = [];
  for (const record of records) {
    const { sample } = record.config.evaluation;
    for (const row of rowsOf(record)) {
      const sets: Record<string, ScoredRow["sets"][string]> = {};
      for (const name of Object.keys(row.test)) {
        const kept = await keptScores({ record, epoch: row.epochs }, name, setup);
        const labels = Uint8Array.from(kept, ({ label }) => label);
        const measured = sample
          ? sampledImages(labels, sample, name)
          : Uint32Array.from(labels.keys());
        sets[name] = {
          labels: Uint8Array.from(measured, (i) => labels[i]!),
          scores: Float32Array.from(measured, (i) => kept[i]!.score),
        };
      }
      scored.push({ row, sets });
    }
  }
  return scored;
}
