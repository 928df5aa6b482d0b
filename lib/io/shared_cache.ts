/**
 * Bytes that all threads of the process have in common: what one has computed, the others need not.
 * Bounded, and never emptied: once it is full nothing is added.
 * @module
 */
import { createHash } from "node:crypto";

/** Bytes of all entries; the system gives memory as it is filled. */
const CAPACITY = 192 * 2 ** 20;

/** Number of entries at most, a power of two. */
const SLOTS = 2 ** 15;

/** How many slots are looked at for an entry. */
const MOST_PROBES = 16;

/** States of a slot, beside 0: nothing in it yet. One that found no room stays `WRITING`. */
const WRITING = 1, WHOLE = 2;

/** 32-bit words of a slot: state, four of the key's hash, place in units of 8 bytes, length in bytes. */
const WORDS = 8, HASH = 1, PLACE = 5, LENGTH = 6;

/** The table of slots, and behind it how many units are taken. */
const TAKEN = WORDS * SLOTS, HEADER_BYTES = 4 * TAKEN + 8;

/** Entries by their keys, in memory that threads share. Nobody waits for anybody. */
export class SharedCache {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  /** @param memory another thread's; or how many bytes the entries of a new one may have */
  constructor(memory: SharedArrayBuffer | number = CAPACITY) {
    this.memory = typeof memory === "number"
      ? new SharedArrayBuffer(HEADER_BYTES + (memory & ~7))
      : memory;
    this.#words = new Int32Array(this.memory, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(this.memory, HEADER_BYTES);
  }

  /** A copy of what is kept under a key; `undefined` where nothing is. */
  get(key: string): Uint8Array<ArrayBuffer> | undefined {
    const words = this.#words, hash = hashOf(key);
    for (const slot of slotsOf(hash)) {
      const state = Atomics.load(words, slot);
      if (state === 0) return undefined;
      if (state !== WHOLE || !hash.every((word, i) => words[slot + HASH + i] === word)) continue;
      const from = 8 * words[slot + PLACE]!;
      return new Uint8Array(this.#bytes.subarray(from, from + words[slot + LENGTH]!));
    }
    return undefined;
  }

  /** Keeps bytes under a key, where there is room. What a key stands for never changes. */
  put(key: string, bytes: Uint8Array): void {
    const words = this.#words, hash = hashOf(key), units = Math.ceil(bytes.length / 8);
    const hasRoom = (taken: number) => 8 * (taken + units) <= this.#bytes.length;
    if (!hasRoom(Atomics.load(words, TAKEN))) return;
    for (const slot of slotsOf(hash)) {
      if (Atomics.compareExchange(words, slot, 0, WRITING) !== 0) continue;
      const place = Atomics.add(words, TAKEN, units);
      if (!hasRoom(place)) return;
      words.set([...hash, place, bytes.length], slot + HASH);
      this.#bytes.set(bytes, 8 * place);
      Atomics.store(words, slot, WHOLE);
      return;
    }
  }
}

function hashOf(key: string): Int32Array {
  const { buffer, byteOffset } = createHash("sha256").update(key).digest();
  return new Int32Array(buffer.slice(byteOffset, byteOffset + 16));
}

function* slotsOf(hash: Int32Array): Generator<number> {
  for (let probe = 0; probe < MOST_PROBES; probe++) {
    yield WORDS * ((hash[0]! + probe) & (SLOTS - 1));
  }
}

let shared: SharedCache | undefined;

/** The cache of this process. */
export function sharedCache(): SharedCache {
  return shared ??= new SharedCache();
}

/** Makes another thread's cache this one's. */
export function adoptCache(memory: SharedArrayBuffer): void {
  shared = new SharedCache(memory);
}
