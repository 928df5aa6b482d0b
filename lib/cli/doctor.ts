/**
 * `deno task doctor`: which of a profile's images and backbones are there, and which sections can run.
 * @module
 */
import type { Command } from "commander";
import { join } from "node:path";
import { profileSets } from "../doctor/needs.ts";
import { examineProfile } from "../doctor/profile.ts";
import { formatReport } from "../doctor/text.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { exists } from "../io/files.ts";
import type { Profile } from "../runs/profile.ts";
import { makeSetup } from "../runs/setup.ts";
import type { Experiments } from "../runs/section.ts";
import { EXIT_FAILURE } from "./errors.ts";
import { stopOnInterrupt } from "./interrupt.ts";
import { choice, DATASETS, onlyOption } from "./options.ts";
import { pathOption } from "./paths.ts";

interface DoctorFlags {
  readonly profile?: string;
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
  program.command("doctor")
    .description("which of a profile's images and backbones are there, and which sections can run")
    .addOption(
      choice(
        "--profile <name>",
        "whose images (default: that whose images are there)",
        Object.keys(profiles),
      ),
    )
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
      const profile = options.profile ?? await profileIn(options.data, experiments);
      const setup = await makeSetup(experiments, { ...options, profile });
      using display = new ProgressDisplay();
      const report = await examineProfile(setup, { only, deep, onProgress: display.onProgress });
      console.log(json ? JSON.stringify(report, null, 2) : formatReport(report));
      if (!report.canRun || (report.integrity?.damaged.length ?? 0) > 0) {
        Deno.exitCode = EXIT_FAILURE;
      }
    });
}

/**
 * The profile whose images or backbones are in a data folder: one that people bring theirs for, else one
 * that is made; the first that they bring theirs for, where there is nothing.
 */
async function profileIn(data: string, { profiles }: Experiments): Promise<string> {
  const all = Object.values(profiles), brought = all.filter(({ made }) => !made);
  for (const profile of brought) {
    const folders = foldersOf(profile).map((folder) => join(data, profile.folder, folder));
    for (const folder of folders) {
      if (await exists(folder)) return profile.name;
    }
  }
  for (const { name, folder, made } of all) {
    if (made && await exists(join(data, folder))) return name;
  }
  return brought[0]!.name;
}

/** The outermost folders that a profile's images and backbones lie in. */
function foldersOf(profile: Profile): string[] {
  const folders = profileSets(profile).flatMap(({ spec: { sources } }) => sources)
    .flatMap((source) => "directory" in source ? [source.directory.split("/")[0]!] : []);
  return [...new Set([...folders, "backbones"])];
}
