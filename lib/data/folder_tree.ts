/**
 * Reading of folders and lists under a data root, with errors in one line that say for which set of
 * images.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { readText } from "../io/files.ts";
import { otherThanFile } from "../io/regular.ts";
import { resolve } from "node:path";

/** Folders of systems, network disks and archives whose names do not start with a dot. */
const SYSTEM_FOLDERS = new Set([
  "__MACOSX",
  "@eaDir",
  "#recycle",
  "$RECYCLE.BIN",
  "System Volume Information",
  "lost+found",
]);

/**
 * Files and folders that operating systems, archives and notebooks add: `.DS_Store`, `._0001.png`,
 * `.ipynb_checkpoints`, `.Trash-1000`, `@eaDir`. They are passed over wherever images are listed.
 */
export function isHidden(name: string): boolean {
  return name.startsWith(".") || SYSTEM_FOLDERS.has(name);
}

/**
 * What is found where a name is no text: it is listed with U+FFFD in the place of some bytes, and
 * nothing has that name.
 */
export const NOT_UTF_8 = "a name that is not UTF-8; rename it";

/** A file below a folder. */
export interface FileBelow extends TreeEntry {
  /** Where it lies, relative to what the tree's root is, with `/` between. */
  readonly path: string;
}

/** A folder's entry; what links lead to stands for them. */
export interface TreeEntry {
  /** Name in its folder. */
  readonly name: string;
  /** What it is, or what its link leads to. */
  readonly kind: "file" | "folder" | "other" | "broken link";
  /** Whether it is a link. */
  readonly isLink: boolean;
}

/** What lies under a data root, with errors that name the set that it is read for. */
export class FolderTree {
  readonly #root: string;
  readonly #name: string;

  /**
   * Names a root; nothing is read yet.
   * @param name what to call the set in errors
   */
  constructor(root: string, name: string) {
    this.#root = root;
    this.#name = name;
  }

  /** An error that says what the set cannot be used for. */
  error(expected: string, found: string): UserError {
    return new UserError(
      "missing",
      `Cannot use ${this.#name}: expected ${expected}, found ${found}`,
    );
  }

  /** Folders that a pattern stands for: `*` is every folder there. */
  async expand(pattern: string): Promise<string[]> {
    const segments = pattern.split("/");
    const star = segments.indexOf("*");
    if (star < 0) return [pattern];
    const parent = segments.slice(0, star);
    const entries = await this.read(parent.join("/"));
    return entries
      .filter(({ name, kind }) => !isHidden(name) && (kind === "folder" || kind === "broken link"))
      .map(({ name }) => [...parent, name, ...segments.slice(star + 1)].join("/"));
  }

  /**
   * A folder's entries, in the file system's order.
   * @param isEnough what need not be looked beyond
   */
  async read(
    folder: string,
    isEnough: (entry: TreeEntry) => boolean = () => false,
  ): Promise<TreeEntry[]> {
    const path = resolve(this.#root, folder);
    const entries: TreeEntry[] = [];
    try {
      for await (const entry of Deno.readDir(path)) {
        const { name } = entry;
        const kind = entry.isSymlink ? await kindBehind(resolve(path, name)) : kindOf(entry);
        const found = { name, kind, isLink: entry.isSymlink };
        entries.push(found);
        if (isEnough(found)) break;
      }
    } catch (error) {
      throw this.error(`a folder at ${path}`, reasonOf(error));
    }
    return entries;
  }

  /**
   * What is no folder in a folder and in those below it, hidden ones left out. Links to folders are
   * followed, and each folder is read once however many links lead to it: one that leads back to
   * where it lies is no way without an end. Folders come before links to them.
   * @param onNote told, in a line for people, of links that lead to what is read already
   * @param isEnough what need not be looked beyond
   */
  async below(
    folder: string,
    onNote: (line: string) => void = () => {},
    isEnough: (entry: TreeEntry) => boolean = () => false,
  ): Promise<FileBelow[]> {
    const files: FileBelow[] = [];
    const seen = new Set<string>();
    let open = [folder];
    while (open.length > 0) {
      const links: string[] = [];
      for (let at = open.shift(); at !== undefined; at = open.shift()) {
        const entries = await this.read(at, isEnough);
        const real = await Deno.realPath(resolve(this.#root, at));
        if (seen.has(real)) {
          onNote(`${resolve(this.#root, at)} leads to ${real}, which is read already`);
          continue;
        }
        seen.add(real);
        for (const { name, kind, isLink } of entries) {
          const path = at === "" ? name : `${at}/${name}`;
          if (kind !== "folder") files.push({ name, kind, isLink, path });
          else if (isHidden(name)) continue;
          else if (isLink) links.push(path);
          else open.push(path);
        }
        const last = entries.at(-1);
        if (last && isEnough(last)) return files;
      }
      open = links.sort();
    }
    return files;
  }

  /** Makes sure that there is a folder, without reading it. */
  async assertFolder(folder: string): Promise<void> {
    const path = resolve(this.#root, folder);
    try {
      if (!(await Deno.stat(path)).isDirectory) throw new Deno.errors.NotADirectory();
    } catch (error) {
      throw this.error(`a folder at ${path}`, reasonOf(error));
    }
  }

  /** Lines of a text file that are not empty. */
  async lines(file: string): Promise<string[]> {
    const path = resolve(this.#root, file);
    try {
      const other = otherThanFile(await Deno.stat(path));
      if (other !== undefined) throw this.error(`a list at ${path}`, other);
      const text = await readText(path);
      return text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw this.error(`a list at ${path}`, reasonOf(error));
    }
  }
}

function kindOf(entry: { isFile: boolean; isDirectory: boolean }): TreeEntry["kind"] {
  return entry.isFile ? "file" : entry.isDirectory ? "folder" : "other";
}

async function kindBehind(link: string): Promise<TreeEntry["kind"]> {
  try {
    return kindOf(await Deno.stat(link));
  } catch {
    return "broken link";
  }
}

/**
 * What the operating system found instead of a file, folder or list, in a few words: `none`.
 * @throws the error itself, where it is not the operating system's
 */
export function reasonOf(error: unknown): string {
  const { NotFound, NotADirectory, IsADirectory, PermissionDenied, FilesystemLoop } = Deno.errors;
  if (error instanceof NotFound) return error.message.includes("\ufffd") ? NOT_UTF_8 : "none";
  if (error instanceof NotADirectory) return "a file";
  if (error instanceof IsADirectory) return "a folder";
  if (error instanceof PermissionDenied) return "one that may not be read";
  if (error instanceof FilesystemLoop) return "links that lead in a circle";
  if (error instanceof Error && /\(os error 36\)/.test(error.message)) {
    return "a name longer than any here can be";
  }
  if (error instanceof Error && /^E[A-Z0-9]+$/.test(String((error as { code?: unknown }).code))) {
    return `an error of the disk (${error.message})`;
  }
  throw error;
}
