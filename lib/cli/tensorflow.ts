/**
 * `deno task tensorflow`: the second engine's native library.
 * @module
 */
import type { Command } from "commander";
import { installTensorflow } from "../detectors/rine/tensorflow/install.ts";
import { pathOption } from "./options.ts";

/** Adds the command. */
export function registerTensorflow(program: Command): void {
  const tensorflow = program.command("tensorflow")
    .description("the second engine's native library");
  tensorflow.command("install")
    .description("build the addon against TensorFlow's C library, downloaded or given")
    .addOption(
      pathOption("--library <folder>", "a TensorFlow 2 C library that is there already"),
    )
    .action(async (flags: { library?: string }) => {
      console.log(await installTensorflow({ ...flags, log: (line) => console.error(line) }));
    });
}
