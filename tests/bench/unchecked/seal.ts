/**
 * `lib/io/seal.ts` that holds nothing to its seal.
 * @module
 */
import type { Sealed } from "../../../lib/io/seal.ts";

export * from "../../../lib/io/seal.ts";

/** Reads JSON as it is. */
export async function readSealedJson<T>(path: string): Promise<Sealed<T> | undefined> {
  try {
    const { seal, ...value } = JSON.parse(await Deno.readTextFile(path));
    return { value: value as T, isSealed: seal !== undefined };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** As {@linkcode readSealedJson}. */
export function readOrForget<T>(path: string): Promise<Sealed<T> | undefined> {
  return readSealedJson(path);
}

/** Reads nothing. */
export function checkSafetensorsSeal(): Promise<boolean> {
  return Promise.resolve(true);
}
