/**
 * Checksums of what is written for people, in a file that `sha256sum -c` reads: whoever gets an archive
 * of results can tell whether it is whole.
 * @module
 */
import { join } from "node:path";
import { exists, removeIfThere, writeFileAtomic } from "../../io/files.ts";
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

/** Compares a folder's files with its checksums, where it has some. Files that are gone are passed over. */
export async function compareChecksums(folder: string): Promise<Disagreement> {
  const list = join(folder, CHECKSUMS);
  const problems: string[] = [], paths: string[] = [];
  if (!await exists(list)) return { problems, paths, files: 0 };
  const sums = decode(await Deno.readTextFile(list));
  if (!sums) {
    problems.push(`Cannot use ${list}: expected the checksums that were written, found others`);
    return { problems, paths: [list], files: 1 };
  }
  for (const [name, expected] of sums) {
    const path = join(folder, name);
    if (!await exists(path) || await sha256OfFile(path) === expected) continue;
    problems.push(
      `Cannot use ${path}: expected the file that was written, as ${list} says, found another`,
    );
    paths.push(path);
  }
  return { problems, paths, files: sums.size + 1 };
}

/**
 * Takes away files that are damaged, so that they are written again, and the checksums: files are about
 * to change, and who is killed meanwhile leaves none that disagree.
 * @param onDamage told of each
 */
export async function removeChanged(
  folder: string,
  onDamage: (line: string) => void = () => {},
): Promise<void> {
  const { problems, paths } = await compareChecksums(folder);
  for (const problem of problems) onDamage(`${problem}; it is made again`);
  for (const path of [...paths, join(folder, CHECKSUMS)]) await removeIfThere(path);
}

/** Writes the checksums of a folder's tables, figures and report. */
export async function writeChecksums(folder: string): Promise<void> {
  const sums = new Map<string, string>();
  for (const path of await filesIn(folder, "", NAMED)) {
    sums.set(path, await sha256OfFile(join(folder, path)));
  }
  await writeFileAtomic(join(folder, CHECKSUMS), encode(sums));
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
