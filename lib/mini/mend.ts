/**
 * Finds files of a mini world that are not what was made, and makes images again.
 * @module
 */
import { join } from "node:path";
import { removeIfThere } from "../io/files.ts";
import { changedFiles, checksByPath } from "./checks.ts";
import { type Claim, CLAIMS, readClaim } from "./files.ts";
import { makeMiniWorld } from "./make.ts";

/** A world's checks by path, and the paths that this process has found whole. */
interface Known {
  readonly claim: Claim;
  readonly checks: ReadonlyMap<string, string>;
  readonly whole: Set<string>;
}

const worlds = new Map<string, Promise<Known | undefined>>();

async function knownOf(root: string): Promise<Known | undefined> {
  const claim = await readClaim(root, "made");
  if (!claim?.checks) return undefined;
  return { claim, checks: checksByPath(claim.files, claim.checks), whole: new Set() };
}

/**
 * Makes images of a world again that are not as they were made. Each is read once in a process.
 * @param images paths relative to the root; others than the world's are passed over
 * @param onDamage told of each that is made again
 */
export async function mendMiniImages(
  root: string,
  images: readonly string[],
  onDamage: (line: string) => void = () => {},
): Promise<void> {
  const manifest = join(root, CLAIMS.made);
  const written = await Deno.stat(manifest).then(({ mtime }) => mtime?.getTime(), () => 0);
  const id = `${manifest} ${written}`;
  let known = worlds.get(id);
  if (!known) worlds.set(id, known = knownOf(root));
  const world = await known;
  if (!world) return;
  const { claim: { seed, scale }, checks, whole } = world;
  const unread = images.filter((path) => checks.has(path) && !whole.has(path));
  const changed = await changedFiles(root, unread, checks);
  for (const path of unread) whole.add(path);
  if (changed.length === 0) return;
  for (const path of changed) {
    onDamage(
      `Cannot use ${
        join(root, path)
      }: expected the image that was made, found another; it is made again`,
    );
    await removeIfThere(join(root, path));
  }
  await makeMiniWorld({ root, seed, scale });
}

/** A line for each image or list of a mini world that is not as it was made; every one is read. */
export async function damagedMiniFiles(root: string): Promise<string[]> {
  const known = await knownOf(root);
  if (!known) return [];
  const changed = await changedFiles(root, [...known.checks.keys()], known.checks);
  return changed.map((path) =>
    `Cannot use ${join(root, path)}: expected the file that was made, found another or none`
  );
}
