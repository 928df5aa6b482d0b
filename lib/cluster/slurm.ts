/**
 * A job of Slurm: an array of tasks that do one command together, and are put into the queue again when
 * their time is over before the work is.
 * @module
 */
import { UserError } from "../io/errors.ts";

/** What is asked of the cluster for each task; what is left out is as the cluster has it by default. */
export interface SlurmResources {
  /** Number of tasks in the array. */
  readonly tasks: number;
  readonly partition?: string;
  readonly account?: string;
  /** GPUs for each task. */
  readonly gpus?: number;
  /** Processor cores for each task. */
  readonly cpus?: number;
  /** As Slurm writes it: `32G`. */
  readonly memory?: string;
  /** As Slurm writes it: `04:00:00`, `1-00`. */
  readonly time?: string;
}

/** What a job does, and where. */
export interface SlurmWork {
  /** Folder in which it runs. */
  readonly folder: string;
  /** Variables and words, as a shell reads them; it must end with an error when it is told to stop. */
  readonly command: string;
  /** Folder that its tasks' words go to. */
  readonly logs: string;
}

/** How long before its end a task is told of it, in seconds: it puts on disk what it has in hand. */
const NOTICE_SECONDS = 120;

/** A word that neither a shell nor Slurm reads otherwise than it stands there. */
const PLAIN = /^[\w.,:@%/+=-]+$/;

/**
 * The script of a job.
 *
 * @example
 * ```ts
 * import { slurmScript } from "./slurm.ts";
 *
 * const script = slurmScript({ tasks: 4, gpus: 1, time: "04:00:00" }, {
 *   folder: "/home/me/rine",
 *   command: "deno task reproduce --device cuda",
 *   logs: "/home/me/rine/results/slurm",
 * });
 * console.assert(script.includes("#SBATCH --array=1-4\n"));
 * ```
 *
 * @throws {UserError} where a resource is written otherwise than Slurm reads it
 */
export function slurmScript(resources: SlurmResources, work: SlurmWork): string {
  const { tasks, partition, account, gpus, cpus, memory, time } = resources;
  const options: readonly (readonly [name: string, value: string | number | undefined])[] = [
    ["job-name", "rine"],
    ["array", `1-${tasks}`],
    ["partition", partition],
    ["account", account],
    ["gpus-per-task", gpus],
    ["ntasks", 1],
    ["cpus-per-task", cpus],
    ["mem", memory],
    ["time", time],
    ["output", `${work.logs}/%A_%a.log`],
    ["open-mode", "append"],
    ["signal", `B:USR1@${NOTICE_SECONDS}`],
  ];
  const lines = options.flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (!PLAIN.test(`${value}`)) throw unreadable(name, `${value}`);
    return [`#SBATCH --${name}=${value}`];
  });
  return `#!/bin/bash
${lines.join("\n")}
#SBATCH --requeue

cd ${quoted(work.folder)} || exit 1
${work.command} &
child=$!

# The end of a task's time: it stops, and goes on when it is its turn again.
trap 'again=yes; kill -TERM "$child"' USR1
# Cancelled, or its place is needed: Slurm knows whether it comes again.
trap 'kill -TERM "$child"' TERM

wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
if [ "$again" = yes ] && [ "$code" -ne 0 ]; then
  scontrol requeue "$SLURM_JOB_ID" && sleep 60
fi
exit "$code"
`;
}

/** Whether Slurm reads a word in a script as one: a name, a list of names, a size or a time. */
export function isSlurmWord(word: string): boolean {
  return /^\w[\w.,:@%+=-]*$/.test(word);
}

function unreadable(name: string, value: string): UserError {
  return new UserError(
    "usage",
    `Cannot write a job: expected letters, digits and ._,:@%/+=- in --${name}, found ${value}`,
  );
}

/** A word as a shell reads it. */
export function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
