/**
 * The mini world: the paper's images in small, made from a seed on the user's own machine.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import { removeIfThere, writeFileAtomic } from "../io/files.ts";
import { writeSealedJson } from "../io/seal.ts";
import { withLock } from "../io/lock.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import { checksByPath, checksOf, resizedFiles } from "./checks.ts";
import {
  assertFree,
  assertNoOthers,
  type Claim,
  CLAIMS,
  KIND,
  LOCK,
  type MiniIdentity,
  missingFiles,
  readClaim,
  removeFiles,
  removeTemporaries,
} from "./files.ts";
import {
  miniFileName,
  type MiniFiles,
  miniFiles,
  type MiniFolder,
  miniFolders,
  miniLists,
} from "./layout.ts";
import type { MiniJob } from "./worker.ts";

/** What `manifest.json` says of a finished mini world. */
export interface MiniManifest extends Claim {
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
  /** Told, in a line for people, of files that are gone or damaged and are made again. */
  readonly onDamage?: ((line: string) => void) | undefined;
  /** Of a world that is found made, sizes of its files in bytes by path relative to the root are added. */
  readonly sizes?: Map<string, number>;
}

const VERSION = 6;
const IMAGES_PER_JOB = 8;
/** So that a worker paints one image while another is being encoded or written. */
const JOBS_PER_WORKER = 3;

/**
 * Makes the mini world, or finds it made. What an interrupted call has finished is kept, and what has
 * gone since is made again, with the same bytes. A mini world of another seed, scale or version in
 * the same folder is replaced; files that are not a mini world's own are never touched.
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
 * @throws {UserError} where the folder is neither new, empty nor a mini world's, a file of somebody's
 * has a name that an image needs, or the scale is not in (0, 1]
 */
export async function makeMiniWorld(
  {
    root,
    seed,
    scale = 1,
    workers = navigator.hardwareConcurrency,
    onProgress,
    onWait,
    onDamage = () => {},
    sizes,
  }: MiniWorldOptions,
): Promise<MiniManifest> {
  if (!(scale > 0 && scale <= 1)) {
    throw new UserError(
      "usage",
      `Cannot make mini world: expected a scale in (0, 1], found ${scale}`,
    );
  }
  const identity: MiniIdentity = { version: VERSION, seed, scale };
  const made = await findMade(root, identity, sizes);
  if (made) return made;
  sizes?.clear();
  await assertNoOthers(root);
  // a second process waits here, and then finds the world made
  return await withLock(
    join(root, LOCK),
    () => make({ root, identity, workers, onProgress, onDamage }),
    onWait,
  );
}

/** The seed of the mini world in a folder; `undefined` where none has been made. */
export async function miniSeed(root: string): Promise<number | undefined> {
  return (await readClaim(root, "made"))?.seed;
}

interface Making {
  readonly root: string;
  readonly identity: MiniIdentity;
  readonly workers: number;
  readonly onProgress: MiniWorldOptions["onProgress"] | undefined;
  readonly onDamage: (line: string) => void;
}

/** The manifest, where it is this world's and all that it names is there. */
async function findMade(
  root: string,
  identity: MiniIdentity,
  sizes?: Map<string, number>,
): Promise<MiniManifest | undefined> {
  const claim = await readClaim(root, "made");
  // a manifest of the form before this one is written anew
  if (!claim || !isSame(claim, identity) || !("folders" in claim) || !claim.checks) {
    return undefined;
  }
  const absent = await absentFiles(root, claim.files, claim, sizes);
  return Object.keys(absent).length === 0 ? claim as MiniManifest : undefined;
}

/** Files that are not there, or not of the size that they were made in. */
async function absentFiles(
  root: string,
  files: MiniFiles,
  made?: Claim,
  sizes?: Map<string, number>,
): Promise<MiniFiles> {
  const absent: Record<string, readonly string[]> = { ...await missingFiles(root, files) };
  if (!made?.checks) return absent;
  for (
    const [folder, names] of Object.entries(resizedFiles(root, made.files, made.checks, sizes))
  ) {
    absent[folder] = [...new Set([...absent[folder] ?? [], ...names])];
  }
  return absent;
}

/** Says which files of a finished world are made again. */
function tellOf(absent: MiniFiles, root: string, onDamage: (line: string) => void): void {
  const paths = Object.entries(absent)
    .flatMap(([folder, names]) => names.map((name) => join(root, folder, name)));
  if (paths.length === 0) return;
  const others = paths.length === 1 ? "" : ` and ${paths.length - 1} other files`;
  onDamage(
    `Cannot use ${
      paths[0]
    }${others}: expected the mini world's as it was made, found it gone or of ` +
      `another size; ${paths.length === 1 ? "it is" : "they are"} made again`,
  );
}

async function make(
  { root, identity, workers, onProgress, onDamage }: Making,
): Promise<MiniManifest> {
  const { seed, scale } = identity;
  const made = await findMade(root, identity);
  if (made) return made;
  const folders = miniFolders(scale);
  const files = miniFiles(scale);
  await claim(root, identity, files);
  await removeTemporaries(root, files);
  const before = await readClaim(root, "made");
  const missing = await absentFiles(root, files, before);
  if (before) tellOf(missing, root, onDamage);
  const jobs = folders.flatMap((folder) => jobsOf(root, seed, folder, missing[folder.path] ?? []));
  const total = folders.reduce((sum, { count }) => sum + count, 0);
  let done = total - jobs.reduce((sum, { indexes }) => sum + indexes.length, 0);
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
    await writeFileAtomic(join(root, path), lines.join("\n") + "\n");
  }
  const manifest: MiniManifest = {
    kind: KIND,
    ...identity,
    folders: Object.fromEntries(folders.map(({ path, count }) => [path, count])),
    files,
    checks: await checksOf(root, files, stillKnown(missing, before)),
  };
  await writeSealedJson(join(root, CLAIMS.made), manifest);
  await removeIfThere(join(root, CLAIMS.unfinished));
  return manifest;
}

/** What was known of files that have not been made again: what is wrong with them stays wrong. */
function stillKnown(remade: MiniFiles, before?: Claim): ReadonlyMap<string, string> {
  if (!before?.checks) return new Map();
  const known = checksByPath(before.files, before.checks);
  for (const [folder, names] of Object.entries(remade)) {
    for (const name of names) known.delete(`${folder}/${name}`);
  }
  return known;
}

/** Jobs that make a folder's files of these names. */
function jobsOf(
  root: string,
  seed: number,
  folder: MiniFolder,
  names: readonly string[],
): MiniJob[] {
  const wanted = new Set(names);
  const indexes = Array.from({ length: folder.count }, (_, index) => index)
    .filter((index) => wanted.has(miniFileName(folder, index)));
  return Array.from(
    { length: Math.ceil(indexes.length / IMAGES_PER_JOB) },
    (_, job) => ({
      ...{ root, seed, folder },
      indexes: indexes.slice(job * IMAGES_PER_JOB, (job + 1) * IMAGES_PER_JOB),
    }),
  );
}

function isSame(a: MiniIdentity, b: MiniIdentity): boolean {
  return a.version === b.version && a.seed === b.seed && a.scale === b.scale;
}

/**
 * Makes the folder this world's own: removes another mini world's files. A kill at any point leaves
 * a file that names what is still to be removed, and none that says that it is all there.
 */
async function claim(root: string, identity: MiniIdentity, files: MiniFiles): Promise<void> {
  const found: [keyof typeof CLAIMS, Claim][] = [];
  // what an earlier call was removing goes first: the others may name the same files
  for (const which of ["replaced", "made", "unfinished"] as const) {
    const claim = await readClaim(root, which);
    if (claim) found.push([which, claim]);
  }
  const isOwn = ([which, claim]: typeof found[number]) =>
    which !== "replaced" && isSame(claim, identity);
  if (!found.some(isOwn)) await assertFree(root, files, found.map(([, claim]) => claim.files));
  for (const [which, claim] of found.filter((entry) => !isOwn(entry))) {
    const list = join(root, CLAIMS.replaced);
    if (which !== "replaced") await Deno.rename(join(root, CLAIMS[which]), list);
    await removeFiles(root, claim.files);
    await removeIfThere(list);
  }
  if (found.some(isOwn)) return;
  const claim: Claim = { kind: KIND, ...identity, files };
  await writeSealedJson(join(root, CLAIMS.unfinished), claim);
}
