/**
 * The one class of errors that are for people: what they say is all there is to say. Every other
 * error is a fault of the program, keeps its stack and is shown as such.
 * @module
 */

// deno-lint-ignore no-control-regex -- they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text that a terminal, a page or a picture shows as characters and does not obey: control characters,
 * line breaks and what turns the direction of writing become U+FFFD.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\ufffd");
}

/** Characters of somebody else's text that an error quotes. */
const QUOTED_LENGTH = 80;

/** A value that was found in a file, as an error may quote it: short, and in one line. */
export function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "nothing";
  const short = text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH)}…` : text;
  return printable(short.toWellFormed());
}

/** Names in a list that an error gives. */
const LISTED = 8;

/** Names as an error lists them: some, and how many more there are. */
export function listed(names: readonly string[]): string {
  const some = names.slice(0, LISTED).map(quoted).join(", ");
  return names.length > LISTED ? `${some} and ${names.length - LISTED} more` : some;
}

/**
 * What is wrong: `missing`, something is not there and can be made or had; `damaged`, a file is not
 * what it should be; `usage`, words or values that were given; `choice`, a word that was given and is
 * none of those that do; `disk`, what the system refused.
 */
export type Problem = "missing" | "damaged" | "usage" | "choice" | "disk";

/**
 * An error about a person's data, words or machine. The message says what was being done, what was
 * wanted, what was found, and what to do next, in one line without a full stop. Names and texts of
 * files that stand in it are made {@linkcode printable}.
 *
 * @example
 * ```ts
 * import { UserError } from "./errors.ts";
 *
 * const error = new UserError("missing", "Cannot read a.json: expected a file, found none");
 * console.assert(error.kind === "missing");
 * ```
 */
export class UserError extends Error {
  /** Tells it from other errors where classes are not shared. */
  override readonly name = "UserError";
  /** What callers tell cases apart by. */
  readonly kind: Problem;

  /**
   * An error of some kind.
   * @param message a line, or several of them
   * @param options `cause`, where another error led to it
   */
  constructor(kind: Problem, message: string | readonly string[], options?: ErrorOptions) {
    super([message].flat().map(printable).join("\n"), options);
    this.kind = kind;
  }
}

/** Whether the operating system refused something: no such file, no permission, a full disk. */
export function isSystemError(error: unknown): error is Error {
  return error instanceof Error && /\(os error \d+\)/.test(error.message);
}

/** Whether an error's message says all there is to say: it is no fault of the program. */
export function isForPeople(error: unknown): error is Error {
  return error instanceof UserError ||
    [Deno.errors.NotFound, Deno.errors.PermissionDenied, Deno.errors.NotCapable]
      .some((kind) => error instanceof kind) ||
    isSystemError(error);
}

/** An error as it crosses from a worker thread to its pool. */
export interface SentError {
  /** Name of its class. */
  readonly name: string;
  /** What it says. */
  readonly message: string;
  /** Of a {@linkcode UserError}. */
  readonly kind?: Problem;
  /** Where it was thrown, in the worker. */
  readonly stack?: string;
}

/** Errors of the system that keep their class. */
const SYSTEM_ERRORS: ReadonlyMap<string, new (message: string) => Error> = new Map([
  Deno.errors.NotFound,
  Deno.errors.NotCapable,
  Deno.errors.PermissionDenied,
].map((kind) => [kind.name, kind]));

/** An error as a message can carry it. */
export function sentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  return {
    name,
    message,
    ...(error instanceof UserError ? { kind: error.kind } : {}),
    ...(stack === undefined ? {} : { stack }),
  };
}

/** The error that {@linkcode sentError} was made of: its class, what it says, and where it arose. */
export function receivedError({ name, message, kind, stack }: SentError): Error {
  const error = kind !== undefined
    ? new UserError(kind, message.split("\n"))
    : new (SYSTEM_ERRORS.get(name) ?? Error)(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * What is found; `undefined` where images, weights or runs are missing.
 * @param onMissing told what is missing
 */
export async function unlessMissing<T>(
  find: () => Promise<T>,
  onMissing: (message: string) => void = () => {},
): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (!(error instanceof UserError && error.kind === "missing")) throw error;
    onMissing(error.message);
    return undefined;
  }
}

/**
 * What comes of a group's work; `undefined` where a file is damaged, which costs its group and no other.
 * What the disk refuses, and faults of the program, are thrown.
 * @param problems what is wrong is added to them
 */
export async function unlessDamaged<T>(
  running: Promise<T>,
  problems: string[],
): Promise<T | undefined> {
  try {
    return await running;
  } catch (error) {
    if (!(error instanceof UserError) || error.kind === "disk") throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** What tells lines to somebody, each once. */
export function tellingOnce(tell: (line: string) => void = () => {}): (line: string) => void {
  const told = new Set<string>();
  return (line) => {
    if (!told.has(line)) tell(line);
    told.add(line);
  };
}

/**
 * Refuses options that there are none of: cells are not checked for types before they run, and a
 * misspelt option would be as if it had been left out.
 * @param doing what the error says first: `Cannot open a backbone`
 * @throws {UserError} naming the first, with those that there are
 */
export function refuseUnknown(doing: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new UserError(
    "usage",
    `${doing}: expected options of ${known.join(", ")}; found ${unknown}`,
  );
}
