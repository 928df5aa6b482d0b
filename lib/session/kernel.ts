/**
 * What is said to the kernel of a Jupyter notebook; on a terminal, its text is printed.
 * @module
 */
import { isForPeople } from "../io/errors.ts";
import { STOPPABLE } from "../io/cell.ts";
import type { MediaBundle } from "../report/write/media.ts";

/**
 * Deno's own kernel ends a cell before its last messages have left: each is given time by its size, and
 * the last some more. This project's kernel waits by itself.
 */
const QUIET_MS = 50, BYTES_PER_MS = 10_000;

/** Whether the code runs in a notebook's kernel. */
export function isNotebook(): boolean {
  try {
    return typeof Deno.jupyter.display === "function";
  } catch {
    return false; // outside a kernel, Deno throws where the namespace is read
  }
}

/**
 * Runs work that a cell asked for. An error that is about the user's data or machine comes without a
 * stack trace: one line stands in the cell.
 */
export async function inOneLine<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isNotebook() && isForPeople(error)) error.stack = `${error.name}: ${error.message}`;
    throw error;
  }
}

/** Which output is drawn again in place. */
export interface DisplayOptions {
  readonly display_id?: string;
  readonly update?: boolean;
}

/** Shows one output, and gives the kernel the time that it takes. */
export async function display(bundle: MediaBundle, options: DisplayOptions = {}): Promise<void> {
  if (isNotebook()) {
    await Deno.jupyter.display(bundle, { raw: true, ...options });
    await pause(JSON.stringify(bundle).length / BYTES_PER_MS);
    return;
  }
  const text = bundle["text/plain"];
  if (text !== "") await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}

/** Waits until the outputs before it have left. */
export async function quiet(): Promise<void> {
  if (isNotebook()) await pause(QUIET_MS);
}

async function pause(ms: number): Promise<void> {
  if (STOPPABLE in globalThis) return;
  await new Promise((resolve) => setTimeout(resolve, ms));
}
