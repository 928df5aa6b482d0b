/**
 * `deno task slurm`: hands `reproduce` to Slurm, as an array of tasks that divide the work.
 * @module
 */
import { Command, InvalidArgumentError } from "commander";
import { join, resolve } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { isSlurmWord, quoted, type SlurmResources, slurmScript } from "../cluster/slurm.ts";
import { UserError } from "../io/errors.ts";
import { assertWritable, writeFileAtomic } from "../io/files.ts";
import { PROJECT } from "../io/project.ts";
import type { Experiments } from "../runs/section.ts";
import { positiveCount } from "./options.ts";
import { registerReproduce } from "./reproduce.ts";

interface SlurmFlags extends SlurmResources {
  readonly dryRun: boolean;
}

/** Adds the command. */
export function registerSlurm(program: Command, experiments: Experiments): void {
  program.command("slurm")
    .description("hand reproduce to Slurm: an array of tasks that divide the work")
    .argument("[options...]", "all other options are those of reproduce")
    .allowUnknownOption()
    .option("--tasks <number>", "tasks of the array", positiveCount, 4)
    .option("--partition <name>", "where they run (default: the cluster's)", slurmWord)
    .option("--account <name>", "who pays (default: the cluster's)", slurmWord)
    .option("--gpus <number>", "GPUs of each task", positiveCount)
    .option("--cpus <number>", "processor cores of each task", positiveCount)
    .option("--memory <size>", "memory of each task: 32G", slurmWord)
    .option(
      "--time <limit>",
      "time of each task: 04:00:00; it comes again until all is done",
      slurmWord,
    )
    .option("--dry-run", "print the job's script and submit nothing", false)
    .action(async (words: readonly string[], { dryRun, ...resources }: SlurmFlags) => {
      const { results = "results" } = checked(words, resources, experiments);
      const logs = join(resolve(results), "slurm");
      const script = slurmScript(resources, {
        folder: PROJECT,
        command: commandOf(words),
        logs,
      });
      if (dryRun) return console.log(script.trimEnd());
      await assertWritable(logs);
      const path = join(logs, "reproduce.sh");
      await writeFileAtomic(path, script);
      const job = await submit(path);
      console.log(
        `Submitted job ${job}, ${resources.tasks} tasks; \`squeue -j ${job}\` shows it, \`scancel ${job}\` ` +
          `ends it, and the same command goes on from there. What they say is in ${logs}`,
      );
    });
}

/** Reads a name, a size or a time. */
function slurmWord(text: string): string {
  if (isSlurmWord(text)) return text;
  throw new InvalidArgumentError("Expected a letter or digit, then letters, digits and ._,:@%+=-.");
}

/** What of `reproduce`'s options has to be known here. */
interface ReproduceWords {
  readonly results?: string;
  readonly device?: string;
  readonly force?: boolean;
}

/**
 * Reads the words as `reproduce` will, so that a wrong one is told now and not when it is their turn.
 * @throws {CommanderError} as `reproduce` does
 * @throws {UserError} where they make no sense for several tasks
 */
function checked(
  words: readonly string[],
  { gpus }: SlurmResources,
  experiments: Experiments,
): ReproduceWords {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerReproduce(program, experiments);
  const [reproduce] = program.commands as [Command];
  reproduce.action(() => {}).exitOverride().configureOutput({ writeErr: () => {} });
  program.parse(["reproduce", ...words], { from: "user" });
  const found: ReproduceWords = reproduce.opts();
  if (found.force) {
    throw new UserError(
      "choice",
      "Cannot submit a job with --force: each task would make again what the others have made; " +
        "choose another folder with --results",
    );
  }
  if (gpus !== undefined && found.device === "cpu") {
    throw new UserError(
      "choice",
      "Cannot submit a job with --gpus: expected --device cuda, webgpu or auto beside it, found none",
    );
  }
  return found;
}

/** `deno task reproduce` with words, without the task runner between it and its signals. */
function commandOf(words: readonly string[]): string {
  const { command } = config.tasks.reproduce;
  const typedIn = Deno.env.get("INIT_CWD") ?? Deno.cwd();
  const deno = command.replace(/(?<=^| )deno run /, `${quoted(Deno.execPath())} run `);
  return [`INIT_CWD=${quoted(typedIn)}`, deno, ...words.map(quoted)].join(" ");
}

/**
 * Submits a script.
 * @returns number of the job
 * @throws {UserError} where Slurm is not there, or refuses it
 */
async function submit(path: string): Promise<string> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command("sbatch", { args: ["--parsable", path] }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(
      "missing",
      "Cannot submit a job: expected Slurm's sbatch on this machine, found none; log in where jobs are " +
        `submitted, or run \`sbatch ${quoted(path)}\` there`,
    );
  }
  const [said, wrong] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes).trim()
  ) as [string, string];
  if (output.success) return said.split(";")[0]!;
  throw new UserError(
    "usage",
    `Cannot submit a job: Slurm says ${wrong.replaceAll(/\s*\n\s*/g, "; ")}`,
  );
}
