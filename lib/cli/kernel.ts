/**
 * `deno task kernel`: installs this project's Jupyter kernel, which runs cells in Deno's own.
 *
 * Deno looks for `deno.json`, and with it the names that cells import, from the folder that it starts
 * in, which is wherever the notebook lies. So cells run in the project's folder, and relative paths in
 * them are relative to it.
 * @module
 */
import type { Command } from "commander";
import { join } from "node:path";
import * as v from "valibot";
import { UserError } from "../io/errors.ts";
import { assertWritable, exists, readJson, writeJson } from "../io/files.ts";
import { PROJECT } from "../io/project.ts";

/** Adds the command. */
export function registerKernel(program: Command): void {
  program.command("kernel")
    .description("the Jupyter kernel that runs this project's notebooks, for the user")
    .option("--remove", "take it away again", false)
    .action(async ({ remove }: { remove: boolean }) => {
      console.log(await (remove ? removeKernel() : installKernel()));
    });
}

/** Name of the kernel, as notebooks have it. */
export const KERNEL_NAME = "rine";

/** What `kernel.json` says. https://jupyter-client.readthedocs.io/en/stable/kernels.html */
export interface KernelSpec {
  /** What starts the kernel; `{connection_file}` stands for a path that Jupyter fills in. */
  readonly argv: readonly string[];
  /** Name for people. */
  readonly display_name: string;
  /** Of the cells. */
  readonly language: "typescript";
  /** The kernel takes both; a signal goes to what cells have started, too. */
  readonly interrupt_mode: "message";
  /** Variables that Deno is started with: it asks nobody for updates. */
  readonly env: Readonly<Record<string, string>>;
  /** What it works on, for people who have several copies of the project. */
  readonly metadata: { readonly project: string };
}

/** Cells have all permissions; what passes them on needs these. */
const PERMISSIONS = ["read", "write", "net", "env", "run"].map((name) => `--allow-${name}`);

/** The kernel that runs notebooks with this project's modules. */
export function kernelSpec(): KernelSpec {
  const main = join(PROJECT, "lib", "kernel", "main.ts");
  return {
    argv: [
      ...[Deno.execPath(), "run", "--quiet", "--frozen", "--no-prompt", ...PERMISSIONS],
      ...[main, "{connection_file}"],
    ],
    display_name: "RINE (Deno)",
    language: "typescript",
    interrupt_mode: "message",
    env: { DENO_NO_UPDATE_CHECK: "1" },
    metadata: { project: PROJECT },
  };
}

/** Whether a kernel starts a Deno that `npx` has put into its cache. */
export function isCached({ argv }: KernelSpec): boolean {
  return argv.some((word) => /[\\/]_npx[\\/]/.test(word));
}

/**
 * Installs the kernel for the user, or replaces it.
 * @param folder Jupyter's data folder
 * @returns a summary for people
 */
export async function installKernel(folder: string = jupyterDataFolder()): Promise<string> {
  const path = join(folder, "kernels", KERNEL_NAME);
  await assertWritable(path);
  const before = await installedProject(join(path, "kernel.json"));
  const spec = kernelSpec();
  // what it needs of npm is fetched now, and not when a notebook is opened
  await import("../kernel/syntax.ts");
  await writeJson(join(path, "kernel.json"), spec);
  return [
    `Installed the kernel "${spec.display_name}" in ${path}`,
    ...(before === undefined || before === PROJECT ? [] : [`It worked on ${before} before`]),
    ...(isCached(spec)
      ? [
        "It starts Deno from npx's cache, which may be emptied; `npm install --global deno` and this " +
        "command again make it last",
      ]
      : []),
    "Choose it in JupyterLab or VS Code for the notebooks of this project, in whatever folder. " +
    "Cells run with all of Deno's permissions, as Python's do",
  ].join("\n");
}

const OWN = v.looseObject({ metadata: v.looseObject({ project: v.string() }) });

/** The project that an installed kernel works on, where it says so. */
async function installedProject(path: string): Promise<string | undefined> {
  const found = await readJson<v.InferOutput<typeof OWN>>(path, { form: OWN }).catch((error) => {
    if (error instanceof UserError) return undefined;
    throw error;
  });
  return found?.metadata.project;
}

/**
 * Removes the kernel, where it is installed.
 * @returns a summary for people
 */
export async function removeKernel(folder: string = jupyterDataFolder()): Promise<string> {
  const path = join(folder, "kernels", KERNEL_NAME);
  if (!await exists(path)) return `There is no kernel in ${path}`;
  await Deno.remove(path, { recursive: true });
  return `Removed the kernel from ${path}`;
}

/**
 * Where Jupyter looks for a user's kernels.
 * https://docs.jupyter.org/en/latest/use/jupyter-directories.html
 */
export function jupyterDataFolder(
  os: typeof Deno.build.os = Deno.build.os,
  env: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string {
  const chosen = env("JUPYTER_DATA_DIR");
  if (chosen) return chosen;
  if (os === "windows") return join(env("APPDATA") ?? home(env), "jupyter");
  if (os === "darwin") return join(home(env), "Library", "Jupyter");
  return join(env("XDG_DATA_HOME") || join(home(env), ".local", "share"), "jupyter");
}

function home(env: (name: string) => string | undefined): string {
  const found = env("HOME") ?? env("USERPROFILE");
  if (found) return found;
  throw new UserError(
    "usage",
    "Cannot find Jupyter's data folder: expected JUPYTER_DATA_DIR or HOME, found neither",
  );
}
