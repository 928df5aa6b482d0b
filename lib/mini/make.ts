/**
 * The mini world: the paper's images in small, made from a seed on the user's own machine.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { exists, readJson, withLock, writeFileAtomic, writeJson } from "../io/files.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import { miniFileName, type MiniFolder, miniFolders, miniLists } from "./layout.ts";
import type { MiniJob } from "./worker.ts";

/** Which mini world it is. Equal identities have equal pixels, on every machine. */
export interface MiniIdentity {
  /** Rises whenever the same seed gives other pixels. */
  readonly version: number;
  /** What every random choice in it comes from. */
  readonly seed: number;
  /** Share of the full world's images, in (0, 1]. */
  readonly scale: number;
}

/** What `manifest.json` says of a finished mini world. */
export interface MiniManifest extends MiniIdentity {
  /** Number of images by folder, relative to the world's root. */
  readonly folders: Readonly<Record<string, number>>;
}

/** How a mini world is made. */
export interface MiniWorldOptions {
  /** Its folder. */
  readonly root: string;
  /** What every random choice in it comes from. */
  readonly seed: number;
  /** Threads; default: one per core. */
  readonly workers?: number;
  /** Share of the full world's images, in (0, 1]; default 1. */
  readonly scale?: number;
  /** Called as images are finished; those of an earlier, interrupted call count as done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Told that another process makes it and is waited for. */
  readonly onWait?: (() => void) | undefined;
}

const VERSION = 6;
const IMAGES_PER_JOB = 8;
/** So that a worker paints one image while another is being encoded or written. */
const JOBS_PER_WORKER = 3;
const MANIFEST = "manifest.json";
const LOCK = "making.lock";
/** There while a world is being made; says which one its files belong to. */
const UNFINISHED = "unfinished.json";

/**
 * Makes the mini world, or finds it made. What an interrupted call has finished is kept. A mini
 * world of another seed, scale or version in the same folder is replaced.
 *
 * @example
 * ```ts
 * import { makeMiniWorld } from "./make.ts";
 *
 * const root = await Deno.makeTempDir();
 * const { folders } = await makeMiniWorld({ root, seed: 0, scale: .004 });
 * console.assert(folders["train/discs/0_real"] === 2);
 * await Deno.remove(root, { recursive: true });
 * ```
 *
 * @throws {UserError} where the folder holds images that no mini world has put there, or the scale
 * is not in (0, 1]
 */
export async function makeMiniWorld(
  { root, seed, scale = 1, workers = navigator.hardwareConcurrency, onProgress, onWait }:
    MiniWorldOptions,
): Promise<MiniManifest> {
  if (!(scale > 0 && scale <= 1)) {
    throw new UserError(
      "usage",
      `Cannot make mini world: expected a scale in (0, 1], found ${scale}`,
    );
  }
  const identity: MiniIdentity = { version: VERSION, seed, scale };
  const made = await readJson<MiniManifest>(`${root}/${MANIFEST}`);
  if (made && isSame(made, identity)) return made;
  await assertNoOthers(root, miniFolders(scale));
  // a second process waits here, and then finds the world made
  return await withLock(
    `${root}/${LOCK}`,
    () => make({ root, identity, workers, onProgress }),
    onWait,
  );
}

interface Making {
  readonly root: string;
  readonly identity: MiniIdentity;
  readonly workers: number;
  readonly onProgress: MiniWorldOptions["onProgress"] | undefined;
}

async function make({ root, identity, workers, onProgress }: Making): Promise<MiniManifest> {
  const { seed, scale } = identity;
  const finished = await readJson<MiniManifest>(`${root}/${MANIFEST}`);
  if (finished && isSame(finished, identity)) return finished;
  const folders = miniFolders(scale);
  await claim(root, identity, folders, finished);
  const jobs: MiniJob[] = [];
  let total = 0, missing = 0;
  for (const folder of folders) {
    const indexes = await missingFiles(root, folder);
    for (let i = 0; i < indexes.length; i += IMAGES_PER_JOB) {
      jobs.push({ root, seed, folder, indexes: indexes.slice(i, i + IMAGES_PER_JOB) });
    }
    total += folder.count;
    missing += indexes.length;
  }
  let done = total - missing;
  onProgress?.(done, total);
  using pool = new WorkerPool<MiniJob, number>(
    new URL("./worker.ts", import.meta.url),
    Math.min(workers, jobs.length),
  );
  for await (const { result } of pool.ordered(jobs, (job) => job, JOBS_PER_WORKER * workers)) {
    done += result;
    onProgress?.(done, total);
  }
  for (const { path, lines } of miniLists(scale)) {
    await writeFileAtomic(`${root}/${path}`, lines.join("\n") + "\n");
  }
  const manifest: MiniManifest = {
    ...identity,
    folders: Object.fromEntries(folders.map(({ path, count }) => [path, count])),
  };
  await writeJson(`${root}/${MANIFEST}`, manifest);
  await Deno.remove(`${root}/${UNFINISHED}`);
  return manifest;
}

function isSame(a: MiniIdentity, b: MiniIdentity): boolean {
  return a.version === b.version && a.seed === b.seed && a.scale === b.scale;
}

const topFolders = (root: string, folders: readonly MiniFolder[]) =>
  [...new Set(folders.map(({ path }) => path.split("/", 1)[0]!))].map((name) => `${root}/${name}`);

/** Refuses a folder whose images no mini world has put there. */
async function assertNoOthers(root: string, folders: readonly MiniFolder[]): Promise<void> {
  if (await exists(`${root}/${MANIFEST}`) || await exists(`${root}/${UNFINISHED}`)) return;
  for (const path of topFolders(root, folders)) {
    if (!await exists(path)) continue;
    throw new UserError(
      "usage",
      `Cannot make mini world in ${root}: expected no images but a mini world's, found ${path}; choose another folder`,
    );
  }
}

/** Makes the folder this world's own: clears another mini world away. */
async function claim(
  root: string,
  identity: MiniIdentity,
  folders: readonly MiniFolder[],
  finished: MiniManifest | undefined,
): Promise<void> {
  const unfinished = await readJson<MiniIdentity>(`${root}/${UNFINISHED}`);
  if (unfinished && isSame(unfinished, identity)) return;
  for (const path of topFolders(root, folders)) {
    if (await exists(path)) await Deno.remove(path, { recursive: true });
  }
  await writeJson(`${root}/${UNFINISHED}`, identity);
  if (finished) await Deno.remove(`${root}/${MANIFEST}`);
}

/** Numbers of a folder's files that are not there; what a killed writer left half-written goes. */
async function missingFiles(root: string, folder: MiniFolder): Promise<number[]> {
  const path = `${root}/${folder.path}`;
  await Deno.mkdir(path, { recursive: true });
  const present = new Set<string>();
  for await (const { name } of Deno.readDir(path)) {
    if (name.endsWith(".tmp")) await Deno.remove(`${path}/${name}`);
    else present.add(name);
  }
  return Array.from({ length: folder.count }, (_, index) => index)
    .filter((index) => !present.has(miniFileName(folder, index)));
}
