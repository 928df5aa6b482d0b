/**
 * Finds files of a mini world that are not what was made, and makes images again.
 * @module
 */
import { join } from "node:path";
import { UserError } from "../io/errors.ts";
import { removeIfThere } from "../io/files.ts";
import { readSealedJson } from "../io/seal.ts";
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

/**
 * Reads every image and list of a mini world.
 * @returns how many they are, and a line for each that is not as it was made
 */
export async function damagedMiniFiles(
  root: string,
): Promise<{ files: number; damaged: readonly string[] }> {
  const damaged: string[] = [];
  for (const name of Object.values(CLAIMS)) {
    await readSealedJson(join(root, name)).catch((error) => {
      if (!(error instanceof UserError)) throw error;
      damaged.push(error.message.replace(/; delete .*$/, ""));
    });
  }
  const known = await knownOf(root);
  if (!known) return { files: damaged.length, damaged };
  const changed = await changedFiles(root, [...known.checks.keys()], known.checks);
  const lines = changed.map((path) =>
    `Cannot use ${join(root, path)}: expected the file that was made, found another or none`
  );
  return { files: known.checks.size + 1, damaged: [...damaged, ...lines] };
}
