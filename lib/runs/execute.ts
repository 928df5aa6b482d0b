/**
 * Runs configurations: finds what is done, makes the features that are missing, trains and tries the
 * heads, and writes a record for each.
 * @module
 */
import { join } from "node:path";
import type { FailedHead } from "../detectors/detector.ts";
import { checkpointPath, statePath } from "../detectors/detector.ts";
import { tellingOnce, UserError } from "../io/errors.ts";
import { assertSpace, removeIfThere, sweepTemporaries } from "../io/files.ts";
import { withLock } from "../io/lock.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import { type Made, madeOf, VERSIONS } from "../tokens/made.ts";
import { type FeatureSet, findFeatures } from "../tokens/store.ts";
import type { RunConfig, RunRow } from "./config.ts";
import {
  type Group,
  groupRuns,
  groupsAtOnce,
  learnedCounter,
  parameterCountOf,
  rowCounter,
  sharedTrainings,
} from "./groups.ts";
import { removeDamaged, RunFiles } from "./damage.ts";
import { sealOlder } from "./older.ts";
import { hasScores } from "./kept_scores.ts";
import { keysOf, type Plan, type PlannedRun, planRuns, requestsOf } from "./plan.ts";
import { RecordStore, rowsOf, type RunRecord } from "./record.ts";
import { removeScores } from "./scores.ts";
import { extractInWorld, type WorkHooks } from "./extraction.ts";
import type { Setup } from "./setup.ts";
import { findRecord } from "./status.ts";
import type { HeadResult, HeadsJob } from "./worker.ts";
import type { World } from "./world.ts";

/** Who is told of work, and what a command has done of it already. */
export interface ExecuteHooks extends WorkHooks {
  /** Trainings that were forced already: heads that several sections try are trained once. */
  readonly forced?: Set<string>;
  /** Whether scores are shown image by image, and so have to be there with their images. */
  readonly scoresAreShown?: boolean | undefined;
}

/**
 * Rows of an experiment, and how many of its runs had been done before. A head whose training diverged
 * has a record that says so, and no rows.
 */
export interface Executed {
  readonly rows: readonly RunRow[];
  readonly records: readonly RunRecord[];
  readonly reused: number;
}

/**
 * Runs an experiment's configurations and returns their rows, in the configurations' order.
 * @throws {UserError} where a configuration names what the world does not have, or images are not
 * there
 */
export async function execute(
  experiment: string,
  configs: readonly RunConfig[],
  world: World,
  setup: Setup,
  hooks: ExecuteHooks = {},
): Promise<Executed> {
  const { onWait, forced } = hooks, onDamage = tellingOnce(hooks.onDamage);
  const { force, skipCorrupt } = setup;
  const store = new RecordStore(setup.folder);
  let { runs, requests, damaged } = await planRuns(configs, world, setup);
  const records = new Map<string, RunRecord>();
  const waitingRuns = async () => {
    const files = new RunFiles(store.folder);
    for (const run of runs) {
      if (force || records.has(run.key)) continue;
      const found = await findRecord(store, experiment, run, setup, onDamage);
      if (!found || !await files.areThere(found.value)) continue;
      if (hooks.scoresAreShown && !await hasScores(found.value, setup)) continue;
      if (!found.isSealed && !await sealOlder(found.value, setup, onDamage)) continue;
      records.set(run.key, found.value);
    }
    return runs.filter(({ key }) => !records.has(key));
  };
  let waiting = await waitingRuns();
  if (waiting.length > 0 || damaged.length > 0) {
    const wanted = damaged.map((key) => requests.get(key)!);
    await extractInWorld(
      [...new Set([...requestsOf(waiting, requests), ...wanted])],
      world,
      setup,
      hooks,
    );
    // it may have taken long enough for somebody to change images
    world.listings.forget();
    if (skipCorrupt) {
      // only now is known which images cannot be decoded, and runs are named by them too
      ({ runs, requests, damaged } = await planRuns(configs, world, setup));
      waiting = await waitingRuns();
    }
  }
  let reused = runs.length - waiting.length;
  if (waiting.length > 0) {
    // a second process waits here, and then finds the records written
    await withLock(join(store.folder, "running.lock"), async () => {
      waiting = await waitingRuns();
      reused = runs.length - waiting.length;
      for (const name of ["heads", "scores", join("records", experiment)]) {
        // nobody else writes there now
        await sweepTemporaries(join(store.folder, name), true, 0);
      }
      if (force) await forget(experiment, waiting, store, forced);
      await removeDamaged(waiting, store.folder, onDamage);
      for (const record of await runHeads(experiment, waiting, requests, world, setup, hooks)) {
        records.set(record.key, record);
      }
    }, onWait);
    world.listings.forget();
  }
  const all = runs.map(({ key }) => records.get(key)!);
  return { rows: all.flatMap(rowsOf), records: all, reused };
}

/** Removes records, and with them what they speak of, so that all is made again. */
async function forget(
  experiment: string,
  runs: readonly PlannedRun[],
  store: RecordStore,
  forced?: Set<string>,
): Promise<void> {
  // the record first: without it nothing counts as done
  for (const { key } of runs) await store.remove(experiment, key);
  for (const { trainingKey, config } of runs) {
    if (forced?.has(trainingKey)) continue;
    await removeIfThere(join(store.folder, statePath(trainingKey)));
    for (const epoch of config.evaluation.atEpochs) {
      await removeScores(store.folder, trainingKey, epoch);
      await removeIfThere(join(store.folder, checkpointPath(trainingKey, epoch)));
    }
  }
  for (const { trainingKey } of runs) forced?.add(trainingKey);
}

/** What made the features that runs read; sets are looked up once. */
function makersIn(folder: string): (run: PlannedRun) => Promise<readonly Made[]> {
  const known = new Map<string, Promise<FeatureSet | undefined>>();
  return async (run) => {
    const sets = [...new Set(keysOf(run))].map((key) => {
      let set = known.get(key);
      if (!set) known.set(key, set = findFeatures(folder, key));
      return set;
    });
    return madeOf((await Promise.all(sets)).filter((set) => set !== undefined));
  };
}

/** About how much runs put on disk: parameters after each epoch that is kept, and in training. */
function bytesOf(runs: readonly PlannedRun[], world: World): number {
  const heads = new Map(runs.map((run) => [run.trainingKey, run]));
  return [...heads.values()].reduce(
    (sum, { config: { training, evaluation } }) =>
      sum + 4 * parameterCountOf(training, world) * evaluation.atEpochs.length,
    0,
  );
}

async function runHeads(
  experiment: string,
  runs: readonly PlannedRun[],
  requests: Plan["requests"],
  world: World,
  { folder, tokens, engine, device, cores }: Setup,
  { onProgress }: ExecuteHooks,
): Promise<RunRecord[]> {
  await assertSpace(folder, bytesOf(runs, world), "heads");
  const store = new RecordStore(folder);
  // TensorFlow has one context and one pool of threads a process: loaded by two threads at once it
  // may crash, and on a GPU each would take the whole memory
  const workers = engine === "tensorflow" ? 1 : Math.min(cores, runs.length);
  const rowsOfRun = rowCounter(requests), learned = learnedCounter(requests);
  const groups = groupRuns(runs, world, workers, learned);
  // a head that several groups try is trained by one of them before any tries it
  const shared = groupRuns(sharedTrainings(groups), world, workers, learned);
  const atOnce = Math.min(
    workers,
    groups.length,
    groupsAtOnce(groups, world, learned),
    groupsAtOnce(shared, world, learned),
  );
  const threads = Math.max(1, Math.floor(cores / atOnce));
  const records: RunRecord[] = [];
  const total = runs.reduce((sum, run) => sum + rowsOfRun(run), 0);
  const jobOf = (group: Group): HeadsJob => {
    const { features, sets, config: { training, evaluation } } = group[0]!;
    return {
      detector: training.detector,
      compute: { engine, device, threads },
      folder,
      features: { folder: tokens, ...features },
      sets,
      ...(evaluation.sample ? { sample: evaluation.sample } : {}),
      ...(evaluation.bootstrap === undefined ? {} : { bootstrap: evaluation.bootstrap }),
      heads: group.map(({ trainingKey, config }) => ({
        key: trainingKey,
        config: config.training,
        keepEpochs: config.evaluation.atEpochs,
      })),
    };
  };
  const makers = makersIn(tokens);
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
    atOnce,
    1,
  );
  await Promise.all(shared.map((group) => pool.run({ ...jobOf(group), sets: [] })));
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
      const record = recordOf(experiment, run, result, world, await makers(run));
      await store.write(record);
      records.push(record);
    }
    // what an earlier process had done of the group was not told
    underWay.delete(group);
    finished += group.reduce((sum, run) => sum + rowsOfRun(run), 0);
    report();
  }));
  if (problems.length > 0) throw new UserError("damaged", problems);
  return records;
}

function recordOf(
  experiment: string,
  { key, trainingKey, config, features, sets, skippedImages }: PlannedRun,
  result: HeadResult | FailedHead,
  world: World,
  made: readonly Made[],
): RunRecord {
  const { engine, epochs, evaluations, trainingSeconds, evaluationSeconds } = "problem" in result
    ? { engine: "", epochs: [], evaluations: [], trainingSeconds: 0, evaluationSeconds: 0 }
    : result;
  return {
    key,
    trainingKey,
    profile: world.profile,
    experiment,
    config,
    engine,
    versions: { ...VERSIONS, v8: Deno.version.v8 },
    made,
    features: {
      ...features,
      test: Object.fromEntries(sets.map(({ name, features }) => [name, features])),
    },
    ...(skippedImages ? { skippedImages } : {}),
    parameterCount: parameterCountOf(config.training, world),
    ...("problem" in result ? { failed: result.problem } : {}),
    epochs,
    evaluations,
    timings: { trainingSeconds, evaluationSeconds },
    date: new Date().toISOString(),
  };
}
