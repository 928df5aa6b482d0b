/**
 * `deno task notebooks` and `deno task notebooks:check`: runs and checks the notebooks, headless with
 * Jupyter, or as text without it.
 * @module
 */
import type { Command } from "commander";
import { basename, join, resolve } from "node:path";
import { UserError } from "../io/errors.ts";
import { assertWritable, writeJson } from "../io/files.ts";
import { duration } from "../io/progress_bar.ts";
import { PROJECT } from "../io/project.ts";
import { KERNEL_NAME, kernelSpec } from "./kernel.ts";
import {
  cleanNotebook,
  formatFaults,
  notebookFaults,
  notebookPaths,
  typeFaults,
} from "./notebook_files.ts";
import { pathOption } from "./paths.ts";

/** Adds the commands. */
export function registerNotebooks(program: Command): void {
  program.command("notebooks")
    .description("execute all notebooks with Jupyter, and write them as HTML")
    .addOption(pathOption("--out <folder>", "where the HTML goes", "results/notebooks"))
    .action(async ({ out }: { out: string }) => {
      console.log(await runNotebooks(out, (line) => console.error(line)));
    });
  program.command("notebooks:check")
    .description("whether notebooks can be committed: no outputs, formatted, right types")
    .option("--fix", "take outputs out and format first", false)
    .action(async (flags: { fix: boolean }) => console.log(await checkNotebooks(flags)));
}

/**
 * Checks that notebooks can be committed: no outputs, formatted, and every cell has right types.
 * @param fix take outputs out and format them first
 * @returns a summary for people
 * @throws {UserError} naming what is wrong
 */
export async function checkNotebooks({ fix = false }: { fix?: boolean } = {}): Promise<string> {
  const paths = await notebookPaths();
  if (fix) { for (const path of paths) await cleanNotebook(path); }
  const faults = [
    ...(await Promise.all(paths.map(notebookFaults))).flat(),
    ...await formatFaults(paths),
  ];
  if (faults.length > 0) {
    throw new UserError(
      "usage",
      ["Cannot accept the notebooks", ...faults, "`deno task notebooks:check --fix` mends it"],
    );
  }
  const types = await typeFaults(paths);
  if (types !== "") {
    throw new UserError("usage", `Cannot accept the notebooks: ${types}`.split("\n"));
  }
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
  { cwd = PROJECT }: { cwd?: string } = {},
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

/** What nbconvert says of a failing cell: its code and the error, without its own stack trace. */
function cellError(stderr: string): string {
  const from = stderr.lastIndexOf("An error occurred while executing the following cell:");
  const lines = stderr.slice(Math.max(0, from)).trim().split("\n");
  // an error of one line is said as its trace, and again by its name
  return lines.filter((line, i) => line !== lines[i - 1]).join("\n");
}

/**
 * Executes all notebooks and writes them as HTML.
 * @param log told of each notebook when it ends
 * @returns a summary for people
 * @throws {UserError} where Jupyter is missing, with what installs it, or a cell fails
 */
export async function runNotebooks(
  out: string,
  log: (line: string) => void,
): Promise<string> {
  if (!await hasJupyter()) {
    throw new UserError(
      "missing",
      "Cannot run notebooks: expected `jupyter nbconvert`, found none; " +
        "`apt-get install jupyter-nbconvert` or `pip install nbconvert` installs it",
    );
  }
  await checkNotebooks();
  await assertWritable(out);
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
    throw new UserError("usage", ["Cannot run all notebooks", ...failed].join("\n\n"));
  }
  return `${paths.length} notebooks in ${duration(seconds)}; their pages are in ${out}`;
}

function jupyter(
  args: readonly string[],
  options: Deno.CommandOptions,
): Promise<Deno.CommandOutput> {
  return new Deno.Command("jupyter", { ...options, args: [...args], stdin: "null" }).output();
}
