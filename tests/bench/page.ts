/**
 * The page under load: requests at 32 at a time against `detect` on the same pictures, and changed
 * bodies. Fails where an answer is lost or wrong, memory grows, or anything but an answer comes.
 *
 * `deno task bench:page HEAD BACKBONES PICTURES [requests] [seconds]`
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { randomStream } from "../../lib/random.ts";
import { commandLine } from "../command_line.ts";
import { openPage } from "../page_child.ts";

const [head, backbones, folder, requests = "2000", seconds = "60"] = Deno.args;
assert(head && backbones && folder, "expected HEAD BACKBONES PICTURES");
const AT_ONCE = 32, CHANGED = 1000;

/** Picture files in a folder and below. */
function picturesIn(path: string): string[] {
  return Array.from(Deno.readDirSync(path)).flatMap(({ name, isDirectory }) =>
    isDirectory
      ? picturesIn(join(path, name))
      : /\.(png|jpe?g|webp)$/.test(name)
      ? [join(path, name)]
      : []
  ).sort();
}

const paths = picturesIn(folder).slice(0, Number(requests));
console.log(`${paths.length} pictures of ${folder}`);

/** The rate of `detect`, without what it takes to start: of many pictures, less of one. */
async function timeDetect(): Promise<{ readonly perSecond: number; scores: Map<string, number> }> {
  const run = async (...images: string[]) => {
    const from = performance.now();
    const words = ["--json", "--head", head!, "--backbones", backbones!];
    const { code, out, error } = await commandLine("detect", ...words, ...images);
    assert.equal(code, 0, error);
    return { ms: performance.now() - from, lines: out.split("\n").map((line) => JSON.parse(line)) };
  };
  const one = await run(paths[0]!), all = await run(folder!);
  const perSecond = 1000 * (all.lines.length - 1) / (all.ms - one.ms);
  console.log(
    `detect: ${all.lines.length} pictures in ${(all.ms / 1000).toFixed(1)} s, ` +
      `${(one.ms / 1000).toFixed(2)} s of it to start: ${perSecond.toFixed(0)} a second`,
  );
  return { perSecond, scores: new Map(all.lines.map(({ path, score }) => [path, score])) };
}

const before = await timeDetect();
const started = performance.now();
const page = await openPage("--head", head, "--backbones", backbones, "--detectors", "none");
const bodies = await Promise.all(paths.map((path) => Deno.readFile(path)));
const ask = async (body: Uint8Array<ArrayBuffer>, query = "") => {
  const response = await fetch(`${page.url}detect${query}`, { method: "POST", body });
  return { status: response.status, text: await response.text() };
};
{
  const { status } = await ask(bodies[0]!);
  assert.equal(status, 200);
  console.log(
    `first verdict ${((performance.now() - started) / 1000).toFixed(2)} s after the command`,
  );
}

const memoryMb = async () => {
  const { memoryBytes } = await (await fetch(`${page.url}health`)).json();
  return memoryBytes / 1e6;
};

/** All asks, so many at once; each picture again and again until the time is over. */
async function load(atLeast: number, atLeastMs: number) {
  const times: number[] = [], memory: number[] = [];
  let next = 0, wrong = 0, lost = 0;
  const from = performance.now();
  const sampling = setInterval(async () => memory.push(await memoryMb()), 1000);
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < atLeast || performance.now() - from < atLeastMs) {
      const i = next++ % bodies.length, sent = performance.now();
      const { status, text } = await ask(bodies[i]!);
      times.push(performance.now() - sent);
      if (status !== 200) lost++;
      else if (Math.abs(JSON.parse(text).results[0].score - before.scores.get(paths[i]!)!) > 1e-5) {
        wrong++;
      }
    }
  }));
  clearInterval(sampling);
  times.sort((a, b) => a - b);
  const perSecond = 1000 * times.length / (performance.now() - from);
  return {
    count: times.length,
    perSecond,
    p50: at(times, .5),
    p95: at(times, .95),
    wrong,
    lost,
    memory,
  };
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)]!;
}

const { count, perSecond, p50, p95, wrong, lost, memory } = await load(
  Number(requests),
  1000 * Number(seconds),
);
console.log(
  `page: ${count} requests at ${AT_ONCE} at a time, ${lost} lost, ${wrong} wrong: ` +
    `${perSecond.toFixed(0)} a second (${(perSecond / before.perSecond).toFixed(2)} of detect), ` +
    `median ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`,
);
const quarter = Math.floor(memory.length / 4);
const mean = (values: readonly number[]) =>
  values.reduce((sum, one) => sum + one, 0) / values.length;
const early = mean(memory.slice(quarter, 2 * quarter)), late = mean(memory.slice(-quarter));
console.log(
  `memory: ${memory[0]?.toFixed(0)} MB after a second, ${
    early.toFixed(0)
  } MB in the second quarter, ` +
    `${late.toFixed(0)} MB in the last, at most ${Math.max(...memory).toFixed(0)} MB`,
);
assert.deepEqual([lost, wrong], [0, 0]);

const random = randomStream(1, "changed bodies"), statuses = new Map<number, number>();
for (let i = 0; i < CHANGED; i++) {
  const changed = bodies[random.integer(bodies.length)]!.slice();
  for (let n = random.integer(12); n >= 0; n--) {
    changed[random.integer(random.integer(2) === 0 ? 64 : changed.length)] = random.integer(256);
  }
  const end = random.integer(4) === 0 ? random.integer(changed.length) : changed.length;
  const { status, text } = await ask(
    changed.slice(0, end),
    i % 4 === 0 ? "?why=blocks,variations" : "",
  );
  assert.doesNotMatch(text, /\.ts:\d|\bat async\b/, "a stack trace");
  assert("results" in JSON.parse(text) || "detail" in JSON.parse(text));
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
}
console.log(`${CHANGED} changed bodies:`, Object.fromEntries(statuses));
assert.deepEqual(
  [...statuses.keys()].filter((status) => ![200, 400, 413, 422].includes(status)),
  [],
);
const { status } = await ask(bodies[0]!);
assert.equal(status, 200);
assert.equal(await page.end(), 130);
assert.doesNotMatch(page.errors(), /\.ts:\d|fault of the program/);
const after = await timeDetect();
console.log(
  `page against the mean of detect before and after: ${
    (2 * perSecond / (before.perSecond + after.perSecond)).toFixed(2)
  }`,
);
