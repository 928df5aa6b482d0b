/**
 * Choosing the best run.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { RunRow } from "./config.ts";

/**
 * By what the best configuration is chosen: `test` is the highest mean ACC + mean AP over the test
 * sets, as the paper does (released: `scripts/results.py`, `best_configs`); `val` is the highest
 * validation accuracy, then the lowest validation loss, and looks at no test set.
 */
export const SELECTIONS = ["test", "val"] as const;

/** By what the best configuration is chosen. */
export type Selection = typeof SELECTIONS[number];

/** A configuration's rows: one for each seed. */
export type Configuration = readonly [RunRow, ...RunRow[]];

/** What of a row means are taken of. */
export type Measured = Pick<RunRow, "test" | "averaged">;

/**
 * Mean of a measure over a row's test sets. Sets of real images alone, or of generated ones, are left
 * out of measures that tell the two apart: AP, AUC and the like.
 * @param sets names of the sets to average over; by default those that the row's means are over
 * @throws {UserError} where a set or the measure is missing, or no set has both kinds
 */
export function meanScore(row: Measured, measure: string, sets?: readonly string[]): number {
  const mean = meanIfAny(row, measure, sets);
  if (mean !== undefined) return mean;
  throw new UserError(
    "usage",
    `Cannot average ${measure}: expected test sets with real and generated images, found one kind ` +
      `alone in ${(sets ?? Object.keys(row.test)).join(", ") || "none"}`,
  );
}

/** As {@linkcode meanScore}; `undefined` where no set has both kinds of images and both are needed. */
export function meanIfAny(
  row: Measured,
  measure: string,
  sets?: readonly string[],
): number | undefined {
  const names = sets ?? row.averaged ?? Object.keys(row.test);
  const values = names.flatMap((name) => {
    const found = row.test[name];
    const value = found?.[measure];
    if (value !== undefined) return value;
    if (found !== undefined && found.ap === undefined) return [];
    throw new UserError(
      "usage",
      `Cannot average ${measure}: expected it for ${name}, found ${
        Object.keys(found ?? row.test).join(", ") || "no test sets"
      }`,
    );
  });
  if (values.length === 0 && names.length > 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The rows of each configuration together, whatever their seed, in order of first appearance. */
export function configurations(rows: readonly RunRow[]): Configuration[] {
  const groups = new Map<string, [RunRow, ...RunRow[]]>();
  for (const row of rows) {
    const key = JSON.stringify([
      row.experiment,
      row.detector,
      row.trainingSet,
      row.classes,
      row.fraction,
      row.backbone,
      Object.entries(row.head).sort(([a], [b]) => a < b ? -1 : 1),
      row.epochs,
      row.batchSize,
      row.learningRate,
      row.view,
    ]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()];
}

/** Configurations from best to worst, by means over their seeds; equal ones keep their order. */
export function rankConfigurations(rows: readonly RunRow[], by: Selection): Configuration[] {
  const mean = (group: Configuration, value: (row: RunRow) => number) =>
    group.reduce((sum, row) => sum + value(row), 0) / group.length;
  const ranked = configurations(rows).map((group) => ({
    group,
    merits: by === "test"
      ? [mean(group, (row) => meanScore(row, "acc") + (meanIfAny(row, "ap") ?? 0))]
      : [mean(group, ({ valAcc }) => valAcc), -mean(group, ({ valLoss }) => valLoss)],
  }));
  ranked.sort((a, b) => {
    const decisive = a.merits.findIndex((merit, i) => merit !== b.merits[i]);
    return decisive < 0 ? 0 : b.merits[decisive]! - a.merits[decisive]!;
  });
  return ranked.map(({ group }) => group);
}

/**
 * The best configuration's rows, one for each seed.
 * @throws {UserError} where there is no row
 */
export function bestConfiguration(rows: readonly RunRow[], by: Selection): Configuration {
  const best = rankConfigurations(rows, by)[0];
  if (best === undefined) {
    throw new UserError("missing", "Cannot choose the best run: expected runs, found none");
  }
  return best;
}
