/**
 * Takes weights that people have and puts them where backbones are opened by name.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import {
  assertSpace,
  exists,
  naming,
  removeIfThere,
  sweepTemporaries,
  writeFileAtomic,
} from "../io/files.ts";
import { isPytorchFile, readPytorchFile } from "../io/pytorch_file.ts";
import { writeSafetensors } from "../io/safetensors_writer.ts";
import { FAMILIES, RESNET_FAMILIES } from "./families/index.ts";
import { checksumPath, removeChecksum, writeChecksum } from "./checksum.ts";
import { weightsPath } from "./open.ts";
import { quantizedPath } from "./quantize.ts";
import type { ResnetArchitecture } from "./resnet/architecture.ts";
import type { VitArchitecture } from "./vit/architecture.ts";
import { isResnet, networkOf, readWeights, type Weights } from "./weights.ts";

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

/** What training scripts put before a network's names when they save it with other things. */
const SAVED_UNDER = /^(?:(?:model|state_dict|net|module)\.)+/;

/** What they save beside it. */
const SAVED_BESIDE = /^(?:optimizer|scheduler)\./;

/**
 * Imports a backbone: a `.safetensors` file, or a PyTorch archive (`ViT-L-14.pt`,
 * `resnet50-0676ba61.pth`), whose tensors are read and whose code is not; under the names of any
 * family, in an archive also below `model`, `state_dict`, `net` or `module`. Int8 weights of that
 * name, made of weights that were there before, are removed.
 * @returns the weights as they will be opened
 * @throws {UserError} where the name is taken, or the tensors' names are no family's
 * @throws {UserError} where the file is not whole
 * @throws {UserError} where tensors do not fit one another
 */
export async function importBackbone(file: string, options: ImportOptions): Promise<Weights> {
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
  await naming(target, () => Deno.mkdir(own, { recursive: true }));
  await sweepTemporaries(own, false);
  // of weights that somebody has taken away by hand
  await removeChecksum(target);
  try {
    if (await isPytorchFile(file)) await convert(file, target);
    else await take(file, target, mode);
  } catch (error) {
    // goes only where nothing is in it
    await Deno.remove(own).catch(() => {});
    throw error;
  }
  for (const path of [quantizedPath(target), checksumPath(quantizedPath(target))]) {
    await removeIfThere(path);
  }
  return await readWeights(target);
}

async function take(file: string, target: string, mode: ImportMode): Promise<void> {
  await readWeights(file);
  // a link that leads nowhere is in the way of a new one
  await Deno.remove(target).catch(() => {});
  if (mode === "link") {
    await naming(target, () => Deno.symlink(resolve(file), target));
    return;
  }
  const { size } = await Deno.stat(file);
  await assertSpace(dirname(target), size, "weights");
  const hash = createHash("sha256");
  await writeFileAtomic(target, async (write) => {
    using source = await Deno.open(file);
    const buffer = new Uint8Array(2 ** 20);
    for (let count; (count = await source.read(buffer)) !== null;) {
      hash.update(buffer.subarray(0, count));
      await write(buffer.subarray(0, count));
    }
  });
  await writeChecksum(target, hash.digest("hex"));
}

async function convert(file: string, target: string): Promise<void> {
  const families = [...FAMILIES, ...RESNET_FAMILIES];
  const found = await readPytorchFile(file, (saved) => {
    const name = saved.replace(SAVED_UNDER, "");
    return !SAVED_BESIDE.test(saved) && !families.some(({ ignored }) => ignored.test(name));
  });
  const tensors = new Map(
    [...found].map(([name, values]) => [name.replace(SAVED_UNDER, ""), values]),
  );
  const unchecked = `${target}.unchecked`;
  await writeSafetensors(unchecked, tensors);
  try {
    await readWeights(unchecked);
  } catch (error) {
    await Deno.remove(unchecked);
    // what was wrong lies in the file that was given; the other is gone
    if (error instanceof Error) error.message = error.message.replace(unchecked, file);
    throw error;
  }
  await Deno.rename(unchecked, target);
  await writeChecksum(target);
}

/** A backbone's architecture in words, for people. */
export function describeBackbone(weights: Weights): string {
  const { family, header, tensors } = weights;
  const dtypes = new Set([...tensors.values()].map(({ dtype }) => dtype));
  const { weightsBytes } = networkOf(weights);
  return [
    `${header.path}: ${family.name} names, ${[...dtypes].join(" and ")}, ${
      (weightsBytes / 1e6).toFixed(1)
    } MB`,
    isResnet(weights) ? describeResnet(weights.architecture) : describeVit(weights.architecture),
  ].join("\n");
}

function describeVit(architecture: VitArchitecture): string {
  const { blocks, width, heads, patchPx, resolutionPx, embeddingWidth, activation } = architecture;
  return `${blocks} blocks of width ${width}, ${heads} heads, ${activation}; patches of ${patchPx} px in ${resolutionPx} px` +
    (embeddingWidth === undefined ? "" : `; image embedding of ${embeddingWidth}`);
}

function describeResnet(architecture: ResnetArchitecture): string {
  const { stages, width, heads, resolutionPx, embeddingWidth } = architecture;
  const pool = heads === undefined ? "mean of the last map" : `attention pool of ${heads} heads`;
  return `stages of ${
    stages.join(", ")
  } bottlenecks, ${width} channels at first, ${pool}; ${resolutionPx} px; image embedding of ${embeddingWidth}`;
}
