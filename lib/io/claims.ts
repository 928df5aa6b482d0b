/**
 * Claims: of several processes that share a folder, on one machine or on many, one does a piece of
 * work. A claim is a small file, made where there is none; a number in it rises while its process
 * lives. Whoever finds that its process is gone, or that the number has stood still for long enough by
 * his own clock, takes it over.
 *
 * What ends a claim, its own process or who takes it over, must first make a second file that is named
 * after it, `PATH.TOKEN`: of several one can, and the others look anew. He holds what he found against
 * what is there by then, and only then removes or replaces it, so that nobody's newer claim is lost.
 * @module
 */
import * as v from "valibot";
import type { ClaimFiles, HeldFile } from "./claim_files.ts";
import { BEAT_DIGITS, type Beats } from "./claim_beats.ts";
import { type Host, isSameHost } from "./host.ts";

/**
 * How long a number must stand still: longer than an NFS client may believe what it knows of a file,
 * 60 s, and a number needs to rise.
 */
export const SILENT_MS = 90_000;

/** How long a file must be empty: it is one of a version that locked, or a claim is being written. */
const EMPTY_MS = 2000;

const CONTENT = v.looseObject({
  token: v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/)),
  process: v.string(),
  host: v.looseObject({ name: v.string(), machine: v.string(), bootedAt: v.number() }),
});

/** On whose behalf claims are made, and by which clock others' are judged. */
export interface Claimant {
  readonly files: ClaimFiles;
  readonly beats: Beats;
  /** Milliseconds by a clock that nobody sets. */
  readonly now: () => number;
  readonly host: Host;
  /** Names the process in claims and temporary files. */
  readonly process: string;
  /** What else stands in a claim for people: process, job. */
  readonly says: () => Readonly<Record<string, string | number>>;
  /** Told of a process from which nothing is heard, when a claim of its is taken over. */
  readonly onSilent: (process: string) => void;
}

/** A claim of this process. */
export interface OwnClaim {
  /**
   * Whether it was taken over from a process that may still live, on a machine that is not heard from:
   * it does not know yet, and may write.
   */
  readonly mayHaveAnother: boolean;
  /** Whether it is known to be lost: it was taken over. */
  readonly isLost: boolean;
  /** Looks whether it is still there. */
  isHeld(): Promise<boolean>;
  /** Lets go of it: its file is removed. */
  release(): Promise<void>;
}

/** What was seen of a claim, and for how long it has been the same. */
interface Seen {
  readonly content: string;
  at: number;
  unchangedMs: number;
}

/** Claims as one process makes and sees them. */
export class Claims {
  readonly #by: Claimant;
  readonly #seen = new Map<string, Seen>();
  readonly #own = new Set<OwnClaim>();

  /** Claims nothing yet. */
  constructor(by: Claimant) {
    this.#by = by;
  }

  /**
   * Tries to claim a piece of work, once.
   * @returns `undefined` where another has it, or is about to
   */
  async take(path: string): Promise<OwnClaim | undefined> {
    const { files } = this.#by;
    const found = await files.read(path);
    if (found !== undefined) {
      const end = await this.#endOf(path, found);
      return end && await this.#succeed(path, found, end === "silent");
    }
    this.#seen.delete(path);
    const { token, content } = this.#content();
    const file = await files.create(path, content);
    return file && this.#held(path, token, file, false);
  }

  /** Removes a claim that nobody holds any more, where one is there. */
  async sweep(path: string): Promise<void> {
    const found = await this.#by.files.read(path);
    if (found !== undefined && await this.#endOf(path, found)) await this.#end(path, found);
  }

  /** Lets go of all claims of this thread: the process is about to end. */
  async releaseAll(): Promise<void> {
    await Promise.allSettled([...this.#own].map((claim) => claim.release()));
  }

  #content(): { token: string; content: string } {
    const { host, process, says } = this.#by;
    const token = crypto.randomUUID().slice(0, 8);
    const beat = "0".repeat(BEAT_DIGITS);
    return { token, content: JSON.stringify({ beat, token, process, host, ...says() }) + "\n" };
  }

  /** Why a claim has ended, if it has: its process is gone, or was not heard from for long. */
  async #endOf(path: string, content: string): Promise<"gone" | "silent" | undefined> {
    const { files, host, now } = this.#by;
    const holder = holderOf(content);
    // what one process of this machine has locked, all others find locked: one that was stopped
    // keeps what it has, one that was killed has nothing
    if (!holder || isSameHost(holder.host, host)) {
      const lock = await files.probe(path);
      if (lock === "locked") this.#seen.delete(path);
      if (lock === "locked") return undefined;
      if (lock === "free" && holder) return "gone";
    }
    const limitMs = content === "" ? EMPTY_MS : SILENT_MS;
    const seen = this.#seen.get(path), at = now();
    if (seen?.content !== content) {
      this.#seen.set(path, { content, at, unchangedMs: 0 });
      return undefined;
    }
    // a server, or this process itself, may have stood still: one look counts for a third at most
    seen.unchangedMs += Math.min(at - seen.at, limitMs / 3);
    seen.at = at;
    return seen.unchangedMs >= limitMs ? "silent" : undefined;
  }

  /** Takes over a claim that has ended. */
  async #succeed(path: string, found: string, isSilent: boolean): Promise<OwnClaim | undefined> {
    const { files } = this.#by;
    const gate = await this.#gate(path, found);
    if (!gate) return undefined;
    if (await files.read(path) !== found) {
      await gate.open();
      return undefined;
    }
    try {
      // the claim that ends, and the file that ends it, become one: the new claim
      await files.rename(gate.path, path);
    } catch (error) {
      // done twice, as it may be where an answer is lost, it fails the second time
      if (await this.#tokenAt(path) !== gate.token) {
        gate.file.close();
        throw error;
      }
    }
    this.#seen.delete(path);
    const process = holderOf(found)?.process;
    if (isSilent && process !== undefined) this.#by.onSilent(process);
    return this.#held(path, gate.token, gate.file, isSilent);
  }

  /** Removes a claim: this process's own, or one that nobody holds. */
  async #end(path: string, found: string, own?: HeldFile): Promise<void> {
    const { files } = this.#by;
    const gate = await this.#gate(path, found);
    if (!gate) return;
    try {
      const there = await files.read(path);
      // NFS keeps a file under another name while its own client has it open
      own?.close();
      // its number may have risen
      if (there !== undefined && tokenOf(there) === tokenOf(found)) await files.remove(path);
    } finally {
      await gate.open();
    }
  }

  /** Makes the file without which nobody may end a claim; `undefined` where another has made it. */
  async #gate(path: string, found: string) {
    const { files } = this.#by;
    const gate = `${path}.${tokenOf(found)}`;
    const { token, content } = this.#content();
    const file = await files.create(gate, content);
    if (!file) {
      await this.sweep(gate);
      return undefined;
    }
    const open = async () => {
      file.close();
      await files.remove(gate);
    };
    return { path: gate, token, file, open };
  }

  async #tokenAt(path: string): Promise<string | undefined> {
    const content = await this.#by.files.read(path);
    return content === undefined ? undefined : tokenOf(content);
  }

  #held(path: string, token: string, file: HeldFile, mayHaveAnother: boolean): OwnClaim {
    let isLost = false, isReleased = false;
    const stop = this.#by.beats.start(path, token, () => isLost = true);
    const claim: OwnClaim = {
      mayHaveAnother,
      get isLost() {
        return isLost;
      },
      isHeld: async () => {
        isLost ||= await this.#tokenAt(path) !== token;
        return !isLost;
      },
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        this.#own.delete(claim);
        stop();
        try {
          const found = await this.#by.files.read(path);
          if (found !== undefined && tokenOf(found) === token) await this.#end(path, found, file);
        } finally {
          file.close();
        }
      },
    };
    this.#own.add(claim);
    return claim;
  }
}

/** Whose a claim is; `undefined` where it does not say, or not yet. */
function holderOf(content: string): v.InferOutput<typeof CONTENT> | undefined {
  try {
    const { output, success } = v.safeParse(CONTENT, JSON.parse(content));
    return success ? output : undefined;
  } catch {
    return undefined;
  }
}

function tokenOf(content: string): string {
  return holderOf(content)?.token ?? "0".repeat(8);
}
