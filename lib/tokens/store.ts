/**
 * Sets of tokens on disk: a NumPy file of float16 and an index that names its rows.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import type { ImageEntry } from "../data/dataset.ts";
import { exists, readJson, removeIfThere, writeJson } from "../io/files.ts";
import { encodeNpyHeader, readNpyHeader } from "../io/npy.ts";
import { readUnreadable, unreadablePath } from "./unreadable.ts";

/** What the index beside a token file says. */
export interface FeatureIndex {
  /** What the tokens were computed from; its hash is the set's key. */
  readonly source: Readonly<Record<string, unknown>>;
  /** [rows, blocks, width]; a row is a crop. */
  readonly shape: readonly [number, number, number];
  /** Consecutive rows that belong to one image. */
  readonly cropsPerImage: number;
  /** The images, in the order of their rows. */
  readonly images: readonly ImageEntry[];
}

/** A finished set of tokens. */
export interface FeatureSet {
  /** A hash of all that its content depends on. */
  readonly key: string;
  /** The `.npy` file. */
  readonly path: string;
  /** What the file beside it says. */
  readonly index: FeatureIndex;
  /** Positions of images that cannot be decoded, in rising order; their rows are NaN. */
  readonly unreadable: readonly number[];
}

/** Files of a set by its key. */
export function featurePaths(folder: string, key: string): { tokens: string; index: string } {
  return { tokens: join(folder, `${key}.npy`), index: join(folder, `${key}.json`) };
}

/**
 * Finds a finished set.
 * @throws {UserError} where its file is damaged
 * @throws {UserError} where file and index have different shapes
 */
export async function findFeatures(folder: string, key: string): Promise<FeatureSet | undefined> {
  const paths = featurePaths(folder, key);
  if (!await exists(paths.tokens)) return undefined;
  const { shape } = await readNpyHeader(paths.tokens);
  const index = await readJson<FeatureIndex>(paths.index);
  if (!index || `${index.shape}` !== `${shape}`) {
    throw new UserError(
      "damaged",
      `Cannot load tokens: expected ${paths.index} to say [${shape.join(", ")}], found ${
        index ? `[${index.shape.join(", ")}]` : "no index"
      }; delete both to have them made again`,
    );
  }
  return { key, path: paths.tokens, index, unreadable: await readUnreadable(folder, key) };
}

/** Removes a set, finished or not. */
export async function removeFeatures(folder: string, key: string): Promise<void> {
  const { tokens, index } = featurePaths(folder, key);
  // the list of unreadable images goes last: rows without it would count as images
  for (const path of [tokens, `${tokens}.partial`, index, unreadablePath(folder, key)]) {
    await removeIfThere(path);
  }
}

/**
 * Writes one set, batch by batch. Until it is finished it lies in `KEY.npy.partial`, whose length
 * tells what is done. One process at a time may write a set.
 */
export class FeatureWriter {
  /** Rows that are on disk already. */
  rowsDone: number;
  #isOpen = true;
  readonly #file: Deno.FsFile;
  readonly #paths: { tokens: string; index: string };
  readonly #index: FeatureIndex;
  readonly #unreadablePath: string;
  readonly #unreadable: Set<number>;

  private constructor(
    file: Deno.FsFile,
    paths: { tokens: string; index: string; unreadable: string },
    index: FeatureIndex,
    rowsDone: number,
    unreadable: readonly number[],
  ) {
    this.#file = file;
    this.#paths = paths;
    this.#unreadablePath = paths.unreadable;
    this.#index = index;
    this.rowsDone = rowsDone;
    this.#unreadable = new Set(unreadable);
  }

  /**
   * Opens a set for writing and finds how far an earlier process came.
   * @param batchRows rows are kept in whole batches of this size, so that a resumed set has the
   * bytes of an uninterrupted one
   */
  static async open(
    folder: string,
    key: string,
    index: FeatureIndex,
    batchRows: number,
  ): Promise<FeatureWriter> {
    await Deno.mkdir(folder, { recursive: true });
    const paths = featurePaths(folder, key);
    const file = await Deno.open(`${paths.tokens}.partial`, {
      read: true,
      write: true,
      create: true,
    });
    try {
      const header = encodeNpyHeader(index.shape);
      const [rows, blocks, width] = index.shape;
      const rowBytes = blocks * width * Float16Array.BYTES_PER_ELEMENT;
      const { size } = await file.stat();
      const whole = Math.floor(Math.max(0, size - header.length) / rowBytes / batchRows) *
        batchRows;
      const rowsDone = size === header.length + rows * rowBytes ? rows : whole;
      await file.seek(0, Deno.SeekMode.Start);
      await writeAll(file, header);
      await file.truncate(header.length + rowsDone * rowBytes);
      await file.seek(0, Deno.SeekMode.End);
      const unreadable = await readUnreadable(folder, key);
      const allPaths = { ...paths, unreadable: unreadablePath(folder, key) };
      return new FeatureWriter(file, allPaths, index, rowsDone, unreadable);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Positions of the images found so far that cannot be decoded, in rising order. */
  get unreadable(): readonly number[] {
    return [...this.#unreadable].sort((a, b) => a - b);
  }

  /**
   * Appends the tokens of whole images, rounded to float16.
   * @param unreadable positions of those among them that cannot be decoded: their rows become NaN
   */
  async append(tokens: Float32Array, unreadable: readonly number[] = []): Promise<void> {
    const { shape: [, blocks, width], cropsPerImage } = this.#index;
    const half = new Float16Array(tokens);
    for (const position of unreadable) {
      this.#unreadable.add(position);
      const first = (position * cropsPerImage - this.rowsDone) * blocks * width;
      half.fill(NaN, first, first + cropsPerImage * blocks * width);
    }
    // before the rows: whoever goes on from here must know of them
    if (unreadable.length > 0) await writeJson(this.#unreadablePath, this.unreadable);
    await writeAll(this.#file, new Uint8Array(half.buffer));
    this.rowsDone += tokens.length / (blocks * width);
  }

  /** Writes the index and gives the file its final name. */
  async finish(): Promise<void> {
    await this.#file.syncData();
    await writeJson(this.#paths.index, this.#index);
    await Deno.rename(`${this.#paths.tokens}.partial`, this.#paths.tokens);
    this.close();
  }

  /** Closes the file. An unfinished set is gone on with later. */
  close(): void {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await file.write(rest));
}
