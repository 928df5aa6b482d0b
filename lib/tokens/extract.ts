/**
 * From images on disk to tokens on disk: each image goes through each backbone once.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join, resolve } from "node:path";
import type { Backbone } from "../backbones/backbone.ts";
import type { ImageEntry } from "../data/dataset.ts";
import { withLock } from "../io/files.ts";
import type { OnProgress } from "../io/progress.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import { describe, type FeatureRequest, listed, type Wanted } from "./request.ts";
import type { FeatureJob, FeatureResult, UnreadableImage } from "./worker.ts";
import {
  type FeatureIndex,
  type FeatureSet,
  FeatureWriter,
  findFeatures,
  removeFeatures,
} from "./store.ts";
import { areUnreadable, readUnreadable, unreadableError } from "./unreadable.ts";

/** Where images come from, where tokens go, and how hard to work. */
export interface ExtractOptions {
  /** Data root that image paths are relative to. */
  readonly root: string;
  /** Folder of token sets. */
  readonly folder: string;
  /** Crops that go through a backbone at once; part of no key. */
  readonly batchSize: number;
  /** Worker threads: they decode and crop and, for small backbones, compute the tokens too. */
  readonly workers: number;
  /** Leave out images that cannot be decoded, rather than stop at them. */
  readonly skipCorrupt?: boolean;
  /** Told of crops that are done, those of an earlier process among them. */
  readonly onProgress?: OnProgress;
  /** Told that another process extracts into the same folder and is waited for. */
  readonly onWait?: (() => void) | undefined;
}

/**
 * Finds or makes sets of tokens. A set is named by a hash of all that its content depends on:
 * weights, tap, images (path, label and size in bytes), transform and, where that is random, seed
 * and epoch. An image that is replaced by another of the same size is not noticed: delete the set's
 * `.npy` file to have its tokens made again. Killed at any moment, the next call goes on from the
 * last whole batch and ends with the same bytes.
 *
 * @returns for each request, one set for each of its backbones, in their order
 * @throws {UserError} where an image cannot be decoded and may not be left out, or a token file is
 * damaged
 * @throws {UserError} where a backbone's resolution is not the size of the crops, an image is too
 * small for ten crops, or none of a request's images can be decoded
 */
export async function extractFeatures(
  requests: readonly FeatureRequest[],
  options: ExtractOptions,
): Promise<FeatureSet[][]> {
  const wanted = await Promise.all(requests.map((request) => describe(request, options.root)));
  if ((await missingOf(wanted, options)).length > 0) {
    // a second process waits here, and then finds the sets finished
    await withLock(join(options.folder, "extraction.lock"), async () => {
      const missing = await missingOf(wanted, options);
      if (missing.length > 0) await extractMissing(missing, options);
    }, options.onWait);
  }
  return await Promise.all(
    wanted.map((sets) => Promise.all(sets.map(({ key }) => expectFeatures(options.folder, key)))),
  );
}

/**
 * The sets that are not there yet, each once; sets of one request stay together.
 * @throws {UserError} where it is known already that they lack images that may not be left out
 */
async function missingOf(wanted: readonly Wanted[][], options: ExtractOptions) {
  const { folder, root, skipCorrupt = false } = options;
  const seen = new Set<string>();
  const missing: Wanted[][] = [];
  for (const sets of wanted) {
    const absent: Wanted[] = [];
    for (const set of sets) {
      if (seen.has(set.key)) continue;
      seen.add(set.key);
      const { images } = set.request;
      const unreadable = await readUnreadable(folder, set.key);
      const isStale = !await areUnreadable(images, unreadable, root);
      if (!isStale && await findFeatures(folder, set.key)) {
        if (unreadable.length > 0 && !skipCorrupt) {
          throw await unreadableError(images, unreadable[0]!, root);
        }
        continue;
      }
      const [known = (await listed(images, root)).missing[0]] = isStale ? [] : unreadable;
      if (known !== undefined && !skipCorrupt) throw await unreadableError(images, known, root);
      absent.push(set);
    }
    if (absent.length > 0) missing.push(absent);
  }
  return missing;
}

async function expectFeatures(folder: string, key: string): Promise<FeatureSet> {
  const set = await findFeatures(folder, key);
  if (!set) throw new Error(`Cannot load tokens: expected ${key}.npy in ${folder}, found none`);
  return set;
}

/**
 * Weights up to this size are opened once in every worker, each with a single thread: small products
 * gain more from running side by side than from being divided.
 */
const MAX_REPLICATED_BYTES = 2 ** 30;

/** Weights from this size on keep a CPU busy with a single crop. */
const LARGE_BYTES = 2 ** 29;

/** A job and where its tokens go. */
interface Batch {
  readonly job: FeatureJob;
  readonly sets: readonly Wanted[];
  /** First row that the batch fills. */
  readonly row: number;
  readonly isLast: boolean;
}

async function extractMissing(work: readonly Wanted[][], options: ExtractOptions): Promise<void> {
  const total = work.flat().reduce((sum, { index }) => sum + index.shape[0], 0);
  const backbones = new Set(work.flat().map(({ backbone }) => backbone));
  const bytes = [...backbones].reduce((sum, { weightsBytes }) => sum + weightsBytes, 0);
  const isReplicated = bytes * options.workers <= MAX_REPLICATED_BYTES &&
    [...backbones].every(({ device }) => device === "cpu");
  let done = 0;
  const report = (rows: number) =>
    options.onProgress?.({ stage: "tokens", unit: "crops", done: done += rows, total });

  const module = new URL("./worker.ts", import.meta.url);
  await using pool = new WorkerPool<FeatureJob, FeatureResult>(module, options.workers);
  const writers = new Map<string, FeatureWriter>();
  try {
    const batches = [];
    for (const sets of work) {
      let firstRow = Infinity;
      for (const { key, index } of sets) {
        const batchRows = imagesPerBatch(index, options) * index.cropsPerImage;
        await forgetStale(key, index.images, options);
        const writer = await FeatureWriter.open(options.folder, key, index, batchRows);
        writers.set(key, writer);
        firstRow = Math.min(firstRow, writer.rowsDone);
        report(writer.rowsDone);
      }
      batches.push({ sets, firstRow });
    }
    const ahead = 2 * options.workers + 1;
    const planned = plan(batches, options, isReplicated);
    for await (const { item, result } of pool.ordered(planned, ({ job }) => job, ahead)) {
      const { index: { cropsPerImage, images } } = item.sets[0]!;
      const rows = item.job.paths.length * cropsPerImage;
      const first = item.row / cropsPerImage;
      const unreadable = result.unreadable.map(({ position }) => first + position);
      if (unreadable.length > 0 && !options.skipCorrupt) {
        const [{ found }] = result.unreadable as [UnreadableImage];
        throw await unreadableError(images, unreadable[0]!, options.root, found);
      }
      for (const [index, { key, backbone }] of item.sets.entries()) {
        const writer = writers.get(key)!;
        if (writer.rowsDone <= item.row) {
          const tokens = result.tokens[index] ?? await featuresHere(backbone, result.crops, rows);
          await writer.append(tokens, unreadable);
          report(rows);
        }
        if (writer.unreadable.length === images.length) throw nothingReadable(images, options);
        if (item.isLast) await writer.finish();
      }
    }
  } finally {
    for (const writer of writers.values()) writer.close();
  }
}

/**
 * Computes tokens on this thread. A large backbone on the CPU takes crops one by one: more at once
 * are no faster, and meanwhile this thread neither shows progress nor hears Ctrl-C.
 */
async function featuresHere(
  backbone: Backbone,
  crops: Uint8Array,
  rows: number,
): Promise<Float32Array> {
  const step = backbone.device === "cpu" && backbone.weightsBytes > LARGE_BYTES ? 1 : rows;
  const { blocks, width } = backbone.architecture;
  const tokens = new Float32Array(rows * blocks * width);
  for (let row = 0; row < rows; row += step) {
    const some = crops.subarray(row * crops.length / rows, (row + step) * crops.length / rows);
    tokens.set((await backbone.tokensOfCrops(some, step)).data, row * blocks * width);
  }
  return tokens;
}

/** A set that lacks an image which can be decoded by now is made again. */
async function forgetStale(
  key: string,
  images: readonly ImageEntry[],
  { folder, root }: ExtractOptions,
): Promise<void> {
  const unreadable = await readUnreadable(folder, key);
  if (!await areUnreadable(images, unreadable, root)) await removeFeatures(folder, key);
}

function nothingReadable(images: readonly ImageEntry[], { root }: ExtractOptions): UserError {
  return new UserError(
    "missing",
    `Cannot compute tokens: expected images that can be decoded beside ${
      resolve(root, images[0]!.path)
    }, found none`,
  );
}

function imagesPerBatch({ cropsPerImage }: FeatureIndex, { batchSize }: ExtractOptions): number {
  return Math.max(1, Math.floor(batchSize / cropsPerImage));
}

function* plan(
  batches: readonly { sets: readonly Wanted[]; firstRow: number }[],
  options: ExtractOptions,
  isReplicated: boolean,
): Generator<Batch> {
  for (const { sets, firstRow } of batches) {
    const { request: { images, transform, seed, epoch }, index } = sets[0]!;
    const step = imagesPerBatch(index, options);
    // a set that was killed between its last row and its new name has nothing left but that
    const last = Math.max(0, (Math.ceil(images.length / step) - 1) * step);
    for (let i = Math.min(firstRow / index.cropsPerImage, last); i < images.length; i += step) {
      yield {
        job: {
          root: options.root,
          paths: images.slice(i, i + step).map(({ path }) => path),
          transform,
          seed,
          epoch,
          backbones: isReplicated ? sets.map(({ backbone }) => backbone.source(1)) : [],
        },
        sets,
        row: i * index.cropsPerImage,
        isLast: i + step >= images.length,
      };
    }
  }
}
