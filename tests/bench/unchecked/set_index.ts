/**
 * `lib/tokens/set_index.ts` that holds no index to its seal.
 * @module
 */
import { type FeatureIndex, readSmallFile } from "../../../lib/tokens/set_index.ts";

export * from "../../../lib/tokens/set_index.ts";

/** Reads an index as it is. */
export async function readIndex(path: string): Promise<FeatureIndex | undefined> {
  const text = await readSmallFile(path);
  return text ? JSON.parse(text) : undefined;
}
