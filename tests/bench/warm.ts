/**
 * What checking costs a `reproduce` that finds everything done, in time of processors. It is run with
 * all checks and without any, in turn: modules in `unchecked/` then stand for those that check.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../temporary.ts";

const PROJECT = new URL("../../", import.meta.url);

/** What stands in for a module that checks. */
export const UNCHECKED = {
  "lib/io/seal.ts": "seal",
  "lib/io/json.ts": "json",
  "lib/tokens/set_index.ts": "set_index",
  "lib/mini/checks.ts": "mini_checks",
  "lib/mini/files.ts": "mini_files",
  "lib/mini/backbones.ts": "mini_backbones",
  "lib/report/write/checksums.ts": "checksums",
  "lib/runs/kept_scores.ts": "kept_scores",
  "lib/runs/damage.ts": "damage",
} as const;

/** Writes the import map of a program in which some modules check nothing. */
function importMap(without: readonly (keyof typeof UNCHECKED)[], folder: string): string {
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", PROJECT)));
  const own = (path: string) => new URL(path, PROJECT).href;
  const map = {
    imports: {
      ...Object.fromEntries(
        Object.entries<string>(imports)
          .flatMap(([name, to]) => [
            [name, to.startsWith("./") ? own(to) : to],
            // what a package holds, which Deno adds to its own settings by itself
            ...(/^npm:[^/].*[^/]$/.test(to) ? [[`${name}/`, `npm:/${to.slice(4)}/`]] : []),
          ]),
      ),
      ...Object.fromEntries(
        without.map((path) => [own(path), own(`tests/bench/unchecked/${UNCHECKED[path]}.ts`)]),
      ),
    },
    scopes: {
      [own("tests/bench/unchecked/")]: Object.fromEntries(
        without.map((path) => [own(path), own(path)]),
      ),
    },
  };
  const path = join(folder, "import_map.json");
  Deno.writeTextFileSync(path, JSON.stringify(map));
  return path;
}

/** Processor time of a `reproduce`, in milliseconds. */
async function reproduce(folder: string, map: string): Promise<number> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "-A", "--import-map", map],
      ...["--preload", fileURLToPath(new URL("tests/bench/cpu_time.ts", PROJECT))],
      ...["experiments/main.ts", "reproduce"],
      ...["--data", join(folder, "data"), "--results", join(folder, "results")],
    ],
    cwd: fileURLToPath(PROJECT),
    env: { DENO_NO_UPDATE_CHECK: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stderr);
  const time = /cpu ([\d.]+) ms/.exec(said)?.[1];
  if (!success || time === undefined) throw new Error(`Cannot reproduce: ${said}`);
  return Number(time);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/**
 * Runs pairs and says what checks cost.
 * @param without modules that check nothing in the second of each pair
 */
export async function measureWarm(
  folder: string,
  rounds: number,
  without: readonly (keyof typeof UNCHECKED)[],
): Promise<void> {
  const all = importMap([], temporaryFolder()), none = importMap(without, temporaryFolder());
  const pairs: { readonly checked: number; readonly unchecked: number }[] = [];
  for (const map of [all, none]) await reproduce(folder, map);
  for (let round = 0; round < rounds; round++) {
    const first = await reproduce(folder, round % 2 === 0 ? all : none);
    const second = await reproduce(folder, round % 2 === 0 ? none : all);
    pairs.push(
      round % 2 === 0
        ? { checked: first, unchecked: second }
        : { checked: second, unchecked: first },
    );
  }
  const share = median(pairs.map(({ checked, unchecked }) => (checked - unchecked) / checked));
  const least = (which: "checked" | "unchecked") => Math.min(...pairs.map((pair) => pair[which]));
  console.log(
    `${
      (100 * share).toFixed(1)
    } % of a warm reproduce's time of processors, median of ${rounds} pairs; ` +
      `the least is ${least("checked").toFixed(0)} ms with and ${least("unchecked").toFixed(0)} ` +
      `without the checks of ${without.join(", ")}`,
  );
}
