/**
 * What plans name of what lies on disk, under all conditions that there are reproductions of.
 * @module
 */
import { basename, join, resolve } from "node:path";
import { detectorNamed } from "../detectors/index.ts";
import { unlessMissing, UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { keysRead } from "./made.ts";
import { keysOf } from "./plan.ts";
import { RecordStore, type RunRecord } from "./record.ts";
import type { Setup } from "./setup.ts";
import { Status } from "./status.ts";

/** Names on disk that somebody needs. */
export class Named {
  /** Keys of sets of features. */
  readonly features: Set<string> = new Set();
  /** By the absolute path of a profile's folder of results, the keys of heads. */
  readonly heads: Map<string, Set<string>> = new Map();
  /** Those among them that may need a bank, by the folder. */
  readonly neighbours: Map<string, Set<string>> = new Map();

  /**
   * Adds what a setup's plans name, and what records of runs name that are no section's: a notebook's.
   * @throws {UserError} where not all of it can be told, with why
   */
  async add(setup: Setup): Promise<void> {
    const { folder, experiments, profile } = setup;
    await using status = await Status.open({ ...setup, force: false });
    if (status.problem !== undefined) throw this.#unknown(setup, status.problem);
    for (const section of experiments.sections) {
      const found = await status.section(section.name);
      const { runs, problem, records } = found;
      if (runs === undefined) {
        // what lacks images and has never been run has left nothing
        if (!await hasRun(folder, section.name)) continue;
        throw this.#unknown(setup, problem!);
      }
      for (const other of section.dependsOn) {
        if ((await status.section(other)).isDone) continue;
        throw this.#unknown(
          setup,
          `${other} is not finished, and what ${section.name} reads hangs on its best heads`,
        );
      }
      for (const run of runs) {
        for (const key of keysOf(run)) this.features.add(key);
        this.#addHead(folder, run.trainingKey, run.config.training.detector);
      }
      if (!section.makes?.reads(profile)) continue;
      let why = "";
      const keys = await unlessMissing(
        () => keysRead(section, status.world!, setup, records),
        (says) => why = says,
      );
      if (keys === undefined) {
        if (!await hasRun(folder, section.name)) continue;
        throw this.#unknown(setup, why);
      }
      for (const key of keys) this.features.add(key);
    }
    await this.#addOthers(setup);
  }

  #addHead(folder: string, key: string, detector: string): void {
    const place = resolve(folder);
    const add = (to: Map<string, Set<string>>) =>
      to.set(place, (to.get(place) ?? new Set()).add(key));
    add(this.heads);
    if (detectorNamed(detector).keptFeatures) add(this.neighbours);
  }

  /** Records of runs that no section plans. */
  async #addOthers({ folder, experiments }: Setup): Promise<void> {
    const records = join(folder, "records"), store = new RecordStore(folder);
    if (!await exists(records)) return;
    for await (const { name: experiment, isDirectory } of Deno.readDir(records)) {
      if (!isDirectory || experiments.sections.some(({ name }) => name === experiment)) continue;
      for await (const { name } of Deno.readDir(join(records, experiment))) {
        if (!name.endsWith(".json")) continue;
        const record = await store.find(experiment, basename(name, ".json"));
        if (record) this.#addRecord(folder, record);
      }
    }
  }

  #addRecord(folder: string, { trainingKey, config, features }: RunRecord): void {
    const { train, val, test } = features;
    for (const key of [...train.flat(), ...val, ...Object.values(test).flat()]) {
      this.features.add(key);
    }
    this.#addHead(folder, trainingKey, config.training.detector);
  }

  #unknown({ outputs }: Setup, why: string): UserError {
    return new UserError(
      "missing",
      `Cannot tell what ${outputs} needs: ${why.replace(/^Cannot /, "cannot ")}`,
    );
  }
}

/** Whether a section has left something in a folder of results. */
async function hasRun(folder: string, section: string): Promise<boolean> {
  for (const kind of ["records", "made"]) {
    const path = join(folder, kind, section);
    if (!await exists(path)) continue;
    for await (const _ of Deno.readDir(path)) return true;
  }
  return false;
}
