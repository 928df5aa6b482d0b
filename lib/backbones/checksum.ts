/**
 * Checksums of weights that this project has written: `model.safetensors.sha256` beside them, as
 * `sha256sum -c` reads it. The weights themselves stay as they are: features are named by their hash.
 * @module
 */
import { basename } from "node:path";
import { UserError } from "../io/errors.ts";
import { removeIfThere, writeFileAtomic } from "../io/files.ts";
import { assertFile } from "../io/regular.ts";
import { sha256OfFile } from "../io/seal.ts";

/** Longest checksum that is read, in bytes. */
const MAX_BYTES = 2 ** 12;

/** Where the checksum of weights lies. */
export function checksumPath(weights: string): string {
  return `${weights}.sha256`;
}

/**
 * Keeps the checksum of weights that were just written.
 * @param sha256 of the file, where it is known
 */
export async function writeChecksum(weights: string, sha256?: string): Promise<void> {
  const hash = sha256 ?? await sha256OfFile(weights);
  await writeFileAtomic(checksumPath(weights), `${hash}  ${basename(weights)}\n`);
}

/** Hashes of weights that were looked at and have not been asked for since, by what a file is. */
const looked = new Map<string, { readonly hash: string; readonly at: number }>();
/** How long what was looked at is believed. */
const LOOKED_MS = 60_000;

/**
 * SHA-256 of weights that are looked at before they are opened, hexadecimal. {@linkcode hashOfWeights}
 * takes it from here, once and soon, where nobody has written into the file since.
 */
export async function lookAtWeights(weights: string): Promise<string> {
  const stamp = stampOf(weights), hash = await sha256OfFile(weights);
  looked.set(stamp, { hash, at: performance.now() });
  return hash;
}

/** SHA-256 of weights, hexadecimal. */
export async function hashOfWeights(weights: string): Promise<string> {
  const stamp = stampOf(weights), known = looked.get(stamp);
  looked.delete(stamp);
  const isFresh = known !== undefined && performance.now() - known.at < LOOKED_MS;
  return isFresh ? known.hash : await sha256OfFile(weights);
}

function stampOf(path: string): string {
  const { size, mtime, ino } = Deno.statSync(path);
  return JSON.stringify([path, size, mtime?.getTime(), ino]);
}

/** Takes away a checksum, where there is one: other weights are about to be written. */
export function removeChecksum(weights: string): Promise<void> {
  return removeIfThere(checksumPath(weights));
}

/**
 * Whether weights are as they were written: `unknown` where nobody has kept a checksum.
 * @throws {UserError} where something other than a file lies there
 */
export async function checkWeights(
  weights: string,
  sha256: string,
): Promise<"whole" | "changed" | "unknown"> {
  try {
    const path = checksumPath(weights);
    await assertFile(path, MAX_BYTES);
    const kept = await Deno.readTextFile(path);
    return kept === `${sha256}  ${basename(weights)}\n` ? "whole" : "changed";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown";
    throw error;
  }
}

/**
 * Refuses weights that are not as they were written.
 * @throws {UserError} of kind `damaged`, naming the file
 */
export async function assertWhole(weights: string, sha256: string): Promise<void> {
  if (await checkWeights(weights, sha256) !== "changed") return;
  throw new UserError(
    "damaged",
    `Cannot use ${weights}: expected the weights that were written, as ${checksumPath(weights)} ` +
      `says, found SHA-256 ${
        sha256.slice(0, 12)
      }…; delete both and import them again, or delete that ` +
      "checksum if you have put other weights there",
  );
}
