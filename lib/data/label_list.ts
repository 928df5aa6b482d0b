/**
 * A plain list of images and what they are: a CSV file of paths and labels.
 *
 * ```text
 * path,label
 * camera/1.jpg,real
 * made/1.png,fake
 * ```
 * @module
 */
import { dirname, resolve } from "node:path";
import { listed, quoted, UserError } from "../io/errors.ts";
import { readText } from "../io/files.ts";
import { lookAtAll } from "../io/look.ts";
import { assertFile } from "../io/regular.ts";

/** An image that a list names. */
export interface LabelledLine {
  /** Absolute, with `/` between. */
  readonly path: string;
  /** 0 real, 1 generated. */
  readonly label: 0 | 1;
  /** Counted from 1. */
  readonly line: number;
}

/** Largest list that is read, in bytes: some millions of lines. */
const MAX_BYTES = 2 ** 29;

/** Errors that a message names; of more it says the number. */
const MAX_NAMED = 3;

const PATHS =
  "path file filename file_name filepath file_path image images img image_path img_path name"
    .split(" ");
const LABELS = "label labels class target kind y".split(" ");
/** Headings over yes and no: which of the two is generated. */
const IS_GENERATED: Readonly<Record<string, boolean>> = {
  is_fake: true,
  fake: true,
  is_generated: true,
  generated: true,
  is_ai: true,
  is_real: false,
  real: false,
};

const REAL = "0 real nature natural 0_real authentic original human".split(" ");
const GENERATED = "1 fake ai generated synthetic 1_fake artificial machine".split(" ");
const YES = "1 true yes".split(" "), NO = "0 false no".split(" ");

/**
 * Reads a list. The first line may be headings, in any order and among others; without them a line
 * is a path and a label. Between cells stand commas, semicolons or tabs; paths are relative to the
 * list. Labels are 0 and 1, or words: real, nature …, fake, ai, generated, synthetic …
 * @throws {UserError} in one line that names the file and the line, where it is not understood, or an
 * image is named twice
 */
export async function readLabelList(path: string): Promise<LabelledLine[]> {
  await assertFile(path, MAX_BYTES);
  const rows = splitCells(await readText(path), path);
  const [first] = rows;
  if (first === undefined) throw cannotRead(path, "expected paths and labels, found none");
  const columns = columnsOf(first.cells, path);
  const images = new Map<string, LabelledLine>();
  for (const { cells, line } of columns.isHeading ? rows.slice(1) : rows) {
    const name = cells[columns.path]?.trim() ?? "", said = cells[columns.label]?.trim() ?? "";
    const fail = (found: string) => cannotRead(`line ${line} of ${path}`, found);
    if (name === "") throw fail("expected a path, found none");
    const label = columns.labelOf(said.toLowerCase());
    if (label === undefined) {
      throw fail(
        `expected the label real or fake, or 0 or 1, found ${said === "" ? "none" : quoted(said)}`,
      );
    }
    // lists that were written on Windows
    const native = name.includes("/") ? name : name.replaceAll("\\", "/");
    const absolute = resolve(dirname(path), native);
    const other = images.get(absolute);
    if (other) {
      const also = other.label === label ? "" : ", where it is the other kind";
      throw fail(`expected each image once, found ${quoted(name)} of line ${other.line}${also}`);
    }
    images.set(absolute, { path: absolute, label, line });
  }
  if (images.size === 0) throw cannotRead(path, "expected paths and labels, found headings alone");
  return [...images.values()];
}

/**
 * Makes sure that the images of a list are there.
 * @throws {UserError} naming those that are not
 */
export async function assertListed(path: string, images: readonly LabelledLine[]): Promise<void> {
  const lacking: number[] = [];
  await lookAtAll(images, (image) => image.path, (found, i) => {
    if (found instanceof Error || !found.isFile) lacking.push(i);
  });
  const missing = lacking.sort((a, b) => a - b).map((i) => images[i]!);
  if (missing.length === 0) return;
  const named = missing.slice(0, MAX_NAMED).map((image) => `${image.path} (line ${image.line})`);
  const more = missing.length - named.length;
  throw new UserError(
    "missing",
    `Cannot use ${path}: expected an image for each line, found none at ${named.join(", ")}` +
      (more > 0 ? ` and ${more} more` : ""),
  );
}

function cannotRead(what: string, found: string): UserError {
  return new UserError("usage", `Cannot read ${what}: ${found}`);
}

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

/** Cells of the lines that are not empty; a cell may stand in quotes. */
function splitCells(text: string, path: string): Row[] {
  const lines = text.split(/\r\n|\r|\n/);
  const first = lines.find((line) => line.trim() !== "") ?? "";
  const between = [",", ";", "\t"].reduce((most, mark) =>
    first.split(mark).length > first.split(most).length ? mark : most
  );
  return lines.flatMap((line, i): Row[] => {
    if (line.trim() === "") return [];
    if (!line.includes('"')) return [{ cells: line.split(between), line: i + 1 }];
    const cells: string[] = [];
    const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${between}]*))(${between}|$)`, "y");
    for (let isLast = false; !isLast;) {
      const found = cell.exec(line);
      if (found === null) throw cannotRead(`line ${i + 1} of ${path}`, "expected a pair of quotes");
      cells.push(found[1]?.replaceAll('""', '"') ?? found[2]!);
      isLast = found[3] === "";
    }
    return [{ cells, line: i + 1 }];
  });
}

interface Columns {
  readonly path: number;
  readonly label: number;
  readonly isHeading: boolean;
  readonly labelOf: (word: string) => 0 | 1 | undefined;
}

const wordLabel = (word: string) =>
  REAL.includes(word) ? 0 : GENERATED.includes(word) ? 1 : undefined;

function columnsOf(first: readonly string[], path: string): Columns {
  const words = first.map((cell) => cell.trim().toLowerCase());
  const label = words.findIndex((word) =>
    LABELS.includes(word) || Object.hasOwn(IS_GENERATED, word)
  );
  const place = words.findIndex((word) => PATHS.includes(word));
  if (place >= 0 && label >= 0) {
    const heading = words[label]!;
    const isYesGenerated = IS_GENERATED[heading];
    const labelOf = (word: string) => {
      if (isYesGenerated === undefined) return wordLabel(word);
      const isYes = YES.includes(word) ? true : NO.includes(word) ? false : undefined;
      if (isYes !== undefined) return isYes === isYesGenerated ? 1 : 0;
      return wordLabel(word);
    };
    return { path: place, label, isHeading: true, labelOf };
  }
  if (words.length < 2) {
    throw cannotRead(path, `expected two columns, a path and a label, found ${quoted(first[0]!)}`);
  }
  const isTurned = wordLabel(words[0]!) !== undefined && wordLabel(words[1]!) === undefined;
  if (wordLabel(words[isTurned ? 0 : 1]!) === undefined) {
    throw cannotRead(
      path,
      `expected headings, as path and label, or a path and one of real, fake, 0, 1 in its first ` +
        `line, found ${listed(first)}`,
    );
  }
  return { path: isTurned ? 1 : 0, label: isTurned ? 0 : 1, isHeading: false, labelOf: wordLabel };
}
