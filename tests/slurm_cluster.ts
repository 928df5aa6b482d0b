/**
 * A cluster of Slurm on this machine, in a folder of its own: munged, slurmctld and slurmd, as Debian has
 * them. They are started by root alone.
 */
import { join } from "node:path";

const PROGRAMS = [
  "munged",
  "slurmctld",
  "slurmd",
  "sbatch",
  "squeue",
  "scontrol",
  "scancel",
  "sinfo",
];
const PATH = `${Deno.env.get("PATH")}:/usr/sbin:/sbin`;

/** More than a daemon takes to answer. */
const LIMIT_MS = 60_000;

/** Why there can be no cluster here; `undefined` where there can. */
export async function whyNoCluster(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "slurmd is started by root alone";
  for (const name of PROGRAMS) {
    const { success } = await run("sh", ["-c", `command -v ${name}`], {});
    if (!success) return `there is no ${name}; Debian has it in slurm-wlm`;
  }
  return undefined;
}

async function run(program: string, args: string[], env: Record<string, string>) {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { PATH, ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { success, out: text(stdout), error: text(stderr) };
}

/** A port that hardly anybody listens on: tests may not ask the network for one that is free. */
function somePort(): number {
  return 20_000 + crypto.getRandomValues(new Uint16Array(1))[0]! % 10_000;
}

/** Daemons that have been started, and how they are asked. */
export class SlurmCluster implements AsyncDisposable {
  /** Variables with which Slurm's programs find it. */
  readonly env: Record<string, string>;
  readonly #children: Deno.ChildProcess[] = [];

  private constructor(readonly folder: string) {
    this.env = { PATH, SLURM_CONF: join(folder, "slurm.conf") };
  }

  /** Starts a cluster of one node that says it has so many cores. */
  static async start(folder: string, cores: number): Promise<SlurmCluster> {
    const cluster = new SlurmCluster(folder);
    const at = (name: string) => join(folder, name);
    for (const name of ["state", "spool", "munge"]) await Deno.mkdir(at(name));
    await Deno.chmod(at("munge"), 0o755);
    await Deno.chmod(folder, 0o755);
    await Deno.writeFile(at("munge.key"), crypto.getRandomValues(new Uint8Array(1024)), {
      mode: 0o400,
    });
    const host = Deno.hostname(), socket = at("munge/socket");
    await Deno.writeTextFile(
      at("slurm.conf"),
      Object.entries({
        ClusterName: "test",
        SlurmctldHost: `${host}(127.0.0.1)`,
        SlurmUser: "root",
        SlurmdUser: "root",
        AuthType: "auth/munge",
        CredType: "cred/munge",
        // a task that is put into the queue again begins when its credential has expired
        AuthInfo: `socket=${socket},cred_expire=5`,
        SlurmctldPort: somePort(),
        SlurmdPort: somePort(),
        SlurmctldPidFile: at("slurmctld.pid"),
        SlurmdPidFile: at("slurmd.pid"),
        SlurmctldLogFile: at("slurmctld.log"),
        SlurmdLogFile: at("slurmd.log"),
        StateSaveLocation: at("state"),
        SlurmdSpoolDir: at("spool"),
        ProctrackType: "proctrack/pgid",
        TaskPlugin: "task/none",
        MpiDefault: "none",
        SchedulerParameters: "sched_interval=1,bf_interval=1",
        SelectType: "select/cons_tres",
        SelectTypeParameters: "CR_CPU",
        SlurmdParameters: "config_overrides",
        ReturnToService: 2,
        KillWait: 20,
        MessageTimeout: 30,
      }).map(([name, value]) => `${name}=${value}\n`).join("") +
        `NodeName=${host} NodeAddr=127.0.0.1 CPUs=${cores}\n` +
        `PartitionName=all Nodes=${host} Default=YES MaxTime=INFINITE\n`,
    );
    cluster.#spawn("munged", [
      ...["--foreground", "--force", `--socket=${socket}`, `--key-file=${at("munge.key")}`],
      ...[`--log-file=${at("munged.log")}`, `--pid-file=${at("munged.pid")}`],
      `--seed-file=${at("munged.seed")}`,
    ]);
    await cluster.#until(async () => await Deno.stat(socket).then(() => true, () => false));
    cluster.#spawn("slurmctld", ["-D"]);
    cluster.#spawn("slurmd", ["-D", "-N", host]);
    await cluster.#until(async () => (await cluster.ask("sinfo", "-h", "-o", "%t")).out === "idle");
    return cluster;
  }

  #spawn(program: string, args: string[]): void {
    const options = { args, env: this.env, stdout: "null", stderr: "null" } as const;
    this.#children.push(new Deno.Command(program, options).spawn());
  }

  /** Runs one of Slurm's programs. */
  ask(program: string, ...args: string[]): ReturnType<typeof run> {
    return run(program, args, this.env);
  }

  async #until(isSo: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + LIMIT_MS;
    while (!await isSo()) {
      if (performance.now() > end) throw new Error(`Slurm does not answer: ${await this.logs()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** The last that its daemons have said. */
  async logs(): Promise<string> {
    const said = [];
    for (const name of ["munged.log", "slurmctld.log", "slurmd.log"]) {
      const text = await Deno.readTextFile(join(this.folder, name)).catch(() => "");
      said.push(name, ...text.trimEnd().split("\n").slice(-8));
    }
    return said.join("\n");
  }

  /** Ends all jobs and daemons. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.ask("scancel", "--full", "-u", "root");
    for (const child of this.#children.toReversed()) {
      try {
        child.kill("SIGTERM");
      } catch {
        // it has ended
      }
      await child.status;
    }
  }
}
