/**
 * Heads of the reader's choice: trained, tried and kept as a section's are, and read again where their
 * features and images are those of a setup.
 * @module
 */
import { join } from "node:path";
import { statePath } from "../detectors/detector.ts";
import { detectorNamed } from "../detectors/index.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import type { RunConfig } from "../runs/config.ts";
import { execute } from "../runs/execute.ts";
import { planRuns } from "../runs/plan.ts";
import { RecordStore, type RunRecord } from "../runs/record.ts";
import { findRecord } from "../runs/status.ts";
import type { World } from "../runs/world.ts";
import { LiveCurve } from "./live.ts";
import type { OpenedWorld } from "./opened.ts";
import { showingProgress } from "./progress.ts";

/** Name that sweeps are run and kept under, as a section's. */
export const SWEEP = "sweep";

/**
 * Runs configurations and shows how far they are; what has been done before is found.
 * @throws {UserError} where every training diverged; of several, those that did are told, and their
 * records say so
 */
export async function runAndKeep(
  opened: OpenedWorld,
  runs: readonly RunConfig[],
): Promise<RunRecord[]> {
  const world = await opened.withBackbones(runs.map(({ training }) => training.backbone));
  await using _curve = await curveOf(opened, world, runs);
  const { records } = await showingProgress(async (onProgress, onWait, say) => {
    const hooks = { onProgress, onWait, onDamage: say };
    const executed = await execute(SWEEP, runs, world, opened.setup, hooks);
    for (const { failed } of executed.records) if (failed !== undefined) say(failed);
    return executed;
  });
  const [{ failed } = {}] = records;
  if (failed !== undefined && records.every((record) => record.failed !== undefined)) {
    throw new UserError("damaged", failed);
  }
  return [...records];
}

/** The losses of a single training of several epochs while it goes on; of others there are none. */
async function curveOf(
  { setup }: OpenedWorld,
  world: World,
  runs: readonly RunConfig[],
): Promise<LiveCurve | undefined> {
  if (runs.length !== 1 || runs[0]!.training.epochs === 1) return undefined;
  const { runs: [planned] } = await planRuns(runs, world, setup);
  const state = join(setup.folder, statePath(planned!.trainingKey));
  return new LiveCurve(state, setup.profile, setup.theme);
}

/** Records of sweeps that belong to a session's setup, from the first to the last that was run. */
export async function sweptRecords(opened: OpenedWorld): Promise<RunRecord[]> {
  const { setup } = opened;
  const store = new RecordStore(setup.folder);
  const all = (await recordsIn(store)).toSorted((a, b) => a.date < b.date ? -1 : 1);
  const names = new Set(all.map(({ config }) => config.training.backbone));
  const there = [];
  for (const name of names) if (await isThere(opened, name)) there.push(name);
  const world = await opened.withBackbones(there);
  const possible = all.filter((record) => isPossible(record, world));
  // a name says all that a record hangs on: other conditions give another
  const { runs } = await planRuns(possible.map(({ config }) => config), world, setup);
  const found = await Promise.all(runs.map((run) => findRecord(store, SWEEP, run, setup)));
  return [...new Map(found.flatMap((one) => one ? [[one.value.key, one.value]] : [])).values()];
}

async function recordsIn(store: RecordStore): Promise<RunRecord[]> {
  const folder = join(store.folder, "records", SWEEP);
  if (!await exists(folder)) return [];
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  const keys = names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));
  const records: RunRecord[] = [];
  for (const key of keys) {
    const found = await store.find(SWEEP, key, "delete it and run the sweep again");
    if (found) records.push(found);
  }
  return records;
}

async function isThere(opened: OpenedWorld, name: string): Promise<boolean> {
  try {
    await opened.withBackbones([name]);
    return true;
  } catch (error) {
    if (error instanceof UserError && error.kind === "missing") return false;
    throw error;
  }
}

/** Whether a record's configuration names what the world has; a profile may have changed since. */
function isPossible(
  { config: { training, evaluation } }: RunRecord,
  { backbones, trainingSets, testSets }: World,
): boolean {
  try {
    detectorNamed(training.detector).readHead(training.head);
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
  return backbones.has(training.backbone) &&
    training.classes.every((name) => trainingSets[training.trainingSet]?.[name]) &&
    evaluation.testSets.every((name) => testSets.has(name));
}
