/**
 * `lib/mini/checks.ts` that looks at no file.
 * @module
 */
export * from "../../../lib/mini/checks.ts";

/** None. */
export function resizedFiles(): Record<string, never> {
  return {};
}
