/**
 * Extracts the sets of one group: the same crops of the same images, through one backbone or
 * several. It is the unit that processes divide work by, since a crop is made once for all of them.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import type { Backbone } from "../backbones/backbone.ts";
import type { WorkerPool } from "../io/worker_pool.ts";
import type { Wanted } from "./request.ts";
import { removeFeatures } from "./store.ts";
import { areUnreadable, readUnreadable, unreadableError } from "./unreadable.ts";
import type { FeatureJob, FeatureResult, UnreadableImage } from "./worker.ts";
import { FeatureWriter } from "./writer.ts";

/** What groups are extracted with. */
export interface GroupContext {
  /** Data root that image paths are relative to. */
  readonly root: string;
  /** Folder of feature sets. */
  readonly folder: string;
  /** Crops that go through a backbone at once. */
  readonly batchSize: number;
  /** How often rows are put on disk for good. */
  readonly saveIntervalMs: number | undefined;
  /** Leave out images that cannot be decoded, rather than stop at them. */
  readonly skipCorrupt: boolean;
  /** Decodes, crops and, where backbones are small, computes. */
  readonly pool: WorkerPool<FeatureJob, FeatureResult>;
  /** Whether each worker has backbones of its own. */
  readonly isReplicated: boolean;
  /** Told of rows that are done. */
  readonly onRows: (rows: number) => void;
}

/** Weights from this size on keep a CPU busy with a single crop. */
const LARGE_BYTES = 2 ** 29;

/** A job and the row that it fills first. */
interface Batch {
  readonly job: FeatureJob;
  readonly row: number;
}

/**
 * Makes sets of equal crops, or goes on with them.
 * @param sets of one `view`; nobody else may write them meanwhile
 * @param onPlanned told when all that is left to do is with the workers
 * @throws {UserError} where an image cannot be decoded and may not be left out, or none can
 */
export async function extractGroup(
  sets: readonly Wanted[],
  context: GroupContext,
  onPlanned: () => void = () => {},
): Promise<void> {
  const { pool, folder, root, skipCorrupt, onRows } = context;
  const { images, cropsPerImage } = sets[0]!;
  const batchImages = Math.max(1, Math.floor(context.batchSize / cropsPerImage));
  await using opened = new AsyncDisposableStack();
  const writers: FeatureWriter[] = [];
  for (const set of sets) {
    await forgetStale(set, context);
    const writer = await FeatureWriter.open(folder, set, {
      batchRows: batchImages * cropsPerImage,
      saveIntervalMs: context.saveIntervalMs,
    });
    writers.push(opened.use(writer));
    onRows(writer.rowsDone);
  }
  const firstRow = Math.min(...writers.map(({ rowsDone }) => rowsDone));
  const batches = plan(sets, firstRow, batchImages, context, onPlanned);
  for await (const { item, result } of pool.ordered(batches, ({ job }) => job, 2 * pool.size + 1)) {
    const rows = item.job.paths.length * cropsPerImage;
    const first = item.row / cropsPerImage;
    const unreadable = result.unreadable.map(({ position }) => first + position);
    if (unreadable.length > 0 && !skipCorrupt) {
      const [{ found }] = result.unreadable as [UnreadableImage];
      throw await unreadableError(images, unreadable[0]!, root, found);
    }
    for (const [s, writer] of writers.entries()) {
      if (writer.rowsDone > item.row) continue;
      const values = result.tokens[s] ?? await featuresHere(sets[s]!.backbone, result.crops, rows);
      await writer.append(values, unreadable);
      onRows(rows);
    }
  }
  for (const writer of writers) {
    if (writer.unreadable.length === images.length) throw nothingReadable(sets[0]!, root);
    await writer.finish();
  }
}

function* plan(
  sets: readonly Wanted[],
  firstRow: number,
  batchImages: number,
  { root, isReplicated }: GroupContext,
  onPlanned: () => void,
): Generator<Batch> {
  const { images, cropsPerImage, request: { transform, seed, epoch } } = sets[0]!;
  const backbones = isReplicated ? sets.map(({ backbone }) => backbone.source(1)) : [];
  for (let i = firstRow / cropsPerImage; i < images.length; i += batchImages) {
    const paths = images.slice(i, i + batchImages).map(({ path }) => path);
    yield { job: { root, paths, transform, seed, epoch, backbones }, row: i * cropsPerImage };
  }
  onPlanned();
}

/**
 * Computes features on this thread. A large backbone on the CPU takes crops one by one: more at once
 * are no faster, and meanwhile this thread neither shows progress nor hears Ctrl-C.
 */
async function featuresHere(
  backbone: Backbone,
  crops: Uint8Array,
  rows: number,
): Promise<Float32Array> {
  const step = backbone.device === "cpu" && backbone.weightsBytes > LARGE_BYTES ? 1 : rows;
  const { blocks, width } = backbone.featureSizes;
  const features = new Float32Array(rows * blocks * width);
  for (let row = 0; row < rows; row += step) {
    const some = crops.subarray(row * crops.length / rows, (row + step) * crops.length / rows);
    features.set((await backbone.featuresOfCrops(some, step)).data, row * blocks * width);
  }
  return features;
}

/** A set that lacks an image which can be decoded by now is made again. */
async function forgetStale({ key, images }: Wanted, { folder, root }: GroupContext): Promise<void> {
  const unreadable = await readUnreadable(folder, key);
  if (!await areUnreadable(images, unreadable, root)) await removeFeatures(folder, key);
}

function nothingReadable({ images }: Wanted, root: string): UserError {
  return new UserError(
    "missing",
    `Cannot compute features: expected images that can be decoded beside ${
      resolve(root, images[0]!.path)
    }, found none`,
  );
}
