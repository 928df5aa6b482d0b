/**
 * Small images that were decoded, kept for all threads of the process: they are read many times, and
 * opening a decoder takes longer than their pixels.
 * @module
 */
import { resolve } from "node:path";
import { sharedCache } from "../io/shared_cache.ts";

/** Pixels, uint8 [height, width, 3]. */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Largest image that is kept, in pixels; of larger ones the decoder's start is a small part. */
const MOST_PIXELS = 2 ** 15;

/** Files that were written this shortly before may be written again without a trace in their times. */
const SETTLED_MS = 2000;

/**
 * What names a file's content as long as nobody writes into it.
 * @returns `undefined` where that cannot be told yet
 */
export function stampOf(
  path: string,
  { size, ino, mtime, ctime }: Deno.FileInfo,
): string | undefined {
  const changed = Math.max(mtime?.getTime() ?? Infinity, ctime?.getTime() ?? 0);
  if (!(Date.now() - changed > SETTLED_MS)) return undefined;
  return JSON.stringify(["pixels", resolve(path), size, ino, mtime, ctime]);
}

/** Width and height, before the pixels. */
const SIZES_BYTES = 8;

/** The image that a stamp names; `undefined` where it is not kept. */
export function keptImage(stamp: string): Pixels | undefined {
  const bytes = sharedCache().get(stamp);
  if (!bytes) return undefined;
  const [width, height] = new Uint32Array(bytes.buffer, 0, 2) as unknown as [number, number];
  return { width, height, data: bytes.subarray(SIZES_BYTES) };
}

/** Keeps an image, where it is small. */
export function keepImage(stamp: string, { width, height, data }: Pixels): void {
  if (width * height > MOST_PIXELS) return;
  const bytes = new Uint8Array(SIZES_BYTES + data.length);
  new Uint32Array(bytes.buffer, 0, 2).set([width, height]);
  bytes.set(data, SIZES_BYTES);
  sharedCache().put(stamp, bytes);
}
