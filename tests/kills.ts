/**
 * `deno run -A tests/kills.ts --rounds 5 --kills 8 --seed 0`: a reproduction in small is ended at random
 * moments by SIGTERM, SIGINT, SIGHUP and SIGKILL, or stopped and gone on with, and begun again, until it
 * comes to its end. Its records, heads, scores and features must then be those of one that nobody
 * disturbed, and nothing else may be there.
 *
 * `--processes 3` has so many at work on the same folders at once, each of them disturbed. `--mini` takes
 * the whole miniature instead, in some ten minutes a round; `--most 30` disturbs it within so many seconds.
 */
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { randomStream } from "../lib/random.ts";
import { ROOT } from "./command_line.ts";
import { makeSmallWorld } from "./small_world.ts";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL", "SIGSTOP"] as const;

/** Of each signal, how a command may end; one that was stopped goes on to its end. */
const CODES = {
  SIGTERM: [143],
  SIGINT: [130],
  SIGHUP: [129],
  SIGKILL: [137],
  SIGSTOP: [0],
} as const;

/** The longest that a command may take to end after it was told to. */
const END_MS = 12_000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    kills: { type: "string", default: "8" },
    seed: { type: "string", default: "0" },
    processes: { type: "string", default: "1" },
    most: { type: "string" },
    mini: { type: "boolean", default: false },
  },
});

const root = await Deno.makeTempDir({ prefix: "kills-" });
const data = join(root, "data");
await makeSmallWorld(data);

/** A reproduction; its words. */
function words(folder: string): string[] {
  const [tokens, results] = [join(folder, "tokens"), join(folder, "results")];
  const own = values.mini
    ? ["--profile", "mini", "--data", join(folder, "data")]
    : ["--profile", "paper", "--data", join(data, "mini"), "--only", "grid,epochs,perturbations"];
  return [
    ...["run", "--quiet", "--no-check", "-A", "--preload", join(ROOT, "tests/small_paper.ts")],
    ...[join(ROOT, "experiments/main.ts"), "reproduce", ...own],
    ...["--tokens", tokens, "--results", results],
  ];
}

function start(folder: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: words(folder),
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** What may not be there, and what must be the same. */
async function outcome(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (path: string) => {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const inner = join(path, name), short = relative(folder, inner);
      // notes of who uses a folder are named by where that lies
      if (name === "setups") continue;
      if (isDirectory) await walk(inner);
      else found.set(short, await lasting(inner, short));
    }
  };
  await walk(folder);
  return found;
}

/** A file without times and dates, as a hash. */
async function lasting(path: string, short: string): Promise<string> {
  const bytes = await Deno.readFile(path);
  const isTimed = /[\\/](?:tables|figures|paper|report)|made[\\/]cost|report\.|best_|heads[\\/]/
    .test(short);
  if (path.endsWith(".json") && !isTimed) {
    const text = new TextDecoder().decode(bytes)
      .replaceAll(
        /"(?:date|from|to|trainingSeconds|evaluationSeconds|seal|check|sha256)": [^\n]*/g,
        "",
      );
    return hash(new TextEncoder().encode(text));
  }
  if (path.endsWith(".safetensors")) {
    // what a head says of its training holds seconds
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    return hash(bytes.subarray(8 + length));
  }
  return isTimed ? "there" : hash(bytes);
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 12);
}

/** Ends, or stops, a reproduction at some moment; what went wrong. */
async function disturb(folder: string, afterMs: number, signal: typeof SIGNALS[number]) {
  const child = start(folder);
  let hasEnded = false;
  void child.status.then(() => hasEnded = true);
  const output = child.output();
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  if (hasEnded) return { problem: problemOf(await output, [0]), isDone: true };
  child.kill(signal);
  const told = performance.now();
  if (signal === "SIGSTOP") {
    await new Promise((resolve) => setTimeout(resolve, 500));
    child.kill("SIGCONT");
    return { problem: problemOf(await output, CODES[signal]), isDone: true };
  }
  const result = await output;
  const took = performance.now() - told;
  if (took > END_MS) return { problem: `took ${Math.round(took)} ms to end`, isDone: false };
  // before it listens it ends as any process does; a listener's code is the same
  return { problem: problemOf(result, [...CODES[signal], 0]), isDone: result.code === 0 };
}

function problemOf({ code, stderr }: Deno.CommandOutput, codes: readonly number[]) {
  const lines = new TextDecoder().decode(stderr).trimEnd().split("\n");
  if (!codes.includes(code)) return `ended with ${code}: ${lines.slice(-3).join(" / ")}`;
  const stack = lines.find((line) => /^ +at |panicked|error:|onnxruntime/.test(line));
  return stack === undefined ? undefined : `said ${stack}`;
}

/** Several at once, each disturbed at a moment of its own; whether the work was done after it. */
async function disturbAll(folder: string, where: string): Promise<boolean> {
  const ends = await Promise.all(Array.from({ length: Number(values.processes) }, async () => {
    const signal = random.pick(SIGNALS), afterMs = random.uniform(200, mostMs);
    const { problem, isDone } = await disturb(folder, afterMs, signal);
    if (problem) problems.push(`${where}, ${signal} after ${Math.round(afterMs)} ms: ${problem}`);
    sent.push(isDone && signal !== "SIGSTOP" ? "end" : signal);
    return isDone;
  }));
  return ends.some(Boolean);
}

const problems: string[] = [], sent: string[] = [];
const reference = join(root, "reference");
const begun = performance.now();
await Deno.mkdir(reference);
const { code, stderr } = await start(reference).output();
if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
const wholeMs = performance.now() - begun;
const expected = await outcome(reference);
console.log(`undisturbed: ${expected.size} files in ${(wholeMs / 1000).toFixed(1)} s`);
const mostMs = values.most === undefined ? wholeMs : 1000 * Number(values.most);

const random = randomStream(Number(values.seed), "kills");
for (let round = 1; round <= Number(values.rounds); round++) {
  const folder = join(root, `round-${round}`);
  await Deno.mkdir(folder);
  sent.length = 0;
  while (sent.length < Number(values.kills)) {
    const isDone = await disturbAll(folder, `round ${round}`);
    // from its beginning again, so that every moment is disturbed
    if (isDone) await Deno.remove(folder, { recursive: true }).then(() => Deno.mkdir(folder));
  }
  const last = problemOf(await start(folder).output(), [0]);
  if (last) problems.push(`round ${round}, the last one: ${last}`);
  const found = await outcome(folder);
  const names = new Set([...expected.keys(), ...found.keys()]);
  const different = [...names].filter((name) => expected.get(name) !== found.get(name));
  console.log(
    `round ${round}: ${sent.join(", ")}; ${different.length} of ${names.size} files differ`,
  );
  for (const name of different) {
    const what = !found.has(name) ? "is missing" : expected.has(name) ? "differs" : "is left over";
    problems.push(`round ${round}: ${name} ${what}`);
  }
  await Deno.remove(folder, { recursive: true });
}
await Deno.remove(root, { recursive: true });
for (const problem of problems) console.error(problem);
Deno.exit(problems.length > 0 ? 1 : 0);
