/**
 * What scores look like: ROC and precision-recall curves, distributions, reliability, and confusion set
 * by set.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { averagePrecision, precisionRecall, rocAuc, THRESHOLD } from "../metrics.ts";
import { calibrate, calibrated, CALIBRATIONS, reliability } from "../metrics/calibration.ts";
import {
  assertScores,
  type ChosenThreshold,
  columnsOf,
  type LabelledScore,
  rocCurve,
} from "../metrics/curves.ts";
import type { Figure, FigureRow, Spec } from "../report/figure.ts";
import { nominal, panels, percentAxis, quantitative } from "../report/marks.ts";
import { noticeOf } from "../report/paper/columns.ts";
import { type Column, percentColumn, type Table } from "../report/table.ts";
import type { ImageScore } from "../runs/kept_scores.ts";
import type { Profile } from "../runs/profile.ts";

/** Scores of one detector or several, by what figures call them. */
export type NamedScores = Readonly<Record<string, readonly LabelledScore[]>>;

/** Points that a curve is drawn with at most: more are not told apart, and make files large. */
const MOST_POINTS = 400;

/** Bins of equal width of a distribution, and of a reliability diagram. */
const SCORE_BINS = 20, RELIABILITY_BINS = 10;

const SQUARE = { width: 230, height: 230 }, PANEL = { width: 150, height: 150 };

/** Fractions from 0 to 1 on an axis in percent. */
function whole(field: string, title: string): Spec {
  return quantitative(field, { scale: { domain: [0, 1] }, axis: percentAxis(title) });
}

/** ROC curves, with the areas under them. */
export function rocFigure(profile: Profile, named: NamedScores): Figure {
  const rows = curves(
    named,
    "AUC",
    rocAuc,
    (labels, scores) =>
      rocCurve(labels, scores).map(({ threshold, ...point }) => ({
        ...point,
        // JSON has no Infinity
        threshold: Math.min(1, threshold),
      })),
  );
  return {
    id: "roc",
    title: "ROC",
    caption: "Share of the generated images that is found, by the share of the real ones that is " +
      "called generated; in brackets the area under the curve. On the diagonal lies chance.",
    ...noticeOf(profile),
    columns: 1,
    rows,
    spec: {
      ...SQUARE,
      layer: [
        diagonal(),
        curve(whole("falseAlarms", "false alarms"), whole("recall", "generated found"), {}),
      ],
    },
  };
}

/** Precision by recall, with the average precisions. */
export function precisionRecallFigure(profile: Profile, named: NamedScores): Figure {
  const rows = curves(named, "AP", averagePrecision, precisionRecall);
  return {
    id: "precision_recall",
    title: "Precision and recall",
    caption: "Share of generated images among those that are called so, by the share of the " +
      "generated images that is found; in brackets the average precision, the area under the steps.",
    ...noticeOf(profile),
    columns: 1,
    rows,
    spec: {
      ...SQUARE,
      // a step at height Pₙ from Rₙ₋₁ to Rₙ, as AP adds them up
      ...curve(whole("recall", "recall"), whole("precision", "precision"), {
        interpolate: "step-before",
      }),
    },
  };
}

function curve(x: Spec, y: Spec, style: Spec): Spec {
  const legend = { orient: "bottom", direction: "vertical", symbolType: "stroke" };
  const detector = nominal("detector", { title: null, sort: null, legend });
  return {
    mark: { type: "line", clip: true, ...style },
    encoding: {
      x,
      y,
      color: detector,
      strokeDash: detector,
      order: quantitative("recall"),
    },
  };
}

/** From corner to corner. */
function diagonal(): Spec {
  return {
    data: { values: [{ from: 0, to: 1 }] },
    mark: { type: "rule", color: "#999", strokeDash: [3, 3], strokeWidth: 0.8 },
    encoding: {
      x: quantitative("from"),
      y: quantitative("from"),
      x2: { field: "to" },
      y2: { field: "to" },
    },
  };
}

function curves(
  named: NamedScores,
  measure: string,
  measured: (labels: Uint8Array, scores: Float64Array) => number,
  pointsOf: (labels: Uint8Array, scores: Float64Array) => readonly object[],
): FigureRow[] {
  return Object.entries(named).flatMap(([name, list]) => {
    assertScores(list, "draw scores");
    const { labels, scores } = columnsOf(list);
    const value = (100 * measured(labels, scores)).toFixed(1);
    const detector = `${name}${name === "" ? "" : " "}(${measure} ${value} %)`;
    return thinned(pointsOf(labels, scores)).map((point) => ({ detector, ...point }));
  });
}

function thinned<T>(points: readonly T[]): readonly T[] {
  const step = (points.length - 1) / (MOST_POINTS - 1);
  if (step <= 1) return points;
  return Array.from({ length: MOST_POINTS }, (_, i) => points[Math.round(i * step)]!);
}

/** How the scores of real and of generated images are spread. */
export function distributionFigure(profile: Profile, named: NamedScores): Figure {
  const rows = Object.entries(named).flatMap(([detector, list]) => {
    assertScores(list, "draw scores");
    return ["real", "generated"].flatMap((images, label) => {
      const own = list.filter((one) => one.label === label);
      const counts = new Uint32Array(SCORE_BINS);
      for (const { score } of own) {
        counts[Math.min(SCORE_BINS - 1, Math.floor(score * SCORE_BINS))]! += 1;
      }
      if (own.length === 0) return [];
      return Array.from(counts, (count, bin): FigureRow => ({
        detector,
        images,
        from: bin / SCORE_BINS,
        to: (bin + 1) / SCORE_BINS,
        share: count / own.length,
      }));
    });
  });
  const color = nominal("images", { title: null, sort: null });
  const bars = {
    layer: [{
      ...PANEL,
      mark: { type: "bar", opacity: .6, stroke: "#222", strokeWidth: .5, binSpacing: 0 },
      encoding: {
        x: quantitative("from", { title: "score", scale: { domain: [0, 1] } }),
        x2: { field: "to" },
        y: quantitative("share", { axis: percentAxis("images of the kind"), stack: null }),
        y2: { datum: 0 },
        color,
      },
    }, {
      data: { values: [{ threshold: THRESHOLD }] },
      mark: { type: "rule", color: "#222", strokeDash: [3, 3], strokeWidth: 0.8 },
      encoding: { x: quantitative("threshold") },
    }],
  };
  return {
    id: "score_distribution",
    title: "Scores of real and of generated images",
    caption:
      `Share of the images of each kind by score, in ${SCORE_BINS} bins; the dashed line is ` +
      "the threshold of .5.",
    ...noticeOf(profile),
    columns: Object.keys(named).length > 1 ? 2 : 1,
    rows,
    spec: panels("detector", { sort: Object.keys(named) }, {}, bars),
  };
}

/**
 * How far a score can be taken for a probability: as it is, and calibrated.
 * @param validation scores that the calibration is fitted on; without them scores stay as they are
 */
export function reliabilityFigure(
  profile: Profile,
  scores: readonly LabelledScore[],
  validation?: readonly LabelledScore[],
): Figure {
  assertScores(scores, "draw scores");
  const fitted = validation && calibrate(validation);
  const names: string[] = [];
  const rows = CALIBRATIONS.flatMap((method) => {
    if (!fitted && method !== "as it is") return [];
    const changed = fitted
      ? scores.map(({ label, score }) => ({ label, score: calibrated(score, fitted, method) }))
      : scores;
    const bins = reliability(changed, RELIABILITY_BINS);
    const error = bins.reduce((sum, { score, generated, count }) =>
      sum + count * Math.abs(score - generated), 0) / scores.length;
    const how = method === "temperature" ? `temperature ${fitted!.temperature.toFixed(2)}` : method;
    const panel = `${how} (ECE ${(100 * error).toFixed(1)} %)`;
    names.push(panel);
    return bins.map((bin): FigureRow => ({ panel, ...bin }));
  });
  return {
    id: "reliability",
    title: "Reliability",
    caption:
      `Share of generated images by mean score, in ${RELIABILITY_BINS} bins of equal width; a ` +
      "point's area is the number of images. On the diagonal a score is a probability; in brackets the " +
      "expected calibration error over these bins." +
      (fitted ? " Temperature and Platt's sigmoid are fitted on other images." : ""),
    ...noticeOf(profile),
    columns: fitted ? 2 : 1,
    rows,
    spec: panels("panel", { sort: names }, {}, {
      layer: [diagonal(), {
        ...PANEL,
        mark: { type: "line", strokeWidth: 1 },
        encoding: { x: whole("score", "mean score"), y: whole("generated", "generated") },
      }, {
        mark: { type: "point", filled: true },
        encoding: {
          x: whole("score", "mean score"),
          y: whole("generated", "generated"),
          size: quantitative("count", {
            title: "images",
            legend: { symbolType: "circle", tickCount: 3 },
          }),
        },
      }],
    }),
  };
}

/** A column in percent in which none is best: sets differ, not detectors. */
function share(key: string, name: string, group?: string): Column {
  const { best: _, ...column } = percentColumn(key, name, group);
  return column;
}

/**
 * What was right and wrong, set by set.
 * @param threshold above which images are called generated
 */
export function confusionTable(
  profile: Profile,
  scores: readonly ImageScore[],
  threshold: number | ChosenThreshold = THRESHOLD,
): Table {
  assertScores(scores, "count mistakes");
  const above = typeof threshold === "object" ? threshold.threshold : threshold;
  if (!(above >= 0 && above <= 1)) {
    throw new UserError(
      "usage",
      `Cannot count mistakes: expected a threshold in [0, 1], found ${above}`,
    );
  }
  const titles = new Map(
    [...profile.testSets, ...profile.synthbusterSets].map(({ name, title }) => [name, title]),
  );
  const rows = [...Map.groupBy(scores, ({ set }) => set)].map(([set, list]) => {
    const count = (label: number, isAbove: boolean) =>
      list.filter((one) => one.label === label && one.score > above === isAbove).length;
    const [real, falseAlarms, missed, found] = [
      ...[count(0, false), count(0, true), count(1, false), count(1, true)],
    ] as [number, number, number, number];
    return {
      set: titles.get(set) ?? set,
      real,
      falseAlarms,
      missed,
      found,
      falseAlarmRate: real + falseAlarms > 0 ? falseAlarms / (real + falseAlarms) : null,
      recall: found + missed > 0 ? found / (found + missed) : null,
      acc: (real + found) / list.length,
    };
  });
  const ofReal = "real images", ofGenerated = "generated images";
  return {
    id: "confusion",
    title: "Right and wrong by test set",
    caption: `Images with a score above ${Number(above.toPrecision(4))} are called generated.`,
    ...noticeOf(profile),
    columns: [
      { key: "set", name: "test set" },
      { key: "real", name: "called real", group: ofReal },
      { key: "falseAlarms", name: "called generated", group: ofReal },
      share("falseAlarmRate", "false alarms", ofReal),
      { key: "missed", name: "called real", group: ofGenerated },
      { key: "found", name: "called generated", group: ofGenerated },
      share("recall", "found", ofGenerated),
      share("acc", "ACC"),
    ],
    rows,
  };
}
