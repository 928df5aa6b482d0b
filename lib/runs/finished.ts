/**
 * What has been run: records and rows of sections, read from disk.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { RecordStore, rowsOf, type RunRecord } from "./record.ts";
import type { RunConfig, RunRow } from "./config.ts";
import { type PlanOptions, planRuns, type World } from "./plan.ts";
import type { Experiment } from "./section.ts";
import { bestHeads } from "../report/paper/heads.ts";
import { unlessMissing } from "./missing.ts";
import { averagedRows } from "./own_sets.ts";
import type { Profile } from "./profile.ts";
import { SECTIONS } from "../../experiments/index.ts";

/** Where runs are looked for, and what their names depend on. */
export interface FinishedOptions extends PlanOptions {
  /** Folder of the profile's results. */
  readonly folder: string;
  /** Seeds of the heads. */
  readonly seeds: readonly number[];
  /** What a person types to run a section here. */
  command(section: string): string;
}

/** A section that has been run. */
export interface FinishedSection {
  /** The section's own, in the order of its runs. */
  readonly records: readonly RunRecord[];
  /** The section's own, in the order of the records, then those of the sections it depends on. */
  readonly rows: readonly RunRow[];
}

/** Sections that have been run, each read once. Nothing is run. */
export class FinishedRuns {
  readonly #profile: Profile;
  readonly #world: World;
  readonly #options: FinishedOptions;
  readonly #sections = new Map<string, Promise<FinishedSection>>();

  /** Reads nothing yet. */
  constructor(profile: Profile, world: World, options: FinishedOptions) {
    this.#profile = profile;
    this.#world = world;
    this.#options = options;
  }

  /**
   * Reads a section's runs and those of the sections it depends on.
   * @param name as on the command line: `grid`
   * @throws {UserError} where there is no such section, or runs are missing, with what runs them
   */
  section(name: string): Promise<FinishedSection> {
    const known = this.#sections.get(name);
    if (known) return known;
    const section = this.#read(findSection(name));
    this.#sections.set(name, section);
    // what is missing now may be there when asked for again
    section.catch(() => this.#sections.delete(name));
    return section;
  }

  /**
   * A section whose runs are all there.
   * @returns `undefined` where some are missing, or the images that would name them
   */
  find(name: string): Promise<FinishedSection | undefined> {
    return unlessMissing(() => this.section(name));
  }

  /** Names of the sections whose runs are all there. */
  async names(): Promise<Set<string>> {
    const names = SECTIONS.map(({ name }) => name);
    const found = await Promise.all(names.map((name) => this.find(name)));
    return new Set(names.filter((_, i) => found[i]));
  }

  /** Takes a section's records from who has just run it, rather than from disk. */
  add({ name, dependsOn }: Experiment, records: readonly RunRecord[]): void {
    this.#sections.set(name, this.#before(dependsOn).then((rows) => this.#with(records, rows)));
  }

  async #read({ name, dependsOn, runs }: Experiment): Promise<FinishedSection> {
    const before = await this.#before(dependsOn);
    const records = await this.#records(name, runs(this.#profile, this.#options.seeds, before));
    return this.#with(records, before);
  }

  async #before(dependsOn: readonly string[]): Promise<RunRow[]> {
    const others = await Promise.all(dependsOn.map((other) => this.section(other)));
    return [...new Set(others.flatMap(({ rows }) => rows))];
  }

  #with(records: readonly RunRecord[], before: readonly RunRow[]): FinishedSection {
    const own = averagedRows(this.#profile, records.flatMap(rowsOf)).map(frozen);
    return { records, rows: [...own, ...before] };
  }

  async #records(name: string, configs: readonly RunConfig[]): Promise<RunRecord[]> {
    const { folder } = this.#options;
    const { runs } = await planRuns(configs, this.#world, this.#options);
    const store = new RecordStore(folder);
    const found = await Promise.all(runs.map(({ key }) => store.find(name, key)));
    const records = found.filter((record) => record !== undefined);
    if (records.length === runs.length) return records;
    throw new UserError(
      "missing",
      `Cannot show ${name}: expected ${runs.length} runs in ${folder}, found ${records.length}; ` +
        `run \`${this.#options.command(name)}\` first`,
    );
  }
}

/** A value that nobody can change by mistake, `=` for `===` in a filter: all cells read the same. */
export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}

/**
 * A section by its name.
 * @throws {UserError} where there is none
 */
export function findSection(name: string): Experiment {
  const found = SECTIONS.find((experiment) => experiment.name === name);
  if (found) return found;
  throw new UserError(
    "usage",
    `Cannot show a section: expected one of ${
      SECTIONS.map(({ name }) => name).join(", ")
    }; found ${name}`,
  );
}

/** The best heads of a class set as records. */
export interface BestRecords {
  /** `2-class` */
  readonly name: string;
  /** One for each seed. */
  readonly records: readonly RunRecord[];
}

/** The records of the grid's best configuration of each class set, chosen as the profile chooses. */
export function bestRecords(profile: Profile, records: readonly RunRecord[]): BestRecords[] {
  const grid = records.filter(({ experiment }) => experiment === "grid");
  // the grid's runs are tried once: a row for each record
  const rows = averagedRows(profile, grid.flatMap(rowsOf));
  return bestHeads(profile, rows).map((heads) => ({
    name: heads.name,
    records: heads.rows.map((row) => grid[rows.indexOf(row)]!),
  }));
}
