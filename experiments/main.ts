/**
 * The command line: `deno task` and the name of a command.
 * @module
 */
import { registerBackbone } from "../lib/cli/backbone.ts";
import { registerCheckpoint } from "../lib/cli/checkpoint.ts";
import { runCommandLine } from "../lib/cli/command_line.ts";
import { registerDetect } from "../lib/cli/detect.ts";
import { registerDetector } from "../lib/cli/detector.ts";
import { registerDoctor } from "../lib/cli/doctor.ts";
import { registerFeatures } from "../lib/cli/features.ts";
import { registerKernel } from "../lib/cli/kernel.ts";
import { registerNotebooks } from "../lib/cli/notebooks.ts";
import { registerPublished } from "../lib/cli/published.ts";
import { registerReproduce } from "../lib/cli/reproduce.ts";
import { registerTensorflow } from "../lib/cli/tensorflow.ts";
import { EXPERIMENTS } from "./index.ts";

if (import.meta.main) {
  await runCommandLine([
    registerReproduce,
    registerDoctor,
    registerPublished,
    registerDetect,
    registerFeatures,
    registerBackbone,
    registerCheckpoint,
    registerDetector,
    registerTensorflow,
    registerKernel,
    registerNotebooks,
  ], EXPERIMENTS);
}
