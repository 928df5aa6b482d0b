/**
 * `deno task doctor`: which of a profile's images and backbones are there, and which sections can run.
 * @module
 */
import type { Command } from "commander";
import { examineProfile } from "../doctor/profile.ts";
import { formatReport } from "../doctor/text.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { makeSetup } from "../runs/setup.ts";
import type { Experiments } from "../runs/section.ts";
import { EXIT_FAILURE } from "./errors.ts";
import { stopOnInterrupt } from "./interrupt.ts";
import { choice, DATASETS, onlyOption } from "./options.ts";
import { pathOption } from "./paths.ts";

interface DoctorFlags {
  readonly profile: string;
  readonly only: readonly string[];
  readonly data: string;
  readonly results: string;
  readonly tokens?: string;
  readonly datasets?: string;
  readonly json: boolean;
  readonly deep: boolean;
}

/** Adds the command. */
export function registerDoctor(program: Command, experiments: Experiments): void {
  const { profiles } = experiments;
  // of a world that is made there is little to say
  const brought = Object.values(profiles).find(({ made }) => !made)?.name;
  program.command("doctor")
    .description("which of a profile's images and backbones are there, and which sections can run")
    .addOption(choice("--profile <name>", "whose images", Object.keys(profiles), brought))
    .addOption(onlyOption(experiments))
    .addOption(pathOption("--data <folder>", "holds images and backbones", "data"))
    .addOption(pathOption("--results <folder>", "holds results, for --deep", "results"))
    .addOption(
      pathOption(
        "--tokens <folder>",
        "holds tokens, for --deep (default: tokens in the data folder)",
      ),
    )
    .addOption(DATASETS)
    .option("--json", "a report for programs", false)
    .option("--deep", "decode every image, and hold all that was made to its checksums", false)
    .action(async ({ only, json, deep, ...options }: DoctorFlags) => {
      stopOnInterrupt("Stopped; nothing was written");
      const setup = await makeSetup(experiments, options);
      using display = new ProgressDisplay();
      const report = await examineProfile(setup, { only, deep, onProgress: display.onProgress });
      console.log(json ? JSON.stringify(report, null, 2) : formatReport(report));
      if (!report.canRun || (report.integrity?.damaged.length ?? 0) > 0) {
        Deno.exitCode = EXIT_FAILURE;
      }
    });
}
