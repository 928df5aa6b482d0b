/**
 * `deno task fuzz --seconds N --seed S`: changes files of every kind that is read, and fails where a
 * reader neither reads one nor says in a line what is wrong with it.
 *
 * An input that failed is kept in `tests/fuzz/cases/`, and is tried in every test from then on.
 */
import { TextLineStream } from "../../lib/io/lines.ts";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { contentKey } from "../../lib/io/files.ts";
import { READERS } from "./readers.ts";
import type { Tried } from "./try.ts";

const LIMIT_MS = 5000, LIMIT_BYTES = 2 ** 30;
/** Inputs that a process tries before another takes over. */
const BATCH = 500;
const CASES = resolve(import.meta.dirname!, "cases");

interface Counts {
  cases: number;
  read: number;
  refused: number;
  failed: number;
  slowestMs: number;
  mostBytes: number;
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    cases: { type: "string" },
    seed: { type: "string", default: "0" },
    only: { type: "string" },
  },
});
const seed = wholeNumber(values.seed), seconds = wholeNumber(values.seconds);
const cases = values.cases === undefined ? Infinity : wholeNumber(values.cases);
const until = performance.now() + seconds * 1000;
if (values.only !== undefined && !READERS.some(({ name }) => name === values.only)) {
  stop(`Cannot fuzz ${values.only}: expected one of ${READERS.map(({ name }) => name).join(", ")}`);
}

const table = new Map<string, Counts>();
const failures: string[] = [];
for (let from = 0; from < cases && performance.now() < until;) {
  from = await batch(from, Math.min(BATCH, cases - from));
}
print();
Deno.exit(failures.length > 0 ? 1 : 0);

/**
 * Tries some inputs in a process; returns the number of the next.
 * @param isAgain whether it is one that took too long before: others may have had the machine
 */
async function batch(from: number, count: number, isAgain = false): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "--frozen", "-A", join(import.meta.dirname!, "try.ts")],
      JSON.stringify({ seed, from, count, only: values.only }),
    ],
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let next = from, under: Pick<Tried, "reader" | "index" | "path"> | undefined;
  let killed = "", timer: ReturnType<typeof setTimeout> | undefined;
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const said = JSON.parse(line) as "ready" | Tried;
    clearTimeout(timer);
    if (said === "ready") continue;
    if (!("outcome" in said)) {
      under = said;
      timer = setTimeout(() => {
        killed = `took more than ${LIMIT_MS} ms`;
        child.kill("SIGKILL");
      }, LIMIT_MS);
      continue;
    }
    under = undefined;
    next = said.index + 1;
    await note(said);
    if (performance.now() > until) {
      child.kill("SIGKILL");
      break;
    }
  }
  clearTimeout(timer);
  const { code } = await child.status;
  const said = (await errors).trim();
  if (said !== "") fail(`inputs ${from} to ${next} (seed ${seed}): said ${said.slice(0, 500)}`);
  if (under !== undefined && performance.now() < until + LIMIT_MS) {
    const { reader, index, path } = under;
    next = index + 1;
    if (killed && !isAgain) {
      await batch(index, 1, true);
      return next;
    }
    const message = killed || `the process ended with ${code}`;
    await note({ reader, index, path, outcome: "raw", message, ms: LIMIT_MS, memory: 0 });
  } else if (next === from) stop("Cannot fuzz: the process did not start");
  return next;
}

async function note(
  { reader, index, outcome, message, ms, memory, path, input }: Tried,
): Promise<void> {
  const counts = table.get(reader) ??
    { cases: 0, read: 0, refused: 0, failed: 0, slowestMs: 0, mostBytes: 0 };
  table.set(reader, counts);
  counts.cases++;
  counts.slowestMs = Math.max(counts.slowestMs, ms);
  counts.mostBytes = Math.max(counts.mostBytes, memory);
  const fault = outcome === "raw"
    ? message
    : ms > LIMIT_MS
    ? `took ${Math.round(ms)} ms`
    : memory > LIMIT_BYTES
    ? `took ${Math.round(memory / 1e6)} MB`
    : undefined;
  if (fault === undefined) return void counts[outcome === "read" ? "read" : "refused"]++;
  counts.failed++;
  // of a process that is gone it lies where it was read
  const bytes = input === undefined
    ? await Deno.readFile(path).catch(() => new Uint8Array())
    : Uint8Array.fromBase64(input);
  const kept = join(CASES, reader, `${contentKey([bytes], 8)}-${basename(path)}`);
  if (failures.length < 20 && bytes.length < 2 ** 20) {
    await Deno.mkdir(join(CASES, reader), { recursive: true });
    await Deno.writeFile(kept, bytes);
  }
  fail(`${reader} ${index} (seed ${seed}): ${fault}\n  kept as ${kept}`);
}

function fail(line: string): void {
  failures.push(line);
  if (failures.length <= 20) console.error(line);
}

function print(): void {
  console.log("| reader | inputs | read | refused in a line | failed | slowest | most memory |");
  console.log("| :-- | --: | --: | --: | --: | --: | --: |");
  const all: Counts = { cases: 0, read: 0, refused: 0, failed: 0, slowestMs: 0, mostBytes: 0 };
  const row = (name: string, { cases, read, refused, failed, slowestMs, mostBytes }: Counts) =>
    console.log(
      `| ${name} | ${cases} | ${read} | ${refused} | ${failed} | ${
        (slowestMs / 1000).toFixed(1)
      } s | ${Math.round(mostBytes / 1e6)} MB |`,
    );
  for (const { name } of READERS) {
    const counts = table.get(name);
    if (!counts) continue;
    row(name, counts);
    for (const key of ["cases", "read", "refused", "failed"] as const) all[key] += counts[key];
    all.slowestMs = Math.max(all.slowestMs, counts.slowestMs);
    all.mostBytes = Math.max(all.mostBytes, counts.mostBytes);
  }
  row("all", all);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) stop(`Cannot fuzz: expected a whole number, found ${text}`);
  return Number(text);
}

function stop(line: string): never {
  console.error(line);
  Deno.exit(2);
}
