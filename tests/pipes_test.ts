import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { exists } from "../lib/io/files.ts";
import { ROOT } from "./command_line.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

/** Longer than any of the commands takes; who waits for a pipe waits for ever. */
const LIMIT_MS = 120_000;

const root = temporaryFolder("pipes_");
const others = temporaryFolder("aside_");
const FOLDERS = ["--data", join(root, "mini"), "--tokens", join(root, "tokens")];

/** Runs a command on the small world; fails where it waits. */
async function run(...words: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "-A", "--preload", join(ROOT, "tests/small_paper.ts")],
      ...[join(ROOT, "experiments/main.ts"), ...words, "--profile", "paper", ...FOLDERS],
      ...["--results", join(root, "results")],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, LIMIT_MS);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(late);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trimEnd();
  assert.equal(isLate, false, `${words.join(" ")} waits: ${text(stderr)}`);
  return { code, out: text(stdout), lines: text(stderr).split("\n") };
}

const reproduce = () => run("reproduce", "--only", "grid,epochs");

function filesBelow(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder)).flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)) : [join(folder, name)]
  ).sort();
}

/** What a file is, by its path: of each one is changed. */
function kindOf(path: string): string {
  const [folder, ...rest] = relative(root, path).split("/");
  if (folder === "tokens") return `${folder} ${rest[0]!.replace(/^[0-9a-f]{16}/, "")}`;
  if (folder === "mini") {
    return rest[0] === "backbones"
      ? `weights ${rest.at(-1)}`
      : `${rest[0]} ${rest.at(-1)!.slice(-4)}`;
  }
  return `results ${rest.slice(1, -1)[0] ?? rest.at(-1)} ${rest.at(-1)!.replace(/^[^.]*/, "")}`;
}

/** What has a seal or a checksum of its own. */
const SEALED =
  /^(?:tokens|weights model.safetensors$|results (?:heads|scores|records|best_|SHA256SUMS))/;

Deno.test({
  name:
    "pipes in the place of all files that are read are named or made files again, and nobody waits",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await makeSmallWorld(root);
    assert.equal((await reproduce()).code, 0);
    // as many sets of features as kinds of their files, and none of them twice
    const kinds = new Map<string, string>(), sets = new Set<string>();
    for (const path of filesBelow(root)) {
      const [, set] = /tokens\/([0-9a-f]{16})/.exec(path) ?? [];
      if (kinds.has(kindOf(path)) || set !== undefined && sets.has(set)) continue;
      kinds.set(kindOf(path), path);
      if (set !== undefined) sets.add(set);
    }
    for (
      const kind of [
        ...["tokens .json", "tokens .npy", "tokens .labels.npy", "tokens .paths.txt"],
        ...["weights model.safetensors", "weights model.safetensors.sha256", "train .png"],
        ...["results heads .safetensors", "results scores .safetensors", "results records .json"],
        ...["results SHA256SUMS ", "results report.html .html", "results tables .csv"],
        ...["results figures .svg", "results figures .vl.json"],
      ]
    ) assert.ok(kinds.has(kind), `${kind} is not among ${[...kinds.keys()].join(", ")}`);
    const aside = (path: string) => join(others, relative(root, path).replaceAll("/", "_"));
    for (const path of kinds.values()) await Deno.rename(path, aside(path));
    await new Deno.Command("mkfifo", { args: [...kinds.values()] }).output();
    const piped = new Map([...kinds].map(([kind, path]) => [path, kind]));

    const { out, code } = await run("doctor", "--deep");
    assert.equal(code, 1);
    for (const [path, kind] of piped) {
      if (SEALED.test(kind)) assert.ok(out.includes(path), `${kind} is not named: ${out}`);
    }

    for (let again = piped.size;; again--) {
      const { code, lines } = await reproduce();
      if (code === 0) break;
      assert.equal(code, 1);
      const said = lines.at(-1)!;
      const named = [...piped.keys()].find((path) => said.includes(path));
      assert.ok(named !== undefined && again > 0, lines.join("\n"));
      assert.equal(await exists(named), true);
      await Deno.remove(named);
      piped.delete(named);
      await Deno.rename(aside(named), named);
    }
    for (const [kind, path] of kinds) {
      if (!/^results (?!heads|scores)/.test(kind)) continue;
      assert.equal(Deno.statSync(path).isFile, true, kind);
    }
  },
});
