/**
 * Figures to look around in: every run a point, with filters and tooltips where a front end draws
 * vega-lite.
 * @module
 */
import { readRineHead } from "../detectors/rine/head.ts";
import { UserError } from "../io/errors.ts";
import type { Figure, FigureRow } from "../report/figure.ts";
import { nominal, points, quantitative, scores } from "../report/marks.ts";
import { classSetEncoding, noticeOf } from "../report/paper/columns.ts";
import { classSetName } from "../runs/choices.ts";
import type { RunRow } from "../runs/config.ts";
import type { Profile } from "../runs/profile.ts";
import { meanIfAny, meanScore } from "../runs/select.ts";

/** Fields of a run that its tooltip shows. */
const TOOLTIP = [
  ...["training", "backbone", "ξ", "q", "d′"].map((field) => ({ field })),
  { field: "value", title: "ACC", format: ".1%" },
  { field: "AP" },
];

/** Cells are not checked for types before they run. */
function assertRows(rows: unknown): void {
  if (Array.isArray(rows) && rows.length > 0) return;
  const found = rows instanceof Promise
    ? "a promise; write await before it"
    : Array.isArray(rows)
    ? "none"
    : `${rows}`;
  throw new UserError(
    "usage",
    `Cannot draw runs: expected rows, as in session.runsFigure(rows); found ${found}`,
  );
}

/** Every run by its size and mean ACC, with a menu for each value that runs differ in. */
export function runsFigure(profile: Profile, rows: readonly RunRow[]): Figure {
  assertRows(rows);
  const data = rows.map((row): FigureRow => ({
    ...named(profile, row),
    parameters: row.parameterCount,
    value: meanScore(row, "acc"),
    ...apOf(meanIfAny(row, "ap")),
  }));
  const menus = ["training", "backbone", "ξ", "q", "d′"].map((field, i) => ({
    field,
    name: `menu${i}`,
    values: [...new Set(data.flatMap((row) => row[field] ?? []))],
  })).filter(({ values }) => values.length > 1);
  return {
    id: "runs",
    title: "Runs",
    caption: "Mean accuracy over the test sets of every run, by the number of its trainable " +
      "parameters. The menus choose runs; a tooltip tells all of one.",
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      width: 560,
      height: 230,
      params: menus.map(({ field, name, values }) => ({
        name,
        value: null,
        bind: {
          input: "select",
          name: `${field} `,
          options: [null, ...values],
          labels: ["all", ...values.map(String)],
        },
      })),
      transform: menus.map(({ field, name }) => ({
        filter: `${name} === null || datum['${field}'] === ${name}`,
      })),
      ...points({}, { size: 30 }, {
        x: quantitative("parameters", {
          title: "trainable parameters",
          scale: { type: "log", nice: false, padding: 12 },
          axis: { format: "~s" },
        }),
        y: scores("mean ACC over test sets", data),
        color: classSetEncoding(profile, data),
        shape: nominal("backbone", { title: null, scale: { domain: profile.backbones } }),
        tooltip: TOOLTIP,
      }),
    },
  };
}

/** The runs' accuracy on each test set, a line from the worst to the best run. */
export function setsFigure(profile: Profile, rows: readonly RunRow[]): Figure {
  assertRows(rows);
  const sets = [...profile.testSets, ...profile.synthbusterSets];
  const data = rows.flatMap((row) =>
    Object.entries(row.test).map(([name, { acc, ap }]): FigureRow => ({
      set: sets.find((set) => set.name === name)?.title ?? name,
      ...named(profile, row),
      value: acc,
      ...apOf(ap),
    }))
  );
  const set = nominal("set", { title: null, sort: [...new Set(data.map(({ set }) => set!))] });
  const value = scores("ACC", data);
  return {
    id: "sets",
    title: "Runs by test set",
    caption: "Accuracy of every run on each test set, and the span between the worst and the best.",
    ...noticeOf(profile),
    columns: 2,
    rows: data,
    spec: {
      width: 480,
      height: { step: 14 },
      layer: [
        {
          mark: { type: "rule", color: "#999" },
          encoding: {
            y: set,
            x: { ...value, aggregate: "min" },
            x2: { field: "value", aggregate: "max" },
          },
        },
        points({}, { size: 30 }, {
          y: set,
          x: value,
          color: classSetEncoding(profile, data),
          tooltip: TOOLTIP,
        }),
      ],
    },
  };
}

/** What a tooltip shows as AP: a dash for sets of one kind. */
function apOf(ap: number | undefined): { AP: string } {
  return { AP: ap === undefined ? "–" : `${(100 * ap).toFixed(1)}%` };
}

/** The choices that a run is told apart by; heads of other detectors have no ξ, q and d′. */
function named(profile: Profile, row: RunRow): FigureRow {
  const { detector, trainingSet, classes, backbone, head } = row;
  const { latent } = profile.trainedOn;
  const training = trainingSet === latent.name ? latent.title : classSetName(profile, classes);
  if (detector !== "rine") return { training, backbone };
  const { contrastiveWeight, projectionLayers, projectionDim } = readRineHead(head);
  return {
    training,
    backbone,
    "ξ": contrastiveWeight,
    "q": projectionLayers,
    "d′": projectionDim,
  };
}
