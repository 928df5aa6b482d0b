/**
 * How far a reproduction has come: which runs, heads and tokens are on disk. Nothing is made.
 * @module
 */
import { join } from "node:path";
import type { Precision } from "../backbones/backbone.ts";
import { featurePaths } from "../tokens/store.ts";
import { type EngineName, resolveEngine } from "../detectors/rine/open_engine.ts";
import { exists } from "../io/files.ts";
import type { Device } from "../onnx/session.ts";
import { RecordStore, rowsOf, type RunRecord } from "./record.ts";
import type { RunConfig, RunRow } from "./config.ts";
import { type PlannedRun, planRuns, type World } from "./plan.ts";
import { checkpointPath } from "../detectors/rine/train.ts";
import type { Experiment } from "./section.ts";
import { unlessMissing } from "./missing.ts";
import { untriedRow } from "./needs.ts";
import { averagedRows } from "./own_sets.ts";
import type { Profile } from "./profile.ts";
import { miniWorldSeed, openMadeWorld } from "./world.ts";

/** What names of runs hang on, and where they are looked for. */
export interface StandingOptions {
  readonly data: string;
  readonly results: string;
  /** Seed of the mini world, of augmentation and of perturbations. */
  readonly seed: number;
  readonly engine: EngineName;
  /** Default `cpu`. */
  readonly device?: Device;
  readonly precision: Precision;
  readonly protocol: "released" | "paper";
  /** Whether what is done is done again. */
  readonly force: boolean;
  readonly skipCorrupt: boolean;
}

/** What of a run is there. */
export interface RunStanding extends Pick<PlannedRun, "tokens" | "testTokens"> {
  /** Its record, where nothing is left to do. */
  readonly record?: RunRecord;
  readonly isTrained: boolean;
}

/** What of a section is there. */
export interface SectionStanding {
  readonly configs: readonly RunConfig[];
  /** In the order of the configurations; `undefined` where runs have no names: images are missing. */
  readonly runs?: readonly RunStanding[];
  /** As later sections read them; of no score where not all runs are done. */
  readonly rows: readonly RunRow[];
}

/** Looks at sections one after the other, each after those whose rows it reads. */
export class Standing {
  /** What is wrong with the images and backbones, which name what is done; absent where nothing is. */
  readonly problem?: string;
  readonly #world: World | undefined;
  readonly #profile: Profile;
  readonly #options: StandingOptions;
  readonly #isThere = new Map<string, Promise<boolean>>();

  private constructor(profile: Profile, options: StandingOptions, world: World | string) {
    this.#profile = profile;
    this.#options = options;
    if (typeof world === "string") this.problem = world;
    this.#world = typeof world === "string" ? undefined : world;
  }

  /** Opens the profile's world, where it is there. */
  static async open(profile: Profile, options: StandingOptions): Promise<Standing> {
    const { data, seed, engine, device = "cpu" } = options;
    const isMade = profile.name !== "mini" || await miniWorldSeed(data) === seed;
    let problem = "The mini world has not been made";
    const world = isMade
      ? await unlessMissing(
        () => openMadeWorld(profile, { ...options, device }),
        (message) => problem = message,
      )
      : undefined;
    return new Standing(
      profile,
      { ...options, engine: await resolveEngine(engine, { device }) },
      world ?? problem,
    );
  }

  /** Folder of the profile's results. */
  get folder(): string {
    return join(this.#options.results, this.#profile.name);
  }

  /** @param before rows of the sections that have been looked at */
  async section(
    { name, runs: plan }: Experiment,
    seeds: readonly number[],
    before: readonly RunRow[],
  ): Promise<SectionStanding> {
    const configs = plan(this.#profile, seeds, before);
    const untried = configs.map((config) => untriedRow(name, config));
    const runs = await unlessMissing(() => this.#runs(name, configs));
    if (!runs) return { configs, rows: untried };
    const records = runs.flatMap(({ record }) => record ?? []);
    const isDone = records.length === configs.length;
    const rows = isDone ? averagedRows(this.#profile, records.flatMap(rowsOf)) : untried;
    return { configs, runs, rows };
  }

  /** Whether a finished set of tokens is on disk. */
  hasTokens(key: string): Promise<boolean> {
    return this.#exists(featurePaths(join(this.#options.data, "tokens"), key).features);
  }

  /** Closes the backbones. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const backbone of this.#world?.backbones.values() ?? []) {
      await backbone[Symbol.asyncDispose]();
    }
  }

  async #runs(
    name: string,
    configs: readonly RunConfig[],
  ): Promise<RunStanding[] | undefined> {
    if (!this.#world) return undefined;
    const { data, force, skipCorrupt } = this.#options;
    const tokensFolder = join(data, "tokens");
    const { runs } = await planRuns(configs, this.#world, { ...this.#options, tokensFolder });
    const store = new RecordStore(this.folder);
    return await Promise.all(
      runs.map(async ({ key, trainingKey, config, tokens, testTokens, skippedImages }) => {
        const isOutdated = force || skippedImages && !skipCorrupt;
        const record = isOutdated ? undefined : await store.find(name, key);
        const checkpoints = await Promise.all(
          config.evaluation.atEpochs.map((epoch) =>
            this.#exists(join(this.folder, checkpointPath(trainingKey, epoch)))
          ),
        );
        const isTrained = !force && checkpoints.every(Boolean);
        return { tokens, testTokens, isTrained, ...(record ? { record } : {}) };
      }),
    );
  }

  #exists(path: string): Promise<boolean> {
    let known = this.#isThere.get(path);
    if (!known) this.#isThere.set(path, known = exists(path));
    return known;
  }
}
