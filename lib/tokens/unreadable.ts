/**
 * Images that cannot be decoded: which of a token set's they are, kept in a small file beside it.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join, resolve } from "node:path";
import type { ImageEntry } from "../data/dataset.ts";
import { lookAtImage, lookBuffer, tryDecode } from "../data/image_file.ts";
import { cannotDecode } from "../image/image.ts";
import { readJson } from "../io/files.ts";

/** The file that lists a set's unreadable images by their positions; there is none without any. */
export function unreadablePath(folder: string, key: string): string {
  return join(folder, `${key}.unreadable.json`);
}

/** Positions of the images that could not be decoded when the set was made, in rising order. */
export async function readUnreadable(folder: string, key: string): Promise<readonly number[]> {
  return await readJson<number[]>(unreadablePath(folder, key)) ?? [];
}

/** Whether none of these images can be decoded: no longer so where a user has mended one. */
export async function areUnreadable(
  images: readonly ImageEntry[],
  positions: readonly number[],
  root: string,
): Promise<boolean> {
  for (const position of positions) {
    if ("image" in await tryDecode(resolve(root, images[position]!.path))) return false;
  }
  return true;
}

/**
 * The error for a user who has not asked to leave such images out: it names one, and counts those
 * that follow it in its list, as far as their first bytes tell.
 * @param first position of the image that is named
 * @param found what was found instead of an image; decoded again where it is left out
 */
export async function unreadableError(
  images: readonly ImageEntry[],
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
  let others = 0;
  for (const image of images.slice(first + 1)) {
    if ((await lookAtImage(resolve(root, image.path), buffer)).problem) others++;
  }
  const more = others === 0 ? "" : `, and ${others} more like it`;
  return new UserError(
    "damaged",
    `${cannotDecode(path, found).message}${more}; \`deno task doctor\` lists them, ` +
      "--skip-corrupt leaves them out",
  );
}
