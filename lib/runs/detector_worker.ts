/**
 * A worker thread that trains a detector on pixels, or scores lists of images with one.
 * @module
 */
import type { LabelledImage } from "../data/dataset.ts";
import type { FailedHead, TrainedHead } from "../detectors/detector.ts";
import { pixelDetectorNamed } from "../detectors/index.ts";
import type { PixelTraining, PixelTrainingContext } from "../detectors/pixel_training.ts";
import type { Alike } from "../image/alike.ts";
import { serveJobs } from "../io/worker_pool.ts";
import { type ReadyDetector, ReleasedScorer, type ScoringSetup } from "./released_scores.ts";

/** What it is told to do. */
export type DetectorJob =
  | {
    readonly detector: string;
    readonly training: PixelTraining;
    readonly context: Omit<PixelTrainingContext, "onImages" | "onPrepared">;
  }
  | {
    readonly ready: ReadyDetector;
    readonly setup: ScoringSetup;
    readonly lists: readonly ListedImages[];
    /** What images are brought to before; as they are where it is left out. */
    readonly alike?: Alike;
  };

/** Images, and what names their scores. */
export interface ListedImages {
  readonly images: readonly LabelledImage[];
  readonly key: string;
}

/** What it says meanwhile: what a training's context is told, or how many images have scores now. */
export type DetectorReport =
  | { readonly learned: Parameters<PixelTrainingContext["onImages"]> }
  | { readonly prepared: Parameters<NonNullable<PixelTrainingContext["onPrepared"]>> }
  | { readonly scored: number };

/** What training said; scores lie on disk. */
export type DetectorResult = TrainedHead | FailedHead | undefined;

async function work(
  job: DetectorJob,
  onDone: (report: DetectorReport) => void,
): Promise<DetectorResult> {
  if ("training" in job) {
    return await pixelDetectorNamed(job.detector).train!(job.training, {
      ...job.context,
      onImages: (...learned) => onDone({ learned }),
      onPrepared: (...prepared) => onDone({ prepared }),
    });
  }
  const { ready, setup, lists, alike } = job;
  await using scorer = new ReleasedScorer(ready, setup);
  for (const { images, key } of lists) {
    await scorer.scores(images, key, { alike, onImages: (scored) => onDone({ scored }) });
  }
}

serveJobs<DetectorJob, DetectorResult, DetectorReport>(async (job, onDone) => ({
  result: await work(job, onDone),
}));
