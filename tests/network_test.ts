import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { ROOT } from "./command_line.ts";
import { GOLDENS } from "./goldens.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const root = temporaryFolder("network_");
const data = join(root, "mini"), results = join(root, "results");

/** Whether a process can be given a network of its own, with nothing in it, and be watched. */
async function canWatch(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const { success } = await new Deno.Command("unshare", {
    args: ["-rn", "strace", "-o", "/dev/null", "true"],
  }).output().catch(() => ({ success: false }));
  return success;
}

/** Addresses of other machines that a command, and all that it starts, asked for. */
async function asked(command: string, env: Readonly<Record<string, string>> = {}) {
  const log = join(root, "calls");
  const { code, stderr } = await new Deno.Command("unshare", {
    args: [
      // as on a machine where nobody has said anything
      ...["-rn", "env", "-u", "DENO_NO_UPDATE_CHECK"],
      ...["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", log],
      ...[Deno.execPath(), "task", "--quiet", "--eval", command],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const calls = (await Deno.readTextFile(log)).split("\n");
  const outside = calls.filter((call) => /AF_INET/.test(call) && !/127\.0\.0\.1|::1"/.test(call));
  return { code, error: new TextDecoder().decode(stderr), outside };
}

/** A task's command as it stands in `deno.json`; where it is told of a profile, on a small world. */
function task(name: keyof typeof config.tasks, words: string): string {
  const { command } = config.tasks[name];
  const run = words.includes("--profile")
    ? command.replace("deno run", "deno run --preload tests/small_paper.ts")
    : command;
  return `${run} ${words}`;
}

const isWatched = await canWatch();
if (!isWatched) {
  console.log("what leaves the machine is not watched: unshare -rn and strace are needed");
}

const head = join(results, "paper/best_1-class.safetensors");
const backbone = join(GOLDENS, "clip_hf.safetensors");
const COMMANDS: readonly (readonly [name: keyof typeof config.tasks, words: string])[] = [
  [
    "reproduce",
    `--profile paper --data ${data} --tokens ${root}/tokens --results ${results} --only grid`,
  ],
  ["detect", `${data}/RAISEpng --head ${head} --backbones ${data}/backbones`],
  ["features", `--backbone ${backbone} --images ${data}/RAISEpng --out ${root}/a.npy`],
  ["checkpoint", `show ${head}`],
  ["backbone", `show --backbones ${data}/backbones`],
  ["doctor", `--profile paper --data ${data} --deep`],
  ["detector", `list --detectors ${root}/detectors`],
  ["published", `--out ${root}/published`],
  ["kernel", ""],
  // it listens, and there is nothing to listen at where there is no network
  ["page", "--help"],
  ["notebooks", "--help"],
  ["notebooks:check", "--help"],
  ["tensorflow", "--help"],
];

Deno.test({
  name: "what leaves the machine would be seen",
  ignore: !isWatched,
  fn: async () => {
    const fetching = "deno eval \"await fetch('http://192.0.2.1').catch(() => {})\"";
    assert.equal((await asked(fetching)).outside.length > 0, true);
  },
});

Deno.test({
  name: "no command asks another machine for anything",
  ignore: !isWatched,
  fn: async () => {
    await makeSmallWorld(root);
    for (const [name, words] of COMMANDS) {
      const { code, error, outside } = await asked(task(name, words), { JUPYTER_DATA_DIR: root });
      assert.deepEqual(outside, [], name);
      assert.equal(code, 0, `${name}: ${error}`);
    }
  },
});

Deno.test("every task that starts Deno tells it to ask nobody for updates", () => {
  for (const [name, { command }] of Object.entries(config.tasks)) {
    const runs = command.match(/\bdeno (?:run|test|bench)\b/g) ?? [];
    const told = command.match(/DENO_NO_UPDATE_CHECK=1 deno (?:run|test|bench)\b/g) ?? [];
    assert.equal(told.length, runs.length, name);
  }
});
