/**
 * The thread that judges: what answers requests is never kept waiting by a network.
 * @module
 */
import type { RgbImage } from "../image/image.ts";
import { serveJobs } from "../io/worker_pool.ts";
import {
  type ExplainedVerdict,
  Judge,
  type Judged,
  type JudgeOptions,
  type MainDetector,
  type Wanted,
} from "./judge.ts";

/** What it is told to do; the first job opens it. */
export type JudgeJob =
  | { readonly open: JudgeOptions }
  | { readonly images: readonly RgbImage[] }
  | { readonly image: RgbImage; readonly wanted: Wanted };

/** What it answers, by the job. */
export type JudgeResult = MainDetector | readonly Judged[] | ExplainedVerdict;

let judge: Judge | undefined;

async function work(job: JudgeJob): Promise<JudgeResult> {
  if ("open" in job) return await (judge = new Judge(job.open)).main();
  if ("images" in job) return await judge!.verdicts(job.images);
  return await judge!.explained(job.image, job.wanted);
}

serveJobs<JudgeJob, JudgeResult>(
  async (job) => ({ result: await work(job) }),
  async () => await judge?.[Symbol.asyncDispose](),
);
