/**
 * `lib/io/json.ts` that holds nothing to a form or a limit.
 * @module
 */
export * from "../../../lib/io/json.ts";

/** JSON as it is. */
export function parseJson<T>(text: string): T {
  return JSON.parse(text);
}

/** The value. */
export function checkForm<T>(value: unknown): T {
  return value as T;
}

/** None. */
export function formProblem(): undefined {}
