/**
 * The best heads: their records, and copies under names that stay, which `deno task detect --head` is
 * given.
 * @module
 */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { checkpointFacts, readCheckpointFile } from "../detectors/checkpoint_file.ts";
import type { TrainingConfig } from "../detectors/detector.ts";
import { detectorNamed } from "../detectors/index.ts";
import { isForPeople } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { writeIfChanged } from "../report/write/files.ts";
import { bestHeads } from "./choices.ts";
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
  const grid = records.filter(({ experiment }) => experiment === "grid");
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
  const problems: string[] = [];
  for (const { name, records: [record] } of bestRecords(profile, records)) {
    const { key, experiment, config, evaluations } = record!;
    const head = join(folder, evaluations.at(-1)!.checkpoint);
    const copy = join(outputs, `best_${name}.safetensors`);
    const problem = await problemOf(head, config.training);
    if (problem === undefined) await writeIfChanged(copy, await Deno.readFile(head));
    else {
      // without its record the run counts as not done
      const made = new RecordStore(folder).path(experiment, key);
      const found = await exists(head) ? `it and ${made}` : made;
      problems.push(
        `Cannot keep the best ${name} head, ${head}: ${problem}; delete ${found} and run again`,
      );
      if (await problemOf(copy, config.training) !== undefined) continue;
    }
    copies.set(name, copy);
  }
  return { copies, problems };
}

/** Why a file is not the head of a configuration, in a few words; `undefined` where it is. */
async function problemOf(path: string, config: TrainingConfig): Promise<string | undefined> {
  try {
    const { metadata } = await readCheckpointFile(path);
    // opened as who uses it will: what is no number is found
    await (await detectorNamed(config.detector).open(path, { engine: "onnx" })).dispose();
    // as JSON keeps it
    const wanted = JSON.parse(JSON.stringify(config));
    if (isDeepStrictEqual(checkpointFacts(path, metadata).config, wanted)) return undefined;
    return "expected a head of the run's configuration, found another's";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "expected a head, found none";
    if (!isForPeople(error)) throw error;
    return error.message.replace(/^Cannot .*?: (?=expected )/, "");
  }
}
