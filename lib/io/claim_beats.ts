/**
 * Lets the numbers of a process's claims rise, from a thread of its own: native code may keep the others
 * for many seconds.
 * @module
 */

/** Lets the numbers of claims rise. */
export interface Beats {
  /**
   * Begins with a claim's file.
   * @param onLost told, at most once, that another's claim is there instead
   * @returns ends it
   */
  start(path: string, token: string, onLost: () => void): () => void;
}

/** Digits of a claim's number. */
export const BEAT_DIGITS = 12;

/** Where in a claim's file the number begins. */
export const BEAT_OFFSET: number = '{"beat":"'.length;

/** How often a claim's number rises. */
export const BEAT_MS = 5000;

/** What the thread is told. */
export type BeatOrder =
  | { readonly everyMs: number }
  | { readonly id: number; readonly path: string; readonly token: string }
  | { readonly end: number };

/** Work that is done sooner than this needs no thread. */
const SHORT_MS = 1000;

/** A thread that is there as long as there are claims which last. */
export class BeatThread implements Beats {
  readonly #onLost = new Map<number, () => void>();
  #worker: Worker | undefined;
  #nextId = 0;

  /** @param everyMs how often numbers rise */
  constructor(readonly everyMs: number = BEAT_MS) {}

  start(path: string, token: string, onLost: () => void): () => void {
    const id = this.#nextId++;
    const timer = setTimeout(() => {
      this.#onLost.set(id, onLost);
      this.#worker ??= this.#open();
      this.#order({ id, path, token });
    }, Math.min(SHORT_MS, this.everyMs));
    Deno.unrefTimer(timer);
    return () => {
      clearTimeout(timer);
      if (!this.#onLost.delete(id)) return;
      this.#order({ end: id });
      if (this.#onLost.size > 0) return;
      this.#worker!.terminate();
      this.#worker = undefined;
    };
  }

  #open(): Worker {
    const worker = new Worker(new URL("./claim_beat_worker.ts", import.meta.url), {
      type: "module",
    });
    worker.onmessage = ({ data }: MessageEvent<number>) => this.#onLost.get(data)?.();
    worker.postMessage({ everyMs: this.everyMs } satisfies BeatOrder);
    return worker;
  }

  #order(order: BeatOrder): void {
    this.#worker!.postMessage(order);
  }
}
