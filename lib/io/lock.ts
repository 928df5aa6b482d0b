/**
 * Claims on work in a folder that several processes share, on one machine or on many: one does a piece,
 * and who finds it claimed does another, or waits. A claim ends with its process, however that ends: at
 * once for the processes of its own machine, after a minute and a half for those of others.
 * @module
 */
import { BeatThread } from "./claim_beats.ts";
import { systemFiles } from "./claim_files.ts";
import { Claims, type OwnClaim } from "./claims.ts";
import { HOST, PROCESS_TAG, silentProcesses } from "./host.ts";

/** Work that is this process's, until it is let go of or the process ends. */
export interface Claim extends AsyncDisposable {
  /**
   * Whether it was taken over from a process of another machine that may still live, and does not know
   * of it yet: it may go on writing into files that it has open.
   */
  readonly mayHaveAnother: boolean;
  /** Whether it is known that another process has taken it over. */
  readonly isLost: boolean;
  /** Looks whether it is still this process's. */
  isHeld(): Promise<boolean>;
  /** @throws {ClaimLost} where it is not, as far as is known or, where it is asked to look, by now */
  assertHeld(look?: "look"): Promise<void>;
}

/** Work was taken over by another process; what this one has in hand is of no use. */
export class ClaimLost extends Error {}

const claims = new Claims({
  files: systemFiles,
  beats: new BeatThread(),
  now: () => performance.now(),
  host: HOST,
  process: PROCESS_TAG,
  onSilent: (process) => silentProcesses.add(process),
  says: () => ({
    pid: Deno.pid,
    started: new Date(performance.timeOrigin).toISOString(),
    ...jobOf(),
  }),
});

/** Pauses between looks at a claim that is waited for, from the first to the longest. */
const PAUSE_MS = [10, 500] as const;

/**
 * Claims work by making a file; its folder is made where it is not there.
 * @param wait whether to wait for a process that has claimed it
 * @param onWait told, once, that another process has it and is waited for
 * @returns `undefined` where another process has, and is not waited for
 */
export async function claim(
  path: string,
  wait: boolean,
  onWait: () => void = () => {},
): Promise<Claim | undefined> {
  for (let pauseMs: number = PAUSE_MS[0];; pauseMs = Math.min(1.5 * pauseMs, PAUSE_MS[1])) {
    const own = await claims.take(path);
    if (own) return claimOf(own);
    if (!wait) return undefined;
    if (pauseMs === PAUSE_MS[0]) onWait();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * Does something while no other process does it under the same claim; the action may remove the file's
 * folder.
 * @param onWait told, once, that another process has it
 */
export async function withLock<T>(
  path: string,
  action: (claim: Claim) => Promise<T>,
  onWait?: () => void,
): Promise<T> {
  await using own = (await claim(path, true, onWait))!;
  return await action(own);
}

/** Lets go of all that this thread has claimed: its process is about to end. */
export async function releaseClaims(): Promise<void> {
  await claims.releaseAll();
}

/** Names of claims' files, and of those that end them. */
const CLAIM_FILE = /\.lock(?:\.[0-9a-f]{8})*$/;

/** Whether a file is a claim, by its name, or ends one. */
export function isClaimFile(name: string): boolean {
  return CLAIM_FILE.test(name);
}

/**
 * Removes claims that killed processes have left in a folder. What belongs to a process that lives, or
 * may live, stays.
 * @param deep whether to look below the folder too
 */
export async function sweepClaims(folder: string, deep = false): Promise<void> {
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    throw error;
  }
  for (const { name, isFile, isDirectory } of entries) {
    const path = `${folder}/${name}`;
    if (isFile && isClaimFile(name)) await claims.sweep(path);
    if (isDirectory && deep) await sweepClaims(path, deep);
  }
}

function claimOf(own: OwnClaim): Claim {
  return {
    mayHaveAnother: own.mayHaveAnother,
    get isLost() {
      return own.isLost;
    },
    isHeld: () => own.isHeld(),
    async assertHeld(look) {
      if (own.isLost || look && !await own.isHeld()) throw new ClaimLost("Another process has it");
    },
    [Symbol.asyncDispose]: () => own.release(),
  };
}

/** The job of a batch system that the process is part of, for whoever reads a claim. */
function jobOf(): { readonly job?: string } {
  const variable = "SLURM_JOB_ID";
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return {};
  const job = Deno.env.get(variable), task = Deno.env.get("SLURM_ARRAY_TASK_ID");
  return job === undefined ? {} : { job: task === undefined ? job : `${job} task ${task}` };
}
