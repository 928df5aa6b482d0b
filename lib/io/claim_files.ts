/**
 * What claims ask of a folder, and how the system's folders answer. Nothing is asked that NFS does not
 * promise: a file is made by a link to one that is there already, and read by opening it anew.
 * @module
 */
import { dirname } from "node:path";
import { isSystemError, UserError } from "./errors.ts";
import { naming, removeIfThere } from "./files.ts";
import { temporaryName } from "./host.ts";
import { otherThanFile } from "./regular.ts";

/** A claim's file while its process has it open, and locked where the system locks. */
export interface HeldFile {
  /** Unlocks it; a second time nothing happens. */
  close(): void;
}

/** A folder that several share, on one machine or on many. */
export interface ClaimFiles {
  /** What a file holds; `undefined` where there is none. */
  read(path: string): Promise<string | undefined>;
  /**
   * Makes a file with this content and locks it, where there is none of its name: of several who try,
   * one can.
   * @returns `undefined` for the others
   */
  create(path: string, content: string): Promise<HeldFile | undefined>;
  /** Whether a file is locked, as far as this machine knows. */
  probe(path: string): Promise<"locked" | "free" | "unknown">;
  /** Gives a file another's name; the other is gone. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, where it is there. */
  remove(path: string): Promise<void>;
}

/** How often a folder is made again that somebody has removed meanwhile. */
const TRIES = 3;

/** Folders of this machine, or that it has mounted. */
export const systemFiles: ClaimFiles = {
  async read(path) {
    try {
      const other = otherThanFile(await Deno.stat(path));
      if (other !== undefined) {
        const found = `expected a file, found ${other}; delete it`;
        throw new UserError("damaged", `Cannot claim ${path}: ${found}`);
      }
      return await Deno.readTextFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || isStale(error)) return undefined;
      // some systems let nobody read what is locked
      if (isSystemError(error) && await systemFiles.probe(path) === "locked") return "";
      throw error;
    }
  },

  create: (path, content) =>
    naming(path, async () => {
      for (let tries = TRIES;; tries--) {
        await Deno.mkdir(dirname(path), { recursive: true });
        try {
          return heldOf(await linkNew(path, content));
        } catch (error) {
          // the folder has just been removed
          if (!(error instanceof Deno.errors.NotFound) || tries === 0) throw error;
        }
      }
    }, "claim"),

  async probe(path) {
    try {
      using file = await Deno.open(path, { read: true, write: true });
      return await file.tryLock(false) ? "free" : "locked";
    } catch {
      // it is gone, or the file system has no locks
      return "unknown";
    }
  },

  rename: (from, to) => naming(to, () => Deno.rename(from, to), "claim"),

  remove: removeIfThere,
};

function heldOf(file?: Deno.FsFile): HeldFile | undefined {
  let isOpen = true;
  return file && {
    close() {
      if (isOpen) file.close();
      isOpen = false;
    },
  };
}

async function linkNew(path: string, content: string): Promise<Deno.FsFile | undefined> {
  const temporary = temporaryName(path);
  const file = await openNew(temporary, content);
  let isLinked: boolean | undefined;
  try {
    isLinked = await link(temporary, path, content);
    await removeIfThere(temporary);
  } catch (error) {
    file.close();
    await removeIfThere(temporary).catch(() => {});
    throw error;
  }
  if (isLinked) return file;
  file.close();
  if (isLinked === false) return undefined;
  // no second names here
  try {
    return await openNew(path, content);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

/** Makes a file; what it holds stands in it only when it is locked. */
async function openNew(path: string, content: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { read: true, write: true, createNew: true });
  try {
    await file.tryLock(true).catch(() => false);
    let rest = new TextEncoder().encode(content);
    while (rest.length > 0) rest = rest.subarray(await file.write(rest));
    await file.syncData();
    return file;
  } catch (error) {
    file.close();
    await removeIfThere(path);
    throw error;
  }
}

/**
 * Gives a file a second name where nobody has it.
 * @returns whether it has it now; `undefined` where files have no second names
 */
async function link(from: string, to: string, content: string): Promise<boolean | undefined> {
  try {
    await Deno.link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw error;
    // an answer that was lost on its way has the server do it twice: the second time it is there
    if (await systemFiles.read(to) === content) return true;
    return error instanceof Deno.errors.AlreadyExists ? false : undefined;
  }
}

/** Whether a file was removed on the server between finding and reading it. */
function isStale(error: unknown): boolean {
  return error instanceof Error && /os error (?:116|70)\)/.test(error.message);
}
