/**
 * Images in folders outside the paper's layout.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { isImageName } from "./dataset.ts";

/**
 * Paths of the images in a folder and in those below it, relative to it, sorted.
 * @throws {UserError} where there is no such folder, or no image in it
 */
export async function imagesIn(root: string): Promise<string[]> {
  const paths = (await imagesBelow(root, "")).sort();
  if (paths.length === 0) {
    throw new UserError("missing", `Cannot read images: expected some in ${root}, found none`);
  }
  return paths;
}

async function imagesBelow(root: string, folder: string): Promise<string[]> {
  const paths: string[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(`${root}/${folder}`));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError("missing", `Cannot read images: expected a folder at ${root}, found none`);
  }
  for (const { name, isDirectory } of entries) {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (isDirectory) paths.push(...await imagesBelow(root, path));
    else if (isImageName(name)) paths.push(path);
  }
  return paths;
}
