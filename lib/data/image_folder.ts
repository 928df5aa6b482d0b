/**
 * Images in folders outside the paper's layout.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { isImageName } from "./dataset.ts";

/**
 * Paths of the images in a folder and in those below it, relative to it, sorted. Links to folders are
 * followed; a folder that several ways lead to is read once.
 * @throws {UserError} where there is no such folder, or no image in it
 */
export async function imagesIn(root: string): Promise<string[]> {
  const paths: string[] = [];
  await addImages(root, "", paths, new Set());
  paths.sort();
  if (paths.length === 0) {
    throw new UserError("missing", `Cannot read images: expected some in ${root}, found none`);
  }
  return paths;
}

async function addImages(
  root: string,
  folder: string,
  paths: string[],
  seen: Set<string>,
): Promise<void> {
  let entries: Deno.DirEntry[];
  try {
    const real = await Deno.realPath(`${root}/${folder}`);
    if (seen.has(real)) return;
    seen.add(real);
    entries = await Array.fromAsync(Deno.readDir(`${root}/${folder}`));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError("missing", `Cannot read images: expected a folder at ${root}, found none`);
  }
  // folders themselves before links to them, in an order that is always the same
  entries.sort((a, b) => Number(a.isSymlink) - Number(b.isSymlink) || (a.name < b.name ? -1 : 1));
  for (const { name, isDirectory, isSymlink } of entries) {
    const path = folder === "" ? name : `${folder}/${name}`;
    const isFolder = isDirectory || isSymlink &&
        await Deno.stat(`${root}/${path}`).then(({ isDirectory }) => isDirectory, () => false);
    if (isFolder) await addImages(root, path, paths, seen);
    else if (isImageName(name)) paths.push(path);
  }
}
