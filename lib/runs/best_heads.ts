/**
 * The best heads: their records, and copies under names that stay, which `deno task detect --head` is
 * given.
 * @module
 */
import { join } from "node:path";
import { exists } from "../io/files.ts";
import { writeIfChanged } from "../report/write/files.ts";
import { bestHeads } from "./choices.ts";
import { headProblem } from "./damage.ts";
import { averagedRows } from "./own_sets.ts";
import type { Profile } from "./profile.ts";
import { RecordStore, rowsOf, type RunRecord } from "./record.ts";
import type { Setup } from "./setup.ts";

/** The best heads of a class set as records. */
export interface BestRecords {
  /** `2-class` */
  readonly name: string;
  /** One for each seed. */
  readonly records: readonly RunRecord[];
}

/** The records of the grid's best configuration of each class set, chosen as the profile chooses. */
export function bestRecords(profile: Profile, records: readonly RunRecord[]): BestRecords[] {
  const grid = records.filter(({ experiment, failed }) =>
    experiment === "grid" && failed === undefined
  );
  // the grid's runs are tried once: a row for each record
  const rows = averagedRows(profile, grid.flatMap(rowsOf));
  return bestHeads(profile, rows).map((heads) => ({
    name: heads.name,
    records: heads.rows.map((row) => grid[rows.indexOf(row)]!),
  }));
}

/** The best heads' copies, and what keeps others from being copied. */
export interface BestHeads {
  /** Paths of the copies by class set; a class set whose head is damaged and has no copy is left out. */
  readonly copies: ReadonlyMap<string, string>;
  /** A line for each head that is damaged, with what to do. */
  readonly problems: readonly string[];
  /** Paths of those heads. */
  readonly damaged: readonly string[];
}

/**
 * Copies the best head of each class set to `best_CLASS-SET.safetensors` in the setup's outputs; of
 * several seeds, the first one's. A head that is damaged replaces no copy.
 */
export async function keepBestHeads(
  { profile, folder, outputs }: Pick<Setup, "profile" | "folder" | "outputs">,
  records: readonly RunRecord[],
): Promise<BestHeads> {
  const copies = new Map<string, string>();
  const problems: string[] = [], damaged: string[] = [];
  for (const { name, records: [record] } of bestRecords(profile, records)) {
    const { key, experiment, evaluations } = record!;
    const head = join(folder, evaluations.at(-1)!.checkpoint);
    const copy = join(outputs, `best_${name}.safetensors`);
    // the heads of a grid need nothing beside them: a seal tells that they are as they were trained
    const problem = await headProblem(head, record!, false);
    if (problem === undefined) await writeIfChanged(copy, await Deno.readFile(head));
    else {
      // without its record the run counts as not done
      const made = new RecordStore(folder).path(experiment, key);
      const found = await exists(head) ? `it and ${made}` : made;
      damaged.push(head);
      problems.push(
        `Cannot keep the best ${name} head, ${head}: ${problem}; delete ${found} and run again`,
      );
      if (await headProblem(copy, record!, false) !== undefined) continue;
    }
    copies.set(name, copy);
  }
  return { copies, problems, damaged };
}
