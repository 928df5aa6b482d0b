/**
 * When UFD's and Wang et al.'s trainings divide their rate, and when they end: by the accuracy on validation images.
 * Released: CNNDetection and UniversalFakeDetect, `train.py`, `earlystop.py`.
 * @module
 */

/** What decides. */
export type Stopping = {
  /** Epochs without a gain after which a phase ends. */
  readonly patience: number;
  /** By how much accuracy must rise to be a gain while the rate is the first. */
  readonly deltaFirst: number;
  /** By how much afterwards. */
  readonly deltaLater: number;
  /** Training ends where the rate would fall below this. */
  readonly smallestRate: number;
};

/** Where a training stands; plain data. */
export interface Phase {
  /** How often the rate has been divided by 10. */
  readonly drops: number;
  /** Best accuracy of this phase; none before its first epoch. */
  readonly best: number | null;
  /** Epochs since then. */
  readonly waited: number;
  /** Whether the last epoch was a gain, as a phase's first one always is. */
  readonly gained: boolean;
  /** Whether training has ended. */
  readonly stopped: boolean;
}

/** Before the first epoch. */
export const FIRST_PHASE: Phase = {
  drops: 0,
  best: null,
  waited: 0,
  gained: false,
  stopped: false,
};

/** A rate after so many divisions by 10, one after another: the doubles that PyTorch has. */
export function dropped(rate: number, drops: number): number {
  for (let i = 0; i < drops; i++) rate /= 10;
  return rate;
}

/**
 * Where a training stands after an epoch.
 * @param accuracy on the validation images, in [0, 1]
 * @param rate of the optimiser before any drop
 */
export function afterEpoch(
  { drops, best, waited }: Phase,
  accuracy: number,
  rate: number,
  { patience, deltaFirst, deltaLater, smallestRate }: Stopping,
): Phase {
  const delta = drops === 0 ? deltaFirst : deltaLater;
  const gained = best === null || !(accuracy < best + delta);
  if (gained) return { drops, best: accuracy, waited: 0, gained, stopped: false };
  if (waited + 1 < patience) return { drops, best, waited: waited + 1, gained, stopped: false };
  return {
    drops: drops + 1,
    best: null,
    waited: 0,
    gained,
    stopped: dropped(rate, drops + 1) < smallestRate,
  };
}
