/**
 * A worker thread that trains some heads on one stream of tokens and tries them on test sets.
 * @module
 */
import type { Device } from "../onnx/session.ts";
import type { HeadEngine } from "../detectors/rine/engine.ts";
import { type EngineName, openEngine } from "../detectors/rine/open_engine.ts";
import { serveJobs } from "../io/worker_pool.ts";
import type { Evaluation } from "./record.ts";
import { evaluateHeads } from "./score.ts";
import {
  checkpointPath,
  type FailedHead,
  type HeadToTrain,
  type TrainedHead,
  trainHeads,
  type TrainingTokens,
} from "../detectors/rine/train.ts";

/** Heads that read the same tokens in the same order. */
export interface HeadsJob {
  readonly engine: { readonly name: EngineName; readonly device: Device; readonly threads: number };
  /** Results folder of the profile. */
  readonly folder: string;
  readonly tokens: TrainingTokens;
  /** Keys of each test set's tokens, by name; heads are only trained where there are none. */
  readonly testTokens: Readonly<Record<string, readonly string[]>>;
  /** Number of resamples for intervals of ACC and AP. */
  readonly bootstrap?: number;
  readonly heads: readonly (HeadToTrain & {
    /** File of the scores, without epoch and extension, relative to the folder. */
    readonly scores: string;
  })[];
}

/** What came of one head. */
export interface HeadResult extends TrainedHead {
  readonly engine: string;
  readonly evaluations: readonly Evaluation[];
  readonly evaluationSeconds: number;
}

const engines = new Map<string, Promise<HeadEngine>>();

async function runHeads(
  job: HeadsJob,
  onDone: (rows: number) => void,
): Promise<(HeadResult | FailedHead)[]> {
  const { name, ...options } = job.engine;
  const engineKey = JSON.stringify(job.engine);
  if (!engines.has(engineKey)) engines.set(engineKey, openEngine(name, options));
  const engine = await engines.get(engineKey)!;
  const trained = await trainHeads(job.heads, job.tokens, engine, job.folder, onDone);
  if (Object.keys(job.testTokens).length === 0) return [];
  const heads = job.heads.filter((_, h) => !("problem" in trained[h]!));
  const toTry = heads.flatMap(({ key, keepEpochs, scores }) =>
    keepEpochs.map((epoch) => ({
      epoch,
      checkpoint: checkpointPath(key, epoch),
      scores: `${scores}-epoch${epoch}.safetensors`,
    }))
  );
  const started = performance.now();
  const { folder, tokens, testTokens } = job;
  const evaluations = await evaluateHeads(
    toTry,
    job.bootstrap,
    tokens.folder,
    testTokens,
    engine,
    folder,
    onDone,
  );
  const evaluationSeconds = (performance.now() - started) / 1000 / heads.length;
  const waiting = [...evaluations];
  return job.heads.map(({ keepEpochs }, h) => {
    const head = trained[h]!;
    if ("problem" in head) return head;
    return {
      ...head,
      engine: `${engine.name} (${engine.backend})`,
      evaluations: waiting.splice(0, keepEpochs.length),
      evaluationSeconds,
    };
  });
}

serveJobs(async (job: HeadsJob, onDone) => ({ result: await runHeads(job, onDone) }));
