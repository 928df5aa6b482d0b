/**
 * Files that are either whole or not there.
 * @module
 */
import { isSystemError, UserError } from "./errors.ts";
import { HOST_TAG, silentProcesses, temporaryName, writerOf } from "./host.ts";
import { MAX_JSON_BYTES, parseJson } from "./json.ts";
import { assertFile } from "./regular.ts";
import { createHash } from "node:crypto";
import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** Writes bytes behind those before, or over those at a place, counted from the file's start. */
export type WriteBytes = (bytes: Uint8Array, at?: number) => Promise<void>;

/** Content of a file: all of it, or what writes it piece by piece. */
export type FileContent = string | Uint8Array | ((write: WriteBytes) => Promise<void>);

/**
 * Writes a file so that a reader, or a crash, sees the old content or the new one and nothing
 * between: temporary file in the same folder, flush to disk, rename. Missing folders are made.
 * @throws {UserError} of kind `disk`, with the path and what to do about it
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  // a thread that is about to be ended begins nothing that it could not finish
  if (isStopped) await new Promise(() => {});
  const writing = naming(path, () => writeThenRename(path, content));
  underWay.add(writing);
  try {
    await writing;
  } finally {
    underWay.delete(writing);
  }
}

/** Writes of this thread that are under way. */
const underWay = new Set<Promise<void>>();

let isStopped = false;

/**
 * Lets the files that this thread is writing come to their end, and begins no other: the system goes on
 * with a write whose thread was ended, and may leave a temporary file after everybody has swept. For
 * threads that are about to be ended.
 * @param limitMs how long it waits at most
 */
export async function finishWriting(limitMs: number): Promise<void> {
  isStopped = true;
  const limit = new Promise((resolve) => setTimeout(resolve, limitMs));
  await Promise.race([limit, Promise.allSettled(underWay)]);
}

/**
 * Does what writes a file, so that what the system refuses names the file and says what to do.
 * @param what is done to it, for the error
 * @throws {UserError} of kind `disk`, with the path and what to do about it
 */
export async function naming<T>(
  path: string,
  write: () => Promise<T>,
  what = "write",
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw isSystemError(error) ? refused(`${what} ${path}`, error) : error;
  }
}

async function writeThenRename(path: string, content: FileContent): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = temporaryName(path);
  try {
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    // who finds it unlocked knows that its writer is gone
    await file.tryLock(true);
    const write: WriteBytes = async (bytes, at) => {
      if (at !== undefined) await file.seek(at, Deno.SeekMode.Start);
      let rest = bytes;
      while (rest.length > 0) rest = rest.subarray(await file.write(rest));
    };
    if (typeof content === "function") await content(write);
    else await write(typeof content === "string" ? new TextEncoder().encode(content) : content);
    await file.sync();
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** What to do about a disk that refuses, by the system's number for why. */
const ADVICE: Readonly<Record<string, string>> = {
  5: "the disk may be failing: check it, and go on on another one",
  28: "free some space, the same command goes on from here",
  30: "it can only be read: choose another folder, or mount it for writing",
  122: "your share of this disk is used up: free some of it, the same command goes on from here",
};

/** The system's error about what was done to a file, for people. */
function refused(what: string, error: Error): Error {
  const advice = ADVICE[/os error (\d+)\)/.exec(error.message)?.[1] ?? ""];
  const reason = error.message.replace(/: \w+ '.*$/, "");
  return new UserError(
    "disk",
    `Cannot ${what}: ${reason}${advice === undefined ? "" : `; ${advice}`}`,
    { cause: error },
  );
}

/** Writes a value as JSON with two-space indent and a final newline, as {@linkcode writeFileAtomic}. */
export function writeJson(path: string, value: unknown): Promise<void> {
  return writeFileAtomic(path, JSON.stringify(value, null, 2) + "\n");
}

/**
 * Reads a text that a person may have written: UTF-8, or UTF-16 where a byte order mark says so, as
 * some editors and shells of Windows write. The mark is no part of the text.
 */
export async function readText(path: string): Promise<string> {
  const bytes = await Deno.readFile(path);
  const mark = bytes.length < 2 ? 0 : bytes[0]! << 8 | bytes[1]!;
  const encoding = mark === 0xfffe ? "utf-16le" : mark === 0xfeff ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * Reads a JSON file; `undefined` where there is none.
 * @param options what it is held to, and what it may be at most
 * @throws {UserError} naming the file, where it is none, or not JSON of that form
 */
export async function readJson<T>(
  path: string,
  options: Parameters<typeof parseJson>[2] = {},
): Promise<T | undefined> {
  let text: string;
  try {
    await assertFile(path, options.bytes ?? MAX_JSON_BYTES);
    text = await readText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseJson(text, path, options);
}

/** Whether something is at the path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Between making a temporary file and locking it passes no more than this. */
const LOCKED_WITHIN_MS = 1000;

/** Nobody writes a file for so long without a byte of it, whatever the difference of two clocks. */
const ELSEWHERE_MS = 3_600_000;

/** What a writer gives a file before it is whole. */
const TEMPORARY = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$|^\.writable-[0-9a-f-]{36}$/;

/**
 * Removes what killed processes have left half-written in a folder and in those below it; what somebody
 * is writing stays.
 * @param remove does it; by default the file is removed
 * @param deep whether to look below the folder too
 * @param leastAgeMs how old a file must be; a writer locks its file within less than the default
 */
export async function sweepTemporaries(
  folder: string,
  deep = true,
  leastAgeMs = LOCKED_WITHIN_MS,
  remove: (path: string) => Promise<void> = removeIfThere,
): Promise<void> {
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    throw error;
  }
  for (const { name, isDirectory, isFile } of entries) {
    const path = `${folder}/${name}`;
    if (isDirectory && deep) await sweepTemporaries(path, deep, leastAgeMs, remove);
    if (isFile && TEMPORARY.test(name) && await isAbandoned(path, leastAgeMs)) await remove(path);
  }
}

async function isAbandoned(path: string, leastAgeMs: number): Promise<boolean> {
  const { hostTag, processTag = "" } = writerOf(path) ?? {};
  if (silentProcesses.has(processTag)) return true;
  // a lock of another machine may not be seen from here
  const ageMs = hostTag === undefined || hostTag === HOST_TAG ? leastAgeMs : ELSEWHERE_MS;
  try {
    using file = await Deno.open(path, { read: true, write: true });
    const { mtime } = await file.stat();
    return Date.now() - (mtime?.getTime() ?? 0) >= ageMs && await file.tryLock(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Makes sure, before long work starts, that what it will write has room.
 * @param folder where it goes; it need not be there yet
 * @param bytes about how much
 * @param what it is, for the error: `features`
 * @throws {UserError} of kind `disk`, saying how much there is
 */
export async function assertSpace(folder: string, bytes: number, what: string): Promise<void> {
  let place = resolve(folder);
  while (!await exists(place) && dirname(place) !== place) place = dirname(place);
  let free: number;
  try {
    const { bavail, bsize } = await statfs(place);
    free = bavail * bsize;
  } catch {
    // where the system does not say, the disk itself will
    return;
  }
  if (bytes <= free) return;
  throw new UserError(
    "disk",
    `Cannot write ${what} into ${folder}: expected ${inMegabytes(bytes)} of free space, found ` +
      `${inMegabytes(free)}; free some space or choose another folder`,
  );
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
}

/** Removes a file, where it is there. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      await naming(path, () => Promise.reject(error), "remove");
    }
  }
}

/**
 * Makes sure, before long work starts, that files can be written into a folder.
 * @throws {UserError} of kind `disk`, saying which folder cannot be written and why
 */
export async function assertWritable(folder: string): Promise<void> {
  const probe = `${folder}/.writable-${crypto.randomUUID()}`;
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(probe, "");
    await Deno.remove(probe);
  } catch (error) {
    throw new UserError(
      "disk",
      `Cannot write into ${folder}: ${
        (error as Error).message
      }; choose another folder or change its permissions`,
    );
  }
}

/** Characters of parts that are put together before they are hashed. */
const HASHED_AT_ONCE = 2 ** 16;

/**
 * The first `length` hexadecimal digits of SHA-256 over the parts, each JSON where it is not bytes. The
 * order of an object's fields makes no difference, unless it lies in a list.
 */
export function contentKey(parts: Iterable<unknown>, length = 16): string {
  const hash = createHash("sha256");
  let text = "";
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      hash.update(text).update(part);
      text = "\0";
    } else text += `${JSON.stringify(sorted(part))}\0`;
    if (text.length < HASHED_AT_ONCE) continue;
    hash.update(text);
    text = "";
  }
  return hash.update(text).digest("hex").slice(0, length);
}

/** An object with its fields in the order of their names, and those of the objects in it. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const fields = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(fields.map(([name, held]) => [name, sorted(held)]));
}
