/**
 * Measures of a detector's scores on one set of images.
 *
 * Labels are 0 for real and 1 for generated; scores are probabilities in [0, 1] that an image is
 * generated; every measure is a fraction in [0, 1].
 * @module
 */
import { UserError } from "./io/errors.ts";
import { randomStream } from "./random.ts";

/** Scores as they come from an engine, or as numbers. */
export type Scores = Float32Array | Float64Array | readonly number[];

/** Results on one set. Fractions in [0, 1]. */
export interface SetScores {
  /** Accuracy at threshold .5; of images of one kind, the share of them that is judged right. */
  readonly acc: number;
  /** Average precision, scikit-learn's; absent where all images are real or all are generated. */
  readonly ap?: number | undefined;
  /** Further measures by name: `auc`, `accReal`, … */
  readonly [measure: string]: number | undefined;
}

/** How {@linkcode evaluateScores} looks for intervals. */
export interface BootstrapOptions {
  /** Number of resamples; each costs one pass over the images. */
  readonly resamples: number;
  /** Names the random stream; equal keys give equal intervals. */
  readonly key: readonly (string | number)[];
}

/** A decision is "generated" above this score. Paper: §4. Released: `src/utils.py`. */
export const THRESHOLD = 0.5;

/** Probability of a logit. Released: src/utils.py, `evaluation`. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** Bins of equal width that the expected calibration error is taken over. */
const CALIBRATION_BINS = 15;

/**
 * Measures scores on one set of images: `acc` (accuracy at threshold .5), `ap`, `auc`,
 * `balancedAcc`, `accReal`, `accGenerated`, `tprAt1Fpr` and `tprAt5Fpr` (share of generated images
 * found when at most 1 % or 5 % of the real ones are called generated), `ece` (expected calibration
 * error over 15 bins of equal width, of the probability of being generated). With `bootstrap` also
 * the 95 % percentile interval over images of ACC and AP: `accLow`, `accHigh`, `apLow`, `apHigh`.
 *
 * Where all images are real or all are generated, there is nothing to tell apart: then there are `acc`
 * with its interval and `accReal` or `accGenerated`, which equals it, and no other measure.
 *
 * @throws {UserError} where there is not one score a label, none at all, or one is no probability
 *
 * @example
 * ```ts
 * import { evaluateScores } from "./metrics.ts";
 *
 * const { acc, ap } = evaluateScores(Uint8Array.of(0, 1, 0, 1), [0.1, 0.9, 0.6, 0.8]);
 * console.assert(acc === 0.75 && ap === 1);
 * ```
 */
export function evaluateScores(
  labels: Uint8Array,
  scores: Scores,
  bootstrap?: BootstrapOptions,
): SetScores {
  const ranking = rank(labels, scores);
  const { accReal, accGenerated, acc } = accuracies(labels, scores);
  const isOneKind = labels.every((label) => label === labels[0]);
  const further = bootstrap === undefined ? {} : intervals(ranking, bootstrap, isOneKind);
  if (isOneKind) return { acc, ...(labels[0] === 0 ? { accReal } : { accGenerated }), ...further };
  return {
    acc,
    ap: rankedAveragePrecision(ranking),
    auc: rankedAuc(ranking),
    balancedAcc: (accReal + accGenerated) / 2,
    accReal,
    accGenerated,
    tprAt1Fpr: rankedTpr(ranking, 0.01),
    tprAt5Fpr: rankedTpr(ranking, 0.05),
    ece: calibrationError(labels, scores),
    ...further,
  };
}

/**
 * Average precision, Σ (Rₙ − Rₙ₋₁) Pₙ over distinct scores, as scikit-learn's
 * `average_precision_score` computes it: images of equal score enter together.
 * @throws as {@linkcode evaluateScores}, and where all images are real or all are generated
 */
export function averagePrecision(labels: Uint8Array, scores: Scores): number {
  return rankedAveragePrecision(rankBoth(labels, scores));
}

/**
 * Area under the ROC curve: the probability that a generated image scores above a real one, ties
 * counting half.
 * @throws as {@linkcode averagePrecision}
 */
export function rocAuc(labels: Uint8Array, scores: Scores): number {
  return rankedAuc(rankBoth(labels, scores));
}

/** Precision and recall where all images of at least some score are called generated. */
export interface PrecisionRecall {
  readonly threshold: number;
  readonly precision: number;
  readonly recall: number;
}

/**
 * Precision and recall at every distinct score, from the highest down, as scikit-learn's
 * `precision_recall_curve` has them, without its last point of recall 0.
 * @throws as {@linkcode averagePrecision}
 */
export function precisionRecall(labels: Uint8Array, scores: Scores): PrecisionRecall[] {
  const ranking = rankBoth(labels, scores);
  const all = labels.reduce((sum, label) => sum + label, 0);
  const curve: PrecisionRecall[] = [];
  walk(ranking, (real, generated) => {
    const end = ranking.groupEnds[curve.length]!;
    curve.push({
      threshold: ranking.scores[end - 1]!,
      precision: generated / (generated + real),
      recall: generated / all,
    });
  });
  return curve;
}

/** What the best threshold for a set would have come to. */
export interface OracleScores {
  /** The threshold; of equally good ones that of the last image. */
  readonly threshold: number;
  /** Accuracy above it; at it an image counts as real, as everywhere. */
  readonly acc: number;
  /** Of real images. */
  readonly accReal: number;
  /** Of generated images. */
  readonly accGenerated: number;
  /** Accuracy at or above it, by which it was chosen. */
  readonly accAtOrAbove: number;
}

/**
 * Measures with the threshold that suits the set best, which nobody knows beforehand: each image's score
 * is tried, and where the labels do not overlap, the middle between them is taken. Paper: Ojha, Li & Lee,
 * CVPR 2023, §5.3. Released: UniversalFakeDetect, `validate.py`, `find_best_threshold`, `calculate_acc`.
 * @throws as {@linkcode averagePrecision}
 */
export function oracleScores(labels: Uint8Array, scores: Scores): OracleScores {
  const ranking = rankBoth(labels, scores);
  const threshold = oracleThreshold(labels, scores, ranking);
  let right = 0;
  labels.forEach((label, i) => right += Number(scores[i]! >= threshold === (label === 1)));
  return {
    threshold,
    ...accuracies(labels, scores, threshold),
    accAtOrAbove: right / labels.length,
  };
}

function oracleThreshold(labels: Uint8Array, scores: Scores, ranking: Ranking): number {
  let highestReal = -Infinity, lowestGenerated = Infinity, reals = 0;
  labels.forEach((label, i) => {
    if (label === 1) lowestGenerated = Math.min(lowestGenerated, scores[i]!);
    else {
      highestReal = Math.max(highestReal, scores[i]!);
      reals++;
    }
  });
  if (highestReal <= lowestGenerated) return (highestReal + lowestGenerated) / 2;
  // how many are right where all of a group and above are called generated
  const right = new Map<number, number>();
  let group = 0;
  walk(ranking, (real, generated) => {
    const end = ranking.groupEnds[group++]!;
    right.set(ranking.scores[end - 1]!, generated + reals - real);
  });
  const best = Math.max(...right.values());
  let threshold = 0;
  labels.forEach((_, i) => {
    if (right.get(scores[i]!) === best) threshold = scores[i]!;
  });
  return threshold;
}

/** Images by falling score; images of one score form a group. */
interface Ranking {
  /** [count] */
  readonly labels: Uint8Array;
  /** [count], by falling score. */
  readonly scores: Float64Array;
  /** Where each group of equal scores ends, exclusive. */
  readonly groupEnds: readonly number[];
  /** How often each image counts, [count]. */
  readonly weights: Uint32Array;
}

const cannotMeasure = (what: string) => new UserError("usage", `Cannot measure scores: ${what}`);

/** As {@linkcode rank}, of images of both kinds. */
function rankBoth(labels: Uint8Array, scores: Scores): Ranking {
  const ranking = rank(labels, scores);
  const generated = labels.reduce((sum, label) => sum + label, 0);
  if (generated > 0 && generated < labels.length) return ranking;
  throw cannotMeasure(
    `expected real and generated images, found ${
      labels.length - generated
    } real and ${generated} generated`,
  );
}

function rank(labels: Uint8Array, scores: Scores): Ranking {
  const count = labels.length;
  if (scores.length !== count) {
    throw cannotMeasure(`expected one for each of ${count} labels, found ${scores.length}`);
  }
  if (count === 0) throw cannotMeasure("expected some, found none");
  for (let i = 0; i < count; i++) {
    const label = labels[i]!, score = scores[i]!;
    const isLabel = label === 0 || label === 1, isScore = score >= 0 && score <= 1;
    const wanted = isLabel ? "probabilities in [0, 1]" : "labels 0 and 1 first";
    if (isLabel && isScore) continue;
    throw cannotMeasure(`expected ${wanted}, found ${isLabel ? score : label} at ${i}`);
  }
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  order.sort((a, b) => scores[b]! - scores[a]!);
  const sorted = Float64Array.from(order, (i) => scores[i]!);
  const groupEnds: number[] = [];
  for (let i = 1; i <= count; i++) {
    if (i === count || sorted[i] !== sorted[i - 1]) groupEnds.push(i);
  }
  return {
    labels: Uint8Array.from(order, (i) => labels[i]!),
    scores: sorted,
    groupEnds,
    weights: new Uint32Array(count).fill(1),
  };
}

/** Calls `visit` with the real and generated images so far, at the end of each group. */
function walk(
  { labels, groupEnds, weights }: Ranking,
  visit: (real: number, generated: number) => void,
): void {
  let i = 0, real = 0, generated = 0;
  for (const end of groupEnds) {
    for (; i < end; i++) {
      if (labels[i] === 1) generated += weights[i]!;
      else real += weights[i]!;
    }
    visit(real, generated);
  }
}

function rankedAveragePrecision(ranking: Ranking): number {
  let area = 0, before = 0, total = 0;
  walk(ranking, (real, generated) => {
    // A resample may leave a group empty.
    if (real + generated > 0) area += (generated - before) * (generated / (real + generated));
    total = before = generated;
  });
  return area / total;
}

function rankedAuc(ranking: Ranking): number {
  let area = 0, realBefore = 0, generatedBefore = 0;
  walk(ranking, (real, generated) => {
    area += (real - realBefore) * (generated + generatedBefore) / 2;
    [realBefore, generatedBefore] = [real, generated];
  });
  return area / (realBefore * generatedBefore);
}

function rankedTpr(ranking: Ranking, falsePositiveRate: number): number {
  let reals = 0, found = 0, total = 0;
  for (const label of ranking.labels) reals += label === 0 ? 1 : 0;
  walk(ranking, (real, generated) => {
    if (real <= falsePositiveRate * reals) found = generated;
    total = generated;
  });
  return found / total;
}

function accuracies(labels: Uint8Array, scores: Scores, threshold = THRESHOLD) {
  const right = [0, 0], count = [0, 0];
  labels.forEach((label, i) => {
    count[label]! += 1;
    if (scores[i]! > threshold === (label === 1)) right[label]! += 1;
  });
  return {
    accReal: right[0]! / count[0]!,
    accGenerated: right[1]! / count[1]!,
    acc: (right[0]! + right[1]!) / labels.length,
  };
}

function calibrationError(labels: Uint8Array, scores: Scores): number {
  const gap = new Float64Array(CALIBRATION_BINS); // Σ score − Σ label
  labels.forEach((label, i) => {
    const score = scores[i]!;
    gap[Math.min(CALIBRATION_BINS - 1, Math.floor(score * CALIBRATION_BINS))]! += score - label;
  });
  return gap.reduce((sum, value) => sum + Math.abs(value), 0) / labels.length;
}

function intervals(
  ranking: Ranking,
  { resamples, key }: BootstrapOptions,
  isOneKind: boolean,
) {
  const random = randomStream(...key, "bootstrap");
  const { labels, scores } = ranking;
  const count = labels.length;
  const acc = new Float64Array(resamples), ap = new Float64Array(resamples);
  for (let b = 0; b < resamples; b++) {
    const weights = new Uint32Array(count);
    let right = 0, generated = 0;
    // A resample without one of the labels has no AP: draw again.
    do {
      weights.fill(0);
      right = generated = 0;
      for (let i = 0; i < count; i++) {
        const drawn = random.integer(count);
        weights[drawn]! += 1;
        if (scores[drawn]! > THRESHOLD === (labels[drawn] === 1)) right++;
        generated += labels[drawn]!;
      }
    } while (!isOneKind && (generated === 0 || generated === count));
    acc[b] = right / count;
    ap[b] = isOneKind ? NaN : rankedAveragePrecision({ ...ranking, weights });
  }
  acc.sort();
  ap.sort();
  return {
    accLow: quantile(acc, 0.025),
    accHigh: quantile(acc, 0.975),
    ...(isOneKind ? {} : { apLow: quantile(ap, 0.025), apHigh: quantile(ap, 0.975) }),
  };
}

/** Quantile of sorted values, linear between neighbours. */
export function quantile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
