/**
 * A bank of features on disk, and in memory for all who search it. On disk they are float16 as the
 * features that they are drawn from, so that nothing is lost; they are normalised when they are read.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import {
  readEntryBytes,
  readSafetensorsHeader,
  type SafetensorsEntry,
  toFloat32,
  verifySafetensors,
} from "../../io/safetensors.ts";
import { writeLargeSafetensors } from "../../io/safetensors_writer.ts";
import { Shared } from "../../io/shared.ts";
import { FeatureRows } from "../../tokens/rows.ts";
import type { Compute } from "../detector.ts";
import { type Nearest, normalizedRows, Searcher, SLAB_ROWS, type Slabs } from "./search.ts";

/** Names of the tensors [images, d] in a bank's file. */
export const BANK = ["bank.real", "bank.fake"] as const;

/** Rows that are read at once where a bank is made. */
const BATCH = 1024;

/**
 * Writes the rows of features as a bank, holding one kind of them in memory at a time.
 * @param picked rows that go into it, in rising order: real ones, generated ones
 * @param block whose vector of each row is kept, counted from 1; all of them where it is undefined
 */
export async function writeBank(
  path: string,
  rows: FeatureRows,
  picked: readonly [real: Uint32Array, fake: Uint32Array],
  block: number | undefined,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const width = block === undefined ? rows.blocks * rows.width : rows.width;
  await writeLargeSafetensors(
    path,
    BANK.map((name, label) => ({
      name,
      dtype: "F16",
      shape: [picked[label]!.length, width],
      bytes() {
        const values = new Float16Array(picked[label]!.length * width);
        let offset = 0;
        for (const { tokens, count } of rows.batches(BATCH, picked[label]!)) {
          const kept = block === undefined ? tokens : ofBlock(tokens, count, block, rows.blocks);
          values.set(kept, offset);
          offset += kept.length;
        }
        return Promise.resolve(new Uint8Array(values.buffer));
      },
    })),
    metadata,
    true,
  );
}

/**
 * One block's vectors of features [count, blocks, width].
 * @param block counted from 1
 * @returns [count, width]
 */
export function ofBlock(
  features: Float32Array,
  count: number,
  block: number,
  blocks: number,
): Float32Array {
  const width = features.length / count / blocks;
  const vectors = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    const start = (row * blocks + block - 1) * width;
    vectors.set(features.subarray(start, start + width), row * width);
  }
  return vectors;
}

/** Sizes of a bank, and what was written beside it. */
export interface BankHeader {
  readonly width: number;
  readonly real: SafetensorsEntry;
  readonly fake: SafetensorsEntry;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads what a bank's file says of itself.
 * @throws {UserError} where it is damaged, or holds no bank
 */
export async function readBankHeader(path: string): Promise<BankHeader> {
  const { tensors, metadata } = await readSafetensorsHeader(path);
  const [real, fake] = BANK.map((name) => tensors.get(name));
  const width = real?.shape[1] ?? 0;
  const isBank = [real, fake].every((entry) =>
    entry?.shape.length === 2 && entry.shape[0]! > 0 && entry.shape[1] === width
  );
  if (real && fake && width > 0 && isBank) return { width, real, fake, metadata };
  const found = [...tensors].slice(0, 3)
    .map(([name, { shape }]) => `${name} [${shape.join(", ")}]`);
  throw new UserError(
    "damaged",
    `Cannot load ${path}: expected ${BANK.join(" and ")} [images, features], found ${
      found.join(", ") || "none"
    }`,
  );
}

/** Reads features slab by slab, normalised. */
async function readSlabs(path: string, entry: SafetensorsEntry): Promise<Slabs> {
  const [count, width] = entry.shape as [number, number];
  const rowBytes = entry.length / count;
  const slabs: Float32Array[] = [];
  for (let row = 0; row < count; row += SLAB_ROWS) {
    const rows = Math.min(SLAB_ROWS, count - row);
    const bytes = await readEntryBytes(path, {
      ...entry,
      offset: entry.offset + row * rowBytes,
      length: rows * rowBytes,
    });
    const slab = normalizedRows(toFloat32(bytes, entry.dtype), width);
    for (let start = 0; start < slab.length; start += width) {
      if (!Number.isNaN(slab[start])) continue;
      throw new UserError(
        "damaged",
        `Cannot load ${path}: expected numbers, found others in row ${row + start / width}`,
      );
    }
    slabs.push(slab);
  }
  return { count, width, slabs };
}

/** The neighbours of queries in both banks. */
export interface BothNearest {
  readonly real: Nearest;
  readonly fake: Nearest;
}

/** A bank in memory: float32, so 2.2 GB for 720,000 images of 768 features. */
export class Bank {
  readonly #real: Slabs;
  readonly #fake: Slabs;
  readonly #searcher: Searcher;
  /** The last search: heads that differ in k and reading look at the same images one after another. */
  #last:
    | { readonly queries: Float32Array; readonly k: number; readonly found: BothNearest }
    | undefined;

  private constructor(real: Slabs, fake: Slabs, searcher: Searcher) {
    this.#real = real;
    this.#fake = fake;
    this.#searcher = searcher;
  }

  /** Reads a bank and opens what searches it. */
  static async open(path: string, { device, threads }: Compute): Promise<Bank> {
    const { width, real, fake } = await readBankHeader(path);
    await verifySafetensors(path);
    const slabs = [await readSlabs(path, real), await readSlabs(path, fake)] as const;
    const searcher = await Searcher.open(width, {
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
    });
    return new Bank(...slabs, searcher);
  }

  /** Images of either kind. */
  get counts(): { readonly real: number; readonly fake: number } {
    return { real: this.#real.count, fake: this.#fake.count };
  }

  /** Largest k that somebody searches for. */
  largestK = 1;

  /** The nearest of both kinds, `largestK` of them or more; queries are [count, d]. */
  async nearest(queries: Float32Array, k: number): Promise<BothNearest> {
    const last = this.#last;
    if (last && last.k >= k && isSame(last.queries, queries)) return last.found;
    const searched = Math.max(k, this.largestK);
    const found = {
      real: await this.#searcher.nearest(this.#real, queries, searched),
      fake: await this.#searcher.nearest(this.#fake, queries, searched),
    };
    // queries lie in a buffer that others fill again
    this.#last = { queries: queries.slice(), k: searched, found };
    return found;
  }

  /** Closes the session. */
  async dispose(): Promise<void> {
    this.#last = undefined;
    await this.#searcher.dispose();
  }
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

const banks = new Shared<Bank>();

/** A bank that all who search it share, and what lets go of it; the last who does frees it. */
export async function holdBank(
  path: string,
  k: number,
  compute: Compute,
): Promise<{ readonly bank: Bank; release(): Promise<void> }> {
  const key = JSON.stringify([path, compute.device, compute.threads]);
  const { value: bank, release } = await banks.hold(key, () => Bank.open(path, compute));
  bank.largestK = Math.max(bank.largestK, k);
  return { bank, release };
}
