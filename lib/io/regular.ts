/**
 * Files that can be read to their end: a pipe would wait for who writes into it, a device might never
 * end.
 * @module
 */
import { UserError } from "./errors.ts";

/** What is at a path where a file is wanted: `a folder`; `undefined` where it is a file. */
export function otherThanFile(
  { isFile, isDirectory, isFifo, isSocket }: Deno.FileInfo,
): string | undefined {
  if (isFile) return undefined;
  if (isDirectory) return "a folder";
  if (isFifo) return "a pipe";
  return isSocket ? "a socket" : "a device";
}

/**
 * Makes sure, without opening it, that something is a file.
 * @param bytes how long it may be
 * @throws {UserError} saying what is there instead
 * @throws {Deno.errors.NotFound} where nothing is
 */
export async function assertFile(path: string, bytes = Infinity): Promise<Deno.FileInfo> {
  const info = await Deno.stat(path);
  const other = otherThanFile(info) ??
    (info.size > bytes ? `${info.size} bytes; at most ${bytes} are read` : undefined);
  if (other === undefined) return info;
  throw new UserError("damaged", `Cannot read ${path}: expected a file, found ${other}`);
}

/** Whether at a path is what may be waited for when it is opened: a pipe, a socket or a device. */
export async function mayWait(path: string): Promise<boolean> {
  try {
    const { isFile, isDirectory } = await Deno.stat(path);
    return !isFile && !isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Opens a file for reading.
 * @throws as {@linkcode assertFile}
 */
export async function openFile(path: string): Promise<Deno.FsFile> {
  await assertFile(path);
  return await Deno.open(path);
}

/**
 * Reads a file.
 * @throws as {@linkcode assertFile}
 */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  await assertFile(path);
  return await Deno.readFile(path);
}

/**
 * Reads a text that this project has written.
 * @throws as {@linkcode assertFile}
 */
export async function readOwnText(path: string): Promise<string> {
  await assertFile(path);
  return await Deno.readTextFile(path);
}
