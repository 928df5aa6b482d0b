/**
 * `deno task clean`: removes what no reproduction needs any more of what this project has written.
 * @module
 */
import type { Command } from "commander";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { findGarbage, type Garbage, type GarbageKind } from "../runs/clean.ts";
import type { Experiments } from "../runs/section.ts";
import { EXIT_FAILURE } from "./errors.ts";
import { GOES_ON, stopOnInterrupt } from "./interrupt.ts";
import { pathOption } from "./paths.ts";
import { byteCount } from "./text.ts";

interface CleanFlags {
  readonly data: string;
  readonly results: string;
  readonly tokens?: string;
  readonly dryRun: boolean;
}

/** Adds the command. */
export function registerClean(program: Command, experiments: Experiments): void {
  program.command("clean")
    .description("remove features, heads and scores that no reproduction here needs any more")
    .addOption(pathOption("--data <folder>", "holds images and backbones", "data"))
    .addOption(pathOption("--results <folder>", "holds results", "results"))
    .addOption(
      pathOption("--tokens <folder>", "holds tokens (default: tokens in the data folder)"),
    )
    .option("--dry-run", "say what would be removed, and remove nothing", false)
    .action(async ({ dryRun, ...folders }: CleanFlags) => {
      stopOnInterrupt(GOES_ON);
      const { garbage, kept } = await findGarbage(experiments, folders);
      if (dryRun) {
        for (const { kind, path, bytes } of garbage) console.log(line(kind, path, bytes));
      } else await removeAll(garbage);
      console.log(summary(garbage, dryRun));
      if (kept === undefined) return;
      console.error(`${kept}; so features, heads and scores all stay`);
      Deno.exitCode = EXIT_FAILURE;
    });
}

async function removeAll(garbage: readonly Garbage[]): Promise<void> {
  using display = new ProgressDisplay();
  for (const [i, piece] of garbage.entries()) {
    await piece.remove();
    display.onProgress({ stage: "clean", unit: "files", done: i + 1, total: garbage.length });
  }
}

function line(kind: GarbageKind, path: string, bytes: number): string {
  return `${byteCount(bytes).padStart(10)}  ${kind.padEnd(18)}  ${path}`;
}

/** What was found, by kind. */
function summary(garbage: readonly Garbage[], isDry: boolean): string {
  const sum = (some: readonly Garbage[]) =>
    byteCount(some.reduce((all, { bytes }) => all + bytes, 0));
  const kinds = [...Map.groupBy(garbage, ({ kind }) => kind)]
    .map(([kind, some]) => `${some.length.toLocaleString("en")} ${kind} (${sum(some)})`);
  if (kinds.length === 0) return "Nothing to remove: all that is there is needed";
  return `${isDry ? "Would remove" : "Removed"} ${kinds.join(", ")}: ${sum(garbage)}`;
}
