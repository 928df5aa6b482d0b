/**
 * What is done and what is not: the records, heads and features of sections that are on disk. Nothing
 * is made here.
 * @module
 */
import { join } from "node:path";
import { Listings } from "../data/listing.ts";
import { checkpointPath } from "../detectors/detector.ts";
import { unlessMissing, UserError } from "../io/errors.ts";
import { contentKey, exists } from "../io/files.ts";
import type { Sealed } from "../io/seal.ts";
import { featurePaths } from "../tokens/store.ts";
import type { RunConfig, RunRow } from "./config.ts";
import { averagedRows } from "./own_sets.ts";
import { type PlannedRun, planRuns } from "./plan.ts";
import { RecordStore, rowsOf, type RunRecord } from "./record.ts";
import type { Section } from "./section.ts";
import { reproduceCommand, type Setup } from "./setup.ts";
import { openMadeWorld, type World } from "./world.ts";

/** A run's record where nothing is left to do of it, and whether it is sealed. */
export async function findRecord(
  store: RecordStore,
  section: string,
  { key, trainingKey, config, skippedImages }: PlannedRun,
  { skipCorrupt }: Pick<Setup, "skipCorrupt">,
  onDamage: (line: string) => void = () => {},
): Promise<Sealed<RunRecord> | undefined> {
  // what was made without some images is done only for those who may leave them out
  if (skippedImages && !skipCorrupt) return undefined;
  try {
    const found = await store.read(section, key, "the run is done again");
    if (!found) return undefined;
    // a record that is whole is its key's; the key is a hash of the configuration
    const isOwn = found.value.trainingKey === trainingKey &&
      (found.isSealed || contentKey([found.value.config]) === contentKey([config]));
    if (isOwn) return found;
    onDamage(
      `Cannot use ${store.path(section, key)}: expected the record of its run, found another ` +
        "configuration's; the run is done again",
    );
  } catch (error) {
    if (!(error instanceof UserError && error.kind === "damaged")) throw error;
    onDamage(error.message);
  }
  return undefined;
}

/** Status of one run on disk. */
export interface RunStatus extends PlannedRun {
  /** Its record, where nothing is left to do. */
  readonly record?: RunRecord;
  /** Whether its head has been trained. */
  readonly isTrained: boolean;
}

/** Status of one section on disk: its runs, its records and the rows that they give. */
export interface SectionStatus {
  readonly section: Section;
  readonly configs: readonly RunConfig[];
  /** In the order of the configurations; absent where runs have no names: images are missing. */
  readonly runs?: readonly RunStatus[];
  /** Which images or backbones are missing; absent where all are there. */
  readonly problem?: string;
  /** Whether all runs are done, and those of the sections it depends on. */
  readonly isDone: boolean;
  /** Of the runs that are done. */
  readonly records: readonly RunRecord[];
  /** The section's own; without scores where not all runs are done. */
  readonly own: readonly RunRow[];
  /** The section's own, then those of the sections it depends on. */
  readonly rows: readonly RunRow[];
}

/** Looks at sections, each once; what is not done is looked at again when asked for again. */
export class Status {
  /** What is wrong with the images and backbones, which name what is done; absent where nothing is. */
  readonly problem?: string;
  /** What is believed of images' files. */
  readonly listings: Listings;
  readonly #world: World | undefined;
  readonly #setup: Setup;
  readonly #sections = new Map<string, Promise<SectionStatus>>();

  /** @param world what runs are planned in, or why there is none */
  constructor(setup: Setup, world: World | string) {
    this.#setup = setup;
    if (typeof world === "string") this.problem = world;
    else this.#world = world;
    this.listings = this.#world?.listings ?? new Listings(setup.root);
  }

  /** Opens a setup's world where it is there; the caller disposes of the status. */
  static async open(setup: Setup): Promise<Status> {
    const { profile: { name, made }, root, seed } = setup;
    if (made && await made.seedOf(root) !== seed) {
      return new Status(setup, `The ${name} world has not been made`);
    }
    let problem = "";
    const world = await unlessMissing(() => openMadeWorld(setup), (says) => problem = says);
    return new Status(setup, world ?? problem);
  }

  /**
   * What of a section is on disk.
   * @param name as on the command line: `grid`
   * @throws {UserError} where there is no such section
   */
  section(name: string): Promise<SectionStatus> {
    const known = this.#sections.get(name);
    if (known) return known;
    const looking = this.#look(this.find(name));
    this.#sections.set(name, looking);
    const forget = () => void this.#sections.delete(name);
    // what is missing now may be there when asked for again
    looking.then(({ isDone }) => isDone || forget(), forget);
    return looking;
  }

  /**
   * A section whose runs are all there, and those of the sections it depends on.
   * @throws {UserError} of kind `missing`, with what runs them
   */
  async finished(name: string): Promise<SectionStatus> {
    const { dependsOn } = this.find(name);
    for (const other of dependsOn) await this.finished(other);
    const status = await this.section(name);
    if (status.isDone) return status;
    if (!status.runs) throw new UserError("missing", status.problem ?? this.problem!);
    throw new UserError(
      "missing",
      `Cannot show ${name}: expected ${status.runs.length} runs in ${this.#setup.folder}, found ` +
        `${status.records.length}; run \`${reproduceCommand(this.#setup, [name])}\` first`,
    );
  }

  /**
   * A section by its name.
   * @throws {UserError} where there is none
   */
  find(name: string): Section {
    const { sections } = this.#setup.experiments;
    const found = sections.find((section) => section.name === name);
    if (found) return found;
    throw new UserError(
      "usage",
      `Cannot show a section: expected one of ${
        sections.map(({ name }) => name).join(", ")
      }; found ${name}`,
    );
  }

  /** The sections that are done, in their order. */
  async done(): Promise<SectionStatus[]> {
    const all = [];
    for (const { name } of this.#setup.experiments.sections) all.push(await this.section(name));
    return all.filter(({ isDone }) => isDone);
  }

  /** Takes a section's records from who has just run it, rather than from disk. */
  add(section: Section, configs: readonly RunConfig[], records: readonly RunRecord[]): void {
    const status = this.#before(section).then((before): SectionStatus =>
      this.#done(section, configs, records, before)
    );
    this.#sections.set(section.name, status);
  }

  /** Whether a finished set of features is on disk. */
  hasFeatures(key: string): Promise<boolean> {
    return exists(featurePaths(this.#setup.tokens, key).features);
  }

  /** What runs are planned in; absent where there is a problem. */
  get world(): World | undefined {
    return this.#world;
  }

  /** Closes the backbones. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world?.[Symbol.asyncDispose]();
  }

  async #before({ dependsOn }: Section): Promise<SectionStatus[]> {
    const before = [];
    for (const name of dependsOn) before.push(await this.section(name));
    return before;
  }

  #done(
    section: Section,
    configs: readonly RunConfig[],
    records: readonly RunRecord[],
    before: readonly SectionStatus[],
    runs?: readonly RunStatus[],
  ): SectionStatus {
    const own = averagedRows(this.#setup.profile, records.flatMap(rowsOf)).map(frozen);
    return {
      section,
      configs,
      ...(runs ? { runs } : {}),
      isDone: true,
      records,
      own,
      rows: [...new Set([...own, ...before.flatMap(({ rows }) => rows)])],
    };
  }

  async #look(section: Section): Promise<SectionStatus> {
    const { profile, seeds } = this.#setup;
    const before = await this.#before(section);
    const rows = [...new Set(before.flatMap((status) => status.rows))];
    const configs = section.runs(profile, seeds, rows);
    const looked = await this.#runs(section.name, configs);
    const runs = Array.isArray(looked) ? looked : undefined;
    const records = runs?.flatMap(({ record }) => record ?? []) ?? [];
    const isDone = runs !== undefined && before.every((status) => status.isDone) &&
      records.length === configs.length;
    if (isDone) return this.#done(section, configs, records, before, runs);
    const own = configs.map((config) => untriedRow(section.name, config));
    return {
      section,
      configs,
      ...(runs ? { runs } : { problem: looked as string }),
      isDone,
      records,
      own,
      rows: [...own, ...rows],
    };
  }

  /** What of runs is on disk, or what is missing that would name them. */
  async #runs(name: string, configs: readonly RunConfig[]): Promise<RunStatus[] | string> {
    if (!this.#world) return this.problem!;
    const { folder, force } = this.#setup;
    const world = this.#world;
    let problem = "";
    const plan = await unlessMissing(
      () => planRuns(configs, world, this.#setup),
      (says) => problem = says,
    );
    if (!plan) return problem;
    const store = new RecordStore(folder);
    return await Promise.all(plan.runs.map(async (run): Promise<RunStatus> => {
      if (force) return { ...run, isTrained: false };
      const record = (await findRecord(store, name, run, this.#setup))?.value;
      const checkpoints = run.config.evaluation.atEpochs
        .map((epoch) => exists(join(folder, checkpointPath(run.trainingKey, epoch))));
      const isTrained = (await Promise.all(checkpoints)).every(Boolean);
      return { ...run, isTrained, ...(record ? { record } : {}) };
    }));
  }
}

/** A row as later sections read it, before anything has been run: no head is better. */
export function untriedRow(experiment: string, { training, evaluation }: RunConfig): RunRow {
  const { batchSize: _batch, learningRate: _rate, decayEpochs: _decay, ...head } = training;
  return {
    ...head,
    experiment,
    epochs: evaluation.atEpochs[0]!,
    view: evaluation.view,
    parameterCount: 0,
    valLoss: 0,
    valAcc: 0,
    test: Object.fromEntries(evaluation.testSets.map((name) => [name, { acc: 0, ap: 0 }])),
  };
}

/** A value that nobody can change by mistake, `=` for `===` in a filter: all cells read the same. */
export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}
