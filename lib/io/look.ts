/**
 * Looking at many files, as fast as their disk answers.
 * @module
 */
import { mapBounded } from "./bounded.ts";

/** Files that are looked at one after the other before the time that they took is judged. */
const SLICE = 64;

/** A disk that takes longer a file, in milliseconds, is asked about many at a time. */
const PROMPT_MS = .1;

/** Files that a slow disk is asked about before it is tried again whether it still is one. */
const SLOW_SLICE = 8192;

/** For how long nothing else of this thread runs, in milliseconds: an interrupt, a line of progress. */
const BUSY_MS = 50;

/**
 * Looks at files. From memory and from a disk at home that takes some microseconds a file, of which what
 * is done side by side would take several times as many; across a network each file is waited for, so
 * many are asked about at a time.
 * @param pathOf where an item's file is
 * @param take told of each what is there, or why nothing could be seen, in any order
 */
export async function lookAtAll<T>(
  items: readonly T[],
  pathOf: (item: T) => string,
  take: (found: Deno.FileInfo | Error, index: number) => void,
): Promise<void> {
  let busySince = performance.now();
  for (let next = 0; next < items.length;) {
    const started = performance.now(), end = Math.min(items.length, next + SLICE);
    if (started - busySince > BUSY_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      busySince = performance.now();
      continue;
    }
    const isSlow = () => performance.now() - started > PROMPT_MS * SLICE;
    for (; next < end && !isSlow(); next++) take(lookNow(pathOf(items[next]!)), next);
    if (!isSlow()) continue;
    const first = next, some = items.slice(first, first + SLOW_SLICE);
    await mapBounded(
      some,
      async (item, i) => take(await Deno.stat(pathOf(item)).catch(asError), first + i),
    );
    next += some.length;
    busySince = performance.now();
  }
}

function lookNow(path: string): Deno.FileInfo | Error {
  try {
    return Deno.statSync(path);
  } catch (error) {
    return asError(error);
  }
}

function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  throw error;
}
