/**
 * `deno task checkpoint`: heads on disk, what is in them and in which format they lie.
 * @module
 */
import type { Command } from "commander";
import { readCheckpointFile } from "../detectors/checkpoint_file.ts";
import { findDetector, readsPixels } from "../detectors/index.ts";
import { UserError } from "../io/errors.ts";
import { writePytorchFile } from "../io/pytorch_file.ts";
import { writeSafetensors } from "../io/safetensors_writer.ts";
import { userPath } from "./paths.ts";

/** Adds the command. */
export function registerCheckpoint(program: Command): void {
  const checkpoint = program.command("checkpoint").description("heads on disk");
  checkpoint.command("show <file>")
    .description("a head's architecture, parameters and the importance of each block")
    .action(async (file: string) => console.log(await describeCheckpoint(userPath(file))));
  checkpoint.command("convert <input> <output>")
    .description("between .pth and .safetensors, by the names' endings")
    .action(async (input: string, output: string) => {
      console.log(await convertCheckpoint(userPath(input), userPath(output)));
    });
}

/**
 * Converts a head between `.pth` and `.safetensors`, told by the ending of
 * `output`; `input` is told by its content. Adam's moments are left out.
 * @returns what was done, a line
 * @throws {UserError} where `output` ends otherwise, or is a `.pth` and the head is ablated: the
 * format holds tensors alone, and without its ablation a head is another model
 * @throws {UserError} where `input` holds another model, is damaged or holds more than tensors
 */
export async function convertCheckpoint(input: string, output: string): Promise<string> {
  const format = /\.(pth|safetensors)$/.exec(output)?.[1];
  if (!format) {
    throw new UserError(
      "choice",
      `Cannot convert to ${output}: expected a name ending in .pth or .safetensors`,
    );
  }
  const { kind: detector } = await findDetector(input);
  if (!readsPixels(detector)) await detector.sizesOf(input); // checks it
  const { tensors, metadata } = await (detector.ownTensors?.(input) ?? readCheckpointFile(input));
  const { ablation = "none" } = metadata;
  if (format === "pth" && ablation !== "none") {
    throw new UserError(
      "usage",
      `Cannot convert ${input} to ${output}: expected a whole head, found one with ablation ` +
        `${ablation}, which .pth cannot say; convert it to .safetensors`,
    );
  }
  if (format === "safetensors") await writeSafetensors(output, tensors, metadata);
  else await writePytorchFile(output, tensors);
  return `${input} → ${output}: head of ${detector.title}, ${tensors.size} tensors`;
}

/**
 * Describes a head: sizes, parameter count, what was written beside it, and what
 * the detector has to say of it.
 * @returns lines for a person to read
 * @throws {UserError} where the file holds another model, is damaged or holds more than tensors
 */
export async function describeCheckpoint(path: string): Promise<string> {
  const { kind: detector } = await findDetector(path);
  return (await detector.describeCheckpoint(path)).join("\n");
}
