/**
 * `lib/runs/kept_scores.ts` that takes scores for there and whole.
 * @module
 */
export * from "../../../lib/runs/kept_scores.ts";

/** They are. */
export function hasScores(): Promise<boolean> {
  return Promise.resolve(true);
}
