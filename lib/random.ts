/**
 * Keyed streams of random numbers. Every random choice of the project comes from a stream named by
 * the seed and by what the choice is for, so it does not depend on order, worker count or batch size.
 * @module
 */
import { createHash } from "node:crypto";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";

/** A deterministic stream of random numbers; the same on every machine. */
export class Random {
  readonly #generator: RandomGenerator;
  #spareNormal: number | undefined;

  /** Use {@linkcode randomStream}. */
  constructor(generator: RandomGenerator) {
    this.#generator = generator;
  }

  /** 32 random bits as a signed integer. */
  bits(): number {
    return this.#generator.next();
  }

  /** A number drawn uniformly from [`low`, `high`), 32 bits of resolution. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * ((this.#generator.next() >>> 0) / 2 ** 32);
  }

  /** An integer drawn uniformly from [0, `count`). */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** One of the given values. */
  pick<T>(values: readonly T[]): T {
    return values[this.integer(values.length)] as T;
  }

  /** A number from the standard normal distribution (Box–Muller). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** The integers 0 … `count` − 1 in random order (Fisher–Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const swap = order[i]!;
      order[i] = order[j]!;
      order[j] = swap;
    }
    return order;
  }
}

/**
 * Opens the stream that belongs to a key. Equal keys give equal streams; streams of different keys
 * are independent.
 *
 * @example
 * ```ts
 * import { randomStream } from "./random.ts";
 *
 * const a = randomStream(0, "crop", 1, "horse/0001.png").uniform();
 * const b = randomStream(0, "crop", 1, "horse/0001.png").uniform();
 * console.assert(a === b);
 * ```
 */
export function randomStream(...key: readonly (string | number)[]): Random {
  const digest = createHash("sha256").update(JSON.stringify(key)).digest();
  const state = [0, 4, 8, 12].map((offset) => digest.readInt32LE(offset));
  return new Random(xoroshiro128plusFromState(state));
}
