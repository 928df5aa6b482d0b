/**
 * Scores as probabilities: calibration by a temperature and by Platt's sigmoid, fitted on validation
 * images, and how reliable scores are.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { sigmoid } from "../metrics.ts";
import { assertScores, type LabelledScore } from "./curves.ts";

/** Scores as they are, divided by a temperature, or through Platt's sigmoid. */
export const CALIBRATIONS = ["as it is", "temperature", "Platt"] as const;

/** A way of calibrating. */
export type CalibrationMethod = typeof CALIBRATIONS[number];

/** What was fitted on validation images. */
export interface Calibration {
  /**
   * What logits are divided by: above 1 where the detector is too sure. Guo et al., On Calibration of
   * Modern Neural Networks, ICML 2017.
   */
  readonly temperature: number;
  /** A score is the sigmoid of slope · logit + offset. Platt, 1999. */
  readonly platt: { readonly slope: number; readonly offset: number };
}

/** Scores are kept as float32, where those of large logits are 0 or 1: these stand for them. */
const SMALLEST = 2 ** -25;

/** Temperatures lie between this and its inverse: of images told apart without a mistake none is best. */
const LOWEST_LOG_TEMPERATURE = -5;

const STEPS = 200, CLOSE = 1e-12;

function logitOf(score: number): number {
  const held = Math.min(1 - SMALLEST, Math.max(SMALLEST, score));
  return Math.log(held) - Math.log1p(-held);
}

/**
 * Fits a temperature, by the cross-entropy, and Platt's sigmoid, by the cross-entropy to his targets,
 * which are a little inside of 0 and 1, as scikit-learn's CalibratedClassifierCV does.
 * @param validation scores of images that the head has not learned from and is not judged by
 * @throws {UserError} where images are of one kind alone
 */
export function calibrate(validation: readonly LabelledScore[]): Calibration {
  assertScores(validation, "calibrate");
  const logits = Float64Array.from(validation, ({ score }) => logitOf(score));
  const labels = Uint8Array.from(validation, ({ label }) => label);
  const generated = labels.reduce((sum, label) => sum + label, 0), real = labels.length - generated;
  if (generated === 0 || real === 0) {
    throw new UserError(
      "usage",
      `Cannot calibrate: expected real and generated images, found ${real} real and ${generated} ` +
        "generated",
    );
  }
  return { temperature: fitTemperature(logits, labels), platt: fitPlatt(logits, labels) };
}

/** Cross-entropy is convex in 1/T: bisection of its derivative, which has the sign of Σ (p − y) · logit. */
function fitTemperature(logits: Float64Array, labels: Uint8Array): number {
  const slopeAt = (logTemperature: number) => {
    const inverse = Math.exp(-logTemperature);
    return logits.reduce((sum, x, i) => sum + (sigmoid(x * inverse) - labels[i]!) * x, 0);
  };
  let low = LOWEST_LOG_TEMPERATURE, high = -LOWEST_LOG_TEMPERATURE;
  for (let step = 0; step < STEPS && high - low > CLOSE; step++) {
    const middle = (low + high) / 2;
    if (slopeAt(middle) > 0) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** Newton's method with halved steps; Lin, Lin & Weng, A note on Platt's probabilistic outputs, 2007. */
function fitPlatt(logits: Float64Array, labels: Uint8Array): Calibration["platt"] {
  const generated = labels.reduce((sum, label) => sum + label, 0);
  const targets = [1 / (labels.length - generated + 2), (generated + 1) / (generated + 2)];
  const loss = (slope: number, offset: number) =>
    logits.reduce((sum, x, i) => {
      const z = slope * x + offset, target = targets[labels[i]!]!;
      return sum + Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - target * z;
    }, 0);
  let slope = 0, offset = Math.log((generated + 1) / (labels.length - generated + 1));
  for (let step = 0; step < STEPS; step++) {
    let gs = 0, go = 0, hss = CLOSE, hso = 0, hoo = CLOSE;
    logits.forEach((x, i) => {
      const p = sigmoid(slope * x + offset), miss = p - targets[labels[i]!]!, spread = p * (1 - p);
      [gs, go] = [gs + miss * x, go + miss];
      [hss, hso, hoo] = [hss + spread * x * x, hso + spread * x, hoo + spread];
    });
    if (Math.abs(gs) < CLOSE && Math.abs(go) < CLOSE) break;
    const determinant = hss * hoo - hso * hso;
    const ds = (hoo * gs - hso * go) / determinant, doff = (hss * go - hso * gs) / determinant;
    const before = loss(slope, offset);
    let size = 1;
    while (size > CLOSE && loss(slope - size * ds, offset - size * doff) > before) size /= 2;
    if (size <= CLOSE) break;
    [slope, offset] = [slope - size * ds, offset - size * doff];
  }
  return { slope, offset };
}

/** A score after calibration, in [0, 1]. */
export function calibrated(
  score: number,
  { temperature, platt }: Calibration,
  method: CalibrationMethod,
): number {
  if (method === "as it is") return score;
  const logit = logitOf(score);
  return sigmoid(
    method === "temperature" ? logit / temperature : platt.slope * logit + platt.offset,
  );
}

/** The images whose scores lie in one bin. */
export interface ReliabilityBin {
  /** Mean of their scores. */
  readonly score: number;
  /** Share of them that is generated. */
  readonly generated: number;
  /** How many they are. */
  readonly count: number;
}

/** Scores by bins of equal width, those without images left out. */
export function reliability(
  scores: readonly LabelledScore[],
  bins: number,
): readonly ReliabilityBin[] {
  const found = Array.from({ length: bins }, () => ({ score: 0, generated: 0, count: 0 }));
  for (const { score, label } of scores) {
    const bin = found[Math.min(bins - 1, Math.floor(score * bins))]!;
    bin.score += score;
    bin.generated += label;
    bin.count++;
  }
  return found.filter(({ count }) => count > 0).map(({ score, generated, count }) => ({
    score: score / count,
    generated: generated / count,
    count,
  }));
}
