/**
 * Images that cannot be decoded: which of a set's they are, and what is said of them.
 * @module
 */
import type { LabelledImage } from "../data/dataset.ts";
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import { lookAtImage, lookBuffer, tryDecode } from "../data/image_file.ts";
import { cannotDecode } from "../image/image.ts";
import { tooSmallFor, type Transform } from "../image/transform.ts";
import { exists } from "../io/files.ts";
import { readProgress } from "./progress.ts";
import { readIndex } from "./set_index.ts";
import { featurePaths } from "./store.ts";

/**
 * Positions of the images that could not be decoded when the set was made, in rising order, also where
 * its content has been dropped since; of an unfinished set, those that are known so far.
 * @throws {UserError} where the set's index is damaged
 */
export async function readUnreadable(folder: string, key: string): Promise<readonly number[]> {
  const { features, index, progress } = featurePaths(folder, key);
  if (await exists(features)) return (await readIndex(index, key))?.unreadable ?? [];
  const unfinished = await readProgress(progress);
  if (unfinished) return unfinished.unreadable;
  // of a set whose content was dropped the index is left
  const left = await readIndex(index, key).catch((error) => {
    if (!(error instanceof UserError && error.kind === "damaged")) throw error;
  });
  return left?.unreadable ?? [];
}

/** Sizes and dates of the files that this process could make no crops of, by path and transform. */
const undecodable = new Map<string, string>();

/**
 * Whether a transform can make crops of none of these images: no longer so where a user has mended
 * one.
 */
export async function areUnreadable(
  { images, transform }: Listed,
  positions: readonly number[],
  root: string,
): Promise<boolean> {
  for (const position of positions) {
    if (await canRead(resolve(root, images[position]!.path), transform)) return false;
  }
  return true;
}

/** Images of a list, and what crops are made with. */
interface Listed {
  readonly images: readonly LabelledImage[];
  readonly transform: Transform;
}

/** What was found instead of an image that crops can be made of; `undefined` where they can. */
async function problemOf(path: string, transform: Transform): Promise<string | undefined> {
  const result = await tryDecode(path);
  return "problem" in result ? result.problem : tooSmallFor(result.image, transform);
}

/** Decodes a file once, and again when it has changed: many sets lack the same images. */
async function canRead(path: string, transform: Transform): Promise<boolean> {
  const stamp = await Deno.stat(path).then(
    ({ size, mtime, ctime, ino }) => `${size} ${mtime?.getTime()} ${ctime?.getTime()} ${ino}`,
    () => undefined,
  );
  if (stamp === undefined) return false;
  const key = transform.kind === "ten" ? `${path} ten ${transform.size}` : path;
  if (undecodable.get(key) === stamp) return false;
  if (await problemOf(path, transform) === undefined) return true;
  undecodable.set(key, stamp);
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
  { images, transform }: Listed,
  first: number,
  root: string,
  found?: string,
): Promise<UserError> {
  const path = resolve(root, images[first]!.path);
  found ??= await problemOf(path, transform) ?? "a file that has changed meanwhile";
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
    `${cannotDecode(path, found).message}${more}; --skip-corrupt leaves them out, ` +
      "and `deno task doctor` lists those of sets",
  );
}
