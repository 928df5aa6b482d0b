/**
 * `lib/runs/damage.ts` that looks at no head.
 * @module
 */
export * from "../../../lib/runs/damage.ts";

/** Looks for none. */
export class RunFiles {
  /** They are there. */
  areThere(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

/** None. */
export function headProblem(): Promise<undefined> {
  return Promise.resolve(undefined);
}
