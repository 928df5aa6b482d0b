/**
 * Takes weights that people have and puts them where backbones are opened by name.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { dirname, resolve } from "node:path";
import { contentKey, exists } from "../io/files.ts";
import { isPytorchFile, readPytorchFile } from "../io/pytorch_file.ts";
import { writeSafetensors } from "../io/safetensors.ts";
import { weightsPath } from "./open.ts";
import { quantizedPath } from "./quantize.ts";
import { readVitWeights, type VitWeights } from "./vit/weights.ts";

/** What becomes of the file that is imported. */
export const IMPORT_MODES = ["link", "copy"] as const;

/** `link`: the file stays where it lies. `copy`: the backbone gets a file of its own. */
export type ImportMode = typeof IMPORT_MODES[number];

/** How weights are imported. */
export interface ImportOptions {
  /** Name to open the backbone by: `ViT-L/14`. */
  readonly name: string;
  /** Folder that holds a folder for each backbone; default `data/backbones`. */
  readonly folder?: string;
  /** Default `link`. PyTorch's archives are converted, so copied, in any case. */
  readonly mode?: ImportMode;
}

/**
 * Imports a backbone: a `.safetensors` file under the names of any family, or a PyTorch archive with
 * OpenAI's names (`ViT-L-14.pt`), whose tensors are read and whose code is not. Int8 weights of
 * that name, made of weights that were there before, are removed.
 * @returns the weights as they will be opened
 * @throws {UserError} where the name is taken, or the tensors' names are no family's
 * @throws {UserError} where the file is not whole
 * @throws {UserError} where tensors do not fit one another
 */
export async function importBackbone(file: string, options: ImportOptions): Promise<VitWeights> {
  const { name, folder = "data/backbones", mode = "link" } = options;
  const target = weightsPath(folder, name);
  if (!await exists(file)) {
    throw new UserError(
      "missing",
      `Cannot import ${name}: expected weights at ${file}, found none`,
    );
  }
  if (await exists(target)) {
    throw new UserError(
      "usage",
      `Cannot import ${name}: expected a new name, found weights at ${target}; remove that folder first or choose another name`,
    );
  }
  const own = dirname(target);
  await Deno.mkdir(own, { recursive: true });
  try {
    if (await isPytorchFile(file)) await convert(file, target);
    else await take(file, target, mode);
  } catch (error) {
    // goes only where nothing is in it
    await Deno.remove(own).catch(() => {});
    throw error;
  }
  await Deno.remove(quantizedPath(target)).catch(() => {});
  return await readVitWeights(target);
}

async function take(file: string, target: string, mode: ImportMode): Promise<void> {
  await readVitWeights(file);
  // a link that leads nowhere is in the way of a new one
  await Deno.remove(target).catch(() => {});
  if (mode === "link") {
    await Deno.symlink(resolve(file), target);
  } else {
    const unfinished = `${target}.${contentKey([Deno.pid])}.tmp`;
    await Deno.copyFile(file, unfinished);
    await Deno.rename(unfinished, target);
  }
}

async function convert(file: string, target: string): Promise<void> {
  const tensors = await readPytorchFile(file, (name) => name.startsWith("visual."));
  const unchecked = `${target}.unchecked`;
  await writeSafetensors(unchecked, tensors);
  try {
    await readVitWeights(unchecked);
  } catch (error) {
    await Deno.remove(unchecked);
    // what was wrong lies in the file that was given; the other is gone
    if (error instanceof Error) error.message = error.message.replace(unchecked, file);
    throw error;
  }
  await Deno.rename(unchecked, target);
}

/** A backbone's architecture in words, for people. */
export function describeBackbone({ family, architecture, header, tensors }: VitWeights): string {
  const { blocks, width, heads, patchPx, resolutionPx, embeddingWidth, activation } = architecture;
  const bytes = [...tensors.values()].reduce((sum, { length }) => sum + length, 0);
  const dtypes = new Set([...tensors.values()].map(({ dtype }) => dtype));
  return [
    `${header.path}: ${family.name} names, ${[...dtypes].join(" and ")}, ${
      (bytes / 1e6).toFixed(1)
    } MB`,
    `${blocks} blocks of width ${width}, ${heads} heads, ${activation}; patches of ${patchPx} px in ${resolutionPx} px` +
    (embeddingWidth === undefined ? "" : `; image embedding of ${embeddingWidth}`),
  ].join("\n");
}
