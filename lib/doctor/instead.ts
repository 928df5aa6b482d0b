/**
 * What lies where a set's images are expected and not found: names in another case, other names, a
 * class level that is missing, folders in folders.
 * @module
 */
import { resolve } from "node:path";
import type { Source } from "../data/dataset.ts";
import { FolderTree, isHidden } from "../data/folder_tree.ts";
import { LAYOUTS } from "../data/layouts.ts";
import { listed, UserError } from "../io/errors.ts";

/** What people call the folders of a label. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "0_real": ["real", "reals", "0", "nature", "original", "authentic"],
  "1_fake": ["fake", "fakes", "1", "ai", "generated", "synthetic"],
};

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
    const folders = (await foldersIn(tree, at)).filter((name) => !isHidden(name)).sort();
    const where = resolve(root, at), next = segments[i + 1];
    if (segment === "*") {
      const direct = folders.find((name) => name.toLowerCase() === next?.toLowerCase());
      if (direct !== undefined) {
        return `${direct} lies in ${where}, where a folder for each class is expected: ` +
          typed(
            "mkdir",
            "-p",
            `${where}/all`,
            "&&",
            "mv",
            `${where}/${direct}`,
            `${where}/all/${next}`,
          );
      }
      const [first] = folders;
      if (first === undefined) return undefined;
      at = at === "" ? first : `${at}/${first}`;
      continue;
    }
    if (!folders.includes(segment)) return otherName(where, segment, folders);
    at = at === "" ? segment : `${at}/${segment}`;
  }
  const where = resolve(root, at);
  const [inner] = (await foldersIn(tree, at)).filter((name) => !isHidden(name)).sort();
  return inner === undefined
    ? undefined
    : `${where} holds the folder ${inner}: ${typed("mv", `${where}/${inner}/*`, where)}`;
}

/** A command of a shell, with paths in quotes where they need some. */
function typed(...words: readonly string[]): string {
  const plain = (word: string) => /^[\w.,:@%+=/&*-]+$/.test(word) ? word : `'${word}'`;
  return `\`${words.map(plain).join(" ")}\``;
}

/** What a folder is called instead, or what else lies beside it. */
function otherName(where: string, segment: string, folders: readonly string[]) {
  const lower = (name: string) => name.toLowerCase();
  const other = folders.find((name) => lower(name) === lower(segment)) ??
    folders.find((name) => NAMES[segment]?.includes(lower(name)));
  const layout = LAYOUTS.find(({ folders: pair }) =>
    pair !== undefined && !(segment in NAMES && Object.values(pair).includes(segment)) &&
    Object.values(pair).every((name) => folders.some((folder) => lower(folder) === name))
  );
  if (layout !== undefined) {
    return `${listed(folders)} lie in ${where}, as in ${layout.title}: an entry of own sets with ` +
      `"layout": "${layout.name}" and "folder": "${where}" reads them`;
  }
  if (other !== undefined) {
    return `${other} lies in ${where}, where ${segment} is expected: ` +
      typed("mv", `${where}/${other}`, `${where}/${segment}`);
  }
  if (!(segment in NAMES) || folders.length === 0) return undefined;
  return `${listed(folders)} lie in ${where}, where ${segment} is expected`;
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
