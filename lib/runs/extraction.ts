/**
 * Makes the features that runs and figures read, as a setup says.
 * @module
 */
import type { OnProgress } from "../io/progress.ts";
import { extractFeatures } from "../tokens/extract.ts";
import type { FeatureRequest } from "../tokens/request.ts";
import type { Setup } from "./setup.ts";
import { noteUse } from "./uses.ts";
import type { World } from "./world.ts";

/** Who is told of work, and what else of it there will be. */
export interface WorkHooks {
  readonly onProgress?: OnProgress;
  /** Features wanted later: those that the same passes through backbones give are made along. */
  readonly later?: () => Promise<readonly FeatureRequest[]>;
  /** Told that another process works in the same folder and is waited for. */
  readonly onWait?: (() => void) | undefined;
  /** Told, in a line for people, of a file that is damaged and is made again. */
  readonly onDamage?: ((line: string) => void) | undefined;
}

/**
 * Makes features that are not on disk in the setup's folder of them.
 * @throws {UserError} where an image cannot be decoded and is not to be left out
 */
export async function extractInWorld(
  requests: readonly FeatureRequest[],
  { root, listings }: World,
  setup: Setup,
  { onProgress, later, onWait, onDamage }: WorkHooks,
): Promise<void> {
  const { profile: { made }, seed, tokens: folder, batchSize, cores: workers, skipCorrupt } = setup;
  await noteUse(setup);
  await extractFeatures(requests, {
    root,
    listings,
    folder,
    batchSize,
    workers,
    skipCorrupt,
    ...(onProgress ? { onProgress } : {}),
    later,
    onWait,
    onDamage,
    ...(made ? { mend: (images) => made.mend({ root, seed, images, onDamage }) } : {}),
  });
}
