/**
 * Rows of several token sets as one list, read in batches.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { TokenBatch } from "../detectors/rine/engine.ts";
import { FeatureReader } from "./reader.ts";
import { type FeatureSet, findFeatures } from "./store.ts";
import { randomStream } from "../random.ts";

/** Token sets laid end to end: the classes of a training set, or one test set. */
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

  private constructor(readers: readonly FeatureReader[], fraction: number, seed: number) {
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
    readers.forEach(({ set }, source) => {
      for (const row of picked[source]!) {
        this.#sources[next] = source;
        this.#rows[next] = row;
        this.labels[next++] = set.index.images[Math.floor(row / cropsPerImage)]!.label;
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
    for (const key of keys) {
      const set = await findFeatures(folder, key);
      if (!set) {
        throw new UserError(
          "missing",
          `Cannot read tokens: expected ${key}.npy in ${folder}, found none`,
        );
      }
      readers.push(opened.use(await FeatureReader.open(set)));
    }
    const rows = new FeatureRows(readers, fraction, seed);
    opened.move(); // whoever asked closes them
    return rows;
  }

  /** Number of rows. */
  get count(): number {
    return this.labels.length;
  }

  /**
   * Reads all rows in batches. A batch is valid until the next one is asked for.
   * @param order the rows' order; as they lie where it is left out
   */
  *batches(size: number, order?: Uint32Array): Generator<TokenBatch> {
    const rowLength = this.blocks * this.width;
    const tokens = new Float32Array(Math.min(size, this.count) * rowLength);
    for (let start = 0; start < this.count; start += size) {
      const count = Math.min(size, this.count - start);
      const labels = new Uint8Array(count);
      for (let i = 0; i < count; i++) {
        const row = order ? order[start + i]! : start + i;
        this.#readers[this.#sources[row]!]!.copyRow(this.#rows[row]!, tokens, i * rowLength);
        labels[i] = this.labels[row]!;
      }
      yield { tokens: tokens.subarray(0, count * rowLength), labels, count };
    }
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    for (const reader of this.#readers) reader[Symbol.dispose]();
  }
}

/** What tokens were computed with, as their index says. */
export interface FeaturesOf {
  /** Name of the backbone. */
  readonly backbone: string;
  /** SHA-256 of the backbone's weights, and the kind of arithmetic. */
  readonly weights: string;
  /** Where in a block: `ln2`, `block`. */
  readonly tap: string;
  /** `full`, `int8`. */
  readonly precision: string;
}

function featuresOf({ index: { source } }: FeatureSet): FeaturesOf {
  const text = (name: string) => String(source[name]);
  return {
    backbone: text("backbone"),
    weights: text("weights"),
    tap: text("tap"),
    precision: text("precision"),
  };
}

/** How many of a set's rows a share of them is: one at least. */
export function pickedCount(rows: number, fraction: number): number {
  return Math.max(1, Math.round(rows * fraction));
}

/** Rows of images that could be decoded: all, or a share drawn as if there were no others. */
function pickRows({ index, unreadable }: FeatureSet, fraction: number, seed: number): Uint32Array {
  const { shape: [count], cropsPerImage, images } = index;
  const without = new Set(unreadable);
  const rows = Uint32Array.from({ length: count }, (_, row) => row)
    .filter((row) => !without.has(Math.floor(row / cropsPerImage)));
  if (fraction >= 1) return rows;
  // named by the images, not by their tokens: every epoch and backbone has the same images
  const order = randomStream(seed, "fraction", images[0]!.path).permutation(rows.length);
  const picked = pickedCount(rows.length, fraction);
  return order.subarray(0, picked).map((place) => rows[place]!);
}
