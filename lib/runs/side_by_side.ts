/**
 * Detectors on pixels that are trained and try lists of images side by side: each on a core of its own,
 * where they are too small to make use of more.
 * @module
 */
import type { FailedHead, TrainedHead } from "../detectors/detector.ts";
import { hasSmallSteps } from "../detectors/pixel_training.ts";
import type { Alike } from "../image/alike.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import type {
  DetectorJob,
  DetectorReport,
  DetectorResult,
  ListedImages,
} from "./detector_worker.ts";
import { divide } from "./divide.ts";
import type { WorkHooks } from "./extraction.ts";
import type { Setup } from "./setup.ts";
import {
  type PlannedDetector,
  trainClaimed,
  trainingClaim,
  type TrainingRunner,
} from "./trained_detectors.ts";

/** What became of detectors, by their keys. */
export type TrainedDetectors = ReadonlyMap<string, TrainedHead | FailedHead>;

/**
 * Trains detectors, or finds them trained. Small ones are trained side by side on processors, as many as
 * there are cores, and each then scores the lists; large ones are trained one after the other, on all
 * cores, and score nothing yet.
 * @param views what images are brought to before; as they are where one is `undefined`
 * @throws {UserError} as `trainDetector()`, once those that are under way have come to their end
 */
export async function trainSideBySide(
  planned: readonly PlannedDetector[],
  lists: readonly ListedImages[],
  views: readonly (Alike | undefined)[],
  setup: Setup,
  hooks: WorkHooks = {},
): Promise<TrainedDetectors> {
  const { cores, device } = setup;
  const trained = new Map<string, TrainedHead | FailedHead>();
  const small = device === "cpu"
    ? planned.filter(({ training }) => hasSmallSteps(training.recipe))
    : [];
  const lanes = Math.min(cores, small.length);
  const waiting = lanes > 1 ? small : [];
  /** Each by who can claim it; what others have trained is found. */
  const trainEach = (
    some: readonly PlannedDetector[],
    atOnce: number,
    train: (one: PlannedDetector) => Promise<void>,
  ) =>
    divide(some, {
      atOnce,
      group: (some) => some.map((one) => [one]),
      claimPath: (one) => trainingClaim(one, setup),
      undone: (some) => Promise.resolve(some.filter(({ ready }) => !trained.has(ready.key))),
      work: async ([one]) => await train(one!),
      onWait: hooks.onWait,
    });
  await trainEach(planned.filter((one) => !waiting.includes(one)), 1, async (one) => {
    trained.set(one.ready.key, await trainClaimed(one, setup, hooks));
  });
  if (waiting.length === 0) return trained;
  const module = new URL("./detector_worker.ts", import.meta.url);
  await using pool = new WorkerPool<DetectorJob, DetectorResult, DetectorReport>(module, lanes, 1);
  const own = { ...setup, cores: Math.ceil(cores / lanes) };
  const train: TrainingRunner = async (detector, training, context) => {
    const { onImages, onPrepared, compute, ...rest } = context;
    const job = { detector, training, context: { ...rest, compute: { ...compute, threads: 1 } } };
    return (await pool.run(job, (done) => {
      if ("learned" in done) onImages(...done.learned);
      if ("prepared" in done) onPrepared?.(...done.prepared);
    }))!;
  };
  await trainEach(waiting, lanes, async (one) => {
    const found = await trainClaimed(one, own, hooks, train);
    if (!("problem" in found)) await score(one, lists, views, { pool, setup, hooks });
    trained.set(one.ready.key, found);
  });
  return trained;
}

/** Scores lists on a thread of the pool, which puts them on disk. */
async function score(
  { ready }: PlannedDetector,
  lists: readonly ListedImages[],
  views: readonly (Alike | undefined)[],
  { pool, setup: { folder, root, device, skipCorrupt }, hooks: { onProgress } }: {
    readonly pool: WorkerPool<DetectorJob, DetectorResult, DetectorReport>;
    readonly setup: Setup;
    readonly hooks: WorkHooks;
  },
): Promise<void> {
  const total = lists.reduce((sum, { images }) => sum + images.length, 0);
  for (const alike of views) {
    let done = 0;
    const setup = { folder, root, device, skipCorrupt, threads: 1 };
    await pool.run({ ready, setup, lists, ...(alike ? { alike } : {}) }, (report) => {
      if (!("scored" in report)) return;
      onProgress?.({ ...scoringStage(ready, alike), done: done += report.scored, total });
    });
  }
}

/** What is said while a detector scores images. */
export function scoringStage(
  { title }: PlannedDetector["ready"],
  alike: Alike | undefined,
): { readonly stage: string; readonly unit: "images" } {
  return { stage: alike ? `${title}, images alike` : title, unit: "images" };
}
