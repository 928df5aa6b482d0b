/**
 * The best heads under names that stay: what `deno task detect --head` is given.
 * @module
 */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { assertFinite, loadCheckpoint } from "../lib/head/checkpoint.ts";
import { exists, isForPeople } from "../lib/io/files.ts";
import { writeIfChanged } from "../lib/report/write.ts";
import type { RunRecord } from "../lib/results/record.ts";
import type { TrainingConfig } from "../lib/results/run.ts";
import { trainedConfig } from "../lib/run/train.ts";
import { bestRecords } from "./finished.ts";
import type { Profile } from "./profiles/profile.ts";

/** The best heads' copies, and what keeps others from being copied. */
export interface BestHeads {
  /** Paths of the copies by class set; a class set whose head is damaged and has no copy is left out. */
  readonly copies: ReadonlyMap<string, string>;
  /** A line for each head that is damaged, with what to do. */
  readonly problems: readonly string[];
}

/**
 * Copies the best head of each class set to `TARGET/best_CLASS-SET.safetensors`; of several seeds,
 * the first one's. A head that is damaged replaces no copy.
 * @param folder of the profile's results
 * @param target folder of the copies
 */
export async function keepBestHeads(
  profile: Profile,
  records: readonly RunRecord[],
  folder: string,
  target = folder,
): Promise<BestHeads> {
  const copies = new Map<string, string>();
  const problems: string[] = [];
  for (const { name, records: [record] } of bestRecords(profile, records)) {
    const { key, experiment, config, evaluations } = record!;
    const head = join(folder, evaluations.at(-1)!.checkpoint);
    const copy = join(target, `best_${name}.safetensors`);
    const problem = await problemOf(head, config.training);
    if (problem === undefined) await writeIfChanged(copy, await Deno.readFile(head));
    else {
      // without its record the run counts as not done
      const made = join(folder, experiment, `${key}.json`);
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
    const checkpoint = await loadCheckpoint(path);
    assertFinite(checkpoint.parameters, `Cannot load ${path}`);
    // as JSON keeps it
    const wanted = JSON.parse(JSON.stringify(config));
    if (isDeepStrictEqual(trainedConfig(checkpoint), wanted)) return undefined;
    return "expected a head of the run's configuration, found another's";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "expected a head, found none";
    if (!isForPeople(error)) throw error;
    return error.message.replace(/^Cannot .*?: (?=expected )/, "");
  }
}
