/**
 * So much at once and no more: who comes later waits in line, and who would wait too long is sent away.
 * @module
 */

/** What is thrown at who finds the line too long. */
export class Busy extends Error {
  override readonly name = "Busy";
}

interface Waiting {
  readonly weight: number;
  readonly enter: () => void;
}

/** A room of some capacity, and the line before it. */
export class Budget {
  readonly #capacity: number;
  readonly #longestLine: number;
  readonly #line: Waiting[] = [];
  #taken = 0;

  /**
   * @param capacity that all who are in share: bytes, or a count
   * @param longestLine how many may wait
   */
  constructor(capacity: number, longestLine: number) {
    this.#capacity = capacity;
    this.#longestLine = longestLine;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /** How much is taken. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Waits for a place, first come, first served; what is wider than the room has it alone.
   * @returns what gives it back
   * @throws {Busy} where the line is full
   * @throws the signal's reason, where it is aborted while waiting
   */
  async take(weight: number, signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    const share = Math.min(weight, this.#capacity);
    if (this.#line.length > 0 || this.#taken + share > this.#capacity) {
      if (this.#line.length >= this.#longestLine) throw new Busy("The line is full");
      await this.#wait(share, signal);
    } else this.#taken += share;
    let isBack = false;
    return {
      [Symbol.dispose]: () => {
        if (isBack) return;
        isBack = true;
        this.#taken -= share;
        this.#letIn();
      },
    };
  }

  #wait(weight: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        weight,
        enter: () => {
          signal?.removeEventListener("abort", leave);
          this.#taken += weight;
          resolve();
        },
      };
      const leave = () => {
        this.#line.splice(this.#line.indexOf(waiting), 1);
        reject(signal!.reason);
        this.#letIn();
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#line.push(waiting);
    });
  }

  #letIn(): void {
    while (this.#line[0] && this.#taken + this.#line[0].weight <= this.#capacity) {
      this.#line.shift()!.enter();
    }
  }
}
