/**
 * Locks and claims: of several processes that share a folder, one does a piece of work. A lock goes
 * when its process ends, however it ends.
 * @module
 */
import { dirname } from "node:path";
import { UserError } from "./errors.ts";
import { exists, naming, removeIfThere } from "./files.ts";
import { otherThanFile } from "./regular.ts";

/** Work that is this process's, until it is let go of or the process ends. */
export interface Claim extends AsyncDisposable {
  /** Takes the file away as well: the work is done, and nobody needs to claim it again. */
  done(): Promise<void>;
}

/**
 * Claims work by locking a file; its folder is made where it is not there.
 * @param wait whether to wait for a process that has claimed it
 * @param onWait told, once, that another process has it and is waited for
 * @returns `undefined` where another process has, and is not waited for
 */
export async function claim(
  path: string,
  wait: boolean,
  onWait: () => void = () => {},
): Promise<Claim | undefined> {
  let hasWaited = false;
  while (true) {
    const file = await openLock(path);
    try {
      if (!await file.tryLock(true)) {
        if (!wait) {
          file.close();
          return undefined;
        }
        if (!hasWaited) onWait();
        hasWaited = true;
        await file.lock(true);
      }
      // who had it may have taken the file away, and others then lock another of its name
      if (await isStill(path, file)) return claimOf(path, file);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
}

/**
 * Does something while no other process does it under the same lock file; the action may remove the
 * file, and its folder.
 * @param onWait told, once, that another process has it
 */
export async function withLock<T>(
  path: string,
  action: () => Promise<T>,
  onWait?: () => void,
): Promise<T> {
  await using _ = await claim(path, true, onWait);
  return await action();
}

function claimOf(path: string, file: Deno.FsFile): Claim {
  return {
    done: () => removeIfThere(path),
    [Symbol.asyncDispose]() {
      file.close();
      return Promise.resolve();
    },
  };
}

function openLock(path: string): Promise<Deno.FsFile> {
  return naming(path, async () => {
    for (let tries = 3;; tries--) {
      await Deno.mkdir(dirname(path), { recursive: true });
      try {
        await assertLockable(path);
        return await Deno.open(path, { write: true, create: true });
      } catch (error) {
        // the folder has just been removed with the lock in it
        if (!(error instanceof Deno.errors.NotFound) || tries === 0) throw error;
      }
    }
  });
}

/** Makes sure that what is there can be opened without waiting for who reads from it. */
async function assertLockable(path: string): Promise<void> {
  if (!await exists(path)) return;
  const other = otherThanFile(await Deno.stat(path));
  if (other === undefined) return;
  throw new UserError("damaged", `Cannot lock ${path}: expected a file, found ${other}; delete it`);
}

async function isStill(path: string, file: Deno.FsFile): Promise<boolean> {
  const { ino } = await file.stat();
  try {
    return (await Deno.stat(path)).ino === ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
