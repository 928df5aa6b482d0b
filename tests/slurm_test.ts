import assert from "node:assert/strict";
import { join } from "node:path";
import { slurmScript } from "../lib/cluster/slurm.ts";
import { commandLine, ROOT, runDeno, smallCommandLine } from "./command_line.ts";
import { outcome } from "./outcome.ts";
import { SlurmCluster, whyNoCluster } from "./slurm_cluster.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

/** More than four processes take on two cores, with what Slurm waits before it begins one again. */
const LIMIT_MS = 240_000;
const TASKS = 4;

const why = await whyNoCluster();
if (why !== undefined) console.log(`Slurm is not tried: ${why}`);

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("a job asks for what was asked for, and for nothing else", () => {
  const work = { folder: "/home/it's mine", command: "true", logs: "/logs" };
  const options = (script: string) => script.match(/(?<=^#SBATCH --).*/gm);
  assert.deepEqual(options(slurmScript({ tasks: 3 }, work)), [
    ...["job-name=rine", "array=1-3", "ntasks=1", "output=/logs/%A_%a.log", "open-mode=append"],
    ...["signal=B:USR1@120", "requeue"],
  ]);
  const all = { partition: "gpu", account: "lab", gpus: 2, cpus: 8, memory: "32G", time: "1-00" };
  const asked = options(slurmScript({ tasks: 3, ...all }, work))!;
  for (
    const option of [
      ...["partition=gpu", "account=lab", "gpus-per-task=2", "cpus-per-task=8", "mem=32G"],
      "time=1-00",
    ]
  ) assert.ok(asked.includes(option), option);
  assert.match(slurmScript({ tasks: 1 }, work), /^cd '\/home\/it'\\''s mine' \|\| exit 1$/m);
  assert.throws(() => slurmScript({ tasks: 1, time: "1 day" }, work), {
    name: "UserError",
    message: /^Cannot write a job: expected letters.* in --time, found 1 day$/,
  });
});

Deno.test("options of reproduce are handed on, and wrong ones are told before anything is submitted", async () => {
  const { out } = await commandLine(
    ...["slurm", "--dry-run", "--tasks", "2", "--only", "grid,epochs", "--data", "/mnt/my data"],
  );
  assert.match(out, /^#SBATCH --array=1-2$/m);
  assert.match(out, / reproduce --only grid,epochs --data '\/mnt\/my data' &$/m);
  for (
    const [words, says] of [
      [["--only", "gird"], /^option '--only <names>' argument 'gird' is invalid/],
      [["--onyl", "grid"], /^unknown option '--onyl' \(Did you mean --only\?\)/],
      [["--gpus", "1"], /^Cannot submit a job with --gpus: expected --device cuda/],
      [["--force"], /^Cannot submit a job with --force: each task/],
      [["--tasks", "0"], /Expected a whole number from 1 on/],
    ] as const
  ) {
    const { code, error } = await commandLine("slurm", "--dry-run", ...words);
    assert.match(error, says);
    assert.notEqual(code, 0);
    assert.equal(error.split("\n").length, 1, error);
  }
});

Deno.test({
  name: "an array of four, one of them at the end of its time, comes to the records of one process",
  ignore: why !== undefined,
  fn: async () => {
    const folder = temporaryFolder("slurm_"), data = join(folder, "data");
    await makeSmallWorld(data);
    const words = (results: string) => [
      ...[
        "--profile",
        "paper",
        "--data",
        join(data, "mini"),
        "--only",
        "grid,epochs,perturbations",
      ],
      ...[
        "--tokens",
        join(folder, results, "tokens"),
        "--results",
        join(folder, results, "results"),
      ],
    ];
    const reference = await smallCommandLine("reproduce", ...words("alone"));
    assert.equal(reference.code, 0, reference.error);

    await using cluster = await SlurmCluster.start(temporaryFolder("cluster_"), TASKS);
    const { out } = await commandLine(
      "slurm",
      "--dry-run",
      "--tasks",
      `${TASKS}`,
      ...words("array"),
    );
    const script = join(folder, "job.sh"), small = join(ROOT, "tests/small_paper.ts");
    await Deno.mkdir(join(folder, "array/results/slurm"), { recursive: true });
    await Deno.writeTextFile(
      script,
      out.replace("experiments/main.ts", `--preload ${small} experiments/main.ts`) + "\n",
    );
    const { out: job, error } = await cluster.ask("sbatch", "--parsable", script);
    assert.match(job, /^\d+$/, error);
    const facts = async (task: number) => {
      const { out } = await cluster.ask("scontrol", "show", "job", "-o", `${job}_${task}`);
      const of = (name: string) => new RegExp(`(?:^| )${name}=(\\S+)`).exec(out)?.[1];
      return { state: of("JobState"), restarts: of("Restarts"), exit: of("ExitCode") };
    };
    const log = (task: number) =>
      Deno.readTextFile(join(folder, `array/results/slurm/${job}_${task}.log`));
    const end = performance.now() + LIMIT_MS;
    const until = async (isSo: () => Promise<boolean>) => {
      while (!await isSo()) {
        if (performance.now() > end) {
          assert.fail(`${JSON.stringify(await facts(2))} ${await log(2)}`);
        }
        await sleep(100);
      }
    };
    // in the middle of it
    const tokens = join(folder, "array/tokens");
    await until(async () => {
      const names = await Array.fromAsync(Deno.readDir(tokens)).catch(() => []);
      return names.filter(({ name }) => name.endsWith(".npy")).length > 4;
    });
    // what Slurm sends before a task's time is over
    await cluster.ask("scancel", "--signal=USR1", "--batch", `${job}_2`);
    for (let task = 1; task <= TASKS; task++) {
      await until(async () =>
        !["PENDING", "RUNNING", "COMPLETING", "REQUEUED"].includes((await facts(task)).state!)
      );
      assert.deepEqual(
        await facts(task),
        { state: "COMPLETED", restarts: task === 2 ? "1" : "0", exit: "0:0" },
        await log(task),
      );
      assert.match(await log(task), /^Done in .*report\.html$/m);
    }
    assert.match(await log(2), /^Stopped; the same command goes on from here$/m);

    await Deno.remove(join(folder, "array/results/slurm"), { recursive: true });
    const expected = await outcome(join(folder, "alone"));
    const found = await outcome(join(folder, "array"));
    const names = new Set([...expected.keys(), ...found.keys()]);
    assert.deepEqual([...names].filter((name) => expected.get(name) !== found.get(name)), []);
    assert.ok(
      [...names].some((name) => /records[\\/]grid[\\/]/.test(name)),
      "there are no records",
    );

    // what `deno task slurm` submits runs, and says what is wrong in its log
    const results = join(folder, "submitted");
    const submitted = await runDeno([
      ...["run", "--frozen", "--quiet", "--allow-read", "--allow-write", "--allow-env"],
      ...["--allow-sys", "--allow-ffi", "--allow-run=sbatch", join(ROOT, "experiments/main.ts")],
      ...["slurm", "--tasks", "1", "--profile", "paper", "--data", join(folder, "none")],
      ...["--results", results],
    ], { env: cluster.env });
    const [, number] = /^Submitted job (\d+), 1 tasks;/.exec(submitted.out) ?? [];
    assert.ok(number, submitted.error);
    const path = join(results, "slurm", `${number}_1.log`);
    await until(async () => /no such folder/.test(await Deno.readTextFile(path).catch(() => "")));
    const refused = await runDeno([
      ...["run", "--frozen", "--quiet", "-A", join(ROOT, "experiments/main.ts")],
      ...["slurm", "--partition", "none", "--results", results],
    ], { env: cluster.env });
    assert.match(refused.error, /^Cannot submit a job: Slurm says .*invalid partition/);
  },
});
