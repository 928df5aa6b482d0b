/**
 * Keeps what is written of a reproduction up to date while it runs: tables, figures, the report and
 * the best heads.
 * @module
 */
import { removeIfThere } from "../io/files.ts";
import { fewerImages } from "../report/paper/captions.ts";
import { reportSections, writeSections } from "../report/paper/report.ts";
import { type BestHeads, bestRecords, keepBestHeads } from "../runs/best_heads.ts";
import type { RunRecord } from "../runs/record.ts";
import { headingOf, type Section } from "../runs/section.ts";
import type { Setup } from "../runs/setup.ts";
import type { SectionStatus, Status } from "../runs/status.ts";
import type { World } from "../runs/world.ts";

/** Time that goes into work between two writings of all that is done, by the time of a writing. */
const WORK_PER_WRITING = 10;

/**
 * Tables, figures, best heads and report, written as sections get done; after short sections only now
 * and then, and at the end.
 */
export class Reporting {
  heads: BestHeads = { copies: new Map(), problems: [], damaged: [] };
  readonly #setup: Setup;
  readonly #status: Status;
  readonly #world: World;
  readonly #onDamage: (line: string) => void;
  /** A line on each section that this call has run, by name. */
  readonly #lines = new Map<string, string>();
  readonly #written = new Set<string>();
  /** Names of the sections that were finished before this call. */
  #before: readonly string[] | undefined;
  #fewer: Promise<string | undefined> | undefined;
  /** Whether a section is done that is not written yet. */
  #isBehind = false;
  /** When the next section that gets done is written at the earliest. */
  #nextAt = 0;

  /** @param onDamage told, in a line for people, of a file that is damaged and is made again */
  constructor(setup: Setup, status: Status, world: World, onDamage: (line: string) => void) {
    this.#setup = setup;
    this.#onDamage = onDamage;
    this.#world = world;
    this.#status = status;
  }

  /**
   * Copies the best of a section's heads, where it has some. Those that are damaged are taken away and
   * told of: without its head a run counts as not done.
   * @returns whether the section has to be run again
   */
  async keepHeads(records: readonly RunRecord[]): Promise<boolean> {
    if (bestRecords(this.#setup.profile, records).length === 0) return false;
    this.heads = await keepBestHeads(this.#setup, records);
    const { problems, damaged } = this.heads;
    for (const problem of problems) {
      this.#onDamage(`${problem.replace(/; delete .* run again$/, "")}; it is made again`);
    }
    for (const head of damaged) await removeIfThere(head);
    return damaged.length > 0;
  }

  /** Takes a section that has just been run. */
  async add(section: Section, records: readonly RunRecord[], reused: number): Promise<void> {
    const says = records.length === 0
      ? "no runs of its own"
      : `${records.length} runs, ${reused} of them done before`;
    this.#lines.set(section.name, `${headingOf(section)}: ${says}`);
    if (this.heads.problems.length > 0 && bestRecords(this.#setup.profile, records).length > 0) {
      this.heads = await keepBestHeads(this.#setup, records);
    }
    // what is done can be read while the rest is under way, and if that comes to nothing
    if (reused === records.length) return;
    this.#isBehind = true;
    if (performance.now() < this.#nextAt) return;
    await this.#writeDone();
  }

  /** Writes what is done of a reproduction that has failed; a failure to write says nothing more. */
  async keepDone(): Promise<void> {
    if (this.#isBehind) await this.#writeDone().catch(() => {});
  }

  async #writeDone(): Promise<void> {
    const began = performance.now();
    this.#before ??= await this.#done();
    await this.#write(new Set([...this.#before, ...this.#lines.keys()]));
    this.#isBehind = false;
    const now = performance.now();
    this.#nextAt = now + WORK_PER_WRITING * (now - began);
  }

  /** Writes what is done by now; returns what to say of it. */
  async finish(): Promise<string[]> {
    return await this.#write(new Set(await this.#done()));
  }

  async #done(): Promise<string[]> {
    return (await this.#status.done()).map(({ section }) => section.name);
  }

  async #write(names: ReadonlySet<string>): Promise<string[]> {
    const { experiments, profile } = this.#setup;
    const done: SectionStatus[] = [];
    for (const { name } of experiments.sections) {
      if (names.has(name)) done.push(await this.#status.section(name));
    }
    const finished = done.map(({ section, records, rows }) => {
      // points are made of a best head
      const isKept = section.showsPoints && this.heads.problems.length > 0;
      const line = isKept ? undefined : this.#lines.get(section.name);
      return { section, records, rows, ...(line === undefined ? {} : { line }) };
    });
    const [pointsOf] = bestRecords(profile, done.flatMap(({ records }) => records)).at(-1)
      ?.records ?? [];
    return await writeSections(
      this.#setup,
      await reportSections(this.#setup, finished, pointsOf, this.#world, this.#onDamage),
      {
        written: this.#written,
        fewer: await (this.#fewer ??= fewerImages(this.#setup)),
        onDamage: this.#onDamage,
      },
    );
  }
}
