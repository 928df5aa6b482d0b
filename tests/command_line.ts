/** The command line in a process of its own. */

import { join, resolve } from "node:path";

/** Folder of the project. */
export const ROOT = resolve(import.meta.dirname!, "..");

const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-ffi"];
const MAIN = join(ROOT, "experiments/main.ts");
const SMALL = join(ROOT, "tests/small_paper.ts");

/** How a process ended and what it said. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs the command line in the project's folder, wherever the tests were called. */
export function commandLine(...args: string[]): Promise<Outcome> {
  return commandLineWith({}, ...args);
}

/** The same with variables of its own. */
export function commandLineWith(env: Surroundings["env"], ...args: string[]): Promise<Outcome> {
  return runDeno(["run", "--frozen", "--quiet", ...PERMISSIONS, MAIN, ...args], { env: env ?? {} });
}

/** The same where `--profile paper` is a small world: see `small_paper.ts`. */
export function smallCommandLine(...args: string[]): Promise<Outcome> {
  return runDeno(["run", "--frozen", "--quiet", ...PERMISSIONS, "--preload", SMALL, MAIN, ...args]);
}

/** Where and with what variables a process runs. */
export interface Surroundings {
  /** Default: the project's folder. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs Deno. */
export async function runDeno(
  args: string[],
  { cwd = ROOT, env = {} }: Surroundings = {},
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", INIT_CWD: cwd, ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: text(stdout), error: text(stderr) };
}
