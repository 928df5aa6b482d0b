/**
 * Trains heads and tries them on test sets, on worker threads, group by group, beside other processes that
 * do the same; each run's record is written when it has ended.
 * @module
 */
import { join } from "node:path";
import type { FailedHead } from "../detectors/detector.ts";
import { statePath } from "../detectors/detector.ts";
import { unlessDamaged, UserError } from "../io/errors.ts";
import { assertSpace, removeIfThere } from "../io/files.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import { type Made, madeOf, VERSIONS } from "../tokens/made.ts";
import { type FeatureSet, findFeatures } from "../tokens/store.ts";
import { divide } from "./divide.ts";
import type { WorkHooks } from "./extraction.ts";
import {
  type Group,
  groupRuns,
  groupsAtOnce,
  learnedCounter,
  parameterCountOf,
  rowCounter,
  sharedHeads,
} from "./groups.ts";
import { keysOf, type Plan, type PlannedRun } from "./plan.ts";
import { RecordStore, type RunRecord } from "./record.ts";
import type { Setup } from "./setup.ts";
import type { HeadResult, HeadsJob } from "./worker.ts";
import type { World } from "./world.ts";

/** Folder of claims in the profile's results; it is gone when nobody works. */
export const CLAIMS = "claims";

/** Runs that are to be done, and what is known of them elsewhere. */
export interface HeadWork {
  readonly experiment: string;
  readonly world: World;
  readonly setup: Setup;
  readonly hooks: WorkHooks;
  /** All runs of the section, done or not, and what makes their features. */
  readonly plan: Pick<Plan, "runs" | "requests">;
  /** Which of some runs have no record by now. */
  undone(runs: readonly PlannedRun[]): Promise<PlannedRun[]>;
  /** Takes away what is not to be used of runs that are claimed: what is damaged, or made again. */
  prepare(runs: readonly PlannedRun[]): Promise<void>;
  /** Told of a record that has been written. */
  onRecord(record: RunRecord): void;
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

function triedAt({ config: { evaluation } }: PlannedRun): readonly number[] {
  return evaluation.atEpochs;
}

function allEpochs(runs: readonly PlannedRun[]): readonly number[] {
  return [...new Set(runs.flatMap(triedAt))].sort((a, b) => a - b);
}

/** What of a head in training was written after another process had taken it over, and ended it. */
async function forgetState(run: PlannedRun, { setup, undone }: HeadWork): Promise<void> {
  if ((await undone([run])).length > 0) return;
  await removeIfThere(join(setup.folder, statePath(run.trainingKey)));
}

/**
 * Sees to it that runs are done, by this process or by others that work in the same folder. A run is
 * claimed by its head; a head that several runs try is trained first, and each of them is claimed by
 * itself.
 * @throws {UserError} naming files that are damaged, once all else is done
 */
export async function runHeads(runs: readonly PlannedRun[], work: HeadWork): Promise<void> {
  const { experiment, world, plan: { requests }, hooks: { onProgress, onWait } } = work;
  const { folder, tokens, engine, device, cores } = work.setup;
  await assertSpace(folder, bytesOf(runs, world), "heads");
  const store = new RecordStore(folder);
  // TensorFlow has one context and one pool of threads a process: loaded by two threads at once it
  // may crash, and on a GPU each would take the whole memory
  const workers = engine === "tensorflow" ? 1 : Math.min(cores, runs.length);
  const rowsOfRun = rowCounter(requests), learned = learnedCounter(requests);
  const group = (runs: readonly PlannedRun[]) => groupRuns(runs, world, workers, learned);
  const shared = sharedHeads(work.plan.runs);
  const toTrain = [...new Map(runs.map((run) => [run.trainingKey, run])).values()]
    .filter(({ trainingKey }) => shared.has(trainingKey));
  const groups = group(runs);
  const atOnce = Math.min(
    workers,
    groups.length,
    groupsAtOnce(groups, world, learned),
    groupsAtOnce(group(toTrain), world, learned),
  );
  const threads = Math.max(1, Math.floor(cores / atOnce));
  const jobOf = (group: Group, epochsOf = triedAt): HeadsJob => {
    const { features, sets, config: { training, evaluation } } = group[0]!;
    return {
      detector: training.detector,
      compute: { engine, device, threads },
      folder,
      features: { folder: tokens, ...features },
      sets,
      ...(evaluation.sample ? { sample: evaluation.sample } : {}),
      ...(evaluation.bootstrap === undefined ? {} : { bootstrap: evaluation.bootstrap }),
      heads: group.map((run) => ({
        key: run.trainingKey,
        config: run.config.training,
        keepEpochs: epochsOf(run),
      })),
    };
  };
  const makers = makersIn(tokens);
  const underWay = new Map<Group, number>(), finished = new Set<PlannedRun>();
  const total = runs.reduce((sum, run) => sum + rowsOfRun(run), 0);
  let ended = 0, elsewhere = 0;
  const report = () => {
    const done = [...underWay.values()].reduce((sum, rows) => sum + rows, ended);
    onProgress?.({
      ...{ stage: experiment, unit: "rows", done: Math.min(done, total), total },
      ...(elsewhere > 0 ? { elsewhere } : {}),
    });
  };
  const finish = (run: PlannedRun, byOthers: boolean) => {
    if (finished.has(run)) return;
    finished.add(run);
    ended += rowsOfRun(run);
    if (byOthers) elsewhere += rowsOfRun(run);
  };
  report();
  const problems: string[] = [];
  await using pool = new WorkerPool<HeadsJob, (HeadResult | FailedHead)[]>(
    new URL("./worker.ts", import.meta.url),
    atOnce,
    1,
  );
  const claimPath = (name: string) => join(folder, CLAIMS, `${name}.lock`);
  const trained = new Set<PlannedRun>();
  // who finds a head in training does not try it, but waits for it here
  await divide(toTrain, {
    atOnce,
    group,
    claimPath: ({ trainingKey }) => claimPath(trainingKey),
    onWait,
    // those that others have trained are looked at here too
    undone: (runs) => Promise.resolve(runs.filter((run) => !trained.has(run))),
    async work(group) {
      await work.prepare(group.flatMap(({ trainingKey }) => shared.get(trainingKey)!));
      const epochsOf = ({ trainingKey }: PlannedRun) => allEpochs(shared.get(trainingKey)!);
      await unlessDamaged(pool.run({ ...jobOf(group, epochsOf), sets: [] }), problems);
      for (const run of group) trained.add(run);
    },
  });
  await divide(runs, {
    atOnce,
    group,
    claimPath: ({ key, trainingKey }) => claimPath(shared.has(trainingKey) ? key : trainingKey),
    onWait,
    async undone(runs) {
      const left = await work.undone(runs);
      for (const run of runs) if (!left.includes(run)) finish(run, true);
      report();
      return left;
    },
    async work(group, isHeld) {
      const own = group.filter(({ trainingKey }) => !shared.has(trainingKey));
      if (own.length > 0) await work.prepare(own);
      const running = pool.run(jobOf(group), (rows) => {
        underWay.set(group, (underWay.get(group) ?? 0) + rows);
        report();
      });
      const results = await unlessDamaged(running, problems);
      if (!results) return;
      const written: PlannedRun[] = [];
      for (const [index, run] of group.entries()) {
        if (!await isHeld(run)) {
          await forgetState(run, work);
          continue;
        }
        const result = results[index]!;
        const record = recordOf(experiment, run, result, world, await makers(run));
        await store.write(record);
        work.onRecord(record);
        written.push(run);
      }
      // what an earlier process had done of the group was not told
      underWay.delete(group);
      for (const run of written) finish(run, false);
      report();
    },
  });
  if (problems.length > 0) throw new UserError("damaged", problems);
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
