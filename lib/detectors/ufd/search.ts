/**
 * Exact search for the nearest neighbours of features by their cosine: products against the bank in
 * slabs, a top-k of each, and the distances of the few that are left in float64.
 * @module
 */
import { GraphBuilder } from "../../onnx/graph.ts";
import { openSession, ortTensor, type Session } from "../../onnx/session.ts";
import type { SessionOptions } from "../../onnx/session.ts";

/** Rows of a slab: its products with a block of queries stay some megabytes. */
export const SLAB_ROWS = 8192;

/** Queries that go through a slab at once. */
const BLOCK = 512;

/**
 * Candidates beyond k that are measured in float64: products in float32 can put neighbours that are
 * equally near, or all but, in another order.
 */
const MARGIN = 8;

/** Features of one kind, of length 1, or 0 where they were 0. */
export interface Slabs {
  /** Number of features. */
  readonly count: number;
  /** Length of each (d). */
  readonly width: number;
  /** [rows, d] each, in order. */
  readonly slabs: readonly Float32Array[];
}

/** The nearest of each query, by rising distance and then by place. */
export interface Nearest {
  /** 1 − cosine, [queries, k]; to a feature of zeros 1. */
  readonly distances: Float64Array;
  /** Places in the bank, [queries, k]. */
  readonly places: Uint32Array;
  /** k, or the size of the bank where that is less. */
  readonly k: number;
}

/** Rows of length 1, in float32; a row of zeros stays one, one with what is no number is none whole. */
export function normalizedRows(rows: Float32Array, width: number): Float32Array {
  const unit = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    let sum = 0;
    for (let i = start; i < start + width; i++) sum += rows[i]! * rows[i]!;
    const length = sum === 0 ? 1 : Number.isFinite(sum) ? Math.sqrt(sum) : NaN;
    for (let i = start; i < start + width; i++) unit[i] = rows[i]! / length;
  }
  return unit;
}

/** Rows as slabs, of which those are normalised. */
export function slabsOf(rows: Float32Array, width: number): Slabs {
  const slabs: Float32Array[] = [];
  for (let start = 0; start < rows.length; start += SLAB_ROWS * width) {
    slabs.push(normalizedRows(rows.subarray(start, start + SLAB_ROWS * width), width));
  }
  return { count: rows.length / width, width, slabs };
}

/** `queries` [count, d] and `bank` [rows, d] in; the `k` largest products and their rows out. */
function searchModel(width: number): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const queries = g.input("queries", "float32", ["count", width]);
  const bank = g.input("bank", "float32", ["rows", width]);
  const k = g.input("k", "int64", [1]);
  const cosines = g.op("Gemm", [queries, bank], { transB: 1 }); // [count, rows]
  const [values, rows] = g.ops("TopK", 2, [cosines, k], { axis: 1 });
  g.output("values", values!, "float32", ["count", "k"]);
  g.output("places", rows!, "int64", ["count", "k"]);
  return g.build();
}

/** Searches banks of one width. */
export class Searcher {
  readonly #session: Session;
  readonly #width: number;

  private constructor(session: Session, width: number) {
    this.#session = session;
    this.#width = width;
  }

  /** Opens the session. */
  static async open(width: number, options: SessionOptions = {}): Promise<Searcher> {
    return new Searcher(await openSession(searchModel(width), options), width);
  }

  /**
   * The nearest of a bank.
   * @param queries [count, d], row-major, of any length
   */
  async nearest(bank: Slabs, queries: Float32Array, k: number): Promise<Nearest> {
    const width = this.#width, count = queries.length / width;
    const kept = Math.min(k, bank.count);
    const distances = new Float64Array(count * kept), places = new Uint32Array(count * kept);
    const unit = normalizedRows(queries, width);
    for (let start = 0; start < count; start += BLOCK) {
      const block = unit.subarray(start * width, Math.min(count, start + BLOCK) * width);
      const candidates = await this.#candidates(bank, block, Math.min(k + MARGIN, bank.count));
      const each = candidates.length / (block.length / width);
      for (let q = 0; q < block.length / width; q++) {
        const query = block.subarray(q * width, (q + 1) * width);
        const near = Array.from(
          candidates.subarray(q * each, (q + 1) * each),
          (place) => ({ place, distance: distanceTo(query, bank, place) }),
        ).sort((a, b) => a.distance - b.distance || a.place - b.place);
        for (let i = 0; i < kept; i++) {
          distances[(start + q) * kept + i] = near[i]!.distance;
          places[(start + q) * kept + i] = near[i]!.place;
        }
      }
    }
    return { distances, places, k: kept };
  }

  /** Places of the largest products of each query; of equal ones the first. */
  async #candidates(
    { slabs }: Slabs,
    queries: Float32Array,
    wanted: number,
  ): Promise<Uint32Array> {
    const width = this.#width, count = queries.length / width;
    const values = new Float32Array(count * wanted).fill(-Infinity);
    const places = new Uint32Array(count * wanted);
    const query = ortTensor("float32", queries, [count, width]);
    let offset = 0;
    for (const slab of slabs) {
      const rows = slab.length / width, k = Math.min(wanted, rows);
      const found = await this.#session.run({
        queries: query,
        bank: ortTensor("float32", slab, [rows, width]),
        k: ortTensor("int64", BigInt64Array.of(BigInt(k)), [1]),
      });
      const top = found["values"]!.data as Float32Array;
      const topPlaces = found["places"]!.data as BigInt64Array;
      for (let q = 0; q < count; q++) {
        const start = q * wanted, last = start + wanted - 1;
        for (let i = 0; i < k; i++) {
          const value = top[q * k + i]!;
          if (!(value > values[last]!)) break;
          // behind those as large, which lie before it in the bank
          let at = last;
          for (; at > start && values[at - 1]! < value; at--) {
            values[at] = values[at - 1]!;
            places[at] = places[at - 1]!;
          }
          values[at] = value;
          places[at] = offset + Number(topPlaces[q * k + i]!);
        }
      }
      offset += rows;
    }
    return places;
  }

  /** Closes the session. */
  async dispose(): Promise<void> {
    await this.#session.release();
  }
}

/** 1 − cosine in float64; 1 where either is of zeros. */
function distanceTo(query: Float32Array, { slabs, width }: Slabs, place: number): number {
  const slab = slabs[Math.floor(place / SLAB_ROWS)]!;
  const start = place % SLAB_ROWS * width;
  let product = 0, queryNorm = 0, norm = 0;
  for (let i = 0; i < width; i++) {
    const a = query[i]!, b = slab[start + i]!;
    product += a * b;
    queryNorm += a * a;
    norm += b * b;
  }
  return product === 0 ? 1 : 1 - product / Math.sqrt(queryNorm * norm);
}
