/**
 * JSON of people and of other programs: what it may take of memory and time is bounded, and what is
 * wrong with it is said for people.
 *
 * ```ts ignore
 * const value = parseJson(text, "sets.json", checkForm(v.array(v.string())));
 * ```
 * @module
 */
import * as v from "valibot";
import { printable, quoted, UserError } from "./errors.ts";

/** What a text of JSON may be at most. */
export interface JsonLimits {
  /** Length in bytes; default 64 MiB. */
  readonly bytes?: number;
  /** Lists and objects in one another; default 64. */
  readonly depth?: number;
  /** Lists and objects in all; default a million. */
  readonly count?: number;
}

/** Default of {@linkcode JsonLimits.bytes}. */
export const MAX_JSON_BYTES: number = 2 ** 26;
const MAX_DEPTH = 64, MAX_COUNT = 1e6;

const QUOTE = 0x22, BACKSLASH = 0x5c;
/** `{` and `[`, `}` and `]`: they differ in one bit. */
const OPENING = 0x5b, CLOSING = 0x5d, CASE_BIT = 0x20;

/** Why a text is not read at all; `undefined` where it may be. */
function excess(text: string, { bytes = MAX_JSON_BYTES, depth, count }: JsonLimits) {
  const deepest = depth ?? MAX_DEPTH, most = count ?? MAX_COUNT;
  if (text.length > bytes) return `${text.length} characters; at most ${bytes} are read`;
  let open = 0, all = 0, isText = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isText) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) isText = false;
      continue;
    }
    if (code === QUOTE) isText = true;
    else if ((code & ~CASE_BIT) === OPENING) {
      if (++open > deepest) return `lists or objects more than ${deepest} deep`;
      if (++all > most) return `more than ${most} lists and objects`;
    } else if ((code & ~CASE_BIT) === CLOSING) open--;
  }
}

/**
 * Reads JSON.
 * @param what it is, for the error
 * @param form what it is held to; anything where it is left out
 * @param remedy what to do about it, for the error
 * @throws {UserError} saying what is not JSON, is too much of it, or has another form
 */
export function parseJson<T>(
  text: string,
  what: string,
  { form, remedy, ...limits }: JsonLimits & {
    readonly form?: v.GenericSchema;
    readonly remedy?: string;
  } = {},
): T {
  const bad = (expected: string, found: string) =>
    new UserError(
      "damaged",
      `Cannot read ${what}: expected ${expected}, found ${found}${
        remedy === undefined ? "" : `; ${remedy}`
      }`,
    );
  // Notepad and PowerShell write a byte order mark first
  text = text.replace(/^\ufeff/, "");
  const tooMuch = excess(text, limits);
  if (tooMuch !== undefined) throw bad("JSON", tooMuch);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad("JSON", unlike(text, (error as Error).message));
  }
  const problem = form && formProblem(form, value);
  if (problem) throw bad(problem.expected, problem.found);
  return value as T;
}

/** What stands in a text where it ceases to be JSON, and in which line. */
function unlike(text: string, message: string): string {
  const place = / at position (\d+)/.exec(message)?.[1];
  if (text.trim() === "") return "an empty text";
  if (place === undefined) return `${quoted(JSON.stringify(text))}`;
  const before = text.slice(0, Number(place)).split("\n");
  const rest = text.slice(Number(place), Number(place) + 10);
  const there = rest === "" ? "its end" : JSON.stringify(rest);
  return `${quoted(there)} in line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/** A whole number from 0. */
export const COUNT: v.GenericSchema<number> = v.pipe(
  v.number(),
  v.safeInteger("a whole number"),
  v.minValue(0, "a number from 0"),
);

/** What was wanted and what was found instead, in a few words each. */
export interface FormProblem {
  readonly expected: string;
  readonly found: string;
}

/** Holds a value to a form; `undefined` where it has it. */
export function formProblem(form: v.GenericSchema, value: unknown): FormProblem | undefined {
  const { issues } = v.safeParse(form, value, { abortEarly: true });
  if (!issues) return undefined;
  const [{ expected, input, path, message, kind }] = issues;
  const at = (path ?? []).map(({ key }) => quoted(`${String(key)}`)).join(".");
  const wanted = input === undefined && expected?.startsWith('"')
    ? "a value"
    : kind === "schema"
    ? WORDS[expected ?? ""] ?? quoted(expected ?? message)
    : message;
  return {
    expected: at === "" ? wanted : `${wanted} at ${at}`,
    found: describe(input),
  };
}

const WORDS: Readonly<Record<string, string>> = {
  Object: "an object",
  Array: "a list",
  string: "a text",
  number: "a number",
  boolean: "true or false",
};

function describe(value: unknown): string {
  if (value === undefined) return "none";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return quoted(JSON.stringify(value));
  return typeof value === "object" ? "an object" : printable(String(value));
}

/**
 * Holds a value to a form.
 * @param doing what the error says first: `Cannot read a.ipynb`
 * @param remedy what to do about it, for the error
 * @returns the value itself
 * @throws {UserError} of kind `damaged`, saying what was wanted where
 */
export function checkForm<T>(
  value: unknown,
  form: v.GenericSchema,
  doing: string,
  remedy?: string,
): T {
  const problem = formProblem(form, value);
  if (!problem) return value as T;
  const { expected, found } = problem;
  const advice = remedy === undefined ? "" : `; ${remedy}`;
  throw new UserError("damaged", `${doing}: expected ${expected}, found ${found}${advice}`);
}
