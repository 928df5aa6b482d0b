/**
 * Rows of several sets of features as one list, read in batches.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { readNpyHeader } from "../io/npy.ts";
import { sha256 } from "../io/seal.ts";
import { FeatureReader } from "./reader.ts";
import type { FeatureSource } from "./set_index.ts";
import { type FeatureSet, findFeatures, REMEDY } from "./store.ts";
import { randomStream } from "../random.ts";

/** Rows that are read at once. */
export interface FeatureBatch {
  /** float32 [count, blocks, width] */
  readonly tokens: Float32Array;
  /** 0 real, 1 generated, for each row. */
  readonly labels: Uint8Array;
  /** Number of rows. */
  readonly count: number;
}

/** Sets of features laid end to end: the classes of a training set, or one test set. */
export class FeatureRows implements Disposable {
  /** 0 real, 1 generated, for each row. */
  readonly labels: Uint8Array;
  /** Rows that belong to one image: 10 for ten-crop sets. */
  readonly cropsPerImage: number;
  /** Number of Transformer blocks (n). */
  readonly blocks: number;
  /** What computed them. */
  readonly source: FeaturesOf;
  /** Width of a token (d). */
  readonly width: number;
  readonly #readers: readonly FeatureReader[];
  /** For each row: which reader, and which row there. */
  readonly #sources: Uint16Array;
  readonly #rows: Uint32Array;

  private constructor(
    readers: readonly FeatureReader[],
    labels: readonly Uint8Array[],
    fraction: number,
    seed: number,
  ) {
    const { shape: [, blocks, width], cropsPerImage } = readers[0]!.set.index;
    const picked = readers.map(({ set }) => pickRows(set, fraction, seed));
    const total = picked.reduce((sum, rows) => sum + rows.length, 0);
    this.#readers = readers;
    this.#sources = new Uint16Array(total);
    this.#rows = new Uint32Array(total);
    this.labels = new Uint8Array(total);
    this.cropsPerImage = cropsPerImage;
    this.blocks = blocks;
    this.width = width;
    this.source = featuresOf(readers[0]!.set);
    let next = 0;
    picked.forEach((rows, source) => {
      this.#rows.set(rows, next);
      this.#sources.fill(source, next, next + rows.length);
      for (const row of rows) {
        this.labels[next++] = labels[source]![Math.floor(row / cropsPerImage)]!;
      }
    });
  }

  /**
   * Opens finished sets.
   * @param fraction share of each set's rows that is used, in (0, 1]; which ones depends on the seed
   * and a larger share holds every smaller one
   * @throws {UserError} where a set is not there
   * @throws {UserError} where a set's file is damaged
   */
  static async open(
    folder: string,
    keys: readonly string[],
    { fraction = 1, seed = 0 }: { fraction?: number; seed?: number } = {},
  ): Promise<FeatureRows> {
    using opened = new DisposableStack();
    const readers: FeatureReader[] = [];
    const labels: Uint8Array[] = [];
    for (const key of keys) {
      const set = await findFeatures(folder, key);
      if (!set) {
        throw new UserError(
          "missing",
          `Cannot read features: expected ${key}.npy in ${folder}, found none`,
        );
      }
      labels.push(await readLabels(set));
      readers.push(opened.use(await FeatureReader.open(set)));
    }
    const rows = new FeatureRows(readers, labels, fraction, seed);
    opened.move(); // whoever asked closes them
    return rows;
  }

  /** Number of rows. */
  get count(): number {
    return this.labels.length;
  }

  /**
   * Reads rows in batches. A batch is valid until the next one is asked for.
   * @param order which rows, and in which order; all as they lie where it is left out
   */
  *batches(size: number, order?: Uint32Array): Generator<FeatureBatch> {
    const rowLength = this.blocks * this.width;
    const total = order?.length ?? this.count;
    const tokens = new Float32Array(Math.min(size, total) * rowLength);
    for (let start = 0; start < total; start += size) {
      const count = Math.min(size, total - start);
      const labels = new Uint8Array(count);
      for (let i = 0; i < count; i++) {
        const row = order ? order[start + i]! : start + i;
        this.#readers[this.#sources[row]!]!.copyRow(this.#rows[row]!, tokens, i * rowLength);
        labels[i] = this.labels[row]!;
      }
      yield { tokens: tokens.subarray(0, count * rowLength), labels, count };
    }
  }

  /**
   * Looks for a row that holds what is no number, where something has come out as none.
   * @returns which file it is in, and what to do; `undefined` where all are numbers
   */
  notFinite(): string | undefined {
    const values = new Float32Array(this.blocks * this.width);
    for (let row = 0; row < this.count; row++) {
      const { set } = this.#readers[this.#sources[row]!]!;
      this.#readers[this.#sources[row]!]!.copyRow(this.#rows[row]!, values, 0);
      if (values.every(Number.isFinite)) continue;
      return `${set.path} holds what is no number in row ${this.#rows[row]}; ${REMEDY}`;
    }
    return undefined;
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const reader of this.#readers) reader[Symbol.dispose]();
  }
}

/** What features were computed with, as their index says. */
export type FeaturesOf = Pick<FeatureSource, "backbone" | "weights" | "tap" | "precision">;

function featuresOf({ index: { source } }: FeatureSet): FeaturesOf {
  const { backbone, weights, tap, precision } = source;
  return { backbone, weights, tap, precision };
}

/**
 * Reads whether a set's images are real (0) or generated (1).
 * @throws {UserError} where its file says anything else, or not what was written
 */
export async function readLabels(
  { paths: { labels: path }, index: { images, sha256: { labels: expected } } }: Pick<
    FeatureSet,
    "paths" | "index"
  >,
): Promise<Uint8Array> {
  const { dataOffset } = await readNpyHeader(path, "|u1", REMEDY);
  const bytes = await Deno.readFile(path), labels = bytes.subarray(dataOffset);
  const other = labels.findIndex((label) => label > 1);
  if (labels.length === images && other === -1) {
    if (sha256(bytes) === expected) return labels;
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected the labels that were written, found others; ${REMEDY}`,
    );
  }
  throw new UserError(
    "damaged",
    `Cannot read ${path}: expected ${images} labels of 0 and 1, found ${
      other === -1 ? labels.length : `${labels[other]} at ${other}`
    }; ${REMEDY}`,
  );
}

/** How many of a set's rows a share of them is: one at least. */
export function pickedCount(rows: number, fraction: number): number {
  return Math.max(1, Math.round(rows * fraction));
}

/** Rows of images that could be decoded: all, or a share drawn as if there were no others. */
function pickRows({ index, unreadable }: FeatureSet, fraction: number, seed: number): Uint32Array {
  const { shape: [count], cropsPerImage, firstImage } = index;
  const without = new Set(unreadable);
  const rows = new Uint32Array(count - without.size * cropsPerImage);
  for (let row = 0, next = 0; row < count; row++) {
    if (!without.has(Math.floor(row / cropsPerImage))) rows[next++] = row;
  }
  if (fraction >= 1) return rows;
  // named by the images, not by their features: every epoch and backbone has the same images
  const order = randomStream(seed, "fraction", firstImage).permutation(rows.length);
  const picked = pickedCount(rows.length, fraction);
  return order.subarray(0, picked).map((place) => rows[place]!);
}
