/**
 * Sets of features on disk. A set is four files, named by a hash of what it is computed from:
 *
 * - `KEY.npy`: float16 [rows, blocks, width]
 * - `KEY.labels.npy`: uint8 [images], 0 real, 1 generated
 * - `KEY.paths.txt`: paths of the images, one a line, see `paths.ts`
 * - `KEY.json`: {@linkcode FeatureIndex}
 *
 * `KEY.npy` gets its name last, so a set that has one is finished. Whoever deletes any of the four
 * has the set made again.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import { exists, removeIfThere } from "../io/files.ts";
import { readNpyHeader } from "../io/npy.ts";
import { type FeatureIndex, readIndex } from "./set_index.ts";

/** Files of a set. */
export interface FeaturePaths {
  /** `KEY.npy` */
  readonly features: string;
  /** `KEY.labels.npy` */
  readonly labels: string;
  /** `KEY.paths.txt` */
  readonly paths: string;
  /** `KEY.json` */
  readonly index: string;
  /** The features until they are finished. */
  readonly partial: string;
  /** How far an unfinished set has come. */
  readonly progress: string;
}

/** A finished set of features. */
export interface FeatureSet {
  /** A hash of all that its content depends on. */
  readonly key: string;
  /** The `.npy` file of the features. */
  readonly path: string;
  /** All its files. */
  readonly paths: FeaturePaths;
  /** What `KEY.json` says. */
  readonly index: FeatureIndex;
  /** Positions of images that cannot be decoded, in rising order; their rows are NaN. */
  readonly unreadable: readonly number[];
}

/** Files of a set by its key. */
export function featurePaths(folder: string, key: string): FeaturePaths {
  const path = (ending: string) => join(folder, key + ending);
  return {
    features: path(".npy"),
    labels: path(".labels.npy"),
    paths: path(".paths.txt"),
    index: path(".json"),
    partial: path(".npy.partial"),
    progress: path(".progress.json"),
  };
}

/** Files that belong to sets, and what is left of them half-written. */
const FEATURE_FILE =
  /^([0-9a-f]{16})\.(?:npy(?:\.partial)?|(?:labels\.npy|paths\.txt|(?:progress\.|unreadable\.)?json)(?:\.[0-9a-f-]{36}\.tmp)?|lock)$/;

/** The key of the set that a file of a feature folder belongs to; of a lock, that of its group. */
export function keyOfFile(name: string): string | undefined {
  return FEATURE_FILE.exec(name)?.[1];
}

/**
 * Finds a finished set. Its files are held to one another by their lengths and by what the index
 * says; their content is checked by `verifyFeatures()`.
 * @returns `undefined` where one of its files is not there
 * @throws {UserError} where a file is damaged, of another set or of an earlier version, naming it
 */
export async function findFeatures(folder: string, key: string): Promise<FeatureSet | undefined> {
  const paths = featurePaths(folder, key);
  if (!await exists(paths.features)) return undefined;
  const index = await readIndex(paths.index, key);
  if (!index || !await exists(paths.labels) || !await exists(paths.paths)) return undefined;
  await expectShape(paths.features, "<f2", index.shape);
  await expectShape(paths.labels, "|u1", [index.images]);
  return { key, path: paths.features, paths, index, unreadable: index.unreadable };
}

async function expectShape(path: string, type: "<f2" | "|u1", expected: readonly number[]) {
  const { shape } = await readNpyHeader(path, type, REMEDY);
  if (`${shape}` === `${expected}`) return;
  throw new UserError(
    "damaged",
    `Cannot read ${path}: expected shape [${expected.join(", ")}] as its index says, ` +
      `found [${shape.join(", ")}]; ${REMEDY}`,
  );
}

/** What to do about a file of a set that is damaged. */
export const REMEDY = "delete it to have the set made again";

/** Removes a set, finished or not. */
export async function removeFeatures(folder: string, key: string): Promise<void> {
  const { features, partial, ...others } = featurePaths(folder, key);
  // a set without its features is none, whatever else is left
  for (const path of [features, partial, ...Object.values(others)]) await removeIfThere(path);
}

/**
 * Removes a finished set's features, labels and paths, and leaves its index: it says which images could
 * not be decoded, and by that what was made of the set has its name. The set is made again where somebody
 * asks for it.
 * @returns how many bytes that are
 */
export async function dropContent(folder: string, key: string): Promise<number> {
  const { features, labels, paths } = featurePaths(folder, key);
  let bytes = 0;
  for (const path of [features, labels, paths]) {
    bytes += await Deno.stat(path).then(({ size }) => size, () => 0);
    await removeIfThere(path);
  }
  return bytes;
}

/** Bytes of features that lie unfinished in a folder. */
export async function unfinishedBytes(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".npy.partial")) continue;
    bytes += await Deno.stat(join(folder, name)).then(({ size }) => size, () => 0);
  }
  return bytes;
}

/** Paths of what killed processes have left half-written in a folder, by the keys of their sets. */
export async function halfWritten(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for await (const { name } of Deno.readDir(folder)) {
    const key = name.endsWith(".tmp") ? keyOfFile(name) : undefined;
    if (key !== undefined) found.set(key, [...found.get(key) ?? [], join(folder, name)]);
  }
  return found;
}
