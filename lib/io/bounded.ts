/**
 * Work on many things, some of them at a time.
 * @module
 */

/**
 * Files that are looked at side by side: enough to keep a disk busy, at home or across a network.
 * More would be slower: what Deno has under way costs time with the square of its number.
 */
const AT_ONCE = 32;

/**
 * Does something for each of many items, a bounded number at a time.
 * @returns what it gives, in the order of the items
 * @throws what the first one that fails throws; those after it are not begun
 */
export async function mapBounded<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
  atOnce = AT_ONCE,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results;
}
