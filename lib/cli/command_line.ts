/**
 * The command line: registers commands, runs the one that was typed, and ends the process with its
 * exit code.
 * @module
 */
import { Command, CommanderError } from "commander";
import process from "node:process";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { printable, UserError } from "../io/errors.ts";
import { stopOnSignals } from "./interrupt.ts";
import { errorText, EXIT_FAILURE, EXIT_USAGE, usageLine } from "./errors.ts";

/** Adds a command to the program: its words, and what it does. */
export type Register = (program: Command) => void;

/** Commands by name, each loaded when it is asked for. */
export type Commands = Readonly<Record<string, () => Promise<Register>>>;

/**
 * The program with the command of a name, or with all where there is none of that name: what is loaded
 * is that command alone, so that a task needs no more permissions than its own command.
 */
export async function programOf(commands: Commands, name = ""): Promise<Command> {
  const program = new Command("deno task")
    .description("RINE (Koutlis & Papadopoulos, ECCV 2024): experiments, tables and figures")
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const loads = Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands);
  // two names may be of one module
  for (const register of new Set(await Promise.all(loads.map((load) => load())))) register(program);
  refuseRepeated(program);
  return program;
}

/** Runs the command that was typed. The process ends with it. */
export async function runCommandLine(commands: Commands): Promise<never> {
  const program = await programOf(commands, process.argv[2]);
  stopOnSignals();
  guardTerminal();
  globalThis.addEventListener("unhandledrejection", ({ reason }) => fail(reason));
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0) console.error(usageLine(error, program));
      Deno.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
    }
    fail(error);
  }
  // native libraries keep threads of their own, which must not keep the process
  Deno.exit();
}

/** Refuses an option that is given twice: which of the two was meant is not known. */
function refuseRepeated(command: Command): void {
  for (const option of command.options) {
    let times = 0;
    command.on(`option:${option.name()}`, () => {
      if (++times === 1) return;
      throw new CommanderError(
        EXIT_USAGE,
        "commander.repeatedOption",
        `error: option '${option.flags}' given twice`,
      );
    });
  }
  command.commands.forEach(refuseRepeated);
}

/**
 * Keeps what a terminal would obey out of all that is said: names of files and texts in them are
 * somebody else's.
 */
function guardTerminal(): void {
  for (const method of ["log", "error"] as const) {
    const say = console[method];
    console[method] = (...values: unknown[]) =>
      say(
        ...values.map((value) =>
          typeof value === "string" ? value.split("\n").map(printable).join("\n") : value
        ),
      );
  }
}

function fail(error: unknown): never {
  ProgressDisplay.closeAll();
  console.error(errorText(error));
  const isWord = error instanceof UserError && error.kind === "choice";
  Deno.exit(isWord ? EXIT_USAGE : EXIT_FAILURE);
}
