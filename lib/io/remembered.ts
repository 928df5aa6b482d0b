/**
 * What files held when they were read, as long as nobody writes into them.
 * @module
 */

/** Reads files once: what they held is in memory, so damage that comes to them later is not read. */
export class Remembered {
  readonly #known = new Map<string, { readonly stamp: string; readonly value: Promise<unknown> }>();

  /**
   * Reads files, or finds what was read of them.
   * @param what it is: `images`; of the same files there may be several things
   * @throws {Deno.errors.NotFound} where one of them is not there
   */
  read<T>(what: string, paths: readonly string[], read: () => Promise<T>): Promise<T> {
    const id = JSON.stringify([what, ...paths]);
    const stamp = JSON.stringify(paths.map((path) => {
      const { size, mtime, ino } = Deno.statSync(path);
      return [size, mtime?.getTime(), ino];
    }));
    const known = this.#known.get(id);
    if (known?.stamp === stamp) return known.value as Promise<T>;
    const value = read();
    this.#known.set(id, { stamp, value });
    value.catch(() => this.#known.delete(id));
    return value;
  }
}
