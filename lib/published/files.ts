/**
 * Files of published numbers that come with the project, in `data/published/`.
 * @module
 */
import { fileURLToPath } from "node:url";
import { UserError } from "../io/errors.ts";
import { readOwnText } from "../io/regular.ts";
import { sha256 } from "../io/seal.ts";

/** The folder, as a URL that ends with a slash. */
export const PUBLISHED: URL = new URL("../../data/published/", import.meta.url);

/**
 * The text of a file, held to `SHA256SUMS` beside it: of a file that was cut off, fewer numbers would be
 * compared, and all of them agree.
 * @param folder where it lies
 * @throws {UserError} of kind `damaged`, where it is not as it comes with the project, or not there
 */
export async function readPublished(name: string, folder: URL = PUBLISHED): Promise<string> {
  const path = fileURLToPath(new URL(name, folder));
  const sums = await textOf(fileURLToPath(new URL("SHA256SUMS", folder)));
  const text = await textOf(path);
  const lines = sums?.split(/\r?\n/) ?? [];
  const isListed = (text: string) => lines.includes(`${sha256(text)}  ${name}`);
  // Git may have given its lines other ends
  if (text !== undefined && (isListed(text) || isListed(text.replaceAll("\r\n", "\n")))) {
    return text;
  }
  throw new UserError(
    "damaged",
    `Cannot read ${path}: expected the file that comes with the project, as SHA256SUMS beside it says, ` +
      `found ${text === undefined ? "none" : "another"}; \`git checkout\` brings it back`,
  );
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readOwnText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * The lines of a CSV file without quotes; cells by the names in its first line.
 * @param folder where it lies
 * @throws {UserError} where it is not as it comes with the project, or no such table
 */
export async function readPublishedCsv(
  name: string,
  folder: URL = PUBLISHED,
): Promise<Record<string, string>[]> {
  const text = await readPublished(name, folder);
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
