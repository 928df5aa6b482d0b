/**
 * Checksums of what is written for people, in a file that `sha256sum -c` reads: whoever gets an archive
 * of results can tell whether it is whole.
 * @module
 */
import { join } from "node:path";
import { exists, removeIfThere, writeFileAtomic } from "../../io/files.ts";
import { readOwnText } from "../../io/regular.ts";
import { sha256, sha256OfFile } from "../../io/seal.ts";

/** Name of the file, in the folder whose files it names. */
export const CHECKSUMS = "SHA256SUMS";

/** What is named of a folder: these files and folders. Heads have seals of their own. */
const NAMED = /^(?:tables|figures|paper|report\.(?:md|html))$/;

/** Checksums by path, relative to the folder. */
type Sums = ReadonlyMap<string, string>;

const FIRST = /^# sha256 of the lines below: ([0-9a-f]{64})\n/;

function encode(sums: Sums): string {
  const lines = [...sums].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([path, hash]) => `${hash}  ${path}\n`).join("");
  return `# sha256 of the lines below: ${sha256(lines)}\n${lines}`;
}

/** What a file of checksums says; `undefined` where it has been changed since it was written. */
function decode(text: string): Sums | undefined {
  const [first = "", hash] = FIRST.exec(text) ?? [];
  const lines = text.slice(first.length);
  if (hash !== sha256(lines)) return undefined;
  return new Map(
    lines.trimEnd().split("\n").filter((line) => line !== "")
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );
}

/** Files of a folder that its checksums do not agree with. */
export interface Disagreement {
  /** A line for each, for people. */
  readonly problems: readonly string[];
  /** Their paths; of damaged checksums, theirs. */
  readonly paths: readonly string[];
  /** How many were compared. */
  readonly files: number;
}

/** Hashes of files as they were when they were read, by what a file's system says of it. */
export type KnownHashes = Map<string, string>;

/**
 * Compares a folder's files with its checksums, where it has some. Files that are gone are passed over.
 * @param known hashes of what was read are added
 */
export async function compareChecksums(
  folder: string,
  known: KnownHashes = new Map(),
): Promise<Disagreement> {
  const list = join(folder, CHECKSUMS);
  const problems: string[] = [], paths: string[] = [];
  if (!await exists(list)) return { problems, paths, files: 0 };
  const { isFile } = await Deno.stat(list);
  const sums = isFile ? decode(await Deno.readTextFile(list)) : undefined;
  if (!sums) {
    problems.push(`Cannot use ${list}: expected the checksums that were written, found others`);
    return { problems, paths: [list], files: 1 };
  }
  for (const [name, expected] of sums) {
    const path = join(folder, name);
    if ((await hashOf(path, known) ?? expected) === expected) continue;
    problems.push(
      `Cannot use ${path}: expected the file that was written, as ${list} says, found another`,
    );
    paths.push(path);
  }
  return { problems, paths, files: sums.size + 1 };
}

/** Hash of a file, read once as long as nobody writes into it; `undefined` where there is none. */
async function hashOf(path: string, known: KnownHashes): Promise<string | undefined> {
  try {
    const { size, mtime, ino, isFile } = Deno.statSync(path);
    if (!isFile) return "no file";
    const stamp = `${path} ${size} ${mtime?.getTime()} ${ino}`;
    const hash = known.get(stamp) ?? await sha256OfFile(path);
    known.set(stamp, hash);
    return hash;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Writes files into a folder that has checksums, and the checksums of its tables, figures and report
 * when they are written. Files that are damaged are taken away first, so that they are written again. Who
 * is killed meanwhile leaves no checksums that speak of files from before.
 * @param onDamage told of each file that is damaged
 */
export async function keepingChecksums<T>(
  folder: string,
  write: () => Promise<T>,
  onDamage: (line: string) => void = () => {},
): Promise<T> {
  const list = join(folder, CHECKSUMS), before = `${list}.before`;
  const known: KnownHashes = new Map();
  const { problems, paths } = await compareChecksums(folder, known);
  for (const problem of problems) onDamage(`${problem}; it is made again`);
  for (const path of [...paths, before]) await removeIfThere(path);
  if (await exists(list)) await Deno.rename(list, before);
  const result = await write();
  const sums = new Map<string, string>();
  for (const path of await filesIn(folder, "", NAMED)) {
    const hash = await hashOf(join(folder, path), known);
    if (hash !== undefined) sums.set(path, hash);
  }
  const text = encode(sums);
  if (await readOwnText(before).catch(() => "") === text) {
    await Deno.rename(before, list);
    return result;
  }
  await writeFileAtomic(list, text);
  await removeIfThere(before);
  return result;
}

async function filesIn(
  folder: string,
  below: string,
  named = /^[^.].*(?<!\.tmp)$/,
): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    if (!named.test(name)) continue;
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) paths.push(...await filesIn(folder, path));
    else paths.push(path);
  }
  return paths;
}
