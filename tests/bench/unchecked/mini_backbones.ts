/**
 * `lib/mini/backbones.ts` that hashes no weights.
 * @module
 */
export * from "../../../lib/mini/backbones.ts";

/** Nothing. */
export function makeMiniBackbones(): Promise<string[]> {
  return Promise.resolve([]);
}
