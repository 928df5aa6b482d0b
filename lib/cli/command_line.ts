/**
 * The command line: registers commands, runs the one that was typed, and ends the process with its
 * exit code.
 * @module
 */
import { Command, CommanderError } from "commander";
import process from "node:process";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { printable } from "../io/errors.ts";
import { stopOnSignals } from "./interrupt.ts";
import { errorText, EXIT_FAILURE, EXIT_USAGE, usageLine } from "./errors.ts";

/** Adds a command to the program: its words, and what it does. */
export type Register = (program: Command) => void;

/**
 * Runs the command that was typed. The process ends with it.
 * @param commands by name; what is loaded of them is the one that was typed alone, so that a task needs
 * no more permissions than its own command
 */
export async function runCommandLine(
  commands: Readonly<Record<string, () => Promise<Register>>>,
): Promise<never> {
  const program = new Command("deno task")
    .description("RINE (Koutlis & Papadopoulos, ECCV 2024): experiments, tables and figures")
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const [, , name = ""] = process.argv;
  const loads = Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands);
  // two names may be of one module
  for (const register of new Set(await Promise.all(loads.map((load) => load())))) register(program);
  refuseRepeated(program);
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
  Deno.exit(EXIT_FAILURE);
}
