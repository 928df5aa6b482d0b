/**
 * Extracts the sets of one group: the same crops of the same images, through one backbone or
 * several. It is the unit that processes divide work by, since a crop is made once for all of them.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import type { Backbone, Tap } from "../backbones/backbone.ts";
import type { Claim } from "../io/lock.ts";
import type { Tensor } from "../io/tensor.ts";
import type { WorkerPool } from "../io/worker_pool.ts";
import type { Wanted } from "./request.ts";
import { UnchangedRows } from "./unchanged.ts";
import { removeFeatures } from "./store.ts";
import { areUnreadable, readUnreadable, unreadableError } from "./unreadable.ts";
import type { BackbonePass, FeatureJob, FeatureResult, UnreadableImage } from "./worker.ts";
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
  /** That on the sets. */
  readonly claim?: Claim;
  /** Told of rows that are done. */
  readonly onRows: (rows: number) => void;
}

/** Weights from this size on keep a CPU busy with a single crop. */
const LARGE_BYTES = 2 ** 29;

/** A job, the images that its result is of, and the row that they fill first. */
interface Batch {
  readonly job: FeatureJob;
  readonly row: number;
  /** Number of images; of some the rows may be known, and the job lacks them. */
  readonly images: number;
  /** Positions of the job's images among them; absent where it has all. */
  readonly computed?: readonly number[];
}

/**
 * Makes sets of equal crops, or goes on with them.
 * @param sets of one `view`; nobody else may write them meanwhile
 * @param onPlanned told when all that is left to do is with the workers
 * @throws {UserError} where an image cannot be decoded and may not be left out, or none can
 * @throws {ClaimLost} where another process has taken the sets over
 */
export async function extractGroup(
  sets: readonly Wanted[],
  context: GroupContext,
  onPlanned: () => void = () => {},
): Promise<void> {
  const { pool, folder, root, skipCorrupt, onRows } = context;
  const { request, cropsPerImage } = sets[0]!;
  const batchImages = Math.max(1, Math.floor(context.batchSize / cropsPerImage));
  await using opened = new AsyncDisposableStack();
  const writers: FeatureWriter[] = [];
  for (const set of sets) {
    await forgetStale(set, context);
    const writer = await FeatureWriter.open(folder, set, {
      batchRows: batchImages * cropsPerImage,
      saveIntervalMs: context.saveIntervalMs,
      claim: context.claim,
    });
    writers.push(opened.use(writer));
    onRows(writer.rowsDone);
  }
  const firstRow = Math.min(...writers.map(({ rowsDone }) => rowsDone));
  const passes = passesOf(sets);
  const known = await UnchangedRows.open(folder, sets);
  if (known) opened.use(known);
  const planned = { first: sets[0]!, passes, firstRow, batchImages, known };
  const batches = plan(planned, context, onPlanned);
  for await (const { item, result } of pool.ordered(batches, ({ job }) => job, 2 * pool.size + 1)) {
    await context.claim?.assertHeld();
    const { images, computed } = item;
    const rows = images * cropsPerImage, first = item.row / cropsPerImage;
    const unreadable = result.unreadable.map(({ position }) =>
      first + (computed?.[position] ?? position)
    );
    if (unreadable.length > 0 && !skipCorrupt) {
      const [{ found }] = result.unreadable as [UnreadableImage];
      throw await unreadableError(request, unreadable[0]!, root, found);
    }
    for (const [p, { backbone, taps, sets }] of passes.entries()) {
      if (sets.every((s) => writers[s]!.rowsDone > item.row)) continue;
      const features = result.features[p] ??
        await featuresHere(backbone, taps, result.crops, item.job.paths.length * cropsPerImage);
      for (const [t, s] of sets.entries()) {
        const writer = writers[s]!;
        if (writer.rowsDone > item.row) continue;
        const found = features[t]!;
        await writer.append(known ? known.fill(s, found, first, images) : found, unreadable);
        onRows(rows);
      }
    }
  }
  for (const writer of writers) {
    if (writer.unreadable.length === request.images.length) throw nothingReadable(sets[0]!, root);
    await writer.finish();
  }
}

/** One pass of crops through a backbone, and the sets that it fills. */
interface Pass {
  /** Any that has the weights. */
  readonly backbone: Backbone;
  /** What is read in the pass. */
  readonly taps: readonly Tap[];
  /** For each tap, the position of its set. */
  readonly sets: readonly number[];
}

/** Sets of the same weights are filled by one pass, but for patches, which need one of their own. */
function passesOf(sets: readonly Wanted[]): Pass[] {
  const passes = new Map<string, { backbone: Backbone; taps: Tap[]; sets: number[] }>();
  for (const [s, { backbone }] of sets.entries()) {
    const { name, options: { tap, ...options } } = backbone.source(1);
    const key = JSON.stringify([name, options, ...(tap === "patches" ? [tap] : [])]);
    const pass = passes.get(key) ?? { backbone, taps: [], sets: [] };
    pass.taps.push(backbone.tap);
    pass.sets.push(s);
    passes.set(key, pass);
  }
  return [...passes.values()];
}

/** What the jobs of a group are made of. */
interface Planned {
  /** Any set of the group. */
  readonly first: Wanted;
  readonly passes: readonly Pass[];
  readonly firstRow: number;
  readonly batchImages: number;
  readonly known: UnchangedRows | undefined;
}

function* plan(
  { first, passes, firstRow, batchImages, known }: Planned,
  { root, isReplicated }: GroupContext,
  onPlanned: () => void,
): Generator<Batch> {
  const { images, cropsPerImage, request: { transform, seed, epoch } } = first;
  const here = passes.map(({ backbone, taps }): BackbonePass => ({ ...backbone.source(1), taps }));
  for (let i = firstRow / cropsPerImage; i < images.length; i += batchImages) {
    const all = images.slice(i, i + batchImages);
    const computed = known?.changed(i, all.length);
    const paths = (computed ? computed.map((position) => all[position]!) : all)
      .map(({ path }) => path);
    yield {
      job: { root, paths, transform, seed, epoch, passes: isReplicated ? here : [] },
      row: i * cropsPerImage,
      images: all.length,
      ...(computed ? { computed } : {}),
    };
  }
  onPlanned();
}

/**
 * Computes features on this thread. A large backbone on the CPU takes crops one by one: more at once
 * are no faster, and meanwhile this thread neither shows progress nor hears Ctrl-C.
 */
async function featuresHere(
  backbone: Backbone,
  taps: readonly Tap[],
  crops: Uint8Array,
  rows: number,
): Promise<Float32Array[]> {
  if (rows === 0) return taps.map(() => new Float32Array());
  const step = backbone.device === "cpu" && backbone.weightsBytes > LARGE_BYTES ? 1 : rows;
  const parts: Tensor[][] = [];
  for (let row = 0; row < rows; row += step) {
    const some = crops.subarray(row * crops.length / rows, (row + step) * crops.length / rows);
    parts.push(await backbone.featuresAt(taps, some, step));
  }
  return taps.map((_, t) => {
    const length = parts[0]![t]!.data.length;
    const features = new Float32Array(parts.length * length);
    parts.forEach((part, i) => features.set(part[t]!.data, i * length));
    return features;
  });
}

/** A set that lacks an image which can be decoded by now is made again. */
async function forgetStale(
  { key, request }: Wanted,
  { folder, root }: GroupContext,
): Promise<void> {
  const unreadable = await readUnreadable(folder, key);
  if (!await areUnreadable(request, unreadable, root)) await removeFeatures(folder, key);
}

function nothingReadable({ images }: Wanted, root: string): UserError {
  return new UserError(
    "missing",
    `Cannot compute features: expected images that can be decoded beside ${
      resolve(root, images[0]!.path)
    }, found none`,
  );
}
