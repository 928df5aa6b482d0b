/**
 * Finds what nobody needs any more of what this project has written: features, heads, states, banks and
 * scores that no plan names, and what killed processes have left half-written.
 * @module
 */
import { dirname, join, resolve } from "node:path";
import { BANKS } from "../detectors/ufd/neighbours.ts";
import { checkpointPath } from "../detectors/detector.ts";
import { UserError } from "../io/errors.ts";
import { exists, removeIfThere, sweepTemporaries } from "../io/files.ts";
import { readSafetensorsHeader } from "../io/safetensors.ts";
import { keyOfFile, removeFeatures } from "../tokens/store.ts";
import { Named } from "./named.ts";
import type { Experiments } from "./section.ts";
import { makeSetup, type Setup, type SetupOptions } from "./setup.ts";
import { readUses } from "./uses.ts";

/** What something is that can be removed. */
export type GarbageKind =
  | "feature sets"
  | "heads"
  | "banks"
  | "scores"
  | "half-written files"
  | "notes";

/** Something that nobody needs. */
export interface Garbage {
  readonly kind: GarbageKind;
  /** A file, or a set of features without the endings of its files. */
  readonly path: string;
  readonly bytes: number;
  /** Removes it. */
  remove(): Promise<void>;
}

/** What can be removed, and why more cannot. */
export interface Found {
  readonly garbage: readonly Garbage[];
  /** Why features, heads and scores stay as they are, whoever needs them; absent where that is known. */
  readonly kept?: string;
}

/** Where to look. */
export interface CleanOptions extends Pick<SetupOptions, "data" | "results" | "tokens"> {
  /** Files that are younger stay: somebody may be at work. In milliseconds; default an hour. */
  readonly leastAgeMs?: number;
}

const HOUR_MS = 3_600_000;

/**
 * Looks for what can be removed in a folder of features and in one of results. A reproduction counts as
 * long as its folder of outputs is there, whatever its conditions; under the usual ones as long as its
 * profile has a folder. Where it cannot be told what one of them needs, since images or backbones are
 * not there or something is damaged, nothing but what is half-written is found.
 */
export async function findGarbage(
  experiments: Experiments,
  { leastAgeMs = HOUR_MS, ...folders }: CleanOptions = {},
): Promise<Found> {
  const { tokens, results } = await makeSetup(experiments, folders);
  const garbage: Garbage[] = [];
  for (const folder of [tokens, results]) {
    await sweepTemporaries(folder, true, leastAgeMs, async (path) => {
      garbage.push(await fileOf("half-written files", path));
    });
  }
  const named = new Named();
  let setups: Setup[];
  try {
    const { uses, gone } = await readUses(tokens);
    for (const path of gone) garbage.push(await fileOf("notes", path));
    setups = await setupsOf(experiments, folders, uses.map(({ options }) => options));
    for (const setup of setups) await named.add(setup);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { garbage: garbage.filter(({ kind }) => kind !== "notes"), kept: error.message };
  }
  const isOld = olderThan(leastAgeMs);
  garbage.push(...await unnamedFeatures(tokens, named, isOld));
  for (const folder of new Set(setups.map((setup) => resolve(setup.folder)))) {
    if (dirname(folder) !== resolve(results)) continue;
    garbage.push(...await unnamedHeads(folder, named, isOld));
  }
  return { garbage };
}

/**
 * Every reproduction that there is: those that were noted, and the usual one of each profile.
 * @throws {UserError} where outputs lie in the folder of results that nobody has noted
 */
async function setupsOf(
  experiments: Experiments,
  { data, results, tokens }: CleanOptions,
  noted: readonly SetupOptions[],
): Promise<Setup[]> {
  const setups = new Map<string, Setup>();
  const add = (setup: Setup) =>
    setups.set(JSON.stringify([resolve(setup.outputs), resolve(setup.data)]), setup);
  for (const options of noted) add(await makeSetup(experiments, options));
  for (const profile of Object.keys(experiments.profiles)) {
    const usual = await makeSetup(experiments, {
      profile,
      ...(data === undefined ? {} : { data }),
      ...(results === undefined ? {} : { results }),
      ...(tokens === undefined ? {} : { tokens }),
    });
    if (!await exists(usual.folder)) continue;
    if (usual.outputs === usual.folder) add(usual);
    const known = new Set([...setups.values()].map(({ outputs }) => resolve(outputs)));
    for await (const { name, isDirectory } of Deno.readDir(usual.folder)) {
      const outputs = join(usual.folder, name);
      if (!isDirectory || !await exists(join(outputs, "report.md"))) continue;
      if (known.has(resolve(outputs))) continue;
      throw new UserError(
        "missing",
        `Cannot tell what ${outputs} needs: expected a note of its conditions, found none; reproduce ` +
          "under them once more, which takes seconds, or delete that folder",
      );
    }
  }
  return [...setups.values()];
}

/** Whether a file was written long enough ago. */
function olderThan(leastAgeMs: number): IsOld {
  const until = Date.now() - leastAgeMs;
  return async (path) => ((await Deno.stat(path)).mtime?.getTime() ?? Infinity) <= until;
}

type IsOld = (path: string) => Promise<boolean>;

async function unnamedFeatures(tokens: string, named: Named, isOld: IsOld): Promise<Garbage[]> {
  const files = new Map<string, string[]>();
  for (const name of await namesIn(tokens)) {
    const key = name.endsWith(".lock") ? undefined : keyOfFile(name);
    if (key === undefined || named.features.has(key)) continue;
    files.set(key, [...files.get(key) ?? [], join(tokens, name)]);
  }
  const garbage: Garbage[] = [];
  for (const [key, paths] of files) {
    let bytes = 0, isYoung = false;
    for (const path of paths) {
      bytes += await sizeOf(path);
      isYoung ||= !await isOld(path);
    }
    if (isYoung) continue;
    garbage.push({
      ...{ kind: "feature sets", path: join(tokens, key), bytes },
      remove: () => removeFeatures(tokens, key),
    });
  }
  return garbage;
}

const HEAD = /^([0-9a-f]{16})(?:-epoch\d+|\.state)\.safetensors$/;
const BANK = /^bank-[0-9a-f]+\.safetensors$/;
const SCORES = /^([0-9a-f]{16})-epoch\d+$/;

async function unnamedHeads(folder: string, named: Named, isOld: IsOld): Promise<Garbage[]> {
  const needed = named.heads.get(folder) ?? new Set<string>();
  const garbage: Garbage[] = [];
  const add = async (kind: GarbageKind, path: string) => {
    if (await isOld(path)) garbage.push(await fileOf(kind, path));
  };
  for (const name of await namesIn(join(folder, "heads"))) {
    const key = HEAD.exec(name)?.[1];
    if (key !== undefined && !needed.has(key)) await add("heads", join(folder, "heads", name));
  }
  const banks = await banksOf(folder, named.neighbours.get(folder) ?? new Set());
  for (const name of await namesIn(join(folder, BANKS))) {
    // banks that heads lack which are still to be made may be theirs
    if (BANK.test(name) && banks && !banks.has(name)) await add("banks", join(folder, BANKS, name));
  }
  for (const name of await namesIn(join(folder, "scores"))) {
    const key = SCORES.exec(name)?.[1];
    if (key === undefined || needed.has(key)) continue;
    const scores = join(folder, "scores", name);
    for (const file of await namesIn(scores)) {
      if (file.endsWith(".safetensors")) await add("scores", join(scores, file));
    }
  }
  return garbage;
}

/** Names of the banks that heads say they need; `undefined` where a head is not there to say it. */
async function banksOf(
  folder: string,
  heads: ReadonlySet<string>,
): Promise<ReadonlySet<string> | undefined> {
  const banks = new Set<string>();
  for (const key of heads) {
    const path = join(folder, checkpointPath(key, 1));
    try {
      const { metadata } = await readSafetensorsHeader(path);
      banks.add(metadata["bank"] ?? "");
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof UserError) return undefined;
      throw error;
    }
  }
  return banks;
}

async function fileOf(kind: GarbageKind, path: string): Promise<Garbage> {
  return { kind, path, bytes: await sizeOf(path), remove: () => removeIfThere(path) };
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}

async function namesIn(folder: string): Promise<string[]> {
  if (!await exists(folder)) return [];
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}
