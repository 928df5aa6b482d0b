/**
 * Whether sets of features on disk are what was written: all their bytes are read.
 * @module
 */
import { createHash } from "node:crypto";
import { type FeatureSet, REMEDY } from "./store.ts";

/**
 * Compares a set's files with the checksums in its index. What `findFeatures()` checks is not
 * checked again.
 * @returns a line for each file that is not what was written; none where the set is whole
 */
export async function verifyFeatures(
  { paths, index: { sha256 } }: Pick<FeatureSet, "paths" | "index">,
): Promise<string[]> {
  const problems: string[] = [];
  for (const name of ["features", "labels", "paths"] as const) {
    const [expected, found] = [sha256[name], await hashOf(paths[name])];
    if (found === expected) continue;
    problems.push(
      `Cannot trust ${paths[name]}: expected SHA-256 ${expected.slice(0, 12)}… as when it was ` +
        `written, found ${found.slice(0, 12)}…; ${REMEDY}`,
    );
  }
  return problems;
}

/** SHA-256 of a file, hexadecimal. */
async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(2 ** 20);
  for (let count; (count = await file.read(buffer)) !== null;) {
    hash.update(buffer.subarray(0, count));
  }
  return hash.digest("hex");
}
