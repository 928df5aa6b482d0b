/**
 * `deno task backbone`: takes backbones in, quantizes them, and says which there are.
 * @module
 */
import type { Command } from "commander";
import { join } from "node:path";
import {
  describeBackbone,
  IMPORT_MODES,
  importBackbone,
  type ImportMode,
} from "../backbones/import.ts";
import { isBackboneName, weightsPath } from "../backbones/open.ts";
import { quantizedPath, quantizeWeights } from "../backbones/quantize.ts";
import { assertQuantizable, readWeights } from "../backbones/weights.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { openNamed } from "./errors.ts";
import { backboneName, BACKBONES, choice } from "./options.ts";
import { userPath } from "./paths.ts";

interface ImportFlags {
  readonly name: string;
  readonly mode: ImportMode;
  readonly backbones: string;
}

/** Adds the command. */
export function registerBackbone(program: Command): void {
  const backbone = program.command("backbone").description("weights of backbones");
  backbone.command("import <file>")
    .description("take a .safetensors file or PyTorch's .pt or .pth, under a name to open it by")
    .requiredOption("--name <name>", "for example ViT-L/14", backboneName)
    .addOption(
      choice("--mode <name>", "leave the file where it lies, or copy it", IMPORT_MODES, "link"),
    )
    .addOption(BACKBONES)
    .action(async (file: string, { backbones: folder, ...options }: ImportFlags) => {
      console.log(describeBackbone(await importBackbone(userPath(file), { ...options, folder })));
    });
  backbone.command("quantize")
    .description("store a backbone's linear layers as int8 beside its weights")
    .requiredOption("--name <name>", "which backbone", backboneName)
    .addOption(BACKBONES)
    .action(async ({ name, backbones: folder }: { name: string; backbones: string }) => {
      console.log(await openNamed(() => quantizeBackbone(name, folder)));
    });
  backbone.command("show")
    .description("the backbones that are there, and their architectures")
    .addOption(BACKBONES)
    .action(async ({ backbones: folder }: { backbones: string }) => {
      console.log(await showBackbones(folder));
    });
}

/**
 * Writes a backbone's int8 weights beside its own.
 * @returns a line for people
 * @throws {UserError} where there is no such backbone, or it is no vision transformer
 */
export async function quantizeBackbone(name: string, folder: string): Promise<string> {
  const path = weightsPath(folder, name);
  if (!await exists(path)) {
    throw new UserError(
      "missing",
      `Cannot quantize ${name}: expected weights at ${path}, found none`,
    );
  }
  const target = quantizedPath(path);
  const weights = await readWeights(path);
  assertQuantizable(weights, `Cannot quantize ${name}`);
  await quantizeWeights(weights, target);
  const { size } = await Deno.stat(target);
  return `${target}: ${(size / 1e6).toFixed(1)} MB`;
}

/** The architectures of all backbones in a folder, for people. */
export async function showBackbones(folder: string): Promise<string> {
  const lines: string[] = [];
  if (await exists(folder)) {
    for await (const { name } of Deno.readDir(folder)) {
      if (!isBackboneName(name) || !(await Deno.stat(join(folder, name))).isDirectory) continue;
      const path = weightsPath(folder, name);
      if (await exists(path)) lines.push(describeBackbone(await readWeights(path)));
    }
  }
  return lines.length > 0 ? lines.sort().join("\n") : `${folder} holds no backbone`;
}
