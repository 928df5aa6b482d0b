/**
 * A profile with a user's own sets beside the paper's.
 * @module
 */
import { resolve } from "node:path";
import { readUserSets } from "../data/user_sets.ts";
import type { RunRow } from "./config.ts";
import { averagedNames } from "./choices.ts";
import type { Profile } from "./profile.ts";

/** Columns of tables that have a test set in each of the others. */
const COLUMNS = [
  "method",
  "training",
  "trainingClasses",
  "variant",
  "perturbation",
  "metric",
  "measure",
  "group",
  "AVG",
];

/** Own sets that a notice names; of more it says the number. */
const MAX_NAMED = 3;

/**
 * Adds a user's own sets to the test sets, so that they appear in every table.
 * @param path of a file that {@linkcode readUserSets} reads
 * @throws {UserError} as {@linkcode readUserSets}
 */
export async function withOwnSets(profile: Profile, path: string): Promise<Profile> {
  const { trainingSets, testSets, synthbusterSets, notice } = profile;
  const known = [
    ...Object.values(trainingSets)
      .flatMap((classes) => Object.values(classes).flatMap(({ train, val }) => [train, val])),
    ...testSets,
    ...synthbusterSets,
  ].map(({ name }) => name);
  const own = await readUserSets(path, [...known, ...COLUMNS]);
  const titles = own.length > MAX_NAMED
    ? `${own.length} sets`
    : own.map(({ title }) => title).join(", ");
  const says = `Means are over the ${averagedNames(testSets).length} test sets of the ` +
    `${profile.name} profile and leave out added ones (${titles})`;
  return {
    ...profile,
    testSets: [...testSets, ...own],
    datasets: resolve(path),
    notice: notice === undefined ? says : `${notice}. ${says}`,
  };
}

/** Rows whose means leave a user's own sets out. */
export function averagedRows(profile: Profile, rows: readonly RunRow[]): readonly RunRow[] {
  const own = new Set(profile.testSets.filter(({ isOwn }) => isOwn).map(({ name }) => name));
  if (own.size === 0) return rows;
  return rows.map((row) => ({
    ...row,
    averaged: Object.keys(row.test).filter((name) => !own.has(name)),
  }));
}
