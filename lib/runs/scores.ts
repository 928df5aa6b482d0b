/**
 * Scores of trained heads on sets of features: made once for each, kept, and measured as often as
 * anybody asks. A new test set costs its own scores and no others.
 * @module
 */
import { join } from "node:path";
import type { Compute, DetectorKind, Scorer } from "../detectors/detector.ts";
import { checkpointPath } from "../detectors/detector.ts";
import { assertNumbers } from "../detectors/training.ts";
import { UserError } from "../io/errors.ts";
import { contentKey, exists, removeIfThere } from "../io/files.ts";
import { readSafetensors } from "../io/safetensors.ts";
import { writeSealedSafetensors } from "../io/safetensors_writer.ts";
import { evaluateScores, type SetScores, sigmoid } from "../metrics.ts";
import { FeatureRows } from "../tokens/rows.ts";
import type { Evaluation } from "./record.ts";
import { sampledImages, type ScoreSample } from "./sample.ts";

/** Rows that go through heads at once where nothing is learned. */
const PREDICTION_BATCH = 256;

/** Features of a test set, and the name under which its scores are kept. */
export interface ScoredSet {
  /** Name of the test set in the profile. */
  readonly name: string;
  /** Keys of its features, by source. */
  readonly features: readonly string[];
  /** Names its scores in a head's file: {@linkcode scoreKey}. */
  readonly key: string;
}

/**
 * Names a test set's scores: a hash of its features' keys, and of the images that are left out.
 * @param skipped paths of images that cannot be decoded
 */
export function scoreKey(features: readonly string[], skipped: readonly string[] = []): string {
  return contentKey([features, ...(skipped.length === 0 ? [] : [skipped])]);
}

/**
 * Folder of a head's scores, in the profile's results folder. Each file in it holds sets that were
 * scored in one go, a tensor for each by its key; files are only ever added, so that several who try
 * one head lose nothing.
 */
export function scoresFolder(head: string, epoch: number): string {
  return join("scores", `${head}-epoch${epoch}`);
}

const SUFFIX = ".safetensors";

/**
 * Scores of a head by the sets' keys; none where there are none that are whole.
 * @param folder results folder of the profile
 * @param read reads a file
 * @returns probabilities that images are generated, float32 [images] for each set
 */
export async function readScores(
  folder: string,
  head: string,
  epoch: number,
  read: typeof readSafetensors = readSafetensors,
): Promise<Map<string, Float32Array>> {
  const path = join(folder, scoresFolder(head, epoch));
  const scores = new Map<string, Float32Array>();
  if (!await exists(path)) return scores;
  for await (const { name } of Deno.readDir(path)) {
    if (!name.endsWith(SUFFIX)) continue;
    try {
      const { tensors, metadata } = await read(join(path, name));
      if (metadata["head"] !== head || metadata["epoch"] !== `${epoch}`) continue;
      for (const [key, { data }] of tensors) scores.set(key, data);
    } catch (error) {
      // scores that are damaged are made again
      if (!(error instanceof UserError)) throw error;
    }
  }
  return scores;
}

async function writeScores(folder: string, { head, scored }: Trial): Promise<void> {
  if (scored.size === 0) return;
  const name = contentKey([[...scored.keys()].sort()]) + SUFFIX;
  await writeSealedSafetensors(
    join(folder, scoresFolder(head.key, head.epoch), name),
    [...scored].map(([key, data]) => [key, { data, shape: [data.length] }] as const),
    { head: head.key, epoch: `${head.epoch}` },
  );
}

/** Removes a head's scores, where there are some. */
export async function removeScores(folder: string, head: string, epoch: number): Promise<void> {
  const path = join(folder, scoresFolder(head, epoch));
  if (!await exists(path)) return;
  for await (const { name } of Deno.readDir(path)) {
    if (name.endsWith(SUFFIX)) await removeIfThere(join(path, name));
  }
}

/** A trained head, and the sets that it is tried on. */
export interface HeadToTry {
  /** Names the head's files. */
  readonly key: string;
  readonly detector: DetectorKind;
  readonly epoch: number;
}

/** A head under way: its scores, and what scores the sets that it lacks. */
interface Trial {
  readonly head: HeadToTry;
  /** What was scored before, by the sets' keys. */
  readonly kept: ReadonlyMap<string, Float32Array>;
  /** What is scored now. */
  readonly scored: Map<string, Float32Array>;
  readonly scorer: Scorer;
}

/**
 * Tries heads on test sets: scores what has not been scored, every batch of features read once for
 * all heads, and measures. The score of an image is the sigmoid of its logit; of an image with ten
 * crops, the sigmoid of their mean logit. Paper: §5.8. Released: src/utils.py, `evaluation`.
 * @param sample which images are measured; all where it is undefined
 * @param bootstrap number of resamples for intervals of ACC and AP; none where it is undefined
 * @param featuresFolder folder of the sets' features
 * @param folder results folder of the profile
 * @param onRows told of rows that a head has scored, or had scored before
 * @returns what computed, and an evaluation for each head, in their order
 */
export async function tryHeads(
  heads: readonly HeadToTry[],
  sets: readonly ScoredSet[],
  { bootstrap, sample, featuresFolder, folder, compute, onRows }: {
    readonly bootstrap: number | undefined;
    readonly sample?: ScoreSample | undefined;
    readonly featuresFolder: string;
    readonly folder: string;
    readonly compute: Compute;
    readonly onRows: (rows: number) => void;
  },
): Promise<{ readonly backend: string; readonly evaluations: Evaluation[] }> {
  const trials: Trial[] = [];
  const measures = heads.map((): Record<string, SetScores> => ({}));
  try {
    for (const head of heads) trials.push(await openTrial(head, folder, compute));
    for (const { name, features, key } of sets) {
      using rows = await FeatureRows.open(featuresFolder, features);
      const images = rows.count / rows.cropsPerImage;
      const lacking = trials.filter(({ kept }) => kept.get(key)?.length !== images);
      onRows(rows.count * (heads.length - lacking.length));
      if (lacking.length > 0) await scoreSet(rows, key, lacking, onRows);
      const labels = rows.labels.filter((_, row) => row % rows.cropsPerImage === 0);
      const measured = sample
        ? sampledImages(labels, sample, name)
        : Uint32Array.from(labels.keys());
      trials.forEach(({ kept, scored }, h) => {
        const scores = scored.get(key) ?? kept.get(key)!;
        measures[h]![name] = evaluateScores(
          Uint8Array.from(measured, (image) => labels[image]!),
          Float32Array.from(measured, (image) => scores[image]!),
          bootstrap === undefined ? undefined : { resamples: bootstrap, key: [name] },
        );
      });
    }
  } finally {
    for (const { scorer } of trials) await scorer.dispose();
  }
  await Promise.all(trials.map((trial) => writeScores(folder, trial)));
  const evaluations = trials.map(({ head: { key, epoch }, scorer }, h): Evaluation => ({
    epoch,
    checkpoint: checkpointPath(key, epoch),
    scores: scoresFolder(key, epoch),
    sets: Object.fromEntries(sets.map(({ name, key }) => [name, key])),
    ...(scorer.blockImportance ? { blockImportance: scorer.blockImportance } : {}),
    test: measures[h]!,
  }));
  return { backend: trials[0]?.scorer.backend ?? "", evaluations };
}

async function openTrial(head: HeadToTry, folder: string, compute: Compute): Promise<Trial> {
  const checkpoint = join(folder, checkpointPath(head.key, head.epoch));
  let scorer: Scorer;
  try {
    scorer = await head.detector.open(checkpoint, compute);
  } catch (error) {
    if (error instanceof UserError && error.kind === "damaged") {
      error.message += "; delete the file and run again";
    }
    throw error;
  }
  const kept = await readScores(folder, head.key, head.epoch);
  return { head, kept, scored: new Map(), scorer };
}

async function scoreSet(
  rows: FeatureRows,
  key: string,
  trials: readonly Trial[],
  onRows: (rows: number) => void,
): Promise<void> {
  const logits = trials.map(() => new Float32Array(rows.count));
  let offset = 0;
  for (const { tokens, count } of rows.batches(PREDICTION_BATCH)) {
    for (const [t, { scorer }] of trials.entries()) {
      logits[t]!.set(await scorer.logits(tokens, count), offset);
    }
    offset += count;
    onRows(count * trials.length);
  }
  if (logits.some((values) => values.some(Number.isNaN))) assertNumbers(rows);
  trials.forEach(({ scored }, t) => scored.set(key, scoresOf(logits[t]!, rows.cropsPerImage)));
}

/** Probabilities that images are generated, as float32. Released: src/utils.py, `evaluation`. */
export function scoresOf(logits: Float32Array, cropsPerImage: number): Float32Array {
  return Float32Array.from({ length: logits.length / cropsPerImage }, (_, image) => {
    let sum = 0;
    for (let crop = 0; crop < cropsPerImage; crop++) sum += logits[image * cropsPerImage + crop]!;
    return sigmoid(sum / cropsPerImage);
  });
}
