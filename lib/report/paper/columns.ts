/**
 * Columns and encodings that tables and figures of the papers share.
 * @module
 */
import type { DatasetSpec } from "../../data/dataset.ts";
import type { PrintedCell } from "../../published/printed.ts";
import { averagedNames } from "../../runs/choices.ts";
import type { Profile } from "../../runs/profile.ts";
import { meanIfAny, meanScore, type Measured } from "../../runs/select.ts";
import type { FigureRow, Spec } from "../figure.ts";
import { ordinal } from "../marks.ts";
import { type Cell, type Column, percentColumn, spread } from "../table.ts";

/** A column for each test set under its family, and one for the mean over all but a user's own. */
export function scoreColumns(sets: readonly DatasetSpec[]): Column[] {
  return [
    ...sets.map(({ name, title, family, isOwn }) => ({
      ...percentColumn(name, title, family),
      ...(isOwn ? { isAdded: true } : {}),
    })),
    { ...percentColumn("AVG", "AVG"), isPinned: true },
  ];
}

/** Cells for {@linkcode scoreColumns}: a measure by test set and its mean, over seeds. */
export function scoreCells(
  rows: readonly Measured[],
  measure: string,
  sets: readonly DatasetSpec[],
): Record<string, Cell> {
  const names = sets.map(({ name }) => name);
  return {
    ...Object.fromEntries(
      names.map((name) => [
        name,
        spread(rows.flatMap((row) => meanIfAny(row, measure, [name]) ?? [])),
      ]),
    ),
    AVG: spread(rows.map((row) => meanScore(row, measure, averagedNames(sets)))),
  };
}

/** Printed cells as rows of a table, as fractions; one row a method, classes and variant. */
export function printedRows(cells: readonly PrintedCell[]): Record<string, Cell>[] {
  const rows = new Map<string, Record<string, Cell>>();
  for (const { method, trainingClasses, variant, metric, generator, percent } of cells) {
    const key = JSON.stringify([method, trainingClasses, variant, metric]);
    const row = rows.get(key) ?? { method, trainingClasses, variant, metric };
    row[generator] = percent === null ? null : percent / 100;
    rows.set(key, row);
  }
  return [...rows.values()];
}

/** `notice`, where the profile's numbers are not the paper's, as a field of tables and figures. */
export function noticeOf({ notice }: Profile): { notice?: string } {
  return notice === undefined ? {} : { notice };
}

/**
 * Colour and legend of class sets, named in the rows' field `training`: each has the same colour in every
 * figure, whichever of them it shows. What is no class set of the profile comes after them.
 */
export function classSetEncoding(profile: Profile, rows: readonly FigureRow[]): Spec {
  const known = classSetNames(profile);
  const shown = new Set(rows.map(({ training }) => String(training)));
  const domain = [...new Set([...known, ...shown])];
  return ordinal("training", {
    title: null,
    scale: { domain },
    legend: { values: domain.filter((name) => shown.has(name)) },
  });
}

/** ACC and AP, in the order in which tables and figures show them. */
export const MEASURES = ["acc", "ap"] as const;

/** Names of the class sets in their order: how figures sort the panels of their trainings. */
export function classSetNames({ classSets }: Profile): string[] {
  return classSets.map(({ name }) => name);
}

/** Colour, legend and order of ACC and AP in figures. */
export const MEASURE_ENCODING = {
  field: "measure",
  type: "nominal",
  title: null,
  scale: { domain: ["ACC", "AP"] },
} as const;
