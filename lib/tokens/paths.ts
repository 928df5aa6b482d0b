/**
 * Paths of a set's images as a text file: one a line, in the order of their rows. Training never
 * opens it.
 *
 * A line is the path itself. Where a path begins with `"`, holds a control character (U+0000 to
 * U+001F, U+007F to U+009F) or a line break (U+2028, U+2029 too), or half a surrogate pair, its line
 * is the path as a JSON string, with those characters as `\u` escapes. So a line that begins with `"`
 * is JSON and every other is not; Python reads both: `json.loads(line) if line[0] == '"' else line`.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { assertFile } from "../io/regular.ts";
import { sha256 } from "../io/seal.ts";

// deno-lint-ignore no-control-regex -- they are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Lines that are put together before they are written. */
const LINES_AT_ONCE = 10_000;

/** A path as a line, without the line's end. */
export function encodePath(path: string): string {
  const isPlain = !path.startsWith('"') && path.search(UNSAFE) < 0 && path.isWellFormed();
  if (isPlain) return path;
  return JSON.stringify(path).replace(
    UNSAFE,
    (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** The lines of some images, some thousand at a time, as UTF-8. */
export function* encodePaths(
  images: readonly { readonly path: string }[],
): Generator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  for (let first = 0; first < images.length; first += LINES_AT_ONCE) {
    const some = images.slice(first, first + LINES_AT_ONCE);
    yield encoder.encode(some.map(({ path }) => encodePath(path) + "\n").join(""));
  }
}

/**
 * Reads the paths of a set's images, in the order of their rows.
 * @throws {UserError} where there are more or fewer than its images, or they are not as written
 */
export async function readPaths(
  { paths: { paths: path }, index: { images, sha256: { paths: expected } } }: {
    readonly paths: { readonly paths: string };
    readonly index: { readonly images: number; readonly sha256: { readonly paths: string } };
  },
): Promise<string[]> {
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot read ${path}: expected ${images} lines of image paths, found ${found}; ` +
        "delete it to have the set made again",
    );
  await assertFile(path);
  const bytes = await Deno.readFile(path);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const lines = text.split("\n");
  if (lines.pop() !== "" || lines.length !== images) throw bad(`${lines.length}`);
  if (sha256(bytes) !== expected) throw bad("others than were written");
  return lines.map((line, i) => {
    if (!line.startsWith('"')) return line;
    try {
      return JSON.parse(line) as string;
    } catch {
      throw bad(`no JSON string in line ${i + 1}`);
    }
  });
}
