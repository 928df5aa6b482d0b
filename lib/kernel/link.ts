/**
 * What the kernel and the session that it keeps say to each other beside Jupyter's messages: a line of
 * JSON each, over a connection of their own.
 * @module
 */

/** What the kernel asks of the session. */
export type Ask =
  /** Whether code can run there; answered at once, also while a cell waits. */
  | { readonly ask: "alive" }
  /** To stop the cell that runs. */
  | { readonly ask: "stop" }
  /** To show a mark after all outputs so far; answered when it has been sent. */
  | { readonly ask: "mark"; readonly mark: string }
  /** Which line of the cell runs, where the cell says so. */
  | { readonly ask: "line" }
  /** What may follow code, up to its end. */
  | { readonly ask: "complete"; readonly code: string }
  /** What is known of the name that code ends with. */
  | { readonly ask: "inspect"; readonly code: string };

/** What may stand in place of code from its character `from` on; `undefined` where it is not known. */
export interface Completion {
  readonly from: number;
  readonly matches: readonly string[];
}

/** An answer, by the number of what was asked. */
export interface Answer {
  readonly id: number;
  readonly value?: unknown;
}

/** A display with this in its metadata is a mark, and nothing to show. */
export const MARK = "rine-mark";

/** Sends values as lines, one after the other; what the other side is gone for is lost. */
export function lineWriter(conn: Deno.Conn): (value: unknown) => void {
  let writing: Promise<unknown> = Promise.resolve();
  return (value) => {
    const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
    writing = writing.then(async () => {
      for (let from = 0; from < bytes.length;) from += await conn.write(bytes.subarray(from));
    }).catch(() => {});
  };
}

/** Values of lines as they come, until the connection ends. */
export async function* readLines(conn: Deno.Conn): AsyncGenerator<unknown> {
  const decoder = new TextDecoder(), buffer = new Uint8Array(16 * 1024);
  let rest = "";
  while (true) {
    const read = await conn.read(buffer).catch(() => null);
    if (read === null) return;
    const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}
