/**
 * What a session has opened and given: its world, rows with the runs that they are of, and detectors.
 * @module
 */
import { join } from "node:path";
import { detectorNamed } from "../detectors/index.ts";
import { type HeadDetector, openHead } from "../detectors/verdict.ts";
import { UserError } from "../io/errors.ts";
import { type BestRecords, bestRecords } from "../runs/best_heads.ts";
import type { RunRow } from "../runs/config.ts";
import type { Tried } from "../runs/kept_scores.ts";
import { averagedRows } from "../runs/own_sets.ts";
import { rowsOf, type RunRecord } from "../runs/record.ts";
import type { Setup } from "../runs/setup.ts";
import { frozen, type SectionStatus } from "../runs/status.ts";
import { OpenedWorld } from "./opened.ts";
import { noticed, showing } from "./show.ts";

/** A session's memory. The world is opened where it is first asked for. */
export class SessionState implements AsyncDisposable {
  /** As the session was opened; {@linkcode SessionState.open} has the one that the world was. */
  readonly setup: Setup;
  readonly #makeSetup: () => Promise<Setup>;
  readonly #detectors = new Map<string, Promise<HeadDetector>>();
  /** Rows are made once for each list of records, so that a row is always the same object. */
  readonly #rows = new WeakMap<readonly RunRecord[], readonly RunRow[]>();
  readonly #tried = new WeakMap<object, Tried>();
  #opened: Promise<OpenedWorld> | undefined;

  /** Opens nothing yet. */
  constructor(setup: Setup, makeAgain: () => Promise<Setup>) {
    this.setup = setup;
    this.#makeSetup = makeAgain;
  }

  /**
   * The session's world, as it is now.
   * @throws {UserError} where it is not there, with what makes it
   */
  async open(): Promise<OpenedWorld> {
    const opened = await this.#openOnce();
    // a reader may have changed images since the last cell
    opened.world.listings.forget();
    return opened;
  }

  /** A section that has been run. */
  async finished(name: string): Promise<SectionStatus> {
    return await (await this.open()).status.finished(name);
  }

  /** Rows of records, which show themselves. */
  rowsOf(records: readonly RunRecord[]): readonly RunRow[] {
    const known = this.#rows.get(records);
    if (known) return known;
    const tried = records.flatMap((record) =>
      record.evaluations.map(({ epoch }): Tried => ({ record, epoch }))
    );
    const rows = averagedRows(this.setup.profile, records.flatMap(rowsOf)).map((row, i) => {
      const shown = showing(frozen(row));
      this.#tried.set(shown, tried[i]!);
      return shown;
    });
    noticed(rows, this.setup.profile.notice);
    const shown = showing(rows);
    this.#rows.set(records, shown);
    return shown;
  }

  /** The run that a row, or an open detector, is of; `undefined` where the session did not give it. */
  triedOf(given: object): Tried | undefined {
    return this.#tried.get(given);
  }

  /**
   * The run that a row is of.
   * @throws {UserError} where it is no row that the session gave
   */
  runOf(row: RunRow): Tried {
    const tried = this.#tried.get(row);
    if (tried) return tried;
    throw new UserError(
      "usage",
      "Cannot find a head: expected a row as session.rows or session.sweep gave it, found " +
        (typeof row === "object" ? "a copy or something else" : `${row}`),
    );
  }

  /** The grid's best heads by class set. */
  async best(): Promise<BestRecords[]> {
    return bestRecords(this.setup.profile, (await this.finished("grid")).records);
  }

  /**
   * Opens a head with its backbone, or finds it open; it is freed with the session.
   * @param of a class set, for the grid's best head of it, or a row that the session gave
   */
  async detector(of: string | RunRow): Promise<HeadDetector> {
    const tried = typeof of === "string" ? await this.#bestOf(of) : this.runOf(of);
    const { record: { config: { training }, evaluations }, epoch } = tried;
    const { checkpoint } = evaluations.find((evaluation) => evaluation.epoch === epoch)!;
    const known = this.#detectors.get(checkpoint);
    if (known) return await known;
    const world = await (await this.open()).withBackbones([training.backbone]);
    const { tap } = detectorNamed(training.detector).reads;
    const backbone = world.backbones.get(training.backbone)!.at(tap);
    const opening = openHead(join(this.setup.folder, checkpoint), { backbone });
    this.#detectors.set(checkpoint, opening);
    // what is missing now may be there when asked for again
    opening.catch(() => this.#detectors.delete(checkpoint));
    const detector = await opening;
    this.#tried.set(detector, tried);
    return detector;
  }

  /** Frees the detectors and the backbones. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of this.#detectors.values()) {
      await (await opening.catch(() => {}))?.[Symbol.asyncDispose]();
    }
    this.#detectors.clear();
    const opened = await this.#opened?.catch(() => {});
    this.#opened = undefined;
    await opened?.[Symbol.asyncDispose]();
  }

  async #bestOf(classSet: string): Promise<Tried> {
    const heads = await this.best();
    const record = heads.find(({ name }) => name === classSet)?.records[0];
    if (record) return { record, epoch: record.evaluations[0]!.epoch };
    const names = heads.map(({ name }) => name).join(", ");
    throw new UserError(
      "usage",
      `Cannot open a detector: expected a class set of ${names}; found ${classSet}`,
    );
  }

  #openOnce(): Promise<OpenedWorld> {
    if (this.#opened) return this.#opened;
    const opening = this.#makeSetup().then((setup) => OpenedWorld.open(setup));
    this.#opened = opening;
    // what is missing now may be there when asked for again
    opening.catch(() => this.#opened = undefined);
    return opening;
  }
}
