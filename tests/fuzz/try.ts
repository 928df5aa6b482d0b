/** Tries readers on changed files, and says what came of each: a process of its own, which may die. */
import { dirname, join } from "node:path";
import { isForPeople, UserError } from "../../lib/io/errors.ts";
import { randomStream } from "../../lib/random.ts";
import { mutated } from "./mutate.ts";
import { type Reader, READERS } from "./readers.ts";

/** What a process tries: `count` inputs from the one that is numbered `from`, with one seed. */
export interface Trials {
  readonly seed: number;
  readonly from: number;
  readonly count: number;
  /** Name of a reader, where one alone is tried. */
  readonly only?: string | undefined;
}

/** What came of an input. */
export interface Tried {
  readonly reader: string;
  readonly index: number;
  /** `read`, `refused`, or what is wrong. */
  readonly outcome: "read" | "refused" | "raw";
  readonly message: string;
  readonly ms: number;
  /** Most memory that the process has held so far, bytes. */
  readonly memory: number;
  /** Where the input lies while it is read. */
  readonly path: string;
  /** The input itself in base64, where something is wrong. */
  readonly input?: string;
}

/** What V8 and Deno say of faults of a program. */
const RAW =
  /Cannot (?:read propert|destructure|convert|set propert|mix)|is not (?:a function|iterable|a constructor|defined|an object)|undefined is|null is|Invalid (?:array|typed|string|count)|out of memory|allocation failed|(?:found|expected) \[object |Maximum call|circular|os error|undefined$/;

/** What is wrong with how a file was refused; `undefined` where nothing is. */
export function faultOf(error: unknown): string | undefined {
  if (!isForPeople(error)) return `${error instanceof Error ? error.stack : error}`;
  const { message } = error;
  if (RAW.test(message)) return `raw: ${message}`;
  // deno-lint-ignore no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/.test(message)) {
    return `unprintable: ${message}`;
  }
  if (message.length > 1200) return `long: ${message.slice(0, 200)}`;
  return error instanceof UserError ? undefined : `no word for people: ${message}`;
}

/** A reader's folder with its files, as they were written. */
interface Prepared {
  readonly folder: string;
  readonly names: readonly string[];
  readonly originals: readonly Uint8Array<ArrayBuffer>[];
}

async function prepare(reader: Reader): Promise<Prepared> {
  const folder = await Deno.makeTempDir({ prefix: "fuzz-" });
  const names = await reader.prepare(folder);
  const originals = await Promise.all(names.map((name) => Deno.readFile(join(folder, name))));
  return { folder, names, originals };
}

/** Reads a file; what came of it. */
export async function tryReading(
  reader: Reader,
  folder: string,
  name: string,
): Promise<Pick<Tried, "outcome" | "message" | "ms">> {
  const started = performance.now();
  let outcome: Tried["outcome"] = "read", message = "";
  try {
    await reader.read(folder, name);
  } catch (error) {
    const fault = faultOf(error);
    outcome = fault === undefined ? "refused" : "raw";
    message = fault ?? (error as Error).message;
  }
  return { outcome, message, ms: performance.now() - started };
}

/** The reader of an input by its number: the same for the same seed. */
function readerOf(seed: number, index: number, readers: readonly Reader[]): Reader {
  const total = readers.reduce((sum, { share }) => sum + share, 0);
  let at = randomStream(seed, "reader", index).uniform(0, total);
  return readers.find(({ share }) => (at -= share) < 0) ?? readers.at(-1)!;
}

/**
 * Tries inputs one after the other.
 * @param onStart told where an input lies before it is read
 */
export async function* trials(
  { seed, from, count, only }: Trials,
  onStart: (reader: string, index: number, path: string) => void = () => {},
): AsyncGenerator<Tried> {
  const readers = READERS.filter(({ name }) => only === undefined || name === only);
  const prepared = new Map<Reader, Prepared>();
  try {
    for (let index = from; index < from + count; index++) {
      const reader = readerOf(seed, index, readers);
      if (!prepared.has(reader)) prepared.set(reader, await prepare(reader));
      const { folder, names, originals } = prepared.get(reader)!;
      const random = randomStream(seed, "input", index);
      const which = random.integer(names.length);
      const name = names[which]!, path = join(folder, name), original = originals[which]!;
      const changed = mutated(original, random, originals);
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeFile(path, reader.mend?.(changed, name) ?? changed);
      onStart(reader.name, index, path);
      const tried = await tryReading(reader, folder, name);
      const input = tried.outcome === "raw" ? (await Deno.readFile(path)).toBase64() : undefined;
      yield {
        ...{ reader: reader.name, index, ...tried, memory: mostMemory(), path },
        ...(input === undefined ? {} : { input }),
      };
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeFile(path, original);
    }
  } finally {
    for (const { folder } of prepared.values()) await Deno.remove(folder, { recursive: true });
  }
}

function mostMemory(): number {
  try {
    const text = Deno.readTextFileSync("/proc/self/status");
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0);
  } catch {
    return Deno.memoryUsage().rss;
  }
}

if (import.meta.main) {
  const write = (value: unknown) =>
    Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  const asked: Trials = JSON.parse(Deno.args[0]!);
  write("ready");
  const starting = (reader: string, index: number, path: string) => write({ reader, index, path });
  for await (const tried of trials(asked, starting)) write(tried);
  Deno.exit(0);
}
