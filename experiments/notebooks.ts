/**
 * Runs and checks the notebooks: headless with Jupyter, or as text without it.
 *
 * deno task notebooks
 * deno task notebooks:check
 * @module
 */
import { basename, join, resolve } from "node:path";
import { readJson, writeJson } from "../lib/io/files.ts";
import { KERNEL_NAME, kernelSpec } from "./kernel.ts";
import { duration } from "./progress_bar.ts";

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

const PROJECT = resolve(import.meta.dirname!, "..");

/** The project's notebooks. */
export const NOTEBOOKS = join(PROJECT, "notebooks");

/** Paths of the notebooks in a folder, in the order of their names. */
export async function notebookPaths(folder: string = NOTEBOOKS): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return names.filter((name) => name.endsWith(".ipynb")).sort().map((name) => join(folder, name));
}

/**
 * A notebook's code cells as one module.
 * @throws {SyntaxError} where the file is no notebook
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
  await writeJson(path, { ...notebook, cells });
  await deno(["fmt", "--quiet", path]);
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
    return await deno(["check", "--quiet", "--config", join(PROJECT, "deno.json"), ...scripts]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Checks that notebooks can be committed: no outputs, formatted, and every cell has right types.
 * @param fix take outputs out and format them first
 * @returns a summary for people
 * @throws {RangeError} naming what is wrong
 */
export async function checkNotebooks({ fix = false }: { fix?: boolean } = {}): Promise<string> {
  const paths = await notebookPaths();
  if (fix) { for (const path of paths) await cleanNotebook(path); }
  const faults = (await Promise.all(paths.map(notebookFaults))).flat();
  const format = await deno(["fmt", "--check", "--quiet", ...paths]);
  if (faults.length > 0 || format !== "") {
    throw new RangeError(
      [
        "Cannot accept the notebooks",
        ...faults,
        format,
        "`deno task notebooks:check --fix` mends it",
      ]
        .filter((line) => line !== "").join("\n"),
    );
  }
  const types = await typeFaults(paths);
  if (types !== "") throw new RangeError(`Cannot accept the notebooks: ${types}`);
  return `${paths.length} notebooks carry no outputs, are formatted and have right types`;
}

/** Whether notebooks can be executed here. */
export async function hasJupyter(): Promise<boolean> {
  try {
    const { success } = await jupyter(["nbconvert", "--version"], {});
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A notebook that has been executed. */
export interface ExecutedNotebook {
  readonly path: string;
  readonly seconds: number;
  /** What the failing cell said; empty where there is none. */
  readonly error: string;
}

/**
 * Executes a notebook with this project's kernel, installed or not, and writes it as HTML.
 * @param out folder of the HTML file
 * @param cwd folder that Jupyter is started in
 */
export async function executeNotebook(
  path: string,
  out: string,
  cwd: string = PROJECT,
): Promise<ExecutedNotebook> {
  const started = performance.now();
  const folder = await Deno.makeTempDir({ prefix: "kernel-" });
  try {
    await writeJson(join(folder, "kernels", KERNEL_NAME, "kernel.json"), kernelSpec());
    const { success, stderr } = await jupyter(
      [
        "nbconvert",
        "--execute",
        "--to=html",
        `--output-dir=${resolve(out)}`,
        "--ExecutePreprocessor.timeout=900",
        resolve(path),
      ],
      { cwd, env: { JUPYTER_PATH: folder } },
    );
    return {
      path,
      seconds: (performance.now() - started) / 1000,
      error: success ? "" : cellError(new TextDecoder().decode(stderr)),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What nbconvert says of a failing cell, without its own stack trace. */
function cellError(stderr: string): string {
  const from = stderr.lastIndexOf("An error occurred while executing the following cell:");
  return (from < 0 ? stderr : stderr.slice(from)).trim();
}

/**
 * Executes all notebooks and writes them as HTML.
 * @param log told of each notebook when it ends
 * @returns a summary for people
 * @throws {RangeError} where Jupyter is missing, with what installs it, or a cell fails
 */
export async function runNotebooks(
  out: string,
  log: (line: string) => void,
): Promise<string> {
  if (!await hasJupyter()) {
    throw new RangeError(
      "Cannot run notebooks: expected `jupyter nbconvert`, found none; " +
        "`apt-get install jupyter-nbconvert` or `pip install nbconvert` installs it",
    );
  }
  await checkNotebooks();
  const failed: string[] = [];
  let seconds = 0;
  const paths = await notebookPaths();
  for (const path of paths) {
    const executed = await executeNotebook(path, out);
    seconds += executed.seconds;
    const name = basename(path);
    log(`${name}: ${executed.error === "" ? "" : "failed after "}${duration(executed.seconds)}`);
    if (executed.error !== "") failed.push(`${name}: ${executed.error}`);
  }
  if (failed.length > 0) {
    throw new RangeError(["Cannot run all notebooks", ...failed].join("\n\n"));
  }
  return `${paths.length} notebooks in ${duration(seconds)}; their pages are in ${out}`;
}

async function readNotebook(path: string): Promise<Notebook> {
  const notebook = await readJson<Notebook>(path);
  if (notebook?.nbformat !== 4 || !Array.isArray(notebook.cells)) {
    throw new SyntaxError(`Cannot read ${path}: expected a notebook of format 4, found another`);
  }
  return notebook;
}

function isCode({ cell_type: type }: Cell): boolean {
  return type === "code";
}

function text(source: Cell["source"]): string {
  return typeof source === "string" ? source : source.join("");
}

function jupyter(
  args: readonly string[],
  options: Deno.CommandOptions,
): Promise<Deno.CommandOutput> {
  return new Deno.Command("jupyter", { ...options, args: [...args], stdin: "null" }).output();
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
  return success ? "" : said.trim() || `deno ${args[0]} failed`;
}
