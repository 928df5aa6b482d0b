/**
 * Notebooks as files: what is in them, and what keeps them from being committed.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { basename, join } from "node:path";
import * as v from "valibot";
import { readJson, writeFileAtomic } from "../io/files.ts";
import { checkForm } from "../io/json.ts";
import { KERNEL_NAME } from "./kernel.ts";
import { PROJECT } from "../io/project.ts";
import { readOwnText } from "../io/regular.ts";

/** A cell as the file has it; text is a list of lines that keep their ends. */
interface Cell {
  readonly cell_type: "code" | "markdown" | "raw";
  readonly source: string | readonly string[];
  readonly outputs?: readonly unknown[];
  readonly execution_count?: number | null;
}

/** A notebook as the file has it. https://nbformat.readthedocs.io */
interface Notebook {
  readonly cells: readonly Cell[];
  readonly metadata: { readonly kernelspec?: { readonly name?: string } };
  readonly nbformat: number;
}

const CONFIG = join(PROJECT, "deno.json");

/** The project's notebooks. */
export const NOTEBOOKS = join(PROJECT, "notebooks");

/** Paths of the notebooks in a folder, in the order of their names. */
export async function notebookPaths(folder: string = NOTEBOOKS): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return names.filter((name) => name.endsWith(".ipynb")).sort().map((name) => join(folder, name));
}

/**
 * A notebook's code cells as one module.
 * @throws {UserError} where the file is no notebook
 */
export async function notebookScript(path: string): Promise<string> {
  const { cells } = await readNotebook(path);
  return cells.filter(isCode).map(({ source }) => `${text(source).trimEnd()}\n`).join("\n");
}

/**
 * What keeps a notebook from being committed: outputs, counts of executions, another kernel.
 * @returns a line for each; none where it is as it should be
 */
export async function notebookFaults(path: string): Promise<string[]> {
  const { cells, metadata } = await readNotebook(path);
  const code = cells.filter(isCode);
  const outputs = code.filter(({ outputs = [] }) => outputs.length > 0).length;
  const counted = code.filter(({ execution_count: count }) => typeof count === "number").length;
  const kernel = metadata.kernelspec?.name;
  return [
    ...(outputs === 0 ? [] : [`expected no outputs, found some in ${outputs} cells`]),
    ...(counted === 0 ? [] : [`expected no counts of executions, found ${counted}`]),
    ...(kernel === KERNEL_NAME ? [] : [`expected the kernel ${KERNEL_NAME}, found ${kernel}`]),
  ].map((fault) => `${path}: ${fault}`);
}

/** Takes outputs and counts of executions out of a notebook, and formats it. */
export async function cleanNotebook(path: string): Promise<void> {
  const notebook = await readNotebook(path);
  const cells = notebook.cells.map((cell) =>
    isCode(cell) ? { ...cell, outputs: [], execution_count: null } : cell
  );
  // indented by one, as Jupyter does, which formatting leaves alone
  await writeFileAtomic(path, JSON.stringify({ ...notebook, cells }, null, 1) + "\n");
  const [formatted] = await formattedNotebooks([path]);
  await writeFileAtomic(path, formatted!);
}

/**
 * Which notebooks are not formatted.
 * @returns a line for each
 */
export async function formatFaults(paths: readonly string[]): Promise<string[]> {
  const [texts, formatted] = await Promise.all([
    Promise.all(paths.map(readOwnText)),
    formattedNotebooks(paths),
  ]);
  return paths.filter((_, i) => texts[i] !== formatted[i])
    .map((path) => `${path}: expected it formatted, found it otherwise`);
}

/**
 * Notebooks as `deno fmt` writes them. They are formatted as copies, because Deno 2.9's `fmt --check`
 * takes every cell without a line break at its end for unformatted.
 */
async function formattedNotebooks(paths: readonly string[]): Promise<string[]> {
  const folder = await Deno.makeTempDir({ prefix: "notebooks-" });
  try {
    const copies = paths.map((path) => join(folder, basename(path)));
    await Promise.all(paths.map((path, i) => Deno.copyFile(path, copies[i]!)));
    const said = await deno(["fmt", "--quiet", "--config", CONFIG, ...copies]);
    if (said !== "") throw new UserError("damaged", `Cannot format notebooks: ${said}`.split("\n"));
    return await Promise.all(copies.map((copy) => Deno.readTextFile(copy)));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Type-checks the cells of notebooks, each notebook as one module.
 * @returns what is wrong, as Deno says it, with the notebook's name; empty where nothing is
 */
export async function typeFaults(paths: readonly string[]): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "notebooks-" });
  try {
    const scripts = await Promise.all(paths.map(async (path) => {
      const script = join(folder, basename(path).replace(/\.ipynb$/, ".ts"));
      await Deno.writeTextFile(script, await notebookScript(path));
      return script;
    }));
    const said = await deno(["check", "--quiet", "--config", CONFIG, ...scripts]);
    return said.replaceAll(`file://${folder}/`, "");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SOURCE = v.union([v.string(), v.array(v.string())], "a text or a list of lines");

const NOTEBOOK = v.looseObject({
  nbformat: v.literal(4, "format 4"),
  metadata: v.looseObject({
    kernelspec: v.optional(v.looseObject({ name: v.optional(v.string()) })),
  }),
  cells: v.array(v.looseObject({
    cell_type: v.picklist(["code", "markdown", "raw"]),
    source: SOURCE,
    outputs: v.optional(v.array(v.unknown())),
    execution_count: v.optional(v.nullable(v.number())),
  })),
});

/** Pictures stand in notebooks that have been run. */
const MAX_NOTEBOOK_BYTES = 2 ** 28;

async function readNotebook(path: string): Promise<Notebook> {
  const notebook = await readJson<Notebook>(path, { bytes: MAX_NOTEBOOK_BYTES });
  return checkForm<Notebook>(notebook, NOTEBOOK, `Cannot read ${path} as a notebook`);
}

function isCode({ cell_type: type }: Cell): boolean {
  return type === "code";
}

function text(source: Cell["source"]): string {
  return typeof source === "string" ? source : source.join("");
}

/** Runs Deno; what it says where it fails, else nothing. */
async function deno(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("deno", {
    args: [...args],
    cwd: PROJECT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim()).join("\n");
  return success ? "" : said.split("\nStack backtrace:")[0]!.trim() || `deno ${args[0]} failed`;
}
