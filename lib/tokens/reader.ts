/**
 * Reads tokens from disk, row by row, in any order.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { closeSync, openSync, readSync } from "node:fs";
import { readNpyHeader } from "../io/npy.ts";
import type { FeatureSet } from "./store.ts";

/** Memory that several may take from, as long as there is some left. */
export class MemoryBudget {
  #left: number;

  /** Holds so many bytes in all. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes so much where it is there; gives what was taken. */
  take(bytes: number): number {
    if (bytes > this.#left) return 0;
    this.#left -= bytes;
    return bytes;
  }

  /** Puts back what was taken. */
  put(bytes: number): void {
    this.#left += bytes;
  }
}

/**
 * What the sets that are open in this thread may keep in memory: its share of a gigabyte, since a
 * process has as many threads as there are cores, and each has a budget of its own.
 */
const BUDGET = new MemoryBudget(2 ** 30 / navigator.hardwareConcurrency);

/**
 * Reads rows of a set in any order, as float32. The set is kept in memory where those that are open
 * already leave room for it, else each row is read from the file.
 */
export class FeatureReader implements Disposable {
  /** What it reads. */
  readonly set: FeatureSet;
  /** Values of a row. */
  readonly rowLength: number;
  readonly #dataOffset: number;
  readonly #budget: MemoryBudget;
  readonly #row: Float16Array<ArrayBuffer>;
  #descriptor: number | undefined;
  #resident: Float16Array<ArrayBuffer> | undefined;
  #taken = 0;

  private constructor(set: FeatureSet, dataOffset: number, budget: MemoryBudget) {
    const [rows, blocks, width] = set.index.shape;
    this.set = set;
    this.rowLength = blocks * width;
    this.#dataOffset = dataOffset;
    this.#budget = budget;
    this.#row = new Float16Array(this.rowLength);
    this.#descriptor = openSync(set.path, "r");
    this.#taken = budget.take(rows * this.rowLength * Float16Array.BYTES_PER_ELEMENT);
    try {
      if (this.#taken > 0) {
        const resident = new Float16Array(rows * this.rowLength);
        this.#read(resident, 0);
        this.#resident = resident;
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Opens a finished set.
   * @param budget memory that it may take from; that of the thread where it is left out
   * @throws {UserError} where its file is damaged
   */
  static async open(set: FeatureSet, budget: MemoryBudget = BUDGET): Promise<FeatureReader> {
    return new FeatureReader(set, (await readNpyHeader(set.path)).dataOffset, budget);
  }

  /** Copies one row into `target` from `offset` on. */
  copyRow(row: number, target: Float32Array, offset: number): void {
    const length = this.rowLength;
    if (this.#resident) {
      target.set(this.#resident.subarray(row * length, (row + 1) * length), offset);
    } else {
      this.#read(this.#row, row * length * Float16Array.BYTES_PER_ELEMENT);
      target.set(this.#row, offset);
    }
  }

  #read(target: Float16Array<ArrayBuffer>, offset: number): void {
    if (this.#descriptor === undefined) {
      throw new Error(`Cannot read ${this.set.path}: expected an open reader, found it closed`);
    }
    const bytes = new Uint8Array(target.buffer);
    let filled = 0;
    while (filled < bytes.length) {
      const position = this.#dataOffset + offset + filled;
      const count = readSync(this.#descriptor, bytes, filled, bytes.length - filled, position);
      if (count === 0) {
        throw new UserError("damaged", `Cannot read ${this.set.path}: it ends too early`);
      }
      filled += count;
    }
  }

  /** Closes the file and lets go of the memory. */
  [Symbol.dispose](): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#resident = undefined;
    this.#budget.put(this.#taken);
  }
}
