/**
 * Runs configurations: finds what is done, makes the features that are missing, trains and tries the
 * heads, and writes a record for each.
 * @module
 */
import { join } from "node:path";
import { checkpointPath, statePath } from "../detectors/detector.ts";
import { tellingOnce } from "../io/errors.ts";
import { removeIfThere, sweepTemporaries } from "../io/files.ts";
import { sweepClaims } from "../io/lock.ts";
import type { RunConfig, RunRow } from "./config.ts";
import { removeDamaged, removeDamagedBanks, RunFiles } from "./damage.ts";
import { CLAIMS, runHeads } from "./heads.ts";
import { sealOlder } from "./older.ts";
import { hasScores } from "./kept_scores.ts";
import { type PlannedRun, planRuns } from "./plan.ts";
import { RecordStore, rowsOf, type RunRecord } from "./record.ts";
import { removeScores } from "./scores.ts";
import { extractInWorld, type WorkHooks } from "./extraction.ts";
import type { Setup } from "./setup.ts";
import { requestsLeft } from "./spent.ts";
import { findRecord } from "./status.ts";
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
  const { forced = new Set() } = hooks, onDamage = tellingOnce(hooks.onDamage);
  const { force, skipCorrupt } = setup;
  const store = new RecordStore(setup.folder);
  let { runs, requests, damaged } = await planRuns(configs, world, setup);
  const records = new Map<string, RunRecord>();
  const before = new FilesBefore();
  /** Finds the records of runs that are done; where all is made again, those that are new. */
  const findDone = async (runs: readonly PlannedRun[]) => {
    const files = new RunFiles(store.folder);
    for (const run of runs) {
      if (records.has(run.key)) continue;
      if (force && !await before.isNew(store.path(experiment, run.key))) continue;
      const found = await findRecord(store, experiment, run, setup, onDamage);
      if (!found || !await files.areThere(found.value)) continue;
      if (hooks.scoresAreShown && !await hasScores(found.value, setup)) continue;
      if (!found.isSealed && !await sealOlder(found.value, setup, onDamage)) continue;
      records.set(run.key, found.value);
      forced.add(run.trainingKey);
    }
  };
  const waitingRuns = async () => {
    if (force) { for (const run of runs) await before.note(filesOf(experiment, run, store)); }
    await findDone(runs);
    return runs.filter(({ key }) => !records.has(key));
  };
  let waiting = await waitingRuns();
  if (waiting.length > 0 || damaged.length > 0) {
    const wanted = damaged.map((key) => requests.get(key)!);
    await extractInWorld(
      [...new Set([...await requestsLeft(waiting, requests, world.listings, setup), ...wanted])],
      world,
      setup,
      hooks,
    );
    // it may have taken long enough for somebody to change images
    world.listings.forget();
    if (skipCorrupt) {
      // only now is known which images cannot be decoded, and runs are named by them too
      ({ runs, requests, damaged } = await planRuns(configs, world, setup));
    }
    // others may have done some of them meanwhile, and some may have lacked nothing but features
    waiting = await waitingRuns();
  }
  const reused = runs.length - waiting.length;
  if (waiting.length > 0) {
    for (const name of ["heads", "scores", join("records", experiment)]) {
      await sweepTemporaries(join(store.folder, name));
    }
    const claims = join(store.folder, CLAIMS);
    await sweepClaims(claims);
    await removeDamagedBanks(waiting, store.folder, onDamage);
    await runHeads(waiting, {
      ...{ experiment, world, setup, hooks, plan: { runs, requests } },
      async undone(runs) {
        await findDone(runs);
        return runs.filter(({ key }) => !records.has(key));
      },
      async prepare(runs) {
        if (force) await forget(experiment, runs, store, before, forced);
        await removeDamaged(runs, store.folder, onDamage);
      },
      onRecord: (record) => records.set(record.key, record),
    });
    // whoever is last
    await Deno.remove(claims).catch(() => {});
    world.listings.forget();
  }
  const all = runs.map(({ key }) => records.get(key)!);
  return { rows: all.flatMap(rowsOf), records: all, reused };
}

/** The record of a run, and the heads that it has. */
function filesOf(
  experiment: string,
  { key, trainingKey, config: { evaluation } }: PlannedRun,
  store: RecordStore,
): string[] {
  const heads = evaluation.atEpochs.map((epoch) => checkpointPath(trainingKey, epoch));
  return [store.path(experiment, key), ...heads.map((path) => join(store.folder, path))];
}

/**
 * Removes records of runs, and with them what they speak of, so that all is made again; what other
 * processes have made again by now stays.
 */
async function forget(
  experiment: string,
  runs: readonly PlannedRun[],
  store: RecordStore,
  before: FilesBefore,
  forced: Set<string>,
): Promise<void> {
  // the record first: without it nothing counts as done
  for (const { key } of runs) {
    if (!await before.isNew(store.path(experiment, key))) await store.remove(experiment, key);
  }
  for (const run of runs) {
    const { trainingKey, config } = run;
    if (forced.has(trainingKey)) continue;
    forced.add(trainingKey);
    const [, ...heads] = filesOf(experiment, run, store);
    if ((await Promise.all(heads.map((path) => before.isNew(path)))).some(Boolean)) continue;
    await removeIfThere(join(store.folder, statePath(trainingKey)));
    for (const epoch of config.evaluation.atEpochs) {
      await removeScores(store.folder, trainingKey, epoch);
      await removeIfThere(join(store.folder, checkpointPath(trainingKey, epoch)));
    }
  }
}

/** Files as they were at some time: which of them somebody has written since. */
class FilesBefore {
  readonly #known = new Map<string, string>();

  /** Looks at files that have not been looked at. */
  async note(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      if (!this.#known.has(path)) this.#known.set(path, await lookAt(path));
    }
  }

  /** Whether a file is there and was not, or is another than it was. */
  async isNew(path: string): Promise<boolean> {
    const now = await lookAt(path);
    return now !== "" && now !== this.#known.get(path);
  }
}

/** What tells a file from one that is written into its place; empty where there is none. */
async function lookAt(path: string): Promise<string> {
  try {
    const { ino, mtime, size } = await Deno.stat(path);
    return [ino, mtime?.getTime(), size].join();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
