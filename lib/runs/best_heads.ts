/**
 * The best heads: their records, and copies under names that stay, which `deno task detect --head` is
 * given.
 * @module
 */
import { join } from "node:path";
import { bestHeads } from "./choices.ts";
import { averagedRows } from "./own_sets.ts";
import type { Profile } from "./profile.ts";
import { rowsOf, type RunRecord } from "./record.ts";

/** The best heads of a class set as records. */
export interface BestRecords {
  /** `2-class` */
  readonly name: string;
  /** One for each seed. */
  readonly records: readonly RunRecord[];
}

/** The records of the grid's best configuration of each class set, chosen as the profile chooses. */
export function bestRecords(profile: Profile, records: readonly RunRecord[]): BestRecords[] {
  const grid = records.filter(({ experiment }) => experiment === "grid");
  // the grid's runs are tried once: a row for each record
  const rows = averagedRows(profile, grid.flatMap(rowsOf));
  return bestHeads(profile, rows).map((heads) => ({
    name: heads.name,
    records: heads.rows.map((row) => grid[rows.indexOf(row)]!),
  }));
}
