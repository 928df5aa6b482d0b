/** Files and folders of a test, gone when its module ends. */

const made: string[] = [];

globalThis.addEventListener("unload", () => {
  for (const path of made) {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
});

export function temporaryFolder(prefix?: string): string {
  const path = Deno.makeTempDirSync(prefix === undefined ? {} : { prefix });
  made.push(path);
  return path;
}

export function temporaryFile(suffix: string): string {
  const path = Deno.makeTempFileSync({ suffix });
  made.push(path);
  return path;
}

/** Does something in a temporary folder that is gone as soon as it is done. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
