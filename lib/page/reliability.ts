/**
 * What a score has meant: of test pictures with such a score, how many were generated.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { keptScores } from "../runs/kept_scores.ts";
import type { RunRecord } from "../runs/record.ts";
import type { Setup } from "../runs/setup.ts";

/** Test pictures whose scores lie in one range. */
export interface ScoreBin {
  /** Scores from here, */
  readonly from: number;
  /** below here; at 1, up to here. */
  readonly to: number;
  /** How many there are; one that is in several test sets counts in each. */
  readonly pictures: number;
  /** How many of them were generated. */
  readonly generated: number;
}

/** Test pictures by their scores. */
export interface Reliability {
  /** How many there are, and how many of them were generated. */
  readonly pictures: number;
  readonly generated: number;
  /** Of equal width, from 0 to 1. */
  readonly bins: readonly ScoreBin[];
}

const BINS = 10;

/** Counts scores and labels, 1 where a picture was generated. */
export function countReliability(
  scored: Iterable<{ readonly score: number; readonly label: number }>,
): Reliability {
  const pictures = new Array<number>(BINS).fill(0), generated = new Array<number>(BINS).fill(0);
  for (const { score, label } of scored) {
    const bin = binNumber(score);
    pictures[bin]!++;
    generated[bin]! += label;
  }
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
  return {
    pictures: sum(pictures),
    generated: sum(generated),
    bins: pictures.map((count, bin) => ({
      from: bin / BINS,
      to: (bin + 1) / BINS,
      pictures: count,
      generated: generated[bin]!,
    })),
  };
}

/** The range that a score lies in. */
export function binOf({ bins }: Reliability, score: number): ScoreBin {
  return bins[binNumber(score)]!;
}

function binNumber(score: number): number {
  return Math.min(Math.floor(score * BINS), BINS - 1);
}

/**
 * What the scores that a head's reproduction kept say.
 * @returns `undefined` where scores, features or labels are not on disk, or damaged
 */
export async function reliabilityOf(
  record: RunRecord,
  setup: Setup,
): Promise<Reliability | undefined> {
  const { epoch } = record.evaluations.at(-1)!;
  try {
    const scored = [];
    for (const testSet of record.config.evaluation.testSets) {
      scored.push(...await keptScores({ record, epoch }, testSet, setup));
    }
    return countReliability(scored);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
