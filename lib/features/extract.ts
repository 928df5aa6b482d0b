/**
 * From images on disk to tokens on disk: each image goes through each backbone once.
 * @module
 */
import { join } from "node:path";
import type { Backbone } from "../backbone/backbone.ts";
import type { ImageEntry } from "../data/dataset.ts";
import { cropsPerImage, isRandom, type Transform } from "../image/transform.ts";
import { contentKey, withLock } from "../io/files.ts";
import type { OnProgress } from "../io/progress.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import type { TokenJob, TokenResult } from "./token_worker.ts";
import { findTokens, type TokenIndex, type TokenSet, TokenWriter } from "./token_set.ts";

/** Tokens that are wanted: these images, cropped this way, through each of these backbones. */
export interface TokenRequest {
  readonly images: readonly ImageEntry[];
  /** What the crops are made with; their size is the backbones' resolution. */
  readonly transform: Transform;
  readonly seed: number;
  /** Counted from 1; 0 where there are no epochs. */
  readonly epoch: number;
  readonly backbones: readonly Backbone[];
}

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
  readonly onProgress?: OnProgress;
}

/** Layout of the token files; raised when what a row means changes. */
const FORMAT = 1;

/**
 * Finds or makes sets of tokens. A set is named by a hash of all that its content depends on:
 * weights, tap, images (path, label and size in bytes), transform and, where that is random, seed
 * and epoch. Killed at any moment, the next call goes on from the last whole batch and ends with
 * the same bytes.
 *
 * @returns for each request, one set for each of its backbones, in their order
 * @throws {SyntaxError} where an image cannot be decoded or a token file is damaged
 * @throws {RangeError} where a backbone's resolution is not the size of the crops
 */
export async function extractTokens(
  requests: readonly TokenRequest[],
  options: ExtractOptions,
): Promise<TokenSet[][]> {
  const wanted = await Promise.all(requests.map((request) => describe(request, options.root)));
  if ((await missingOf(wanted, options)).length > 0) {
    // a second process waits here, and then finds the sets finished
    await withLock(join(options.folder, "extraction.lock"), async () => {
      const missing = await missingOf(wanted, options);
      if (missing.length > 0) await extractMissing(missing, options);
    });
  }
  return await Promise.all(
    wanted.map((sets) => Promise.all(sets.map(({ key }) => expectTokens(options.folder, key)))),
  );
}

/** The sets that are not there yet, each once; sets of one request stay together. */
async function missingOf(wanted: readonly Wanted[][], { folder }: ExtractOptions) {
  const seen = new Set<string>();
  const missing: Wanted[][] = [];
  for (const sets of wanted) {
    const absent: Wanted[] = [];
    for (const set of sets) {
      if (seen.has(set.key)) continue;
      seen.add(set.key);
      if (!await findTokens(folder, set.key)) absent.push(set);
    }
    if (absent.length > 0) missing.push(absent);
  }
  return missing;
}

/**
 * Names sets of tokens without making them.
 * @returns for each request, the key for each of its backbones, in their order
 * @throws {RangeError} where a backbone's resolution is not the size of the crops
 */
export async function nameTokens(
  requests: readonly TokenRequest[],
  root: string,
): Promise<string[][]> {
  const wanted = await Promise.all(requests.map((request) => describe(request, root)));
  return wanted.map((sets) => sets.map(({ key }) => key));
}

async function expectTokens(folder: string, key: string): Promise<TokenSet> {
  const set = await findTokens(folder, key);
  if (!set) throw new Error(`Cannot load tokens: expected ${key}.npy in ${folder}, found none`);
  return set;
}

/** One set of one backbone, named. */
interface Wanted {
  readonly key: string;
  readonly request: TokenRequest;
  readonly backbone: Backbone;
  readonly index: TokenIndex;
}

async function describe(request: TokenRequest, root: string): Promise<Wanted[]> {
  const { images, transform, seed, epoch, backbones } = request;
  const list = await listKey(images, root);
  const crops = cropsPerImage(transform);
  return await Promise.all(backbones.map(async (backbone) => {
    const { resolutionPx, blocks, width } = backbone.architecture;
    if (resolutionPx !== transform.size) {
      throw new RangeError(
        `Cannot compute tokens with ${backbone.name}: expected crops of ${resolutionPx} px, found ${transform.size}`,
      );
    }
    const source = {
      format: FORMAT,
      backbone: backbone.name,
      weights: await backbone.fingerprint(),
      tap: backbone.tap,
      precision: backbone.precision,
      images: list,
      transform,
      ...(isRandom(transform) ? { seed, epoch } : {}),
    };
    const { backbone: _name, ...identity } = source;
    return {
      key: contentKey([identity]),
      request,
      backbone,
      index: {
        source,
        shape: [images.length * crops, blocks, width],
        cropsPerImage: crops,
        images,
      },
    };
  }));
}

const listKeys = new WeakMap<readonly ImageEntry[], Promise<string>>();

/** A hash of images by path, label and size in bytes; found once for a list. */
function listKey(images: readonly ImageEntry[], root: string): Promise<string> {
  let key = listKeys.get(images);
  if (!key) {
    const sizes = Promise.all(
      images.map(async ({ path }) => (await Deno.stat(join(root, path))).size),
    );
    key = sizes.then((bytes) =>
      contentKey(images.map(({ path, label }, i) => [path, label, bytes[i]]))
    );
    listKeys.set(images, key);
  }
  return key;
}

/**
 * Weights up to this size are opened once in every worker, each with a single thread: small products
 * gain more from running side by side than from being divided.
 */
const MAX_REPLICATED_BYTES = 2 ** 30;

/** A job and where its tokens go. */
interface Batch {
  readonly job: TokenJob;
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

  const module = new URL("./token_worker.ts", import.meta.url);
  using pool = new WorkerPool<TokenJob, TokenResult>(module, options.workers);
  const writers = new Map<string, TokenWriter>();
  try {
    const batches = [];
    for (const sets of work) {
      let firstRow = Infinity;
      for (const { key, index } of sets) {
        const batchRows = imagesPerBatch(index, options) * index.cropsPerImage;
        const writer = await TokenWriter.open(options.folder, key, index, batchRows);
        writers.set(key, writer);
        firstRow = Math.min(firstRow, writer.rowsDone);
        report(writer.rowsDone);
      }
      batches.push({ sets, firstRow });
    }
    const ahead = 2 * options.workers + 1;
    const planned = plan(batches, options, isReplicated);
    for await (const { item, result } of pool.ordered(planned, ({ job }) => job, ahead)) {
      const rows = item.job.paths.length * item.sets[0]!.index.cropsPerImage;
      for (const [index, { key, backbone }] of item.sets.entries()) {
        const writer = writers.get(key)!;
        if (writer.rowsDone <= item.row) {
          const tokens = result.tokens[index] ??
            (await backbone.tokensOfCrops(result.crops, rows)).data;
          await writer.append(tokens);
          report(rows);
        }
        if (item.isLast) await writer.finish();
      }
    }
  } finally {
    for (const writer of writers.values()) writer.close();
  }
}

function imagesPerBatch({ cropsPerImage }: TokenIndex, { batchSize }: ExtractOptions): number {
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
