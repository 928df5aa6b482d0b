/**
 * Two detectors on the same images: how far apart they are, and whether that could be chance.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { quantile, rocAuc, type Scores, THRESHOLD } from "../metrics.ts";
import { randomStream } from "../random.ts";

/** What detectors are compared by. */
export const COMPARED = ["acc", "ap", "auc"] as const;

/** By {@linkcode COMPARED}. */
type Differences = readonly [acc: number, ap: number, auc: number];

/** A measure of two detectors on the same images. Fractions in [0, 1]. */
export interface Comparison {
  /** `acc`, `ap` or `auc`. */
  readonly measure: typeof COMPARED[number];
  /** Of the first. */
  readonly a: number;
  /** Of the second. */
  readonly b: number;
  /** a − b. */
  readonly difference: number;
  /** Where the 95 % percentile interval of the difference begins. */
  readonly low: number;
  /** Where it ends. */
  readonly high: number;
  /**
   * Of no difference, two-sided: twice the share of resamples on the rarer side of 0, at most 1; one
   * more is counted on either side, so that it is never 0.
   */
  readonly p: number;
}

/** How {@linkcode compareScores} draws. */
export interface ComparisonOptions {
  /** Number of resamples; default 2000. */
  readonly resamples?: number;
  /** Names the random stream; equal keys give equal intervals. */
  readonly key?: readonly (string | number)[];
}

/**
 * Compares two detectors' scores of the same images by a paired bootstrap: images are drawn with
 * replacement, and both detectors are measured on those drawn. A draw without one of the labels is
 * drawn again. Efron & Tibshirani, An Introduction to the Bootstrap, 1993, §13.3.
 * @param labels 0 real, 1 generated
 * @throws {UserError} where there is not one score of each detector a label, or images are of one kind
 * alone
 */
export function compareScores(
  labels: Uint8Array,
  a: Scores,
  b: Scores,
  { resamples = 2000, key = ["compare"] }: ComparisonOptions = {},
): Comparison[] {
  if (a.length !== b.length) {
    throw new UserError(
      "usage",
      `Cannot compare detectors: expected scores of the same images, found ${a.length} and ${b.length}`,
    );
  }
  if (!Number.isInteger(resamples) || resamples < 1) {
    throw new UserError(
      "usage",
      `Cannot compare detectors: expected resamples, a whole number from 1; found ${resamples}`,
    );
  }
  for (const scores of [a, b]) rocAuc(labels, scores); // says what is amiss
  const once = new Uint32Array(labels.length).fill(1);
  const [ofA, ofB] = [a, b].map((scores) => measuredOn(ranked(labels, scores), once));
  const found = differencesOf(labels, a, b, draws(labels, resamples, key));
  return COMPARED.map((measure, m): Comparison => {
    const differences = Float64Array.from(found, (one) => one[m]!).sort();
    const count = (fits: (value: number) => boolean) =>
      differences.reduce((sum, value) => sum + Number(fits(value)), 0);
    const rarer = Math.min(count((value) => value <= 0), count((value) => value >= 0));
    return {
      measure,
      a: ofA![m]!,
      b: ofB![m]!,
      difference: ofA![m]! - ofB![m]!,
      low: quantile(differences, .025),
      high: quantile(differences, .975),
      p: Math.min(1, 2 * (rarer + 1) / (resamples + 1)),
    };
  });
}

/** Differences a − b on each draw of images. */
export function differencesOf(
  labels: Uint8Array,
  a: Scores,
  b: Scores,
  draws: Iterable<ArrayLike<number>>,
): Differences[] {
  const [ofA, ofB] = [ranked(labels, a), ranked(labels, b)];
  const times = new Uint32Array(labels.length);
  return Array.from(draws, (draw): Differences => {
    times.fill(0);
    for (let i = 0; i < draw.length; i++) times[draw[i]!]! += 1;
    const [one, other] = [measuredOn(ofA, times), measuredOn(ofB, times)];
    return [one[0] - other[0], one[1] - other[1], one[2] - other[2]];
  });
}

/** Images by falling score: sorted once, however often they are drawn. */
interface Ranked {
  /** Their places, [count]. */
  readonly images: Uint32Array;
  readonly labels: Uint8Array;
  /** Whether the next image scores the same, [count]. */
  readonly isTied: Uint8Array;
  /** How many are called generated. */
  readonly above: number;
}

function ranked(all: Uint8Array, scores: Scores): Ranked {
  const images = Uint32Array.from(all.keys()).sort((a, b) => scores[b]! - scores[a]!);
  return {
    images,
    labels: Uint8Array.from(images, (image) => all[image]!),
    isTied: Uint8Array.from(images, (image, i) => Number(scores[images[i + 1]!] === scores[image])),
    above: images.reduce((sum, image) => sum + Number(scores[image]! > THRESHOLD), 0),
  };
}

/** ACC, AP and AUC where each image counts so many times; as on images that stand there so often. */
function measuredOn({ images, labels, isTied, above }: Ranked, times: Uint32Array): Differences {
  let real = 0, generated = 0, right = 0, precisions = 0, area = 0;
  let realBefore = 0, generatedBefore = 0;
  for (let i = 0; i < images.length; i++) {
    const count = times[images[i]!]!;
    if (labels[i] === 1) generated += count;
    else real += count;
    if (i < above === (labels[i] === 1)) right += count;
    if (isTied[i] || real + generated === 0) continue;
    precisions += (generated - generatedBefore) * generated / (real + generated);
    area += (real - realBefore) * (generated + generatedBefore) / 2;
    [realBefore, generatedBefore] = [real, generated];
  }
  return [right / (real + generated), precisions / generated, area / (real * generated)];
}

function* draws(
  labels: Uint8Array,
  resamples: number,
  key: readonly (string | number)[],
): Generator<Uint32Array> {
  const random = randomStream(...key, "paired bootstrap");
  const draw = new Uint32Array(labels.length);
  for (let done = 0; done < resamples;) {
    let generated = 0;
    for (let i = 0; i < draw.length; i++) {
      draw[i] = random.integer(draw.length);
      generated += labels[draw[i]!]!;
    }
    if (generated === 0 || generated === draw.length) continue;
    yield draw;
    done++;
  }
}
