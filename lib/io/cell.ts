/**
 * What a notebook's cells and the library know of each other: work of a cell is stopped while the
 * process goes on, and the library shows what a cell ends with.
 * @module
 */
import { failJobs } from "./worker_pool.ts";

/**
 * What cells call in place of waiting where they can be stopped, by the name that their session has it
 * under.
 */
export const STOPPABLE = "$stoppable";

/**
 * What shows the last value of a cell that cannot show itself: a property of the global object, a
 * function of the value that says whether it has.
 */
export const SHOW_LAST: unique symbol = Symbol.for("rine.showLast");

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
