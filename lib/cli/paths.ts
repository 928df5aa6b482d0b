/**
 * Paths as users type them.
 * @module
 */
import { InvalidArgumentError, Option } from "commander";
import { relative, resolve } from "node:path";

/** An option that takes a path. */
export function pathOption(flags: string, text: string, value?: string): Option {
  return new Option(flags, text).default(value).argParser(userPath);
}

/** A path as the user typed it: tasks run in the project's folder, wherever they are called. */
export function userPath(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("Expected a path, found an empty word.");
  const typedIn = Deno.env.get("INIT_CWD") ?? Deno.cwd();
  return relative(Deno.cwd(), typedIn) === "" ? text : resolve(typedIn, text);
}
