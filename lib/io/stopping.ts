/**
 * Work that a reader stops while the process goes on: a cell's.
 * @module
 */
import { failJobs } from "./worker_pool.ts";

/**
 * What cells call in place of waiting where they can be stopped, by the name that their session has it
 * under.
 */
export const STOPPABLE = "$stoppable";

/** Why work that was stopped has no result. */
export class Stopped extends Error {
  override readonly name = "Stopped";

  /** Says so. */
  constructor() {
    super("The cell was stopped");
  }
}

let stops = 0;

/**
 * Fails what is being done for a reader: jobs of worker threads at once, the rest where it next tells
 * of its progress.
 * @returns how many jobs were under way
 */
export function stopWork(): number {
  stops++;
  return failJobs(new Stopped());
}

/** A check for work that begins now: it throws {@linkcode Stopped} once work has been stopped. */
export function stopCheck(): () => void {
  const before = stops;
  return () => {
    if (stops !== before) throw new Stopped();
  };
}
