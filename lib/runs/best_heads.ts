/**
 * The best heads under names that stay: what `deno task detect --head` is given.
 * @module
 */
import { join } from "node:path";
import { writeIfChanged } from "../report/write/files.ts";
import type { RunRecord } from "./record.ts";
import { bestRecords } from "./finished.ts";
import type { Profile } from "./profile.ts";

/**
 * Copies the best head of each class set to `TARGET/best_CLASS-SET.safetensors`; of several seeds,
 * the first one's.
 * @param folder of the profile's results
 * @param target folder of the copies
 * @returns paths of the copies by class set
 */
export async function keepBestHeads(
  profile: Profile,
  records: readonly RunRecord[],
  folder: string,
  target = folder,
): Promise<Map<string, string>> {
  const kept = new Map<string, string>();
  for (const { name, records: [record] } of bestRecords(profile, records)) {
    const head = join(folder, record!.evaluations.at(-1)!.checkpoint);
    const copy = join(target, `best_${name}.safetensors`);
    await writeIfChanged(copy, await Deno.readFile(head));
    kept.set(name, copy);
  }
  return kept;
}
