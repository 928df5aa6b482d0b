/**
 * `deno run -A tests/kills.ts --rounds 5 --kills 8 --seed 0`: a reproduction in small is ended at random
 * moments by SIGTERM, SIGINT, SIGHUP and SIGKILL, or stopped and gone on with, and begun again, until it
 * comes to its end. Its records, heads, scores and features must then be those of one that nobody
 * disturbed, and nothing else may be there.
 *
 * `--processes 3` has so many at work on the same folders at once, each of them disturbed. `--mini` takes
 * the whole miniature instead, in some ten minutes a round; `--most 30` disturbs it within so many seconds.
 * `--reference FOLDER` holds what an undisturbed one has left there; where there is nothing, it is made.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomStream } from "../lib/random.ts";
import { ROOT } from "./command_line.ts";
import { outcome } from "./outcome.ts";
import { makeSmallWorld } from "./small_world.ts";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL", "SIGSTOP"] as const;

/** With what exit code a command ends of each signal that ends it. */
const CODES = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129, SIGKILL: 137 } as const;

/** The longest that a command may take to end after it was told to. */
const END_MS = 12_000;

/** How long one that is stopped stands still. */
const STOPPED_MS = 500;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    kills: { type: "string", default: "8" },
    seed: { type: "string", default: "0" },
    processes: { type: "string", default: "1" },
    most: { type: "string" },
    reference: { type: "string" },
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

/** A signal to a reproduction, and what went wrong after it. */
interface Disturbance {
  readonly signal: typeof SIGNALS[number];
  readonly afterMs: number;
}

/**
 * Ends a reproduction at some moment. One that is stopped goes on, and is disturbed again later.
 * @returns what it was sent, what went wrong, and whether it was done before it was ended
 */
async function disturb(folder: string) {
  const child = start(folder);
  const status = child.status.then(() => "ended" as const), output = child.output();
  const given: Disturbance[] = [];
  while (true) {
    const signal = random.pick(SIGNALS), afterMs = random.uniform(200, mostMs);
    if (await Promise.race([status, pause(afterMs)]) === "ended") {
      return { given, problem: problemOf(await output, [0]), isDone: true };
    }
    given.push({ signal, afterMs });
    child.kill(signal);
    if (signal === "SIGSTOP") {
      await pause(STOPPED_MS);
      child.kill("SIGCONT");
      continue;
    }
    const told = performance.now();
    const result = await output;
    const took = performance.now() - told;
    const isDone = result.code === 0;
    if (took > END_MS) return { given, problem: `took ${Math.round(took)} ms to end`, isDone };
    // before it listens it ends as any process does; a listener's code is the same
    return { given, problem: problemOf(result, [CODES[signal], 0]), isDone };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function problemOf({ code, stderr }: Deno.CommandOutput, codes: readonly number[]) {
  const lines = new TextDecoder().decode(stderr).trimEnd().split("\n");
  if (!codes.includes(code)) return `ended with ${code}: ${lines.slice(-3).join(" / ")}`;
  const stack = lines.find((line) => /^ +at |panicked|error:|onnxruntime/.test(line));
  return stack === undefined ? undefined : `said ${stack}`;
}

/** Several at once, each disturbed at moments of its own; whether the work was done after it. */
async function disturbAll(folder: string, where: string): Promise<boolean> {
  const done = await Promise.all(Array.from({ length: Number(values.processes) }, async () => {
    const { given, problem, isDone } = await disturb(folder);
    const moments = given.map(({ signal, afterMs }) => `${signal} after ${Math.round(afterMs)} ms`);
    if (problem) problems.push(`${where}, ${moments.join(", ")}: ${problem}`);
    sent.push(...given.map(({ signal }) => signal));
    if (isDone) finished++;
    return isDone;
  }));
  return done.some(Boolean);
}

const problems: string[] = [], sent: string[] = [];
let finished = 0;
const reference = values.reference ?? join(root, "reference");
const begun = performance.now();
await Deno.mkdir(reference, { recursive: true });
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
  sent.length = finished = 0;
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
    `round ${round}: ${sent.length} signals (${
      sent.join(", ")
    }), done ${finished} times meanwhile; ` +
      `${different.length} of ${names.size} files differ`,
  );
  for (const name of different) {
    const what = !found.has(name) ? "is missing" : expected.has(name) ? "differs" : "is left over";
    problems.push(`round ${round}: ${name} ${what}`);
  }
  if (different.length === 0) await Deno.remove(folder, { recursive: true });
}
for (const problem of problems) console.error(problem);
if (problems.length === 0) await Deno.remove(root, { recursive: true });
else console.error(`what differs is left in ${root}`);
Deno.exit(problems.length > 0 ? 1 : 0);
