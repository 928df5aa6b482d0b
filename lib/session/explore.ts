/**
 * Figures to look around in: every run a point, with filters and tooltips where a front end draws
 * vega-lite.
 * @module
 */
import { readRineHead } from "../detectors/rine/head.ts";
import { UserError } from "../io/errors.ts";
import type { Figure, FigureRow, Spec } from "../report/figure.ts";
import { nominal, ordinal, points, quantitative, scores } from "../report/marks.ts";
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
          axis: {
            format: "~s",
            values: decadeTicks(data.map(({ parameters }) => Number(parameters))),
          },
        }),
        y: scores("mean ACC over test sets", data),
        color: colourOf(profile, data),
        shape: nominal("backbone", {
          title: null,
          scale: { domain: profile.backbones },
          legend: { values: [...new Set(data.map(({ backbone }) => backbone!))] },
        }),
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
          color: colourOf(profile, data),
          tooltip: TOOLTIP,
        }),
      ],
    },
  };
}

/** Fields that runs of one training are told apart by. */
const FURTHER = ["ξ", "q", "d′", "backbone"];

/** The class sets' colours; where all runs have the same, those of what they differ in. */
function colourOf(profile: Profile, data: readonly FigureRow[]): Spec {
  const differs = (field: string) => new Set(data.map((row) => row[field])).size > 1;
  const field = differs("training") ? undefined : FURTHER.find(differs);
  return field === undefined ? classSetEncoding(profile, data) : ordinal(field);
}

/** 1, 2 and 5 times the powers of ten between the smallest and the largest of some numbers. */
function decadeTicks(values: readonly number[]): number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const ticks: number[] = [];
  for (let power = 10 ** Math.floor(Math.log10(least)); power <= most; power *= 10) {
    ticks.push(...[1, 2, 5].map((times) => times * power));
  }
  const within = ticks.filter((tick) => tick >= least / 1.05 && tick <= most * 1.05);
  return within.length > 0 ? within : [least];
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
