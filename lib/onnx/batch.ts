/**
 * How many images go through a network at once, where nobody says.
 * @module
 */
import type { Device } from "./session.ts";

/** From some images on the CPU gains nothing by more; what is more only takes memory. */
export const CPU_BATCH = 8;

/** What keeps a GPU busy with a vision transformer, in about a gigabyte of its memory. */
const GPU_BATCH = 64;

/** The share of free memory that images on their way to a GPU may take. */
const SHARE = 1 / 8;

/** Bytes of an image on its way: 224 pixels square, and as much again of features on the way back. */
const IMAGE_BYTES = 2 * 3 * 224 ** 2;

/** Batches that are on their way, for each thread that decodes. */
const AHEAD = 2;

/**
 * Images that go through a network at once. Outputs hang on it by their last digits, names of what is
 * kept not at all.
 * @param onCpu on the CPU: nobody has to change it for speed
 * @param freeBytes of the machine's memory, by default what is free now
 *
 * @example
 * ```ts
 * import { defaultBatch } from "./batch.ts";
 *
 * console.assert(defaultBatch("cpu") === 8);
 * console.assert(defaultBatch("cuda", 8, { freeBytes: 64e9, threads: 16 }) === 64);
 * ```
 */
export function defaultBatch(
  device: Device,
  onCpu: number = CPU_BATCH,
  { freeBytes, threads = navigator.hardwareConcurrency }: {
    readonly freeBytes?: number;
    readonly threads?: number;
  } = {},
): number {
  if (device === "cpu") return onCpu;
  const bytes = SHARE * (freeBytes ?? Deno.systemMemoryInfo().available);
  return Math.max(1, Math.min(GPU_BATCH, Math.floor(bytes / (AHEAD * threads * IMAGE_BYTES))));
}
