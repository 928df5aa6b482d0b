/**
 * `deno task reproduce --gpus 0,1`: the same command on each of several GPUs of this machine; they
 * divide the work as any processes in the same folders do.
 * @module
 */
import process from "node:process";
import config from "../../deno.json" with { type: "json" };
import { startOnGpus } from "../cluster/gpus.ts";
import { UserError } from "../io/errors.ts";
import { PROJECT } from "../io/project.ts";
import { EXIT_FAILURE } from "./errors.ts";
import { GOES_ON, stopOnInterrupt } from "./interrupt.ts";
import type { DeviceChoice } from "./options.ts";

/** What of `reproduce`'s options matters here. */
export interface GpuFlags {
  readonly device: DeviceChoice;
  readonly force?: boolean;
}

/**
 * Runs the command that was typed once for each GPU, and ends with the exit code of one that fails.
 * @throws {UserError} where the other options make no sense for several processes
 */
export async function reproduceOnGpus(
  gpus: readonly number[],
  { device, force }: GpuFlags,
): Promise<void> {
  if (device !== "cuda" && device !== "auto") {
    throw new UserError(
      "choice",
      `Cannot reproduce with --gpus: expected --device cuda or auto beside it, found ${device}`,
    );
  }
  if (force) {
    throw new UserError(
      "choice",
      "Cannot reproduce with --gpus and --force: each process would make again what the others " +
        "have made; choose another folder with --results",
    );
  }
  const args = [...commandArgs(), ...withoutGpus(process.argv.slice(3))];
  const processes = startOnGpus(gpus, { args, onLine: console.error, cwd: PROJECT });
  stopOnInterrupt(GOES_ON, () => processes.stop());
  if (await processes.code !== 0) Deno.exitCode = EXIT_FAILURE;
}

/** Arguments of `deno` in the task, without the right to start processes. */
function commandArgs(): string[] {
  const words = config.tasks.reproduce.command.split(" ");
  return words.slice(words.indexOf("run")).filter((word) => !word.startsWith("--allow-run"));
}

/** Words of a command without `--gpus` and its value. */
function withoutGpus(words: readonly string[]): string[] {
  return words.filter((word, i) =>
    word !== "--gpus" && words[i - 1] !== "--gpus" && !word.startsWith("--gpus=")
  );
}
