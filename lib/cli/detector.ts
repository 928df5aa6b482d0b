/**
 * `deno task detector`: takes released checkpoints of other detectors in, says which there are and where
 * the others are to be had, and trains detectors.
 * @module
 */
import type { Command } from "commander";
import {
  type DetectorImport,
  DETECTORS_FOLDER,
  importDetector,
  knownDetectors,
} from "../detectors/import.ts";
import { RELEASED_KINDS } from "../detectors/index.ts";
import type { Experiments } from "../runs/section.ts";
import { registerTraining } from "./detector_training.ts";
import { backboneName, choice } from "./options.ts";
import { pathOption, userPath } from "./paths.ts";

interface ImportFlags {
  readonly as: string;
  readonly name?: string;
  readonly detectors: string;
}

/** Adds the command. */
export function registerDetector(program: Command, experiments: Experiments): void {
  const detector = program.command("detector").description("detectors that RINE is compared with");
  const folder = () =>
    pathOption("--detectors <folder>", "holds a folder for each detector", DETECTORS_FOLDER);
  detector.command("import <file>")
    .description("take a released checkpoint: .pth or .safetensors")
    .addOption(
      choice("--as <name>", "whose it is", RELEASED_KINDS.map(({ name }) => name))
        .makeOptionMandatory(),
    )
    .option(
      "--name <name>",
      "name to find it by (default: told by the released file's name)",
      backboneName,
    )
    .addOption(folder())
    .action(async (file: string, { detectors, ...flags }: ImportFlags) => {
      const options: DetectorImport = { ...flags, folder: detectors };
      const { path, title } = await importDetector(userPath(file), options);
      console.log(`${path}: ${title}`);
    });
  detector.command("list")
    .description("released checkpoints: those that are there, and where the others are to be had")
    .addOption(folder())
    .action(async ({ detectors }: { detectors: string }) => {
      console.log(await listDetectors(detectors));
    });
  registerTraining(detector, experiments);
}

/** What there is of released checkpoints, a line each. */
export async function listDetectors(folder: string): Promise<string> {
  const known = await knownDetectors(folder);
  const width = Math.max(...known.map(({ title }) => title.length));
  return known.map(({ title, detector, name, files, from, path }) =>
    `${title.padEnd(width)}  ` + (path ??
      `not there: ${files[0]}, from ${from}; \`deno task detector import FILE --as ${detector} ` +
        `--name ${name}\``)
  ).join("\n");
}
