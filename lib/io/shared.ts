/**
 * Things that several use at once and that the last who lets go of one frees: sessions, banks.
 * @module
 */

/** What can be shared: it holds memory or sessions until it is disposed of. */
export interface Disposes {
  dispose(): Promise<void>;
}

/** A thing in use, and what lets go of it. */
export interface Held<T> {
  readonly value: T;
  /** Lets go of it; the last who does frees it. */
  release(): Promise<void>;
}

/** Opens each thing once for all who hold it at the same time. */
export class Shared<T extends Disposes> {
  readonly #held = new Map<string, { readonly opening: Promise<T>; users: number }>();

  /**
   * The thing of a key: opened by the first who asks, and shared until all have let go of it.
   * @throws what `open` throws, to all who waited for it
   */
  async hold(key: string, open: () => Promise<T>): Promise<Held<T>> {
    let shared = this.#held.get(key);
    if (!shared) this.#held.set(key, shared = { opening: open(), users: 0 });
    const mine = shared;
    mine.users++;
    let isHeld = true;
    const release = async () => {
      if (!isHeld) return;
      isHeld = false;
      if (--mine.users > 0) return;
      if (this.#held.get(key) === mine) this.#held.delete(key);
      await (await mine.opening.catch(() => undefined))?.dispose();
    };
    try {
      return { value: await mine.opening, release };
    } catch (error) {
      await release();
      throw error;
    }
  }
}
