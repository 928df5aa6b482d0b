/**
 * Takes weights that people have and puts them where backbones are opened by name.
 * @module
 */
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import { UserError } from "../io/errors.ts";
import {
  assertSpace,
  exists,
  naming,
  removeIfThere,
  sweepTemporaries,
  writeFileAtomic,
} from "../io/files.ts";
import { openFile } from "../io/regular.ts";
import type { SafetensorsDtype, SafetensorsEntry, SafetensorsHeader } from "../io/safetensors.ts";
import { type LazyTensor, writeLargeSafetensors } from "../io/safetensors_writer.ts";
import { sizeOf } from "../io/tensor.ts";
import { openTensorFile, type TensorEntry, type TensorFile, weightsAt } from "../io/tensor_file.ts";
import { checksumPath, removeChecksum, writeChecksum } from "./checksum.ts";
import { networkPrefix, withoutPrefix } from "./families/find.ts";
import type { WeightsSettings } from "./families/family.ts";
import { weightsPath } from "./open.ts";
import { quantizedPath } from "./quantize.ts";
import type { ResnetArchitecture } from "./resnet/architecture.ts";
import { resnetFamilyOf } from "./resnet/weights.ts";
import {
  type Evidence,
  keepSettings,
  type SaidSettings,
  settingsPath,
  settle,
} from "./settings.ts";
import { poolingOf, type VitArchitecture } from "./vit/architecture.ts";
import { findVit } from "./vit/weights.ts";
import { isResnet, networkOf, readWeights, type Weights, weightsOf } from "./weights.ts";

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
  /** Default `link`. What is no single safetensors file is converted, so copied, in any case. */
  readonly mode?: ImportMode;
  /** What the file's tensors do not tell, where neither a configuration beside it does. */
  readonly settings?: WeightsSettings;
}

/** Types that a graph reads where they lie. */
const IN_PLACE: readonly SafetensorsDtype[] = ["F32", "F16", "BF16"];

/**
 * Imports a backbone: safetensors, one file or shards, or PyTorch's (`ViT-L-14.pt`,
 * `pytorch_model.bin`), whose tensors are read and whose code is not, or the folder of a whole model;
 * under the names of any family, whatever they were saved under (`state_dict`, `module`). What no
 * tensor tells is taken from the configuration beside the file, and kept beside the imported weights.
 * Int8 weights of that name, made of weights that were there before, are removed. Whatever the size
 * of the file, one tensor is in memory at a time.
 * @returns the weights as they will be opened
 * @throws {UserError} where the name is taken, or the tensors' names are no family's
 * @throws {UserError} where the file is not whole, or something else
 * @throws {UserError} where tensors do not fit one another
 * @throws {UserError} where somebody has to say what files of its names differ in
 */
export async function importBackbone(file: string, options: ImportOptions): Promise<Weights> {
  const { name, folder = "data/backbones", mode = "link", settings: given = {} } = options;
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
  const path = await weightsAt(file);
  using source = await openTensorFile(path);
  const header = headerOf(source);
  const said = await settingsFor(header, {
    doing: `Cannot import ${name}`,
    given,
    folder: dirname(path),
    classes: source.classes,
  });
  const found = weightsOf(header, said.settings);
  const own = dirname(target);
  await naming(target, () => Deno.mkdir(own, { recursive: true }));
  await sweepTemporaries(own, false);
  // of weights that somebody has taken away by hand
  await removeChecksum(target);
  try {
    // before the weights: without it they would be opened as their family's usual ones
    await keepSettings(target, said);
    const wanted = wantedOf(source, found);
    const stays = source.container === "safetensors" &&
      wanted.every(({ dtype }) => IN_PLACE.includes(dtype));
    if (stays) await take(path, target, mode);
    else await convert(source, wanted, target);
  } catch (error) {
    await Deno.remove(settingsPath(target)).catch(() => {});
    // goes only where nothing is in it
    await Deno.remove(own).catch(() => {});
    throw error;
  }
  for (const made of [quantizedPath(target), checksumPath(quantizedPath(target))]) {
    await removeIfThere(made);
  }
  return await readWeights(target, said.settings);
}

/** What is known of a file besides its tensors; of a ResNet nothing has to be asked. */
async function settingsFor(header: SafetensorsHeader, evidence: Evidence): Promise<SaidSettings> {
  if (!resnetFamilyOf(header)) return await settle(findVit(header), evidence);
  const from = Object.keys(evidence.given).map((name) => [name, "as given"]);
  return { settings: evidence.given, from: Object.fromEntries(from) };
}

/** A file as the header that it would have as safetensors of types that a graph reads. */
function headerOf({ path, container, metadata, tensors }: TensorFile): SafetensorsHeader {
  const entry = ({ dtype, shape }: TensorEntry): SafetensorsEntry => {
    const stays = container === "safetensors" && IN_PLACE.includes(dtype);
    return { dtype: stays ? dtype : "F32", shape, offset: 0, length: 4 * sizeOf(shape) };
  };
  return {
    path,
    metadata,
    tensors: new Map([...tensors].map(([name, found]) => [name, entry(found)])),
  };
}

async function take(file: string, target: string, mode: ImportMode): Promise<void> {
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
    using source = await openFile(file);
    const buffer = new Uint8Array(2 ** 20);
    for (let count; (count = await source.read(buffer)) !== null;) {
      hash.update(buffer.subarray(0, count));
      await write(buffer.subarray(0, count));
    }
  });
  await writeChecksum(target, hash.digest("hex"));
}

/** A tensor of a network, and its name in the file. */
interface WantedTensor extends TensorEntry {
  readonly name: string;
  readonly saved: string;
}

/** A network's tensors, in the order of their file. */
function wantedOf({ path, tensors }: TensorFile, { family }: Weights): WantedTensor[] {
  const prefix = networkPrefix(path, tensors.keys());
  return [...withoutPrefix(tensors, prefix)]
    .filter(([name]) => !family.ignored.test(name))
    .map(([name, entry]) => ({ name, saved: `${prefix}${name}`, ...entry }));
}

/** Writes tensors as float32, in their order. */
async function convert(
  source: TensorFile,
  wanted: readonly WantedTensor[],
  target: string,
): Promise<void> {
  const tensors = wanted.map(({ name, saved, shape }): LazyTensor => ({
    name,
    dtype: "F32",
    shape,
    async bytes() {
      const { data } = await source.read(saved);
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    },
  }));
  const bytes = wanted.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  await assertSpace(dirname(target), bytes, "weights");
  await writeLargeSafetensors(target, tensors, source.metadata);
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
  const { epsilon, registers, gated } = architecture;
  return [
    `${blocks} blocks of width ${width}, ${heads} heads, ${
      gated ? "SwiGLU" : activation
    }; patches of ${patchPx} px in ${resolutionPx} px` +
    (registers === undefined ? "" : ` and ${registers} registers`) +
    (embeddingWidth === undefined ? "" : `; image embedding of ${embeddingWidth}`),
    `${describePixels(architecture)}; ε ${epsilon}; ${
      poolingOf(architecture) === "class" ? "the class token" : "the mean over patches"
    } stands for an image`,
  ].join("\n");
}

function describePixels({ pixelMean, pixelStd }: VitArchitecture | ResnetArchitecture): string {
  return `pixels less ${pixelMean.join(", ")} by ${pixelStd.join(", ")}`;
}

function describeResnet(architecture: ResnetArchitecture): string {
  const { stages, width, heads, resolutionPx, embeddingWidth, epsilon } = architecture;
  const pool = heads === undefined ? "mean of the last map" : `attention pool of ${heads} heads`;
  return `stages of ${
    stages.join(", ")
  } bottlenecks, ${width} channels at first, ${pool}; ${resolutionPx} px; image embedding of ${embeddingWidth}\n` +
    `${describePixels(architecture)}; ε ${epsilon}`;
}
