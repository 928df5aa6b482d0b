/**
 * What stands in the session of a notebook, beside the reader's own code: it stops cells, tells when
 * all outputs have left, and knows what may follow a name.
 * @module
 */
import { SHOW_LAST, STOPPABLE, Stopped, stopWork } from "../io/cell.ts";
import { type Ask, lineWriter, MARK, readLines } from "./link.ts";
import { completion, inspection } from "./names.ts";

/** How long work that was stopped may take to end by itself, before its cell ends without it. */
const WIND_DOWN_MS = 1000;

/** More than this of a value that does not know how to show itself are left out. */
const MOST_LINES = 30, MOST_CHARACTERS = 5000;

/** What ends a cell where it waits. */
const waiters = new Set<(reason: Stopped) => void>();

/** Waits as `await` does, and no longer when the cell is stopped. */
function waiting<T>(value: T): T | Promise<Awaited<T>> {
  if (typeof (value as { then?: unknown } | undefined)?.then !== "function") return value;
  return new Promise((resolve, reject) => {
    waiters.add(reject);
    Promise.resolve(value).then(resolve, reject).finally(() => waiters.delete(reject));
  });
}

/** Goes through values as `for await` does, and no longer when the cell is stopped. */
waiting.each = async function* <T>(
  values: AsyncIterable<T> | Iterable<T | Promise<T>>,
): AsyncGenerator<Awaited<T>> {
  const iterator = Symbol.asyncIterator in values
    ? values[Symbol.asyncIterator]()
    : values[Symbol.iterator]();
  let isStopped = true;
  try {
    while (true) {
      const { done, value } = await waiting(iterator.next());
      if (done) return;
      const awaited = await waiting(value);
      isStopped = false;
      yield awaited;
      isStopped = true;
    }
  } finally {
    // an iterator that is stuck would be waited for
    if (!isStopped) await iterator.return?.();
  }
};

/** Line of the statement that runs. */
let line = 1;

/** Says which statement of a cell runs. */
waiting.at = (begun: number): void => {
  line = begun;
};

/** Stops the cell that runs: its work first, so that it ends in good order. */
function stop(): void {
  // not those of the next cell
  const waiting = [...waiters];
  const jobs = stopWork();
  setTimeout(() => {
    for (const reject of waiting) reject(new Stopped());
  }, jobs === 0 ? 0 : WIND_DOWN_MS);
}

/**
 * Shows the last value of a cell: as the value says, as the library does, or as text of some lines.
 * What has to be waited for is not what anybody wants to see.
 */
async function showLast(count: number, value: unknown): Promise<void> {
  if (value === undefined || await ownDisplay()?.(value)) return;
  const data = value instanceof Promise
    ? { "text/plain": "A promise: write await before it" }
    : isAsyncList(value)
    ? {
      "text/plain": "Values that come one by one: for await (const value of …) goes through them",
    }
    : shortened(await Deno.jupyter.format(value));
  if (Object.keys(data).length === 0) return;
  await Deno.jupyter.broadcast("execute_result", { execution_count: count, data, metadata: {} });
}

/** What the library shows values with, once a cell has imported it. */
function ownDisplay(): ((value: unknown) => Promise<boolean>) | undefined {
  return (globalThis as { [SHOW_LAST]?: (value: unknown) => Promise<boolean> })[SHOW_LAST];
}

function isAsyncList(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object AsyncGenerator]";
}

function shortened(data: Record<string, unknown>): Record<string, unknown> {
  const { "text/plain": text, ...others } = data;
  if (typeof text !== "string" || Object.keys(others).length > 0) return data;
  const lines = text.split("\n");
  const shown = lines.slice(0, MOST_LINES).join("\n").slice(0, MOST_CHARACTERS);
  if (shown.length === text.length) return data;
  const left = lines.length - MOST_LINES;
  const said = left > 0 ? `${left} more lines` : `${text.length - shown.length} more characters`;
  // colours that began in what is shown end there
  return { "text/plain": `${shown}\x1b[0m\n… ${said}` };
}

async function answer(ask: Ask): Promise<unknown> {
  switch (ask.ask) {
    case "alive":
      return true;
    case "stop":
      stop();
      return true;
    case "mark":
      return await Deno.jupyter.broadcast("display_data", {
        data: {},
        metadata: { [MARK]: ask.mark },
        transient: {},
      });
    case "line":
      return line;
    case "complete":
      return completion(ask.code);
    case "inspect":
      return inspection(ask.code);
  }
}

/**
 * Connects the session with its kernel; when that is gone, the session ends.
 * @param port where the kernel listens, on this machine
 * @param token what the kernel knows the session by
 */
export async function join(port: number, token: string): Promise<void> {
  Object.defineProperty(globalThis, STOPPABLE, { value: waiting });
  internals().broadcastResult = (count, value) =>
    showLast(count, value).catch(async (error) => {
      const { name, message, stack } = error instanceof Error ? error : new Error(`${error}`);
      await Deno.jupyter.broadcast("error", {
        ename: name,
        evalue: message,
        traceback: (stack ?? message).split("\n"),
      });
    });
  // what fails where nobody waits for it would hold up Deno's kernel, and not be told
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    if (!(event.reason instanceof Stopped)) console.error("Nobody waited for:", event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    if (!(event.error instanceof Stopped)) console.error("Failed after its cell:", event.error);
  });
  // the kernel is told of it, too, and decides
  Deno.addSignalListener("SIGINT", () => {});
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const write = lineWriter(conn);
  write(token);
  void (async () => {
    for await (const line of readLines(conn)) {
      const { id, ...ask } = line as Ask & { readonly id: number };
      answer(ask).catch(() => {}).then((value) => write({ id, value }));
    }
    Deno.exit();
  })();
}

interface Internals {
  broadcastResult(count: number, value: unknown): Promise<void>;
}

function internals(): Internals {
  const { internal } = Deno as unknown as { internal: symbol };
  return (Deno as unknown as Record<symbol, { jupyter: Internals }>)[internal]!.jupyter;
}
