/**
 * Where to put the threshold: ROC curves, and thresholds for a rate of false alarms.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { rocAuc, type Scores } from "../metrics.ts";

/** What comes of calling every image of at least some score generated. */
export interface RocPoint {
  /** The score; Infinity at the point where no image is called so. */
  readonly threshold: number;
  /** Share of the real images that is called generated. */
  readonly falseAlarms: number;
  /** Share of the generated images that is found. */
  readonly recall: number;
}

/**
 * The ROC curve: a point for each distinct score, from none called generated to all, as scikit-learn's
 * `roc_curve(drop_intermediate=False)` has it.
 * @param labels 0 real, 1 generated
 * @throws {UserError} where there is not one score a label, or images are of one kind alone
 */
export function rocCurve(labels: Uint8Array, scores: Scores): RocPoint[] {
  rocAuc(labels, scores); // says what is amiss
  const order = Uint32Array.from(labels.keys()).sort((a, b) => scores[b]! - scores[a]!);
  const generated = labels.reduce((sum, label) => sum + label, 0);
  const curve: RocPoint[] = [{ threshold: Infinity, falseAlarms: 0, recall: 0 }];
  let found = 0;
  order.forEach((image, i) => {
    found += labels[image]!;
    const threshold = scores[image]!;
    if (i + 1 < order.length && scores[order[i + 1]!] === threshold) return;
    const falseAlarms = (i + 1 - found) / (labels.length - generated);
    curve.push({ threshold, falseAlarms, recall: found / generated });
  });
  return curve;
}

/** A score of an image whose label is known. */
export interface LabelledScore {
  /** 0 real, 1 generated. */
  readonly label: number;
  /** Probability in [0, 1] that it is generated. */
  readonly score: number;
}

/** A threshold, and what it comes to on the images that it was chosen on. */
export interface ChosenThreshold {
  /** Images above it are called generated. */
  readonly threshold: number;
  /** Share of the real images above it. */
  readonly falseAlarms: number;
  /** Share of the generated images above it; NaN where there are none. */
  readonly recall: number;
}

/**
 * The lowest threshold above which there are no more false alarms than wanted. Choose it on images that
 * are not those it is then judged by: validation images.
 * @param falseAlarms wanted share of real images above it, in [0, 1]: `.01`
 * @throws {UserError} where there is no real image, or the rate is not in [0, 1]
 *
 * @example
 * ```ts
 * import { thresholdFor } from "./curves.ts";
 *
 * const scores = [.1, .2, .3, .9].map((score) => ({ score, label: 0 }));
 * console.assert(thresholdFor(scores, .25).threshold === .3);
 * ```
 */
export function thresholdFor(
  scores: readonly LabelledScore[],
  falseAlarms: number,
): ChosenThreshold {
  assertScores(scores, "choose a threshold");
  if (!(falseAlarms >= 0 && falseAlarms <= 1)) {
    throw cannot("choose a threshold", `a rate of false alarms in [0, 1], found ${falseAlarms}`);
  }
  const of = (wanted: number) =>
    Float64Array.from(scores.filter(({ label }) => label === wanted), ({ score }) => score);
  const real = of(0).sort().reverse(), generated = of(1);
  if (real.length === 0) throw cannot("choose a threshold", "real images, found none");
  // .29 · 100 is a little less than 29
  const allowed = Math.floor(falseAlarms * real.length + 1e-9);
  const threshold = real[allowed] ?? 0;
  const above = (values: Float64Array) =>
    values.reduce((sum, score) => sum + Number(score > threshold), 0) / values.length;
  return { threshold, falseAlarms: above(real), recall: above(generated) };
}

/**
 * Cells are not checked for types before they run.
 * @param what is asked of scores, in words
 * @throws {UserError} where they are none, or are something else
 */
export function assertScores(
  scores: unknown,
  what: string,
): asserts scores is readonly LabelledScore[] {
  if (!Array.isArray(scores)) {
    const found = scores instanceof Promise ? "a promise; write await before it" : `${scores}`;
    throw cannot(what, `scores as session.scores gives them, found ${found}`);
  }
  if (scores.length === 0) throw cannot(what, "scores, found none");
  const wrong = scores.find((one) =>
    !(one?.label === 0 || one?.label === 1) || !(one.score >= 0 && one.score <= 1)
  );
  if (wrong === undefined) return;
  throw cannot(
    what,
    "a label, 0 real or 1 generated, and a score in [0, 1] of each image, found label " +
      `${wrong?.label} and score ${wrong?.score}`,
  );
}

/** Labels and scores side by side. */
export function columnsOf(
  scores: readonly LabelledScore[],
): { readonly labels: Uint8Array; readonly scores: Float64Array } {
  return {
    labels: Uint8Array.from(scores, ({ label }) => label),
    scores: Float64Array.from(scores, ({ score }) => score),
  };
}

function cannot(what: string, wanted: string): UserError {
  return new UserError("usage", `Cannot ${what}: expected ${wanted}`);
}
