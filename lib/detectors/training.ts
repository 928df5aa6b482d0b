/**
 * What all trainings have in common: finding what was trained before, and measuring on validation
 * images.
 * @module
 */
import { join } from "node:path";
import { UserError } from "../io/errors.ts";
import { exists, removeIfThere } from "../io/files.ts";
import { trainingFacts } from "./checkpoint_file.ts";
import type { FeatureRows } from "../tokens/rows.ts";
import {
  checkpointPath,
  type EpochLog,
  type FailedHead,
  type HeadToTrain,
  statePath,
  type TrainedHead,
} from "./detector.ts";

/**
 * What the training of a head said, where all that is wanted of it is on disk.
 * @param load reads a checkpoint, and so finds what is damaged
 * @throws {UserError} where the last checkpoint is damaged, with what to do
 */
export async function finishedTraining(
  { key, keepEpochs }: HeadToTrain,
  folder: string,
  load: (path: string) => Promise<{ readonly metadata: Readonly<Record<string, string>> }>,
): Promise<TrainedHead | undefined> {
  const paths = keepEpochs.map((epoch) => join(folder, checkpointPath(key, epoch)));
  const there = await Promise.all(paths.map(exists));
  if (!there.every(Boolean)) return undefined;
  const last = paths.at(-1)!;
  const { metadata } = await loadKept(last, load);
  const trained = trainingFacts<TrainedHead>(last, metadata, "training");
  // left by a process that was killed between its last head and this
  await removeIfThere(join(folder, statePath(key)));
  return trained;
}

/**
 * Trains those heads of which not all that is wanted is on disk.
 * @param load reads a checkpoint, and so finds what is damaged
 * @param train trains the others together; what came of each, by its key
 * @returns for each head, what its training said
 */
export async function trainUnfinished(
  heads: readonly HeadToTrain[],
  folder: string,
  load: Parameters<typeof finishedTraining>[2],
  train: (waiting: readonly HeadToTrain[]) => Promise<Map<string, TrainedHead | FailedHead>>,
): Promise<(TrainedHead | FailedHead)[]> {
  const finished: (TrainedHead | FailedHead | undefined)[] = await Promise.all(
    heads.map((head) => finishedTraining(head, folder, load)),
  );
  const waiting = heads.filter((_, i) => !finished[i]);
  if (waiting.length > 0) {
    const trained = await train(waiting);
    heads.forEach((head, i) => finished[i] ??= trained.get(head.key));
  }
  return finished as (TrainedHead | FailedHead)[];
}

/**
 * Reads a head that was trained here.
 * @throws {UserError} where it is damaged, with what to do
 */
export async function loadKept<T>(path: string, load: (path: string) => Promise<T>): Promise<T> {
  try {
    return await load(path);
  } catch (error) {
    if (error instanceof UserError && error.kind === "damaged") {
      error.message += "; delete the file and run again";
    }
    throw error;
  }
}

/**
 * Makes sure, where something has come out as no number, that it is not the features' doing.
 * @throws {UserError} of kind `damaged`, naming the file that holds what is no number
 */
export function assertNumbers(rows: FeatureRows): void {
  const found = rows.notFinite();
  if (found !== undefined) throw new UserError("damaged", `Cannot use features: ${found}`);
}

/** Binary cross-entropy and accuracy at threshold .5, both means over validation images. */
export function validationOf(
  labels: Uint8Array,
  logits: Float32Array,
): Pick<EpochLog, "valLoss" | "valAcc"> {
  let loss = 0, correct = 0;
  labels.forEach((label, i) => {
    const logit = logits[i]!;
    // −log σ(±logit), without overflow
    const signed = label === 1 ? -logit : logit;
    loss += Math.max(signed, 0) + Math.log1p(Math.exp(-Math.abs(signed)));
    if ((logit > 0) === (label === 1)) correct++;
  });
  return { valLoss: loss / labels.length, valAcc: correct / labels.length };
}
