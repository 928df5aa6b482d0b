/**
 * From images on disk to features on disk: each image goes through each backbone once.
 * @module
 */
import { join } from "node:path";
import { Listings } from "../data/listing.ts";
import { tellingOnce, UserError } from "../io/errors.ts";
import { assertSpace, exists, naming, removeIfThere } from "../io/files.ts";
import type { OnProgress } from "../io/progress.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import { type Claim, claim, ClaimLost } from "../io/lock.ts";
import { extractGroup } from "./group.ts";
import { describe, type FeatureRequest, type Wanted } from "./request.ts";
import {
  featurePaths,
  type FeatureSet,
  findFeatures,
  halfWritten,
  removeFeatures,
  unfinishedBytes,
} from "./store.ts";
import { areUnreadable, readUnreadable, unreadableError } from "./unreadable.ts";
import { verifyOnce } from "./verify.ts";
import type { FeatureJob, FeatureResult } from "./worker.ts";

/** Where images come from, where features go, and how hard to work. */
export interface ExtractOptions {
  /** Data root that image paths are relative to. */
  readonly root: string;
  /** Folder of feature sets. */
  readonly folder: string;
  /** What is believed of the images' files; by default they are looked at now. */
  readonly listings?: Listings;
  /** Crops that go through a backbone at once; part of no key. */
  readonly batchSize: number;
  /** Worker threads: they decode and crop and, for small backbones, compute the features too. */
  readonly workers: number;
  /** Leave out images that cannot be decoded, rather than stop at them. */
  readonly skipCorrupt?: boolean;
  /** How often rows are put on disk for good: what a kill can cost; default 5 s. */
  readonly saveIntervalMs?: number;
  /**
   * What is wanted later: sets that the same pass through a backbone can fill are made along, so that
   * each image goes through it once. Asked for only where something is missing.
   */
  readonly later?: (() => Promise<readonly FeatureRequest[]>) | undefined;
  /** Told of crops that are done, those of other processes among them. */
  readonly onProgress?: OnProgress;
  /** Told, once, that all that is left is made by other processes and waited for. */
  readonly onWait?: (() => void) | undefined;
  /** Told, in a line for people, of a file that is damaged; its set is made again. */
  readonly onDamage?: ((line: string) => void) | undefined;
  /** Called before images are read, with their paths: whoever made them may mend them. */
  readonly mend?: (images: readonly string[]) => Promise<void>;
}

/**
 * Finds or makes sets of features. A set is named by a hash of all that its content depends on:
 * weights, tap, images (path, label and size in bytes), transform and, where that is random, seed
 * and epoch. An image that is replaced by another of the same size is not noticed: delete the set's
 * `.npy` file to have it made again. Killed at any moment, the next call goes on from what was put on
 * disk some seconds before, and ends with the same bytes. Several processes may work in one folder:
 * each takes the sets of one list of crops at a time. The content of a set that is found is held to its
 * checksums, once in a process; one that is damaged is made again.
 *
 * @returns for each request, one set for each of its backbones, in their order
 * @throws {UserError} where an image cannot be decoded and may not be left out, or the disk refuses or
 * has too little room
 * @throws {UserError} where a backbone's resolution is not the size of the crops, an image is too
 * small for ten crops, or none of a request's images can be decoded
 */
export async function extractFeatures(
  requests: readonly FeatureRequest[],
  options: ExtractOptions,
): Promise<FeatureSet[][]> {
  const { root, listings = new Listings(root) } = options;
  options = { ...options, onDamage: tellingOnce(options.onDamage) };
  const wanted: Wanted[][] = [];
  for (const request of requests) wanted.push(await describe(request, listings));
  const missing = await missingOf(wanted.flat(), options, listings);
  if (missing.length > 0) {
    const { folder, later } = options;
    await naming(folder, () => Deno.mkdir(folder, { recursive: true }));
    const along = later ? await makeAlong(missing, await later(), listings) : [];
    const all = along.length > 0
      ? await missingOf([...missing.flat(), ...along], options, listings)
      : missing;
    await extractMissing(all, options, listings);
  }
  return await Promise.all(
    wanted.map((sets) => Promise.all(sets.map(({ key }) => expectFeatures(options.folder, key)))),
  );
}

/**
 * The sets that are not there yet, each once; sets of the same crops are a group.
 * @throws {UserError} where it is known already that they lack images that may not be left out
 */
async function missingOf(
  wanted: readonly Wanted[],
  options: ExtractOptions,
  listings: Listings,
): Promise<Wanted[][]> {
  const { folder, root, skipCorrupt = false } = options;
  const seen = new Set<string>();
  const groups = new Map<string, Wanted[]>();
  for (const set of wanted) {
    if (seen.has(set.key)) continue;
    seen.add(set.key);
    const { images, view, request } = set;
    if (!await isWhole(folder, set, options.onDamage)) {
      groups.set(view, [...groups.get(view) ?? [], set]);
      continue;
    }
    const unreadable = await readUnreadable(folder, set.key);
    const isStale = !await areUnreadable(request, unreadable, root);
    if (!isStale && await findFeatures(folder, set.key)) {
      if (unreadable.length > 0 && !skipCorrupt) {
        throw await unreadableError(request, unreadable[0]!, root);
      }
      continue;
    }
    const [known = (await listings.look(images)).missing[0]] = isStale ? [] : unreadable;
    if (known !== undefined && !skipCorrupt) throw await unreadableError(request, known, root);
    groups.set(view, [...groups.get(view) ?? [], set]);
  }
  return [...groups.values()];
}

/** Sets wanted later that the passes of missing ones can fill: of equal crops and the same weights. */
async function makeAlong(
  missing: readonly Wanted[][],
  later: readonly FeatureRequest[],
  listings: Listings,
): Promise<Wanted[]> {
  const passOf = ({ view, source: { weights, precision } }: Wanted) =>
    JSON.stringify([view, weights, precision]);
  const passes = new Set(missing.flat().map(passOf));
  const along: Wanted[] = [];
  for (const request of later) along.push(...await describe(request, listings));
  return along.filter((set) => passes.has(passOf(set)));
}

/**
 * Whether what there is of a set is as it was written and as it is wanted: not where it is damaged,
 * which is told once.
 */
async function isWhole(
  folder: string,
  { key, shape, images, source }: Wanted,
  onDamage: ExtractOptions["onDamage"],
): Promise<boolean> {
  try {
    const set = await findFeatures(folder, key);
    if (!set) return true;
    const { index } = set;
    const isWanted = `${index.shape}` === `${shape}` && index.images === images.length &&
      index.firstImage === images[0]!.path && index.source.images === source.images;
    const [problem] = isWanted ? await verifyOnce(set) : [
      `Cannot use ${set.paths.index}: expected features ${shape.join(" × ")} of ` +
      `${images.length} images, found ${index.shape.join(" × ")} of ${index.images}`,
    ];
    if (problem === undefined) return true;
    onDamage?.(saysAgain(problem));
  } catch (error) {
    if (!(error instanceof UserError && error.kind === "damaged")) throw error;
    onDamage?.(saysAgain(error.message));
  }
  return false;
}

/** What is damaged, with what is done about it instead of what a person would have to do. */
function saysAgain(problem: string): string {
  return `${problem.replace(/; delete it .*$/, "")}; its set is made again`;
}

async function expectFeatures(folder: string, key: string): Promise<FeatureSet> {
  const set = await findFeatures(folder, key);
  if (!set) throw new Error(`Cannot load features: expected ${key}.npy in ${folder}, found none`);
  return set;
}

/**
 * Weights up to this size are opened once in every worker, each with a single thread: small products
 * gain more from running side by side than from being divided.
 */
const MAX_REPLICATED_BYTES = 2 ** 30;

/** Groups under way at once: a next one begins when all of the one before is with the workers. */
const GROUPS_AT_ONCE = 2;

/** Pauses between looks at groups that other processes make, from the first to the longest. */
const PAUSE_MS: readonly [number, number] = [50, 1000];

async function extractMissing(
  groups: readonly Wanted[][],
  options: ExtractOptions,
  listings: Listings,
): Promise<void> {
  const { root, folder, batchSize, workers, skipCorrupt = false, saveIntervalMs } = options;
  const rowsOf = (sets: readonly Wanted[]) => sets.reduce((sum, { shape }) => sum + shape[0], 0);
  const total = rowsOf(groups.flat());
  const backbones = new Set(groups.flat().map(({ backbone }) => backbone));
  const bytes = [...backbones].reduce((sum, { weightsBytes }) => sum + weightsBytes, 0);
  const isReplicated = bytes * workers <= MAX_REPLICATED_BYTES &&
    [...backbones].every(({ device }) => device === "cpu");
  let done = 0, elsewhere = 0;
  const onRows = (rows: number) => {
    done += rows;
    const others = elsewhere > 0 ? { elsewhere } : {};
    options.onProgress?.({ stage: "tokens", unit: "crops", done, total, ...others });
  };

  const bytesOf = ({ shape: [rows, blocks, width] }: Wanted) => 2 * rows * blocks * width;
  const bytesToWrite = groups.flat().reduce((sum, set) => sum + bytesOf(set), 0);
  await assertSpace(folder, bytesToWrite - await unfinishedBytes(folder), "features");

  const module = new URL("./worker.ts", import.meta.url);
  await using pool = new WorkerPool<FeatureJob, FeatureResult>(module, workers);
  const context = {
    ...{ root, folder, batchSize, saveIntervalMs, skipCorrupt, pool, isReplicated },
  };
  const leftOver = await halfWritten(folder);
  /** Groups that other processes make, or have taken over. */
  let busy: Wanted[][] = [];

  /** Makes what of a group is missing, where no other process does. */
  const work = async (group: Wanted[], onPlanned?: () => void) => {
    await using own = await claim(join(folder, `${group[0]!.view}.lock`), false);
    if (!own) return void busy.push(group);
    const [missing = []] = await missingOf(group, options, listings);
    let counted = 0;
    const count = (rows: number) => {
      counted += rows;
      onRows(rows);
    };
    const found = rowsOf(group) - rowsOf(missing);
    elsewhere += found;
    count(found);
    if (missing.length === 0) return;
    for (const { key } of missing) {
      for (const path of leftOver.get(key) ?? []) await removeIfThere(path);
      // damaged, stale, or without one of its files
      if (await exists(featurePaths(folder, key).features)) await removeFeatures(folder, key);
    }
    await options.mend?.(missing[0]!.images.map(({ path }) => path));
    try {
      await extractGroup(missing, { ...context, claim: own, onRows: count }, onPlanned);
    } catch (error) {
      if (!await isLost(own, error)) throw error;
      onRows(-counted);
      busy.push(group);
    }
  };
  const workAll = async (groups: readonly Wanted[][]) => {
    const running: Promise<void>[] = [];
    const failure = Promise.withResolvers<void>();
    let hasFailed = false;
    const onFailure = () => {
      hasFailed = true;
      failure.resolve();
    };
    try {
      for (const group of groups) {
        if (running.length === GROUPS_AT_ONCE) await running.shift();
        if (hasFailed) break;
        const planned = Promise.withResolvers<void>();
        const one = work(group, planned.resolve).finally(planned.resolve);
        one.catch(onFailure);
        running.push(one);
        await Promise.race([planned.promise, failure.promise]);
      }
      // of several that fail the first is reported, whichever is faster
      while (running.length > 0) await running.shift();
    } catch (error) {
      await pool[Symbol.asyncDispose]();
      await Promise.allSettled(running);
      throw error;
    }
  };
  await workAll(groups);
  for (let pauseMs = PAUSE_MS[0], isTold = false; busy.length > 0;) {
    const left = busy;
    busy = [];
    await workAll(left);
    if (busy.length < left.length) continue;
    if (!isTold) options.onWait?.();
    isTold = true;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(1.5 * pauseMs, PAUSE_MS[1]);
  }
}

/** Whether work has failed because another process has it: what that one removed is missing here. */
async function isLost(own: Claim, error: unknown): Promise<boolean> {
  return error instanceof ClaimLost || !await own.isHeld();
}
