import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "./command_line.ts";
import { outcome } from "./outcome.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

/** More than three small processes take on a machine that does other work too. */
const LIMIT_MS = 240_000;

const data = temporaryFolder("divided_data_");
await makeSmallWorld(data);

/** A reproduction of three sections in small, into folders of its own or with others. */
function start(folder: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "-A", "--preload", join(ROOT, "tests/small_paper.ts")],
      ...[join(ROOT, "experiments/main.ts"), "reproduce", "--profile", "paper"],
      ...["--data", join(data, "mini"), "--only", "grid,epochs,perturbations"],
      ...["--tokens", join(folder, "tokens"), "--results", join(folder, "results")],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(LIMIT_MS),
  }).spawn();
}

async function ended(child: Deno.ChildProcess): Promise<void> {
  const { code, stderr } = await child.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

const FOLDERS = ["tokens", "results/paper/heads", "results/paper/records/grid"];

/** Counts how often each file gets its name, in folders that are there from the beginning. */
function countNames(folder: string) {
  const times = new Map<string, number>();
  for (const name of FOLDERS) Deno.mkdirSync(join(folder, name), { recursive: true });
  const watcher = Deno.watchFs(FOLDERS.map((name) => join(folder, name)));
  const counting = (async () => {
    for await (const { kind, paths } of watcher) {
      // of two paths the second is the new one
      const path = paths.at(-1)!;
      const isNamed = kind === "rename" && paths.length === 2;
      if (!isNamed || !/\.(?:npy|safetensors|json)$/.test(path)) continue;
      if (path.includes(".progress.") || path.includes(".state.")) continue;
      times.set(path, (times.get(path) ?? 0) + 1);
    }
  })();
  return async () => {
    watcher.close();
    await counting;
    return times;
  };
}

const alone = temporaryFolder("alone_");
await ended(start(alone));
const expected = await outcome(alone);

async function assertSame(folder: string): Promise<void> {
  const found = await outcome(folder);
  const names = new Set([...expected.keys(), ...found.keys()]);
  assert.deepEqual([...names].filter((name) => expected.get(name) !== found.get(name)), []);
}

Deno.test({
  name: "three processes divide a reproduction: each thing is made once, and is what one makes",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = temporaryFolder("three_");
    const counted = countNames(folder);
    await Promise.all([start(folder), start(folder), start(folder)].map(ended));
    const times = await counted();
    // who uses a folder notes so, and two who come at once both do
    const isMade = (path: string) => !/[\\/]setups[\\/]/.test(path);
    assert.deepEqual([...times].filter(([path, count]) => count > 1 && isMade(path)), []);
    const kinds = FOLDERS.map((name) =>
      [...times.keys()].filter((path) => path.includes(name)).length
    );
    assert.ok(kinds.every((count) => count > 1), kinds.join());
    await assertSame(folder);
  },
});

Deno.test("what processes that are killed had in hand the others do, and nothing is left of them", async () => {
  const folder = temporaryFolder("killed_");
  const children = [start(folder), start(folder), start(folder)];
  const [one, two] = children;
  const isThere = async (name: string, count: number) => {
    while (
      (await Array.fromAsync(Deno.readDir(join(folder, name))).catch(() => [])).length < count
    ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await isThere("tokens", 12);
  one!.kill("SIGKILL");
  // a head is claimed, and perhaps in training
  await isThere("results/paper/claims", 1);
  two!.kill("SIGKILL");
  await Promise.all([one!.output(), two!.output()]);
  await ended(children[2]!);
  await assertSame(folder);
});
