/**
 * What of runs is damaged on disk, or another run's: it is said, and taken away where it can be made
 * again. Nothing is taken away that is not named after a run that is about to be done.
 * @module
 */
import { join } from "node:path";
import { checkpointFacts, readCheckpointFile } from "../detectors/checkpoint_file.ts";
import { checkpointPath, statePath, type TrainingConfig } from "../detectors/detector.ts";
import { detectorNamed } from "../detectors/index.ts";
import { BANKS } from "../detectors/ufd/neighbours.ts";
import { isForPeople, UserError } from "../io/errors.ts";
import { contentKey, exists, removeIfThere } from "../io/files.ts";
import { verifySafetensors } from "../io/safetensors.ts";
import type { PlannedRun } from "./plan.ts";
import type { RunRecord } from "./record.ts";
import { scoresFolder } from "./scores.ts";

/** Told of something that is damaged and is made again, in a line for people. */
export type OnDamage = (line: string) => void;

/** A trained head as its run names it. */
export type NamedHead = Pick<PlannedRun | RunRecord, "trainingKey"> & {
  readonly config: { readonly training: TrainingConfig };
};

/**
 * Why a file is not the head of a run, in a few words; `undefined` where it is.
 * @param asUsed whether to open it as who uses it will: that finds what is no number in a head without
 * a seal, and what it needs beside it
 */
export async function headProblem(
  path: string,
  { trainingKey, config: { training } }: NamedHead,
  asUsed = true,
): Promise<string | undefined> {
  try {
    const { metadata } = await readCheckpointFile(path);
    const isSealed = await verifySafetensors(path);
    if (asUsed || !isSealed) {
      await (await detectorNamed(training.detector).open(path, { engine: "onnx" })).dispose();
    }
    const { config } = checkpointFacts(path, metadata);
    const { key = trainingKey } = metadata;
    if (key === trainingKey && contentKey([config ?? {}]) === contentKey([training])) {
      return undefined;
    }
    return "expected a head of the run's configuration, found another's";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "expected a head, found none";
    if (!isForPeople(error)) throw error;
    return error.message.replace(/^Cannot .*?: (?=expected )/, "");
  }
}

/** Files in a results folder that runs need when they are done: heads, and folders of scores. */
export class RunFiles {
  readonly #folder: string;
  readonly #names = new Map<string, Promise<ReadonlySet<string>>>();

  /** Looks at nothing yet; what was seen is believed as long as it lives. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whether the heads and scores that a record speaks of are there. */
  async areThere({ evaluations }: RunRecord): Promise<boolean> {
    for (const { checkpoint, scores } of evaluations) {
      if (!await this.#has(checkpoint) || !await this.#has(scores)) return false;
    }
    return true;
  }

  async #has(path: string): Promise<boolean> {
    const [folder, name] = path.split(/[\\/]/) as [string, string];
    let names = this.#names.get(folder);
    if (!names) this.#names.set(folder, names = namesIn(join(this.#folder, folder)));
    return (await names).has(name);
  }
}

async function namesIn(folder: string): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  try {
    for await (const { name } of Deno.readDir(folder)) names.add(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}

/** Takes away banks that are damaged, where some of the runs search banks. */
export async function removeDamagedBanks(
  runs: readonly PlannedRun[],
  folder: string,
  onDamage: OnDamage,
): Promise<void> {
  if (!runs.some(({ config: { training } }) => detectorNamed(training.detector).keptFeatures)) {
    return;
  }
  for (const name of await namesIn(join(folder, BANKS))) {
    if (!/^bank-[0-9a-f]+\.safetensors$/.test(name)) continue;
    await removeIfDamaged(join(folder, BANKS, name), onDamage);
  }
}

/**
 * Takes away heads, states and scores of runs that are damaged or another's, so that the runs make them
 * again. Nobody else may do these runs meanwhile. A head of neighbours is none without its bank: banks
 * come first.
 */
export async function removeDamaged(
  runs: readonly PlannedRun[],
  folder: string,
  onDamage: OnDamage,
): Promise<void> {
  const heads = new Map<string, PlannedRun>();
  for (const run of runs) {
    for (const epoch of run.config.evaluation.atEpochs) {
      heads.set(`${run.trainingKey} ${epoch}`, run);
    }
  }
  for (const [id, run] of heads) {
    const epoch = Number(id.split(" ")[1]);
    const head = join(folder, checkpointPath(run.trainingKey, epoch));
    if (await exists(head)) {
      const isKept = detectorNamed(run.config.training.detector).keptFeatures !== undefined;
      const problem = await headProblem(head, run, isKept);
      if (problem !== undefined) {
        onDamage(`Cannot use ${head}: ${problem}; it is made again`);
        await Deno.remove(head);
      }
    }
    const scores = join(folder, scoresFolder(run.trainingKey, epoch));
    for (const name of await namesIn(scores)) {
      if (name.endsWith(".safetensors")) await removeIfDamaged(join(scores, name), onDamage);
    }
  }
  for (const key of new Set(runs.map(({ trainingKey }) => trainingKey))) {
    await removeIfDamaged(join(folder, statePath(key)), onDamage);
  }
}

async function removeIfDamaged(path: string, onDamage: OnDamage): Promise<void> {
  try {
    if (await exists(path)) await verifySafetensors(path);
  } catch (error) {
    if (!(error instanceof UserError && error.kind === "damaged")) throw error;
    onDamage(`${error.message}; it is made again`);
    await removeIfThere(path);
  }
}
