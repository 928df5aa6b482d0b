/**
 * Files that are either whole or not there.
 * @module
 */
import { isSystemError, UserError } from "./errors.ts";
import { createHash } from "node:crypto";
import { dirname } from "node:path";

/** Content of a file: all of it, or what writes it piece by piece. */
export type FileContent =
  | string
  | Uint8Array
  | ((write: (bytes: Uint8Array) => Promise<void>) => Promise<void>);

/**
 * Writes a file so that a reader, or a crash, sees the old content or the new one and nothing
 * between: temporary file in the same folder, flush to disk, rename. Missing folders are made.
 * @throws {UserError} of kind `disk`, with the path and what to do about it
 */
export function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  return naming(path, () => writeThenRename(path, content));
}

/**
 * Does what writes a file, so that what the system refuses names the file and says what to do.
 * @throws {UserError} of kind `disk`, with the path and what to do about it
 */
export async function naming<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw isSystemError(error) ? cannotWrite(path, error) : error;
  }
}

async function writeThenRename(path: string, content: FileContent): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    const write = async (bytes: Uint8Array) => {
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

/** The system's error about writing a file, for people. */
function cannotWrite(path: string, error: Error): Error {
  const advice = /os error 28\b/.test(error.message)
    ? "; free some space, the same command goes on from here"
    : "";
  const reason = error.message.replace(/: \w+ '.*$/, "");
  return new UserError("disk", `Cannot write ${path}: ${reason}${advice}`);
}

/** Writes a value as JSON with two-space indent and a final newline, as {@linkcode writeFileAtomic}. */
export function writeJson(path: string, value: unknown): Promise<void> {
  return writeFileAtomic(path, JSON.stringify(value, null, 2) + "\n");
}

/**
 * Reads a JSON file; `undefined` where there is none.
 * @throws {UserError} naming the file, where it is not JSON
 */
export async function readJson<T>(path: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseJson(text, path);
}

/**
 * Reads JSON.
 * @param what it is, for the error
 * @throws {UserError} saying what is not JSON
 */
export function parseJson<T>(text: string, what: string): T {
  try {
    // Notepad and PowerShell write a byte order mark first
    return JSON.parse(text.replace(/^\ufeff/, "")) as T;
  } catch (error) {
    throw new UserError(
      "damaged",
      `Cannot read ${what}: expected JSON, found ${(error as Error).message}`,
    );
  }
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

/** Removes a file, where it is there. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
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

/**
 * The first `length` hexadecimal digits of SHA-256 over the parts, each JSON where it is not bytes. The
 * order of an object's fields makes no difference, unless it lies in a list.
 */
export function contentKey(parts: readonly unknown[], length = 16): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    hash.update(part instanceof Uint8Array ? part : JSON.stringify(sorted(part)));
    hash.update("\0");
  }
  return hash.digest("hex").slice(0, length);
}

/** An object with its fields in the order of their names, and those of the objects in it. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const fields = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(fields.map(([name, held]) => [name, sorted(held)]));
}
