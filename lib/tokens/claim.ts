/**
 * Claims of work: of several processes that share a folder, one does it.
 * @module
 */
import { naming, removeIfThere } from "../io/files.ts";

/** Work that is this process's, until it is let go of or the process ends, however it ends. */
export interface Claim extends AsyncDisposable {
  /** Takes the file away as well: the work is done, and nobody needs to claim it again. */
  done(): Promise<void>;
}

/**
 * Claims work by locking a file.
 * @param wait whether to wait for a process that has claimed it
 * @returns `undefined` where another process has, and is not waited for
 */
export async function claim(path: string, wait: boolean): Promise<Claim | undefined> {
  while (true) {
    const file = await naming(path, () => Deno.open(path, { write: true, create: true }));
    if (!await file.tryLock(true)) {
      if (!wait) {
        file.close();
        return undefined;
      }
      await file.lock(true);
    }
    // who had it may have taken the file away, and others then lock another of its name
    if (await isStill(path, file)) return claimOf(path, file);
    file.close();
  }
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

async function isStill(path: string, file: Deno.FsFile): Promise<boolean> {
  const { ino } = await file.stat();
  try {
    return (await Deno.stat(path)).ino === ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
