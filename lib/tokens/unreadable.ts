/**
 * Images that cannot be decoded: which of a set's they are, and what is said of them.
 * @module
 */
import type { LabelledImage } from "../data/dataset.ts";
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import { lookAtImage, lookBuffer, tryDecode } from "../data/image_file.ts";
import { cannotDecode } from "../image/image.ts";
import { exists } from "../io/files.ts";
import { readProgress } from "./progress.ts";
import { readIndex } from "./set_index.ts";
import { featurePaths } from "./store.ts";

/**
 * Positions of the images that could not be decoded when the set was made, in rising order; of an
 * unfinished set, those that are known so far.
 * @throws {UserError} where the set's index is damaged
 */
export async function readUnreadable(folder: string, key: string): Promise<readonly number[]> {
  const { features, index, progress } = featurePaths(folder, key);
  if (await exists(features)) return (await readIndex(index, key))?.unreadable ?? [];
  return (await readProgress(progress))?.unreadable ?? [];
}

/** Sizes and dates of the files that could not be decoded by this process. */
const undecodable = new Map<string, string>();

/** Whether none of these images can be decoded: no longer so where a user has mended one. */
export async function areUnreadable(
  images: readonly LabelledImage[],
  positions: readonly number[],
  root: string,
): Promise<boolean> {
  for (const position of positions) {
    if (await canDecode(resolve(root, images[position]!.path))) return false;
  }
  return true;
}

/** Decodes a file once, and again when it has changed: many sets lack the same images. */
async function canDecode(path: string): Promise<boolean> {
  const stamp = await Deno.stat(path).then(
    ({ size, mtime, ctime, ino }) => `${size} ${mtime?.getTime()} ${ctime?.getTime()} ${ino}`,
    () => undefined,
  );
  if (stamp === undefined) return false;
  if (undecodable.get(path) === stamp) return false;
  if ("image" in await tryDecode(path)) return true;
  undecodable.set(path, stamp);
  return false;
}

/** How long others like it are counted before the first is reported. */
const COUNTING_MS = 2000;

/**
 * The error for a user who has not asked to leave such images out: it names one, and counts those
 * that follow it in its list, as far as their first bytes tell.
 * @param first position of the image that is named
 * @param found what was found instead of an image; decoded again where it is left out
 */
export async function unreadableError(
  images: readonly LabelledImage[],
  first: number,
  root: string,
  found?: string,
): Promise<UserError> {
  const path = resolve(root, images[first]!.path);
  if (found === undefined) {
    const result = await tryDecode(path);
    found = "problem" in result ? result.problem : "a file that has changed meanwhile";
  }
  const buffer = lookBuffer();
  const until = performance.now() + COUNTING_MS;
  let others = 0, next = first + 1;
  for (; next < images.length && performance.now() < until; next++) {
    if ((await lookAtImage(resolve(root, images[next]!.path), buffer)).problem) others++;
  }
  const among = next < images.length ? ` among the next ${next - first - 1}` : "";
  const more = others === 0 ? "" : `, and ${others} more like it${among}`;
  return new UserError(
    "damaged",
    `${cannotDecode(path, found).message}${more}; \`deno task doctor\` lists them, ` +
      "--skip-corrupt leaves them out",
  );
}
