/**
 * A worker thread that trains some heads on one stream of features and tries them on test sets.
 * @module
 */
import {
  type Compute,
  type FailedHead,
  type HeadToTrain,
  type TrainedHead,
  type TrainingFeatures,
} from "../detectors/detector.ts";
import { detectorNamed } from "../detectors/index.ts";
import { UserError } from "../io/errors.ts";
import { serveJobs } from "../io/worker_pool.ts";
import type { Evaluation } from "./record.ts";
import type { ScoreSample } from "./sample.ts";
import { type ScoredSet, tryHeads } from "./scores.ts";

/** Heads of one detector that read the same features in the same order. */
export interface HeadsJob {
  /** Name of the detector. */
  readonly detector: string;
  readonly compute: Compute;
  /** Results folder of the profile. */
  readonly folder: string;
  readonly features: TrainingFeatures;
  /** Heads are only trained where there are none. */
  readonly sets: readonly ScoredSet[];
  /** Number of resamples for intervals of ACC and AP. */
  readonly bootstrap?: number;
  /** Which scores are measured; by default all. */
  readonly sample?: ScoreSample;
  readonly heads: readonly HeadToTrain[];
}

/** What came of one head. */
export interface HeadResult extends TrainedHead {
  /** Engine and where it really ran. */
  readonly engine: string;
  readonly evaluations: readonly Evaluation[];
  readonly evaluationSeconds: number;
}

async function runHeads(
  { detector: name, compute, folder, features, sets, bootstrap, sample, heads }: HeadsJob,
  onRows: (rows: number) => void,
): Promise<(HeadResult | FailedHead)[]> {
  const detector = detectorNamed(name);
  if (!detector.train) {
    throw new UserError("usage", `Cannot train ${detector.title}: expected a detector that learns`);
  }
  const trained = await detector.train(heads, features, { compute, folder, onRows });
  const whole = heads.filter((_, h) => !("problem" in trained[h]!));
  if (sets.length === 0) return [];
  if (whole.length === 0) return trained as FailedHead[];
  const started = performance.now();
  const toTry = whole.flatMap(({ key, keepEpochs }) =>
    keepEpochs.map((epoch) => ({ key, detector, epoch }))
  );
  const { backend, evaluations } = await tryHeads(toTry, sets, {
    bootstrap,
    sample,
    featuresFolder: features.folder,
    folder,
    compute,
    onRows,
  });
  const evaluationSeconds = (performance.now() - started) / 1000 / whole.length;
  return heads.map(({ keepEpochs }, h) => {
    const head = trained[h]!;
    if ("problem" in head) return head;
    const own = evaluations.splice(0, keepEpochs.length);
    return { ...head, engine: backend, evaluations: own, evaluationSeconds };
  });
}

serveJobs(async (job: HeadsJob, onRows) => ({ result: await runHeads(job, onRows) }));
