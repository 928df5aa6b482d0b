/**
 * Runs configurations: finds what is done, makes the tokens that are missing, trains and tries the
 * heads, and writes a record for each.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import { extractFeatures } from "../tokens/extract.ts";
import type { FeatureRequest } from "../tokens/request.ts";
import { parameterCount } from "../detectors/rine/architecture.ts";
import type { EngineName } from "../detectors/rine/open_engine.ts";
import { cropsPerImage } from "../image/transform.ts";
import { exists, removeIfThere, withLock } from "../io/files.ts";
import type { OnProgress } from "../io/progress.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import { type Device, ONNX_RUNTIME_VERSION } from "../onnx/session.ts";
import { type RecordStore, rowsOf, type RunRecord } from "./record.ts";
import type { RunConfig, RunRow, TrainingConfig } from "./config.ts";
import type { HeadResult, HeadsJob } from "./worker.ts";
import { type PlannedRun, planRuns, requestsOf, type World } from "./plan.ts";
import { pickedCount } from "../tokens/rows.ts";
import {
  architectureOf,
  checkpointPath,
  type FailedHead,
  statePath,
} from "../detectors/rine/train.ts";

/** Where results go and how hard to work. */
export interface ExecuteOptions {
  readonly store: RecordStore;
  /** Folder of token sets. */
  readonly tokensFolder: string;
  readonly engine: EngineName;
  readonly device: Device;
  /** Seed of the augmentation of training images and of perturbations. */
  readonly seed: number;
  /** Crops that go through a backbone at once. */
  readonly batchSize: number;
  /** Threads of this machine to use. */
  readonly cores: number;
  /** Run again what is done. */
  readonly force: boolean;
  /** Trainings that were forced already: heads that several experiments try are trained once. */
  readonly forced?: Set<string>;
  /** Leave out images that cannot be decoded, rather than stop at them. */
  readonly skipCorrupt?: boolean;
  readonly onProgress?: OnProgress;
  /** Told that another process works in the same folder and is waited for. */
  readonly onWait?: (() => void) | undefined;
}

/** Rows of an experiment, and how many of its runs had been done before. */
export interface Executed {
  readonly rows: readonly RunRow[];
  readonly records: readonly RunRecord[];
  readonly reused: number;
}

/** Memory that heads in training may take together: parameters and two moments. */
const HEAD_MEMORY_BYTES = 4 * 2 ** 30;

/**
 * Runs an experiment's configurations and returns their rows, in the configurations' order.
 * @throws {UserError} where a configuration names what the world does not have, or images are not
 * there
 */
export async function execute(
  experiment: string,
  configs: readonly RunConfig[],
  world: World,
  options: ExecuteOptions,
): Promise<Executed> {
  const { store, force, skipCorrupt = false } = options;
  let { runs, requests } = await planRuns(configs, world, options);
  const records = new Map<string, RunRecord>();
  const waitingRuns = async () => {
    for (const { key, skippedImages } of runs) {
      // what was made without some images is done only for those who may leave them out
      const record = force || skippedImages && !skipCorrupt
        ? undefined
        : await store.find(experiment, key);
      if (record) records.set(key, record);
    }
    return runs.filter(({ key }) => !records.has(key));
  };
  let waiting = await waitingRuns();
  if (waiting.length > 0) {
    await extractFeatures(requestsOf(waiting, requests), {
      root: world.root,
      folder: options.tokensFolder,
      batchSize: options.batchSize,
      workers: options.cores,
      skipCorrupt,
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
      onWait: options.onWait,
    });
    if (skipCorrupt) {
      // only now is known which images cannot be decoded, and runs are named by them too
      ({ runs, requests } = await planRuns(configs, world, options));
      waiting = await waitingRuns();
    }
  }
  let reused = runs.length - waiting.length;
  if (waiting.length > 0) {
    // a second process waits here, and then finds the records written
    await withLock(join(store.folder, "running.lock"), async () => {
      waiting = await waitingRuns();
      reused = runs.length - waiting.length;
      await sweep(store.folder, experiment);
      if (force) await forget(experiment, waiting, options);
      const rows = rowCounter(requests);
      for (const record of await runHeads(experiment, waiting, rows, world, options)) {
        records.set(record.key, record);
      }
    }, options.onWait);
  }
  const all = runs.map(({ key }) => records.get(key)!);
  return { rows: all.flatMap(rowsOf), records: all, reused };
}

/** Removes what killed processes have left half-written. */
async function sweep(folder: string, experiment: string): Promise<void> {
  for (const name of ["heads", "scores", experiment]) {
    const path = join(folder, name);
    if (!await exists(path)) continue;
    for await (const entry of Deno.readDir(path)) {
      if (entry.name.endsWith(".tmp")) await Deno.remove(join(path, entry.name));
    }
  }
}

/** Removes records, and with them what they speak of, so that all is made again. */
async function forget(
  experiment: string,
  runs: readonly PlannedRun[],
  { store, forced }: ExecuteOptions,
): Promise<void> {
  // the record first: without it nothing counts as done
  for (const { key } of runs) await store.remove(experiment, key);
  for (const { trainingKey, config } of runs) {
    if (forced?.has(trainingKey)) continue;
    await removeIfThere(join(store.folder, statePath(trainingKey)));
    for (const epoch of config.evaluation.atEpochs) {
      await removeIfThere(join(store.folder, checkpointPath(trainingKey, epoch)));
    }
  }
  for (const { trainingKey } of runs) forced?.add(trainingKey);
}

/** Heads that one worker does in one go: they read the same tokens in the same order. */
type Group = readonly PlannedRun[];

/**
 * Divides runs into groups. Runs that read the same tokens in the same order belong together; a
 * group is small enough for memory, and there are enough of them to keep every worker busy.
 */
function groupRuns(runs: readonly PlannedRun[], world: World, workers: number): Group[] {
  const streams = new Map<string, PlannedRun[]>();
  for (const run of runs) {
    const { config: { training, evaluation }, tokens, testTokens } = run;
    const { fraction, batchSize, epochs, seed } = training;
    const stream = JSON.stringify([
      tokens,
      testTokens,
      fraction,
      batchSize,
      epochs,
      seed,
      evaluation,
    ]);
    streams.set(stream, [...streams.get(stream) ?? [], run]);
  }
  const groups: Group[] = [];
  for (const stream of streams.values()) {
    const bytes = stream.reduce(
      (sum, { config }) => sum + trainingBytes(config.training, world),
      0,
    );
    const parts = Math.min(
      stream.length,
      Math.max(workers, Math.ceil(bytes / (HEAD_MEMORY_BYTES / workers))),
    );
    // heads of one size side by side share a session
    const ordered = stream.toSorted((a, b) => headSize(a, world) - headSize(b, world));
    for (let part = 0; part < parts; part++) {
      groups.push(ordered.filter((_, index) => index % parts === part));
    }
  }
  const cost = (group: Group) => group.reduce((sum, run) => sum + headSize(run, world), 0);
  return groups.toSorted((a, b) => cost(b) - cost(a));
}

/** One run of each training that is in several groups. */
function sharedTrainings(groups: readonly Group[]): PlannedRun[] {
  const seen = new Map<string, Group>(), shared = new Map<string, PlannedRun>();
  for (const group of groups) {
    for (const run of group) {
      const first = seen.get(run.trainingKey);
      if (first !== undefined && first !== group) shared.set(run.trainingKey, run);
      seen.set(run.trainingKey, first ?? group);
    }
  }
  return [...shared.values()];
}

function headSize({ config }: PlannedRun, world: World): number {
  return trainingBytes(config.training, world) * config.training.classes.length;
}

/** Parameters and two moments, as float32. */
function trainingBytes(training: TrainingConfig, world: World): number {
  return 3 * 4 * parameterCount(architectureOf(training, sizesOf(training, world)));
}

function sizesOf({ backbone }: TrainingConfig, world: World) {
  return world.backbones.get(backbone)!.architecture;
}

/** How many rows of tokens a run learns from and scores: a measure of its work. */
function rowCounter(requests: ReadonlyMap<string, FeatureRequest>): (run: PlannedRun) => number {
  const rows = (key: string) => {
    const { images, transform } = requests.get(key)!;
    return images.length * cropsPerImage(transform);
  };
  return ({ config: { training, evaluation }, tokens, testTokens }) => {
    const { fraction } = training;
    const learned = tokens.train.flat()
      .reduce((sum, key) => sum + pickedCount(rows(key), fraction), 0);
    const scored = Object.values(testTokens).flat().reduce((sum, key) => sum + rows(key), 0);
    return learned + scored * evaluation.atEpochs.length;
  };
}

async function runHeads(
  experiment: string,
  runs: readonly PlannedRun[],
  rowsOfRun: (run: PlannedRun) => number,
  world: World,
  { store, tokensFolder, engine, device, cores, onProgress }: ExecuteOptions,
): Promise<RunRecord[]> {
  const workers = Math.min(cores, runs.length);
  const threads = Math.max(1, Math.floor(cores / workers));
  const groups = groupRuns(runs, world, workers);
  const records: RunRecord[] = [];
  const total = runs.reduce((sum, run) => sum + rowsOfRun(run), 0);
  const jobOf = (group: Group): HeadsJob => {
    const { tokens, testTokens, config: { evaluation } } = group[0]!;
    return {
      engine: { name: engine, device, threads },
      folder: store.folder,
      tokens: { folder: tokensFolder, ...tokens },
      testTokens,
      ...(evaluation.bootstrap === undefined ? {} : { bootstrap: evaluation.bootstrap }),
      heads: group.map(({ key, trainingKey, config }) => ({
        key: trainingKey,
        config: config.training,
        keepEpochs: config.evaluation.atEpochs,
        scores: join("scores", key),
      })),
    };
  };
  let finished = 0;
  const underWay = new Map<Group, number>();
  const report = () => {
    const done = [...underWay.values()].reduce((sum, rows) => sum + rows, finished);
    onProgress?.({ stage: experiment, unit: "rows", done, total });
  };
  report();
  const module = new URL("./worker.ts", import.meta.url);
  const problems: string[] = [];
  await using pool = new WorkerPool<HeadsJob, (HeadResult | FailedHead)[]>(
    module,
    Math.min(workers, groups.length),
    1,
  );
  // a head that several groups try is trained by one of them before any tries it
  await Promise.all(
    groupRuns(sharedTrainings(groups), world, workers)
      .map((group) => pool.run({ ...jobOf(group), testTokens: {} })),
  );
  await Promise.all(groups.map(async (group) => {
    const running = pool.run(jobOf(group), (rows) => {
      underWay.set(group, (underWay.get(group) ?? 0) + rows);
      report();
    });
    const results = await running.catch((error) => {
      // a damaged file costs its group and no other
      if (!(error instanceof UserError) || error.kind === "disk") throw error;
      problems.push(error.message);
    });
    if (!results) return;
    for (const [index, run] of group.entries()) {
      const result = results[index]!;
      if ("problem" in result) {
        problems.push(result.problem);
        continue;
      }
      const record = recordOf(experiment, run, result, world);
      await store.write(record);
      records.push(record);
    }
    // what an earlier process had done of the group was not told
    underWay.delete(group);
    finished += group.reduce((sum, run) => sum + rowsOfRun(run), 0);
    report();
  }));
  if (problems.length > 0) throw new UserError("damaged", problems.join("\n"));
  return records;
}

function recordOf(
  experiment: string,
  { key, config, tokens, testTokens, skippedImages }: PlannedRun,
  { engine, epochs, evaluations, trainingSeconds, evaluationSeconds }: HeadResult,
  world: World,
): RunRecord {
  return {
    key,
    profile: world.profile,
    experiment,
    config,
    engine,
    versions: { ...VERSIONS },
    tokens: { ...tokens, test: testTokens },
    ...(skippedImages ? { skippedImages } : {}),
    parameterCount: parameterCount(
      architectureOf(config.training, sizesOf(config.training, world)),
    ),
    epochs,
    evaluations,
    timings: { trainingSeconds, evaluationSeconds },
    date: new Date().toISOString(),
  };
}

const VERSIONS = {
  deno: Deno.version.deno,
  v8: Deno.version.v8,
  onnxruntime: ONNX_RUNTIME_VERSION,
} as const;
