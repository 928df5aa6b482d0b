/**
 * What is shown of an error: one line to a person whose words or files were off; of a fault of the
 * program all that finds it.
 * @module
 */
import { type Command, type CommanderError, InvalidArgumentError } from "commander";
import { join } from "node:path";
import process from "node:process";
import config from "../../deno.json" with { type: "json" };
import { isForPeople, UserError } from "../io/errors.ts";
import { PROJECT } from "../io/project.ts";

/** Exit codes: the user's words were off; the work could not be done. */
export const EXIT_USAGE = 2, EXIT_FAILURE = 1;

/** An error of work, as it is shown; with `DEBUG` set, a person's own with its stack too. */
export function errorText(error: unknown): string {
  if (!isForPeople(error)) return faultText(error);
  return Deno.env.get("DEBUG") ? inspected(error) : lineOf(error);
}

/** Deno says `No such file or directory (os error 2): open 'PATH'`. */
function lineOf(error: Error): string {
  const path = /: \w+ '(.*)'$/.exec(error.message)?.[1];
  if (path !== undefined && error instanceof Deno.errors.NotFound) {
    return `Expected a file at ${path}, found none`;
  }
  if (path !== undefined && error instanceof Deno.errors.NotADirectory) {
    return `Expected a folder at ${path}, found a file`;
  }
  if (path !== undefined && /\(os error 21\)/.test(error.message)) {
    return `Expected a file at ${path}, found a folder`;
  }
  return error.message;
}

/** A fault of the program: its stack, and what to report of it and where. */
function faultText(error: unknown): string {
  const words = process.argv.slice(2)
    .map((word) => /^[\w.,:=@%+/\\-]+$/.test(word) ? word : JSON.stringify(word));
  return [
    inspected(error),
    "",
    "This is a fault of the program; please open an issue with these lines in the project's repository:",
    `  command   ${["deno task", ...words].join(" ")}`,
    `  versions  rine ${projectVersion()}, deno ${Deno.version.deno} (${Deno.build.target}), ` +
    // not asked of itself: a command may run without it
    `onnxruntime ${config.imports["onnxruntime-node"].split("@").at(-1)}`,
  ].join("\n");
}

/** An error with its stack, and that of the error that led to it. */
function inspected(error: unknown): string {
  return Deno.inspect(error, { colors: false });
}

/** The version in `deno.json`, and the commit where the project is a clone. */
function projectVersion(): string {
  const git = join(PROJECT, ".git");
  try {
    const head = Deno.readTextFileSync(join(git, "HEAD")).trim();
    const ref = /^ref: (.*)$/.exec(head)?.[1];
    const commit = ref === undefined ? head : Deno.readTextFileSync(join(git, ref)).trim();
    return `${config.version} (${commit.slice(0, 12)})`;
  } catch {
    return config.version;
  }
}

/** One line about words that were off, with the words that would have done. */
export function usageLine({ code, message }: CommanderError, program: Command): string {
  const command = namedCommand(program);
  const line = message.replace(/^error: /, "").replaceAll("\n", " ");
  if (code === "commander.excessArguments" && /--only\b/.test(process.argv.join(" "))) {
    return `${line} Names after --only have commas between and no spaces.`;
  }
  if (code === "commander.missingMandatoryOptionValue") {
    const known = command.options.flatMap(({ long, short }) => [long, short]);
    const unknown = process.argv.find((word) =>
      word.startsWith("-") && !known.includes(word.split("=", 1)[0]!)
    );
    if (unknown !== undefined) return `${line}; unknown option '${unknown}'; ${choicesOf(command)}`;
  }
  if (code === "commander.unknownOption" || code === "commander.excessArguments") {
    return `${line}; ${choicesOf(command)}`;
  }
  if (code === "commander.unknownCommand" || code === "commander.help") {
    return `${code === "commander.help" ? "no command" : line}; ${choicesOf(command)}`;
  }
  return line;
}

/** The words that a command takes: those of its commands, else its options. */
function choicesOf({ commands, options }: Command): string {
  const words = commands.length > 0
    ? commands.map((one) => one.name())
    : options.map(({ long }) => long);
  return words.length === 0 ? "it takes no options" : `choose from ${words.join(", ")}`;
}

/** The command that the words name, as far as they do. */
function namedCommand(program: Command): Command {
  let command = program;
  for (const word of process.argv.slice(2)) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (!next) break;
    command = next;
  }
  return command;
}

/** Opens a backbone that was named, or what needs it. A name that is not there is a word that is off. */
export async function openNamed<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    const isName = error instanceof UserError && error.message.startsWith("Cannot open backbone");
    throw isName ? new InvalidArgumentError(error.message) : error;
  }
}
