/**
 * UFD's nearest neighbours as a configuration says them. Their code was never released, and the paper
 * leaves open what k > 1 means: both readings are here.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import type { HeadConfig } from "../detector.ts";

/**
 * What k is. `mean`: the mean of the k smallest distances in each bank, real minus generated; `vote`:
 * the share of generated images among the k nearest of both banks.
 */
export const READINGS = ["mean", "vote"] as const;

/** One of the {@linkcode READINGS}. */
export type Reading = typeof READINGS[number];

/** What a configuration's `head` says of nearest neighbours. */
export type NeighboursHead = {
  readonly reading: Reading;
  /** Neighbours that are looked at, at least 1; 1, 3, 5, 9 in the paper. */
  readonly k: number;
  /** Images in the bank, half real and half generated; `null`: all that are trained on. */
  readonly bankImages: number | null;
  /** Of the draw of the bank's images; a larger bank holds every smaller one of its seed. */
  readonly bankSeed: number;
};

/** The default: only `mean` gives a continuous score at k = 1, as the paper's AP needs. */
export const NEIGHBOURS: NeighboursHead = {
  reading: "mean",
  k: 1,
  bankImages: null,
  bankSeed: 0,
};

/**
 * A configuration's `head` as that of nearest neighbours.
 * @throws {UserError} naming the first field that is missing, unknown or out of range
 */
export function readNeighboursHead(head: HeadConfig): NeighboursHead {
  const fail = (expected: string, found: unknown) =>
    new UserError(
      "usage",
      `Cannot use a head of UFD's nearest neighbours: expected ${expected}, found ${found}`,
    );
  const fields = Object.keys(NEIGHBOURS);
  const unknown = Object.keys(head).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw fail(fields.join(", "), unknown);
  const { reading, k, bankImages, bankSeed } = head;
  const isCount = (value: unknown, least: number) =>
    Number.isSafeInteger(value) && Number(value) >= least;
  if (!(READINGS as readonly unknown[]).includes(reading)) {
    throw fail(`reading, one of ${READINGS.join(", ")}`, reading);
  }
  if (!isCount(k, 1)) throw fail("k, a whole number from 1", k);
  if (bankImages !== null && !(isCount(bankImages, 2) && Number(bankImages) % 2 === 0)) {
    throw fail("bankImages, an even number from 2 or null", bankImages);
  }
  if (!isCount(bankSeed, 0)) throw fail("bankSeed, a whole number from 0", bankSeed);
  return head as NeighboursHead;
}

/** A head in a few words: `k 3, mean, 8000 images`. */
export function describeNeighboursHead(
  { reading, k, bankImages, bankSeed }: NeighboursHead,
): string {
  const bank = bankImages === null ? "" : `, ${bankImages} images, draw ${bankSeed}`;
  return `k ${k}, ${reading}${bank}`;
}

/** Nearest neighbours by one block's CLS token instead of the image embedding. Paper: Figure 12. */
export type BlockNeighboursHead = NeighboursHead & {
  /** Transformer block, counted from 1. */
  readonly block: number;
};

/**
 * A configuration's `head` as that of nearest neighbours by one block.
 * @throws {UserError} naming the first field that is missing, unknown or out of range
 */
export function readBlockNeighboursHead({ block, ...head }: HeadConfig): BlockNeighboursHead {
  if (!(Number.isSafeInteger(block) && Number(block) >= 1)) {
    throw new UserError(
      "usage",
      `Cannot use a head of UFD's nearest neighbours: expected block, a whole number from 1, found ${block}`,
    );
  }
  return { ...readNeighboursHead(head), block: Number(block) };
}

/** A head in a few words: `block 8, k 1, mean`. */
export function describeBlockNeighboursHead({ block, ...head }: BlockNeighboursHead): string {
  return `block ${block}, ${describeNeighboursHead(head)}`;
}

/** The head of either kind of nearest neighbours. */
export function readEitherHead(head: HeadConfig): NeighboursHead & { readonly block?: number } {
  return "block" in head ? readBlockNeighboursHead(head) : readNeighboursHead(head);
}
