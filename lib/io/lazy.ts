/**
 * Values that are made when they are first asked for.
 * @module
 */

/** A value that is made once; where that failed, the next who asks has it tried again. */
export class Lazy<T> {
  readonly #make: () => Promise<T>;
  #value: Promise<T> | undefined;

  /** Makes nothing yet; `make` is called when the value is first asked for. */
  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /** The value, made now where there is none. */
  get(): Promise<T> {
    if (this.#value) return this.#value;
    const value = this.#value = this.#make();
    value.catch(() => {
      if (this.#value === value) this.#value = undefined;
    });
    return value;
  }

  /** Forgets the value and gives it, where there is one, to whoever has to free it. */
  async take(): Promise<T | undefined> {
    const value = this.#value;
    this.#value = undefined;
    return await value?.catch(() => undefined);
  }
}
