/**
 * UFD's classifiers test set by test set: Tables 2, 3, 5 and 6, the oracle's thresholds, Figure 15.
 * Paper: Ojha, Li & Lee, CVPR 2023.
 * @module
 */
import { averagePrecision, oracleScores, precisionRecall } from "../../metrics.ts";
import type { RunRow, ScoredRow } from "../../runs/config.ts";
import type { Profile } from "../../runs/profile.ts";
import type { ScoreSample } from "../../runs/sample.ts";
import type { Shown } from "../../runs/section.ts";
import { ufdTestSets } from "../../runs/ufd.ts";
import type { Figure, FigureRow } from "../figure.ts";
import { having, nominal, percentAxis, quantitative } from "../marks.ts";
import { seedsRemark } from "../paper/captions.ts";
import { noticeOf, printedRows, scoreCells, scoreColumns } from "../paper/columns.ts";
import { type Cell, meanOf, spread, type Table } from "../table.ts";
import { byMethod, methodOf } from "../paper/methods.ts";

const isOwn = ({ experiment }: RunRow) => experiment === "ufd_classifiers";

/** Average precision. */
export function ufdTable2(shown: Shown): Table | undefined {
  return comparison(shown, 2, "ap", "Average precision");
}

/** Accuracy. */
export function ufdTable3(shown: Shown): Table | undefined {
  return comparison(shown, 3, "acc", "Accuracy");
}

function comparison(
  { profile, rows: all, printed }: Shown,
  number: number,
  metric: "acc" | "ap",
  measure: string,
): Table | undefined {
  const rows = all.filter(isOwn);
  const others = printedRows(
    printed.filter((cell) => cell.table === number || cell.table === RINES[metric])
      .filter((cell) => cell.metric === metric),
  ).map((row) => ({ ...row, from: "print" }));
  const sets = ufdTestSets(profile);
  const own = byMethod(rows, methodOf).map(({ method, rows }) => ({
    method,
    from: "here",
    ...scoreCells(rows, metric, sets),
  }));
  if (others.length + own.length === 0) return undefined;
  return {
    id: `ufd_table_${number}`,
    title: `UFD Table ${number}. ${measure} of nearest neighbours and linear probe`,
    caption: (others.length === 0 ? "" : PRINTED) + sampleRemark(profile) +
      seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["method", "from"],
    rankWithin: "from",
    columns: [
      { key: "method", name: "method" },
      { key: "from", name: "numbers" },
      ...scoreColumns(sets),
    ],
    rows: [...others, ...own],
  };
}

/** Number of RINE's table that prints a measure of UFD's released head. */
const RINES = { acc: 2, ap: 3 } as const;

const PRINTED =
  "Rows from print are UFD's table where the text of it or a later paper that copies it could be " +
  "read, and a dash stands for what could not: it is not a result. RINE's tables hold the same " +
  "released probe; they differ because UFD tries 100 images of each label where a set has fewer " +
  "than 1000, and 10,000 of each diffusion model, and RINE all that were released. ";

function sampleRemark({ ufd }: Profile): string {
  return ufd ? sampleSentence(ufd.sample) : "";
}

function sampleSentence({ most, fewer, seed }: ScoreSample): string {
  return `Measured on ${most} images of each label, or ${fewer} where a set has fewer, drawn with ` +
    `seed ${seed}.`;
}

/** Accuracy on real and on generated images. */
export function ufdTable56({ profile, rows: all }: Shown): Table | undefined {
  const rows = all.filter(isOwn);
  if (rows.length === 0) return undefined;
  const sets = ufdTestSets(profile);
  return {
    id: "ufd_tables_5_6",
    title: "UFD Tables 5 and 6. Accuracy on real and on generated images",
    caption: "Share of the real images called real, and of the generated ones called generated, " +
      "at threshold .5. " + sampleRemark(profile) + seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["images", "method"],
    rankWithin: "images",
    columns: [
      { key: "images", name: "images" },
      { key: "method", name: "method" },
      ...scoreColumns(sets),
    ],
    rows: ([["real", "accReal"], ["generated", "accGenerated"]] as const).flatMap((
      [images, measure],
    ) =>
      byMethod(rows, methodOf).map(({ method, rows }) => ({
        images,
        method,
        ...scoreCells(rows, measure, sets),
      }))
    ),
  };
}

/** Accuracy at the threshold that suits each set best, which nobody knows beforehand. */
export function ufdOracle({ profile, rows, scored = [] }: Shown): Table | undefined {
  if (scored.length === 0) return undefined;
  const sets = ufdTestSets(profile);
  const averaged = sets.filter(({ isOwn }) => !isOwn).map(({ name }) => name);
  const oracle = ({ sets }: ScoredRow, name: string) => {
    const { labels, scores } = sets[name]!;
    return hasBothKinds(labels) ? oracleScores(labels, scores).accAtOrAbove : undefined;
  };
  return {
    id: "ufd_oracle",
    title: "UFD, oracle threshold. Accuracy at each set's best threshold",
    caption: "Every score of a set is tried as its threshold, and the accuracy at the best is " +
      "shown: an upper bound that looks at the labels. " + sampleRemark(profile) +
      seedsRemark(rows, "spread"),
    ...noticeOf(profile),
    rowKeys: ["method"],
    columns: [{ key: "method", name: "method" }, ...scoreColumns(sets)],
    rows: byMethod(scored, ({ row }) => methodOf(row)).map(({ method, rows }) => ({
      method,
      ...Object.fromEntries(
        sets.map(({ name }): [string, Cell] => [
          name,
          spread(rows.flatMap((row) => oracle(row, name) ?? [])),
        ]),
      ),
      AVG: spread(rows.map((row) => meanOf(averaged.flatMap((name) => oracle(row, name) ?? [])))),
    })),
  };
}

function hasBothKinds(labels: Uint8Array): boolean {
  return labels.includes(0) && labels.includes(1);
}

/** Panels of Figure 15 beside one another. */
const PANELS = 5;

/** Points of a curve that are drawn at most; more lie on one another. */
const POINTS = 60;

/** Precision by recall, a panel for each test set. */
export function ufdFigure15({ profile, rows, scored = [] }: Shown): Figure | undefined {
  if (scored.length === 0) return undefined;
  const sets = ufdTestSets(profile);
  const methods = byMethod(scored, ({ row }) => methodOf(row));
  const data = methods.flatMap(({ method, rows: [first] }) =>
    sets.flatMap(({ name, fullTitle, title }) => {
      const { labels, scores } = first!.sets[name]!;
      if (!hasBothKinds(labels)) return [];
      return thinned(precisionRecall(labels, scores)).map((point): FigureRow => ({
        set: fullTitle ?? title,
        method,
        ap: averagePrecision(labels, scores),
        ...point,
      }));
    })
  );
  const names = [...new Set(data.map(({ set }) => String(set)))];
  const rowsOfPanels = Array.from(
    { length: Math.ceil(names.length / PANELS) },
    (_, i) => names.slice(i * PANELS, (i + 1) * PANELS),
  );
  return {
    id: "ufd_figure_15",
    title: "UFD Figure 15. Precision by recall",
    caption:
      "Of all images scored above a threshold, the share that is generated, by the share of " +
      "generated images that is found. " + sampleRemark(profile) + seedsRemark(rows, "first"),
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      spacing: 6,
      vconcat: rowsOfPanels.map((names, row) => ({
        spacing: 6,
        hconcat: names.map((set, column) => ({
          width: 104,
          height: 74,
          title: { text: set, fontWeight: "normal", offset: 2 },
          transform: [{ filter: having("set", set) }],
          mark: { type: "line", interpolate: "step-before", strokeWidth: 1 },
          encoding: {
            x: quantitative("recall", {
              axis: row === rowsOfPanels.length - 1
                ? { ...percentAxis("recall"), tickCount: 3 }
                : { title: null, labels: false, tickCount: 3 },
              scale: { domain: [0, 1] },
            }),
            y: quantitative("precision", {
              axis: column === 0
                ? { ...percentAxis("precision"), tickCount: 3 }
                : { title: null, labels: false, tickCount: 3 },
              scale: { domain: [.4, 1], clamp: true },
            }),
            color: nominal("method", {
              title: null,
              sort: methods.map(({ method }) => method),
              legend: { symbolType: "stroke", symbolStrokeWidth: 1.5, columns: 3 },
            }),
            order: { field: "recall", type: "quantitative" },
          },
        })),
      })),
    },
  };
}

/** Some of a curve's points, the first and the last among them. */
function thinned<Point>(points: readonly Point[]): Point[] {
  if (points.length <= POINTS) return [...points];
  const step = (points.length - 1) / (POINTS - 1);
  return Array.from({ length: POINTS }, (_, i) => points[Math.round(i * step)]!);
}
