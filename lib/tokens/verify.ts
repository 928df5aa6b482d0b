/**
 * Whether sets of features on disk are what was written: all their bytes are read.
 * @module
 */
import { sha256OfFile } from "../io/seal.ts";
import { type FeaturePaths, type FeatureSet, REMEDY } from "./store.ts";

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
    const [expected, found] = [sha256[name], await sha256OfFile(paths[name])];
    if (found === expected) continue;
    problems.push(
      `Cannot trust ${paths[name]}: expected SHA-256 ${expected.slice(0, 12)}… as when it was ` +
        `written, found ${found.slice(0, 12)}…; ${REMEDY}`,
    );
  }
  return problems;
}

/** Sets that this process has written or found whole, as their files were then. */
const trusted = new Set<string>();

/** Equal as long as nobody writes into one of a set's files. */
async function stampOf({ features, labels, paths }: FeaturePaths, sha256: string): Promise<string> {
  const stats = await Promise.all([features, labels, paths].map((path) => Deno.stat(path)));
  const stamps = stats.map(({ size, mtime, ino }) => [size, mtime?.getTime(), ino]);
  return JSON.stringify([features, sha256, stamps]);
}

/** Takes a set that was just written for whole. */
export async function trustFeatures(paths: FeaturePaths, sha256: string): Promise<void> {
  trusted.add(await stampOf(paths, sha256));
}

/** As {@linkcode verifyFeatures}; files of a set that was whole are read once by this process. */
export async function verifyOnce(set: Pick<FeatureSet, "paths" | "index">): Promise<string[]> {
  const stamp = await stampOf(set.paths, set.index.sha256.features);
  if (trusted.has(stamp)) return [];
  const problems = await verifyFeatures(set);
  if (problems.length === 0) trusted.add(stamp);
  return problems;
}
