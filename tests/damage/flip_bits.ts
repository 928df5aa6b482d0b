/**
 * Flips single bits of a finished miniature, at random places of everything under `data/` and
 * `results/`, and holds two commands to it: `doctor --deep` has to name each file, and the next
 * `reproduce` has to end with the numbers of before or stop with a line that names the file.
 *
 * `deno run -A tests/damage/flip_bits.ts FOLDER [--bits 200] [--reproduce 200] [--seed 0]`
 *
 * The folder holds `data/` and `results/` that `reproduce --data FOLDER/data --results FOLDER/results`
 * has finished; it is damaged and mended on the way: give it a copy.
 * @module
 */
import { parseArgs } from "node:util";
import { basename, dirname, join, relative, resolve } from "node:path";
import { contentKey } from "../../lib/io/files.ts";
import { randomStream } from "../../lib/random.ts";

const { values, positionals: [given] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    bits: { type: "string", default: "200" },
    reproduce: { type: "string", default: "200" },
    seed: { type: "string", default: "0" },
  },
});
if (given === undefined) throw new Error("Expected the folder of a finished miniature");
const folder = resolve(given);
const bits = Number(values.bits), reproductions = Math.min(bits, Number(values.reproduce));
const random = randomStream(Number(values.seed), "flipped bits");
const project = resolve(import.meta.dirname!, "../..");
const FOLDERS = ["--data", join(folder, "data"), "--results", join(folder, "results")];

interface Flip {
  readonly path: string;
  readonly byte: number;
  readonly bit: number;
}

function filesBelow(path: string): string[] {
  return Array.from(Deno.readDirSync(path)).flatMap(({ name, isDirectory }) => {
    if (isDirectory) return filesBelow(join(path, name));
    // what comes with the project, and what is empty or no content
    return /^README\.md$|\.lock$/.test(name) ? [] : [join(path, name)];
  }).sort();
}

/** Files of which one speaks for the others: only one of them is damaged at a time. */
function unitOf(path: string): string {
  const [key = path] = /^[0-9a-f]{16}(?=\.)/.exec(basename(path)) ?? [];
  if (path.includes("/backbones/")) return dirname(path);
  return path.includes("/tokens/") ? key : path;
}

/** Half of the places are drawn byte by byte, half file by file. */
function drawFlips(): Flip[] {
  const roots = ["data/mini", "data/tokens", "results"].map((path) => join(folder, path));
  const files = roots.flatMap(filesBelow)
    .map((path) => ({ path, size: Deno.statSync(path).size })).filter(({ size }) => size > 0);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const flips = new Map<string, Flip>();
  while (flips.size < bits) {
    let file = files[random.integer(files.length)]!;
    if (flips.size % 2 === 0) {
      let place = random.uniform(0, total);
      file = files.find(({ size }) => (place -= size) < 0) ?? file;
    }
    const unit = unitOf(file.path);
    if (flips.has(unit)) continue;
    flips.set(unit, { path: file.path, byte: random.integer(file.size), bit: random.integer(8) });
  }
  return [...flips.values()];
}

/** Flips bits, does something and puts back what is still flipped. */
async function flipped<T>(flips: readonly Flip[], work: () => Promise<T>): Promise<T> {
  const before = flips.map(({ path }) => Deno.readFileSync(path));
  const changed = flips.map(({ byte, bit }, i) => {
    const bytes = before[i]!.slice();
    bytes[byte]! ^= 1 << bit;
    return bytes;
  });
  flips.forEach(({ path }, i) => Deno.writeFileSync(path, changed[i]!));
  try {
    return await work();
  } finally {
    flips.forEach(({ path }, i) => {
      let now: Uint8Array | undefined;
      try {
        now = Deno.readFileSync(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      if (!now || contentKey([now]) === contentKey([changed[i]!])) {
        Deno.writeFileSync(path, before[i]!);
      }
    });
  }
}

async function run(...words: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--frozen", "--quiet", "--allow-read", "--allow-write", "--allow-env"],
      ...["--allow-sys", "--allow-ffi", "experiments/main.ts", ...words, ...FOLDERS],
    ],
    cwd: project,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

/** What a reproduction ends with: records without times, and tables that show none. */
function numbers(): string {
  const results = join(folder, "results");
  return contentKey(
    filesBelow(results).flatMap((path): unknown[] => {
      const name = relative(results, path);
      if (name.includes("/tables/") && name.endsWith(".csv") && !name.endsWith("table_1.csv")) {
        return [name, Deno.readTextFileSync(path)];
      }
      if (!name.includes("/records/")) return [];
      const { timings: _t, date: _d, made: _m, seal: _s, versions: _v, ...record } = JSON.parse(
        Deno.readTextFileSync(path),
      );
      return [name, record];
    }),
  );
}

/** Files that say what others are: while they are damaged, the others cannot be held to them. */
const isList = ({ path }: Flip) => /\/(?:SHA256SUMS|manifest\.json)$/.test(path);

const flips = drawFlips();
const unnamed: string[] = [];
for (const some of [flips.filter((flip) => !isList(flip)), flips.filter(isList)]) {
  if (some.length === 0) continue;
  const { out, error } = await flipped(
    some,
    () => run("doctor", "--profile", "mini", "--deep", "--json"),
  );
  let damaged: string[] = [];
  try {
    damaged = JSON.parse(out).integrity.damaged;
  } catch {
    console.error(error);
  }
  unnamed.push(
    ...some.filter(({ path }) => !damaged.some((line) => line.includes(path)))
      .map((flip) => JSON.stringify(flip)),
  );
}
console.log(`doctor --deep named ${flips.length - unnamed.length} of ${flips.length} files`);
unnamed.forEach((flip) => console.log(`  not ${flip}`));

const reference = numbers();
let equal = 0, stopped = 0, said = 0;
for (const [i, flip] of flips.slice(0, reproductions).entries()) {
  const wrong = await flipped([flip], async () => {
    const { code, error } = await run("reproduce");
    const lines = error.split("\n").filter((line) => line.includes(flip.path));
    if (lines.length > 0) said++;
    if (code === 0) {
      if (numbers() !== reference) return "other numbers";
      equal++;
      return undefined;
    }
    if (lines.length === 0) return `stopped with ${error.trim().split("\n").at(-1)}`;
    stopped++;
    return undefined;
  });
  if (wrong !== undefined) console.log(`  ${JSON.stringify(flip)}: ${wrong}`);
  if (i % 10 === 9) console.error(`${i + 1} of ${reproductions}`);
}
console.log(
  `reproduce ended with the same numbers after ${equal} of ${reproductions} flips, and stopped at ` +
    `${stopped} naming the file; ${said} were told of`,
);
if (unnamed.length > 0 || equal + stopped < reproductions) Deno.exit(1);
