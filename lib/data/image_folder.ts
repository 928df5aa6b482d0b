/**
 * Images in folders outside the paper's layout.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { isImageName } from "./dataset.ts";
import { FolderTree } from "./folder_tree.ts";

/**
 * Paths of the images in a folder and in those below it, relative to it, sorted. What is hidden and
 * which links are followed is as in sets of images.
 * @throws {UserError} where there is no such folder, or no image in it
 */
export async function imagesIn(root: string): Promise<string[]> {
  if (!await isFolder(root)) {
    throw new UserError("missing", `Cannot read images: expected a folder at ${root}, found none`);
  }
  const paths = (await new FolderTree(root, root).below(""))
    .filter(({ name }) => isImageName(name))
    .map(({ path }) => path).sort();
  if (paths.length === 0) {
    throw new UserError("missing", `Cannot read images: expected some in ${root}, found none`);
  }
  return paths;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
