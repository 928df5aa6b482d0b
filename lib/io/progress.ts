/**
 * Progress of long work, told to whoever wants to show it.
 * @module
 */

/** How far a stage has come. */
export interface Progress {
  /** What is being done: `tokens`. */
  readonly stage: string;
  /** What is counted: `crops`. */
  readonly unit: string;
  /** How many are finished, from 0 to `total`. */
  readonly done: number;
  /** How many there are. */
  readonly total: number;
  /** How many of those that are finished other processes have finished since this one began. */
  readonly elsewhere?: number;
}

/** Told now and then while work goes on. */
export type OnProgress = (progress: Progress) => void;
