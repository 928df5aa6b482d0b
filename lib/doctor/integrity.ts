/**
 * Whether everything that this project has written is still what was written: each file is read whole
 * and held to its checksum.
 * @module
 */
import { basename, dirname, join } from "node:path";
import { SETTINGS } from "../backbones/settings.ts";
import { checkWeights } from "../backbones/checksum.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import type { OnProgress } from "../io/progress.ts";
import { verifySafetensors } from "../io/safetensors.ts";
import { readSealedJson, sha256OfFile } from "../io/seal.ts";
import { CHECKSUMS, compareChecksums } from "../report/write/checksums.ts";
import { RecordStore } from "../runs/record.ts";
import type { Setup } from "../runs/setup.ts";
import { SETUP_ENDING } from "../runs/uses.ts";
import { readProgress } from "../tokens/progress.ts";
import { featurePaths, findFeatures, keyOfFile } from "../tokens/store.ts";
import { readIndex } from "../tokens/set_index.ts";
import { verifyFeatures } from "../tokens/verify.ts";

/** What was found of the files that this project has written. */
export interface Integrity {
  /** Files that were read and held to a checksum. */
  readonly files: number;
  /** Files that have none: they were written before there were checksums. */
  readonly unchecked: number;
  /** A line for each file that is damaged, with its path and what to do. */
  readonly damaged: readonly string[];
}

const AGAIN = "`deno task reproduce` makes it again";

/** Files of which {@linkcode Integrity} is made, added up. */
class Tally {
  files = 0;
  unchecked = 0;
  readonly damaged: string[] = [];

  /** Reads a file; what it says of damage is kept. */
  async read(read: () => Promise<boolean>): Promise<void> {
    try {
      if (await read()) this.files++;
      else this.unchecked++;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.files++;
      this.damaged.push(error.message);
    }
  }
}

/** Reads all that this project has written into a setup's folders: images, weights, features, results. */
export async function examineIntegrity(
  { experiments, data, results, tokens }: Pick<
    Setup,
    "experiments" | "data" | "results" | "tokens"
  >,
  onProgress: OnProgress = () => {},
): Promise<Integrity> {
  const tally = new Tally();
  const roots = new Set([data]);
  for (const { folder, made } of Object.values(experiments.profiles)) {
    const root = join(data, folder);
    roots.add(root);
    if (!made) continue;
    const { files, damaged } = await made.damaged(root);
    tally.files += files;
    tally.damaged.push(...damaged.map((line) => `${line}; ${AGAIN}`));
  }
  const paths: string[] = [];
  for (const root of roots) {
    for (const path of await filesBelow(join(root, "backbones"))) {
      const isChecksum = path.endsWith(".sha256") && path.includes(".safetensors");
      if (isChecksum || basename(path) === SETTINGS) paths.push(path);
    }
  }
  for (const root of roots) paths.push(...await filesBelow(join(root, "detectors")));
  paths.push(
    ...await filesBelow(results),
    ...(await filesBelow(join(data, "published"))).filter((path) => basename(path) === CHECKSUMS),
  );
  const keys = new Set<string>();
  for (const path of await filesBelow(tokens)) {
    if (path.endsWith(SETUP_ENDING)) paths.push(path);
    const key = path.endsWith(".lock") ? undefined : keyOfFile(basename(path));
    if (key !== undefined) keys.add(key);
  }
  const total = paths.length + keys.size;
  let done = 0;
  const advance = () => onProgress({ stage: "checksums", unit: "files", done: ++done, total });
  for (const key of keys) {
    await readFeatureSet(tally, tokens, key);
    advance();
  }
  for (const path of paths) {
    await readFile(tally, path);
    advance();
  }
  const { files, unchecked, damaged } = tally;
  return { files, unchecked, damaged: [...new Set(damaged)] };
}

async function readFeatureSet(tally: Tally, tokens: string, key: string): Promise<void> {
  const { progress, index } = featurePaths(tokens, key);
  await tally.read(async () => {
    const set = await findFeatures(tokens, key);
    const [problem, ...others] = set ? await verifyFeatures(set) : [];
    tally.damaged.push(...others);
    if (problem !== undefined) throw new UserError("damaged", problem);
    tally.files += set ? 3 : 0;
    // of a set whose content was dropped the index is left
    return set !== undefined || await readIndex(index, key) !== undefined;
  });
  if (await isFile(progress) && !await readProgress(progress)) {
    tally.damaged.push(`Cannot use ${progress}: expected what was written, found other; ${AGAIN}`);
  }
}

async function readFile(tally: Tally, path: string): Promise<void> {
  const folders = dirname(path).split(/[\\/]/);
  if (basename(path) === CHECKSUMS) {
    const { problems, files } = await compareChecksums(dirname(path));
    tally.files += files;
    tally.damaged.push(...problems.map((problem) => `${problem}; ${adviceFor(path)}`));
  } else if (path.endsWith(".sha256")) {
    const weights = path.slice(0, -".sha256".length);
    if (!await exists(weights)) return;
    await tally.read(async () => {
      if (await checkWeights(weights, await sha256OfFile(weights)) === "whole") return true;
      throw new UserError(
        "damaged",
        `Cannot use ${weights}: expected what ${path} says, found others`,
      );
    });
  } else if (path.endsWith(".safetensors")) {
    await tally.read(() => verifySafetensors(path));
  } else if (path.endsWith(".json") && folders.at(-2) === "records") {
    const store = new RecordStore(dirname(dirname(dirname(path))));
    await tally.read(async () =>
      (await store.read(folders.at(-1)!, basename(path, ".json"), AGAIN))?.isSealed ?? false
    );
  } else if (basename(path) === SETTINGS && folders.includes("backbones")) {
    await tally.read(async () =>
      (await readSealedJson(path, "import the weights again"))?.isSealed ?? false
    );
  } else if (
    path.endsWith(SETUP_ENDING) ||
    path.endsWith(".json") && (folders.at(-1) === "points" || folders.at(-2) === "made")
  ) {
    await tally.read(async () => (await readSealedJson(path, AGAIN))?.isSealed ?? false);
  }
}

/** What to do about files that somebody's checksums do not agree with. */
function adviceFor(list: string): string {
  return basename(dirname(list)) === "published"
    ? "it comes with the project: `git checkout` brings it back"
    : AGAIN;
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** Names of files of which a reader says what is wrong, also where a folder is in their place. */
const NAMED_FILE = /\.(?:safetensors|json|npy|txt|sha256)$|^SHA256SUMS$/;

/**
 * Files in a folder and in those below it, and what is in the place of files, sorted; none where there
 * is no such folder. Links to folders are not followed.
 */
async function filesBelow(folder: string, paths: string[] = []): Promise<string[]> {
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory && !NAMED_FILE.test(name)) await filesBelow(path, paths);
      else paths.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return paths.sort();
}
