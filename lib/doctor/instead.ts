/**
 * What lies where a set's images are expected and not found: names in another case, a class level
 * that is missing, folders in folders.
 * @module
 */
import { resolve } from "node:path";
import type { Source } from "../data/dataset.ts";
import { FolderTree, isHidden } from "../data/folder_tree.ts";
import { UserError } from "../io/errors.ts";

/**
 * Says what is there instead of a source's images, and what to do; `undefined` where nothing like
 * them is.
 * @param root data root that the source's folder is relative to
 */
export async function foundInstead(root: string, source: Source): Promise<string | undefined> {
  if ("list" in source) return undefined;
  const tree = new FolderTree(root, source.directory);
  const segments = source.directory.split("/");
  let at = "";
  for (const [i, segment] of segments.entries()) {
    const folders = await foldersIn(tree, at);
    const where = resolve(root, at);
    if (segment === "*") {
      const next = segments[i + 1];
      const direct = folders.find((name) => name.toLowerCase() === next?.toLowerCase());
      if (direct !== undefined) {
        return `${direct} lies in ${where}, where a folder for each class is expected; move it into ` +
          `one: ${where}/all/${next}`;
      }
      const [first] = folders.filter((name) => !isHidden(name)).sort();
      if (first === undefined) return undefined;
      at = at === "" ? first : `${at}/${first}`;
      continue;
    }
    if (!folders.includes(segment)) {
      const other = folders.find((name) => name.toLowerCase() === segment.toLowerCase());
      return other === undefined
        ? undefined
        : `${other} lies in ${where}, where ${segment} is expected; rename it`;
    }
    at = at === "" ? segment : `${at}/${segment}`;
  }
  const [inner] = (await foldersIn(tree, at)).filter((name) => !isHidden(name)).sort();
  return inner === undefined
    ? undefined
    : `${resolve(root, at)} holds the folder ${inner}; move its images up`;
}

/** Names of the folders in a folder; none where it may not be read. */
async function foldersIn(tree: FolderTree, folder: string): Promise<string[]> {
  try {
    return (await tree.read(folder)).filter(({ kind }) => kind === "folder")
      .map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [];
  }
}
