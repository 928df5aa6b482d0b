/**
 * A profile with a user's own sets beside the paper's.
 * @module
 */
import { resolve } from "node:path";
import type { DatasetSpec } from "../data/dataset.ts";
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
  ];
  const own = await readUserSets(path, [...known.map(({ name }) => name), ...COLUMNS], known);
  const titles = own.length > MAX_NAMED
    ? `${own.length} sets`
    : own.map(({ title }) => title).join(", ");
  const says = `Means are over the ${averagedNames(testSets).length} test sets of the ` +
    `${profile.name} profile and leave out added ones (${titles})${oneKindWords(own)}`;
  return {
    ...profile,
    testSets: [...testSets, ...own],
    datasets: resolve(path),
    notice: notice === undefined ? says : `${notice}. ${says}`,
  };
}

/** Says which sets have images of one kind, and so no AP; nothing where none has. */
function oneKindWords(sets: readonly DatasetSpec[]): string {
  return ([[1, "generated"], [0, "real"]] as const).map(([label, kind]) => {
    const alone = sets.filter(({ sources }) => sources.every((source) => source.label === label));
    if (alone.length === 0) return "";
    const titles = alone.length > MAX_NAMED
      ? `${alone.length} sets have`
      : `${alone.map(({ title }) => title).join(", ")} ${alone.length === 1 ? "has" : "have"}`;
    return `; ${titles} ${kind} images alone: ACC is the share judged right, and a dash stands ` +
      "for AP";
  }).join("");
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
