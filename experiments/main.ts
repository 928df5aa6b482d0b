/**
 * The command line: `deno task` and the name of a command.
 * @module
 */
import type { Command } from "commander";
import { type Commands, type Register, runCommandLine } from "../lib/cli/command_line.ts";
import type { Experiments } from "../lib/runs/section.ts";

/** A command that is told of the papers. */
async function ofPapers(
  register: (program: Command, experiments: Experiments) => void,
): Promise<Register> {
  const { EXPERIMENTS } = await import("./index.ts");
  return (program) => register(program, EXPERIMENTS);
}

/** By name. */
export const COMMANDS: Commands = {
  reproduce: async () => ofPapers((await import("../lib/cli/reproduce.ts")).registerReproduce),
  slurm: async () => ofPapers((await import("../lib/cli/slurm.ts")).registerSlurm),
  doctor: async () => ofPapers((await import("../lib/cli/doctor.ts")).registerDoctor),
  published: async () => ofPapers((await import("../lib/cli/published.ts")).registerPublished),
  detect: async () => ofPapers((await import("../lib/cli/detect.ts")).registerDetect),
  page: async () => ofPapers((await import("../lib/cli/page.ts")).registerPage),
  features: async () => (await import("../lib/cli/features.ts")).registerFeatures,
  backbone: async () => (await import("../lib/cli/backbone.ts")).registerBackbone,
  checkpoint: async () => (await import("../lib/cli/checkpoint.ts")).registerCheckpoint,
  detector: async () => ofPapers((await import("../lib/cli/detector.ts")).registerDetector),
  clean: async () => ofPapers((await import("../lib/cli/clean.ts")).registerClean),
  tensorflow: async () => (await import("../lib/cli/tensorflow.ts")).registerTensorflow,
  kernel: async () => (await import("../lib/cli/kernel.ts")).registerKernel,
  notebooks: async () => (await import("../lib/cli/notebooks.ts")).registerNotebooks,
  "notebooks:check": async () => (await import("../lib/cli/notebooks.ts")).registerNotebooks,
};

if (import.meta.main) await runCommandLine(COMMANDS);
