import assert from "node:assert/strict";
import { join } from "node:path";
import { calibrate, calibrated, reliability } from "../lib/metrics/calibration.ts";
import { compareScores, differencesOf } from "../lib/metrics/compare.ts";
import { rocCurve, thresholdFor } from "../lib/metrics/curves.ts";
import { evaluateScores, quantile } from "../lib/metrics.ts";
import { randomStream } from "../lib/random.ts";

/** Made by `golden/scores.py` with scikit-learn, SciPy and NumPy. */
interface Golden {
  readonly labels: number[];
  readonly a: number[];
  readonly b: number[];
  readonly roc: { falseAlarms: number[]; recall: number[]; thresholds: number[] };
  readonly thresholds: { rate: number; falseAlarms: number; recall: number }[];
  readonly temperature: number;
  readonly temperatureLoss: number;
  readonly platt: { slope: number; offset: number };
  readonly draws: number[][];
  readonly differences: number[][];
  readonly percentiles: number[][];
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(join(import.meta.dirname!, "golden", "scores.json")),
);
const LABELS = Uint8Array.from(golden.labels);
const SCORED = golden.a.map((score, i) => ({ score, label: golden.labels[i]! }));

function close(found: number, wanted: number, within: number, what: string) {
  assert.ok(Math.abs(found - wanted) <= within, `${what}: ${found} is not ${wanted}`);
}

Deno.test("rocCurve() equals scikit-learn's, ties included", () => {
  const [first, ...curve] = rocCurve(LABELS, golden.a);
  assert.deepEqual(first, { threshold: Infinity, falseAlarms: 0, recall: 0 });
  const { falseAlarms, recall, thresholds } = golden.roc;
  assert.ok(curve.length < golden.a.length, "no ties");
  assert.deepEqual(curve.map(({ threshold }) => threshold), thresholds);
  curve.forEach((point, i) => {
    close(point.falseAlarms, falseAlarms[i + 1]!, 1e-12, `false alarms at ${i}`);
    close(point.recall, recall[i + 1]!, 1e-12, `recall at ${i}`);
  });
});

Deno.test("thresholdFor() finds what trying every score finds", () => {
  for (const { rate, falseAlarms, recall } of golden.thresholds) {
    const found = thresholdFor(SCORED, rate);
    close(found.falseAlarms, falseAlarms, 1e-12, `false alarms for ${rate}`);
    close(found.recall, recall, 1e-12, `recall for ${rate}`);
  }
  const hundred = Array.from({ length: 100 }, (_, i) => ({ score: i / 100, label: 0 }));
  assert.equal(thresholdFor(hundred, .29).falseAlarms, .29, "29 of 100, in spite of rounding");
});

Deno.test("calibrate() equals SciPy's temperature and scikit-learn's sigmoid", () => {
  const found = calibrate(SCORED);
  close(found.temperature, golden.temperature, 1e-5, "temperature");
  // scikit-learn stops at a gradient of 1e-6
  close(found.platt.slope, golden.platt.slope, 1e-5, "slope");
  close(found.platt.offset, golden.platt.offset, 1e-5, "offset");
  const loss = SCORED.reduce((sum, { score, label }) => {
    const p = calibrated(score, found, "temperature");
    return sum - Math.log(label === 1 ? p : 1 - p) / SCORED.length;
  }, 0);
  close(loss, golden.temperatureLoss, 1e-9, "cross-entropy");
  assert.equal(calibrated(.3, found, "as it is"), .3);
  const { slope, offset } = found.platt;
  close(calibrated(.5, found, "Platt"), 1 / (1 + Math.exp(-offset)), 1e-12, "a logit of 0");
  assert.ok(slope > 0);
});

Deno.test("calibration survives scores of 0 and 1, and images told apart without a mistake", () => {
  const perfect = [0, .01, .99, 1].map((score, i) => ({ score, label: i < 2 ? 0 : 1 }));
  const found = calibrate(perfect);
  assert.ok(found.temperature > 0 && found.temperature < .01, `${found.temperature}`);
  for (const method of ["temperature", "Platt"] as const) {
    for (const { score } of perfect) {
      const p = calibrated(score, found, method);
      assert.ok(p >= 0 && p <= 1 && (p > .5) === (score > .5), `${method} ${score}: ${p}`);
    }
  }
  // half are wrong however sure: nothing is to be believed
  const wrong = [0, 0, 1, 1].map((score, i) => ({ score, label: i % 2 }));
  assert.ok(calibrate(wrong).temperature > 100);
});

Deno.test("reliability() puts scores into bins of equal width, 1 into the last", () => {
  const scored = [[.05, 0], [.15, 1], [.95, 1], [1, 0]].map(([score, label]) => ({
    score: score!,
    label: label!,
  }));
  assert.deepEqual(reliability(scored, 10), [
    { score: .05, generated: 0, count: 1 },
    { score: .15, generated: 1, count: 1 },
    { score: .975, generated: .5, count: 2 },
  ]);
});

Deno.test("differences of resamples equal scikit-learn's, their percentiles NumPy's", () => {
  const found = differencesOf(LABELS, golden.a, golden.b, golden.draws);
  assert.equal(found.length, golden.draws.length);
  found.forEach((differences, i) =>
    differences.forEach((value, m) =>
      close(value, golden.differences[i]![m]!, 1e-12, `difference ${m} of draw ${i}`)
    )
  );
  golden.percentiles.forEach((wanted, m) => {
    const sorted = Float64Array.from(found, (one) => one[m]!).sort();
    [.025, .5, .975].forEach((q, i) =>
      close(quantile(sorted, q), wanted[i]!, 1e-12, `${q} of ${m}`)
    );
  });
});

Deno.test("compareScores() says what is measured, and how far chance goes", () => {
  const compared = compareScores(LABELS, golden.a, golden.b, { resamples: 500 });
  const [ofA, ofB] = [golden.a, golden.b].map((scores) => evaluateScores(LABELS, scores));
  for (const { measure, a, b, difference, low, high, p } of compared) {
    close(a, ofA![measure]!, 1e-12, measure);
    close(b, ofB![measure]!, 1e-12, measure);
    assert.equal(difference, a - b);
    assert.ok(low < difference && difference < high && p > .05 && p <= 1, measure);
  }
  assert.deepEqual(compareScores(LABELS, golden.a, golden.b, { resamples: 500 }), compared);
  const other = compareScores(LABELS, golden.a, golden.b, { resamples: 500, key: ["other"] });
  assert.notDeepEqual(other, compared);

  const same = compareScores(LABELS, golden.a, golden.a, { resamples: 50 });
  assert.deepEqual(same.map(({ difference, low, high, p }) => [difference, low, high, p]), [
    ...[[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]],
  ]);
  const chance = randomStream("scores by chance");
  const guessed = golden.a.map(() => chance.uniform());
  assert.ok(compareScores(LABELS, golden.a, guessed, { resamples: 500 })[2]!.p < .01);
});

Deno.test("scores that are amiss are named", () => {
  const cannot = (call: () => unknown, message: RegExp) => assert.throws(call, message);
  cannot(
    () => thresholdFor([], .1),
    /^UserError: Cannot choose a threshold: expected scores, found none$/,
  );
  cannot(() => thresholdFor(SCORED, 5), /expected a rate of false alarms in \[0, 1\], found 5$/);
  cannot(() => thresholdFor([{ label: 1, score: .5 }], .1), /expected real images, found none$/);
  cannot(
    () => thresholdFor(Promise.resolve([]) as unknown as [], .1),
    /found a promise; write await before it$/,
  );
  cannot(() => calibrate([{ label: 2, score: .5 }]), /found label 2 and score 0.5$/);
  cannot(() => calibrate([{ label: 0, score: .5 }]), /found 1 real and 0 generated$/);
  cannot(() => rocCurve(Uint8Array.of(0, 0), [.1, .2]), /expected real and generated images/);
  cannot(() => compareScores(LABELS, golden.a, [1]), /of the same images, found 60 and 1$/);
  cannot(
    () => compareScores(LABELS, golden.a, golden.b, { resamples: 0 }),
    /a whole number from 1; found 0$/,
  );
});
