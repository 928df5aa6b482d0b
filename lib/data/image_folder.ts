/**
 * Images in folders outside the paper's layout.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import { isImageName, leadsNowhere } from "./dataset.ts";
import { FolderTree } from "./folder_tree.ts";

/**
 * Paths of the images in a folder and in those below it, relative to it, sorted. What is hidden and
 * which links are followed is as in sets of images.
 * @param onNote told, in a line for people, of links that are not followed
 * @throws {UserError} where there is no such folder, or no image in it
 */
export async function imagesIn(
  root: string,
  onNote: (line: string) => void = () => {},
): Promise<string[]> {
  const found = await otherThanFolder(root);
  if (found !== undefined) {
    throw new UserError(
      "missing",
      `Cannot read images: expected a folder at ${root}, found ${found}`,
    );
  }
  const paths: string[] = [];
  for (const { name, path, kind } of await new FolderTree(root, root).below("", onNote)) {
    if (isImageName(name)) paths.push(path);
    else if (kind === "broken link") onNote(leadsNowhere(resolve(root, path)));
  }
  paths.sort();
  if (paths.length === 0) {
    throw new UserError("missing", `Cannot read images: expected some in ${root}, found none`);
  }
  return paths;
}

async function otherThanFolder(path: string): Promise<string | undefined> {
  try {
    const { isDirectory, isFile } = await Deno.stat(path);
    return isDirectory ? undefined : isFile ? "a file" : "something else";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "none";
    throw error;
  }
}
