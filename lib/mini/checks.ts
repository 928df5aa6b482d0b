/**
 * What a mini world's files were when they were made: sizes, looked at whenever the world is opened, and
 * hashes, compared when images are about to be read.
 * @module
 */
import { join } from "node:path";
import { mapBounded } from "../io/bounded.ts";
import { UserError } from "../io/errors.ts";
import { readBytes } from "../io/regular.ts";
import { sha256 } from "../io/seal.ts";
import type { MiniFiles } from "./layout.ts";

/** Digits of SHA-256 that are kept: enough to find damage. */
const DIGITS = 16;

/** For each folder, in the order of its files: size in bytes and the first digits of SHA-256. */
export type MiniChecks = Readonly<Record<string, readonly string[]>>;

/** What a file is: `2381 9f86d081884c7d65`. */
function checkOf(bytes: Uint8Array): string {
  return `${bytes.length} ${sha256(bytes).slice(0, DIGITS)}`;
}

/** Paths relative to the root and what the files there should be. */
export function checksByPath(files: MiniFiles, checks: MiniChecks): Map<string, string> {
  const byPath = new Map<string, string>();
  for (const [folder, names] of Object.entries(files)) {
    names.forEach((name, i) => byPath.set(`${folder}/${name}`, checks[folder]?.[i] ?? ""));
  }
  return byPath;
}

/**
 * Reads files of a world.
 * @param known what files should be, by path; those are not read
 */
export async function checksOf(
  root: string,
  files: MiniFiles,
  known: ReadonlyMap<string, string> = new Map(),
): Promise<MiniChecks> {
  const checks: Record<string, string[]> = {};
  for (const [folder, names] of Object.entries(files)) {
    checks[folder] = await mapBounded(
      names,
      async (name) =>
        known.get(`${folder}/${name}`) ?? checkOf(await readBytes(join(root, folder, name))),
    );
  }
  return checks;
}

/**
 * Files whose size is not what it was. Images are not read, but lists are: they say which images
 * belong to a set. What is not there is passed over.
 * @param sizes sizes in bytes by path relative to the root are added
 * @returns by folder; folders without such files are left out
 */
export function resizedFiles(
  root: string,
  files: MiniFiles,
  checks: MiniChecks,
  sizes: Map<string, number> = new Map(),
): MiniFiles {
  const resized: Record<string, string[]> = {};
  for (const [folder, names] of Object.entries(files)) {
    names.forEach((name, i) => {
      const path = join(root, folder, name), wanted = checks[folder]?.[i] ?? "";
      const size = sizeOf(path);
      if (size === undefined) return;
      sizes.set(`${folder}/${name}`, size);
      const isList = name.endsWith(".txt") && wanted.startsWith(`${size} `);
      const found = isList ? checkOf(Deno.readFileSync(path)) : `${size} `;
      if (!wanted.startsWith(found)) (resized[folder] ??= []).push(name);
    });
  }
  return resized;
}

function sizeOf(path: string): number | undefined {
  try {
    // one after the other: for as many as there are it is the fastest way
    const { size, isFile } = Deno.statSync(path);
    // what is no file has not the size of one
    return isFile ? size : -1;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Paths, of those given, whose files are not what they should be; all are read. */
export async function changedFiles(
  root: string,
  paths: readonly string[],
  checks: ReadonlyMap<string, string>,
): Promise<string[]> {
  const isChanged = await mapBounded(paths, async (path) => {
    try {
      return checkOf(await readBytes(join(root, path))) !== checks.get(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof UserError) return true;
      throw error;
    }
  });
  return paths.filter((_, i) => isChanged[i]);
}
