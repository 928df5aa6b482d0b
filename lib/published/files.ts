/**
 * Files of published numbers that come with the project, in `data/published/`.
 * @module
 */
import { UserError } from "../io/errors.ts";

const FOLDER = new URL("../../data/published/", import.meta.url);

/** The text of a file. */
export function readPublished(name: string): Promise<string> {
  return Deno.readTextFile(new URL(name, FOLDER));
}

/**
 * The lines of a CSV file without quotes; cells by the names in its first line.
 * @throws {UserError} where there is none, or a line has more or fewer cells than the first
 */
export async function readPublishedCsv(name: string): Promise<Record<string, string>[]> {
  const text = await readPublished(name);
  const [header, ...lines] = text.trimEnd().split(/\r?\n/).map((line) => line.split(","));
  if (lines.length === 0) {
    throw new UserError("damaged", `Cannot read ${name}: expected lines of cells, found none`);
  }
  return lines.map((cells, i) => {
    if (cells.length !== header!.length) {
      throw new UserError(
        "damaged",
        `Cannot read ${name}: expected ${header!.length} cells, found ${cells.length} in line ${
          i + 2
        }`,
      );
    }
    return Object.fromEntries(cells.map((cell, j) => [header![j]!, cell]));
  });
}
