/**
 * Images that stand where they must not stand twice: in training and in a test set, or as real and
 * as generated.
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { OnProgress } from "../io/progress.ts";
import type { Label } from "../data/dataset.ts";

/** What a set's images are for: heads learn from them, are chosen on them, or are tried on them. */
export type Role = "train" | "val" | "test";

/** That an image stands in a set. */
export interface Use {
  /** Name of the set. */
  readonly set: string;
  /** What the set is for. */
  readonly role: Role;
  /** Training set that the set belongs to; test sets are tried with all of them. */
  readonly group?: string;
  /** Whether the image counts as real or as generated. */
  readonly label: Label;
}

/** A file, what is known of its content, and where it is used. */
export interface UsedFile {
  /** Relative to the data root, or absolute. */
  readonly path: string;
  /** Size in bytes. */
  readonly bytes: number;
  /** Files that differ in it have different content. */
  readonly start: string;
  /** The sets that it stands in. */
  readonly uses: readonly Use[];
}

/** Two sets that have images in common. */
export interface Duplicates {
  /** `leak`: what heads learn from or are chosen on is tried again; `label`: real here, generated there. */
  readonly kind: "leak" | "label";
  /** Names of the sets; the one that is learned from first. */
  readonly sets: readonly [string, string];
  /** Images of the second set that stand in the first set too. */
  readonly count: number;
  /** Some of them: path in the first set and path in the second. */
  readonly examples: readonly (readonly [string, string])[];
}

const ORDER: readonly Role[] = ["train", "val", "test"];
const MAX_EXAMPLES = 3;

/**
 * Finds images that two sets must not both have. Files are compared by size and first bytes; only those
 * that agree in both are read whole.
 */
export async function findDuplicates(
  files: Iterable<UsedFile>,
  root: string,
  onProgress?: OnProgress,
): Promise<Duplicates[]> {
  const doubtful = groupBy(files, ({ bytes, start }) => `${bytes} ${start}`)
    .filter((candidates) => conflicts(candidates).length > 0);
  const total = doubtful.reduce((sum, candidates) => sum + candidates.length, 0);
  let done = 0;
  const found = new Map<string, Duplicates & { count: number; examples: [string, string][] }>();
  for (const candidates of doubtful) {
    for (const equal of await byContent(candidates, root)) {
      for (const { kind, first, second } of conflicts(equal)) {
        const sets = [first.use.set, second.use.set] as const;
        const key = JSON.stringify([kind, sets]);
        const entry = found.get(key) ?? { kind, sets, count: 0, examples: [] };
        found.set(key, entry);
        entry.count += second.paths.length;
        for (const path of second.paths) {
          if (entry.examples.length < MAX_EXAMPLES) entry.examples.push([first.paths[0]!, path]);
        }
      }
    }
    done += candidates.length;
    onProgress?.({ stage: "duplicates", unit: "images", done, total });
  }
  return [...found.values()];
}

/** Files of equal content that stand in one set with one label. */
interface Standing {
  readonly use: Use;
  readonly paths: string[];
}

interface Conflict {
  readonly kind: Duplicates["kind"];
  readonly first: Standing;
  readonly second: Standing;
}

/** Which sets have what they must not both have, were the files of equal content. */
function conflicts(files: readonly UsedFile[]): Conflict[] {
  const standings = new Map<string, Standing>();
  for (const { path, uses } of files) {
    for (const use of uses) {
      const key = `${use.label} ${use.set}`;
      const standing = standings.get(key);
      if (standing) standing.paths.push(path);
      else standings.set(key, { use, paths: [path] });
    }
  }
  const ordered = [...standings.values()]
    .sort((a, b) => ORDER.indexOf(a.use.role) - ORDER.indexOf(b.use.role));
  const found: Conflict[] = [];
  for (const [i, first] of ordered.entries()) {
    for (const second of ordered.slice(i + 1)) {
      if (first.use.label !== second.use.label) found.push({ kind: "label", first, second });
      else if (isLeak(first.use, second.use)) found.push({ kind: "leak", first, second });
    }
  }
  return found;
}

function isLeak(first: Use, second: Use): boolean {
  if (first.role === second.role) return false;
  return second.role === "test" || first.group === second.group;
}

async function byContent(files: readonly UsedFile[], root: string): Promise<UsedFile[][]> {
  if (files.length === 1) return [[...files]];
  const hashes = new Map<UsedFile, string>();
  for (const file of files) hashes.set(file, await hashFile(resolve(root, file.path)));
  return groupBy(files, (file) => hashes.get(file)!);
}

function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("base64");
}
