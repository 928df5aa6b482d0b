/**
 * `deno task backbone`: takes backbones in, quantizes them, and says which there are.
 * @module
 */
import { type Command, InvalidArgumentError } from "commander";
import { join } from "node:path";
import {
  describeBackbone,
  IMPORT_MODES,
  importBackbone,
  type ImportMode,
} from "../backbones/import.ts";
import { BACKBONE_FOLDERS, isBackboneName, weightsPath } from "../backbones/open.ts";
import { quantizedPath, quantizeWeights } from "../backbones/quantize.ts";
import {
  type Activation,
  ACTIVATIONS,
  type WeightsSettings,
} from "../backbones/families/family.ts";
import { type Maker, MAKERS } from "../backbones/families/makers.ts";
import { keptSettings, knownSettings } from "../backbones/settings.ts";
import { assertQuantizable, readWeights, type Weights } from "../backbones/weights.ts";
import { UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { openNamed } from "./errors.ts";
import { backboneName, BACKBONES, BACKBONES_READ, choice, wholeNumber } from "./options.ts";
import { userPath } from "./paths.ts";

interface ImportFlags {
  readonly name: string;
  readonly mode: ImportMode;
  readonly backbones: string;
  readonly family?: Maker;
  readonly activation?: Activation;
  readonly heads?: number;
  readonly mean?: Channels;
  readonly std?: Channels;
}

/** A value for each of red, green, blue. */
type Channels = [number, number, number];

/** Adds the command. */
export function registerBackbone(program: Command): void {
  const backbone = program.command("backbone").description("weights of backbones");
  backbone.command("import <file>")
    .description(
      "take safetensors, PyTorch's .pt, .pth or .bin, or a folder of either, under a name to open it by",
    )
    .requiredOption("--name <name>", "for example ViT-L/14", backboneName)
    .addOption(
      choice("--mode <name>", "leave the file where it lies, or copy it", IMPORT_MODES, "link"),
    )
    .addOption(BACKBONES)
    .addOption(choice("--family <name>", "whose weights they are, where no configuration tells", [
      ...Object.keys(MAKERS),
    ]))
    .addOption(choice("--activation <name>", "what stands in their MLPs", ACTIVATIONS))
    .option("--heads <number>", "number of attention heads", wholeNumber)
    .option("--mean <numbers>", "of pixels in [0, 1], by channel: .5,.5,.5", channels)
    .option("--std <numbers>", "by which pixels are divided", deviations)
    .action(async (file: string, flags: ImportFlags) => {
      console.log(await importFile(userPath(file), flags));
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
    .addOption(BACKBONES_READ)
    .action(async ({ backbones }: { backbones?: string }) => {
      console.log(await showBackbones(backbones === undefined ? BACKBONE_FOLDERS : [backbones]));
    });
}

async function importFile(file: string, flags: ImportFlags): Promise<string> {
  const { name, mode, backbones: folder, family, activation, heads, mean, std } = flags;
  const settings: WeightsSettings = {
    ...(family ? MAKERS[family] : {}),
    ...(activation ? { activation } : {}),
    ...(heads === undefined ? {} : { heads }),
    ...(mean ? { pixelMean: mean } : {}),
    ...(std ? { pixelStd: std } : {}),
  };
  const weights = await importBackbone(file, { name, mode, folder, settings });
  return await describeKept(weights, weightsPath(folder, name));
}

/** Reads one number for each channel, or one for all. */
function channels(text: string): Channels {
  const numbers = text.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
  const all = numbers.length === 1 ? [...numbers, ...numbers, ...numbers] : numbers;
  if (all.length !== 3 || !all.every((value) => value >= 0 && value <= 1)) {
    throw new InvalidArgumentError("Expected three numbers from 0 to 1, with commas between.");
  }
  return all as Channels;
}

/** As {@linkcode channels}, above 0. */
function deviations(text: string): Channels {
  const values = channels(text);
  if (values.every((value) => value > 0)) return values;
  throw new InvalidArgumentError("Expected numbers above 0.");
}

/** A backbone in words, with who said what its tensors do not tell. */
async function describeKept(weights: Weights, path: string): Promise<string> {
  const from = (await keptSettings(path))?.from ?? {};
  const said = Map.groupBy(Object.keys(from), (name) => from[name]!);
  const lines = [...said].map(([who, names]) => `${names.join(", ")}: ${who}`);
  return [describeBackbone(weights), ...(lines.length > 0 ? [lines.join("; ")] : [])].join("\n");
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
      "choice",
      `Cannot quantize ${name}: expected weights at ${path}, found none`,
    );
  }
  const target = quantizedPath(path);
  const weights = await readWeights(path, await knownSettings(path));
  assertQuantizable(weights, `Cannot quantize ${name}`);
  await quantizeWeights(weights, target);
  const { size } = await Deno.stat(target);
  return `${target}: ${(size / 1e6).toFixed(1)} MB`;
}

/** The architectures of all backbones in folders, for people. */
export async function showBackbones(folders: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const folder of folders) {
    if (!await exists(folder)) continue;
    for await (const { name } of Deno.readDir(folder)) {
      if (!isBackboneName(name) || !(await Deno.stat(join(folder, name))).isDirectory) continue;
      const path = weightsPath(folder, name);
      if (!await exists(path)) continue;
      lines.push(await describeKept(await readWeights(path, await knownSettings(path)), path));
    }
  }
  if (lines.length > 0) return lines.sort().join("\n");
  return folders.length === 1
    ? `${folders[0]} holds no backbone`
    : `${folders.join(" and ")} hold no backbone`;
}
