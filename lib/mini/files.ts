/**
 * Which files of a folder are a mini world's own: what its manifest names, and nothing else.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { removeIfThere } from "../io/files.ts";
import { isClaimFile } from "../io/lock.ts";
import { readOwnText } from "../io/regular.ts";
import { readSealedJson } from "../io/seal.ts";
import { isHidden } from "../data/folder_tree.ts";
import type { MiniChecks } from "./checks.ts";
import { type MiniFiles, miniFiles, miniFolders } from "./layout.ts";

/** Which mini world it is. Equal identities have equal pixels, on every machine. */
export interface MiniIdentity {
  /** Rises whenever the same seed gives other pixels. */
  readonly version: number;
  /** What every random choice in it comes from. */
  readonly seed: number;
  /** Share of the full world's images, in (0, 1]. */
  readonly scale: number;
}

/** A file that says whose the files beside it are. */
export interface Claim extends MiniIdentity {
  readonly kind: typeof KIND;
  /** Names of the world's files by their folder, relative to its root. */
  readonly files: MiniFiles;
  /** What those files are; absent while they are being made, and of worlds from before it was kept. */
  readonly checks?: MiniChecks;
}

/** Tells a mini world's files from others of the same name. */
export const KIND = "rine-mini";

/** A world's files that speak of its other files. */
export const CLAIMS = {
  /** There once all is made. */
  made: "manifest.json",
  /** There while a world is being made. */
  unfinished: "unfinished.json",
  /** There while a world's files are being removed: what had been one of the others. */
  replaced: "replaced.json",
} as const;

/** Claimed while a world is being made. */
export const LOCK = "making.lock";

/** The last version whose files did not say what they are. */
const UNNAMED_VERSION = 6;
const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
/** What a killed writer of `NAME` leaves half-written. */
const TEMPORARY = new RegExp(`^(.+)\\.${UUID}\\.tmp$`);

/**
 * Reads a claim.
 * @returns `undefined` where there is no such file, or it is something else's
 */
export async function readClaim(
  root: string,
  which: keyof typeof CLAIMS,
): Promise<Claim | undefined> {
  const found = await readSealedJson<unknown>(join(root, CLAIMS[which])).catch((error) => {
    if (!(error instanceof UserError)) throw error;
  });
  const value = found?.value;
  return isClaim(value) ? value : unnamedClaim(value);
}

function isClaim(value: unknown): value is Claim {
  const { kind, version, seed, scale, files } = (value ?? {}) as Partial<Claim>;
  return kind === KIND && [version, seed, scale].every((part) => typeof part === "number") &&
    typeof files === "object" && files !== null &&
    Object.entries(files).every(([folder, names]) =>
      folder.split("/").every(isPlainName) && Array.isArray(names) && names.every(isPlainName)
    );
}

/** Whether a name stays in its folder. */
function isPlainName(name: unknown): boolean {
  return typeof name === "string" && /^[^/\\]+$/.test(name) && name !== "." && name !== "..";
}

/** A claim of the form that they had before they said what they are, to the letter. */
function unnamedClaim(value: unknown): Claim | undefined {
  const { version, seed, scale, ...rest } = (value ?? {}) as Partial<MiniIdentity>;
  const isWorld = version === UNNAMED_VERSION && Number.isSafeInteger(seed) &&
    typeof scale === "number" && scale > 0 && scale <= 1;
  if (!isWorld) return undefined;
  const folders = Object.fromEntries(miniFolders(scale).map(({ path, count }) => [path, count]));
  // of a world that was being made, the numbers of images were not kept
  if (!isDeepStrictEqual(rest, { folders }) && Object.keys(rest).length > 0) return undefined;
  return { kind: KIND, version, seed: seed!, scale, files: miniFiles(scale) };
}

/**
 * Makes sure that a mini world may be made in a folder: it is not there, empty, or a mini world's.
 * @throws {UserError} naming what else is in it, and saying what to do
 */
export async function assertNoOthers(root: string): Promise<void> {
  const names = await entriesOf(root);
  let isWorld = false;
  for (const which of Object.keys(CLAIMS) as (keyof typeof CLAIMS)[]) {
    if (!names.has(CLAIMS[which])) continue;
    if (!await readClaim(root, which)) throw await notOurs(root, CLAIMS[which]);
    isWorld = true;
  }
  if (isWorld) return;
  const others = [...names.keys()].filter((name) => {
    const [, written = name] = TEMPORARY.exec(name) ?? [];
    // a killed process may have come no further than to lock; backbones are put beside the images
    const isOwn = written.startsWith(LOCK) && isClaimFile(written) ||
      ["backbones", ...Object.values(CLAIMS)].includes(written);
    return !isOwn && !isHidden(name);
  });
  if (others.length > 0) throw await notOurs(root, others.sort()[0]!);
}

async function notOurs(root: string, name: string): Promise<UserError> {
  const path = join(root, name);
  const text = await readOwnText(path).catch(() => "");
  // one that was made here, and has been damaged since
  if (
    Object.values(CLAIMS).includes(name as "manifest.json") && /"(?:kind|folders)": /.test(text)
  ) {
    return new UserError(
      "damaged",
      `Cannot use ${path}: expected a mini world's list of files as it was written, found one that was ` +
        `changed since; delete ${root} if nothing of yours is in it, to have it made again`,
    );
  }
  return new UserError(
    "usage",
    `Cannot make mini world in ${root}: expected a folder that is new, empty or a mini world's, ` +
      `found ${path}; choose another folder, or delete this one if nothing in it is ` +
      "worth keeping",
  );
}

/**
 * Makes sure that files which are to be made do not stand there already as somebody else's.
 * @param own files that may stand there, as they are mini worlds'
 * @throws {UserError} naming the first that does
 */
export async function assertFree(
  root: string,
  wanted: MiniFiles,
  own: readonly MiniFiles[],
): Promise<void> {
  for (const [folder, names] of Object.entries(wanted)) {
    const present = await entriesOf(join(root, folder));
    const known = new Set(own.flatMap((files) => files[folder] ?? []));
    const taken = names.find((name) => present.has(name) && !known.has(name));
    if (taken === undefined) continue;
    throw new UserError(
      "usage",
      `Cannot make mini world in ${root}: expected no file of yours under a name that it needs, ` +
        `found ${join(root, folder, taken)}; move it, or choose another folder`,
    );
  }
}

/**
 * Names of a world's files that are not there. Reads each folder once, and no file.
 * @returns by folder; folders that lack nothing are left out
 */
export async function missingFiles(root: string, files: MiniFiles): Promise<MiniFiles> {
  const missing: Record<string, string[]> = {};
  for (const [folder, names] of Object.entries(files)) {
    const present = await entriesOf(join(root, folder));
    const absent = names.filter((name) => present.get(name) !== "file");
    if (absent.length > 0) missing[folder] = absent;
  }
  return missing;
}

/** Removes a world's files, and folders that are empty then. Whatever else is there stays. */
export async function removeFiles(root: string, files: MiniFiles): Promise<void> {
  await removeTemporaries(root, files);
  const folders = new Set<string>();
  for (const [folder, names] of Object.entries(files)) {
    const present = await entriesOf(join(root, folder));
    for (const name of names) {
      if (present.get(name) === "file") await removeIfThere(join(root, folder, name));
    }
    const segments = folder.split("/");
    segments.forEach((_, i) => folders.add(segments.slice(0, i + 1).join("/")));
  }
  // what is deeper goes first
  for (const folder of [...folders].sort().reverse()) await removeIfEmpty(join(root, folder));
}

/** Removes what killed writers of a world's files have left half-written. */
export async function removeTemporaries(root: string, files: MiniFiles): Promise<void> {
  const all = { ...files, ".": Object.values(CLAIMS) };
  for (const [folder, names] of Object.entries<readonly string[]>(all)) {
    const known = new Set(names);
    for (const name of (await entriesOf(join(root, folder))).keys()) {
      if (known.has(TEMPORARY.exec(name)?.[1] ?? "")) await removeIfThere(join(root, folder, name));
    }
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  if ((await entriesOf(folder)).size > 0) return;
  try {
    // a link to a folder was put there by somebody else
    if ((await Deno.lstat(folder)).isDirectory) await Deno.remove(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What is in a folder, by name; nothing where there is no folder. */
async function entriesOf(folder: string): Promise<Map<string, "file" | "other">> {
  const entries = new Map<string, "file" | "other">();
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      entries.set(name, isDirectory ? "other" : "file");
    }
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (!isAbsent) throw error;
  }
  return entries;
}
