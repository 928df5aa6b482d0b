/**
 * `deno task tensorflow`: the second engine's native library.
 * @module
 */
import { type Command, InvalidArgumentError } from "commander";
import { installTensorflow } from "../detectors/rine/tensorflow/install.ts";
import { pathOption } from "./paths.ts";

function sha256(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text;
  throw new InvalidArgumentError("Expected 64 hexadecimal digits.");
}

/** Adds the command. */
export function registerTensorflow(program: Command): void {
  const tensorflow = program.command("tensorflow")
    .description("the second engine's native library");
  tensorflow.command("install")
    .description("build the addon against TensorFlow's C library, downloaded or given")
    .addOption(
      pathOption("--library <folder>", "a TensorFlow 2 C library that is there already"),
    )
    .option("--sha256 <digits>", "what the download must be (default: it is said)", sha256)
    .action(async (flags: { library?: string; sha256?: string }) => {
      console.log(await installTensorflow({ ...flags, log: (line) => console.error(line) }));
    });
}
