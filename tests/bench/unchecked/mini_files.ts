/**
 * `lib/mini/files.ts` that looks for no file.
 * @module
 */
export * from "../../../lib/mini/files.ts";

/** None. */
export function missingFiles(): Promise<Record<string, never>> {
  return Promise.resolve({});
}
