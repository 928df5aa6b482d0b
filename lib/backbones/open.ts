/**
 * Opens backbones by name:
 *
 * ```ts ignore
 * await using backbone = await openBackbone("ViT-L/14");
 * const { data, shape } = await backbone.features(images); // [images, 24, 1024]
 * const embeddings = await backbone.at("embedding").features(images); // [images, 1, 768]
 * ```
 * @module
 */
import { dirname, join } from "node:path";
import { quoted, refuseUnknown, UserError } from "../io/errors.ts";
import { exists } from "../io/files.ts";
import { readSafetensorsHeader } from "../io/safetensors.ts";
import type { Backbone, BackboneOptions } from "./backbone.ts";
import { type Network, NetworkBackbone } from "./network.ts";
import { quantizedPath, readQuantizedWeights } from "./quantize.ts";
import type { WeightsSettings } from "./families/family.ts";
import { resnetFamilyOf } from "./resnet/weights.ts";
import { keptSettings, knownSettings, settle } from "./settings.ts";
import { findVit } from "./vit/weights.ts";
import { assertQuantizable, networkOf, readWeights } from "./weights.ts";

/** Where backbones are looked for, in this order. */
export const BACKBONE_FOLDERS: readonly string[] = ["data/backbones", "data/mini/backbones"];

const OPTIONS = ["folder", "tap", "precision", "device", "threads", "settings"];

/**
 * Opens a backbone. Only the header of its weights is read until features are asked for.
 * @param name of a folder in one of `options.folder` (`ViT-L/14` lies in `ViT-L-14/`), or the path
 * of a `.safetensors` file
 * @throws {UserError} where there is no such backbone, its names are no family's, or its int8
 * weights were made of other weights
 * @throws {UserError} where its file is not whole, or its tensors do not fit one another
 * @throws {UserError} where it cannot be read at the tap
 * @throws {UserError} where a file that was not imported leaves open what files of its names differ in
 */
export async function openBackbone(
  name: string,
  options: BackboneOptions = {},
): Promise<Backbone> {
  refuseUnknown("Cannot open a backbone", options, OPTIONS);
  const { folder = BACKBONE_FOLDERS, precision = "full", settings } = options;
  const folders = typeof folder === "string" ? [folder] : folder;
  const isFile = name.endsWith(".safetensors");
  if (!isFile && !isBackboneName(name)) throw noName(name);
  const paths = isFile ? [name] : folders.map((folder) => weightsPath(folder, name));
  const there = await Promise.all(paths.map(exists));
  const found = there.indexOf(true);
  if (found === -1) throw new UserError("missing", await notFound(paths, folders, isFile));
  const path = paths[found]!;
  const known = isFile
    ? await settleFile(path, settings)
    : { ...await knownSettings(path), ...settings };
  const network = precision === "full"
    ? networkOf(await readWeights(path, known))
    : await openQuantized(name, path, folders[found]!, { ...options, settings: known });
  return new NetworkBackbone(name, network, options);
}

/** What is known of a file that was not imported, which is asked for as an import does. */
async function settleFile(path: string, given: WeightsSettings = {}): Promise<WeightsSettings> {
  const kept = await keptSettings(path);
  if (kept) return { ...kept.settings, ...given };
  const header = await readSafetensorsHeader(path);
  if (resnetFamilyOf(header)) return given;
  const evidence = { doing: `Cannot open ${path}`, given, folder: dirname(path) };
  return (await settle(findVit(header), evidence)).settings;
}

async function openQuantized(
  name: string,
  path: string,
  folder: string,
  { device = "cpu", settings }: BackboneOptions,
): Promise<Network> {
  if (device !== "cpu") {
    throw new UserError(
      "usage",
      `Cannot open ${name} as int8: expected device cpu, found ${device}`,
    );
  }
  assertQuantizable(await readWeights(path, settings), `Cannot open ${name} as int8`);
  const quantized = quantizedPath(path);
  if (!await exists(quantized)) {
    throw new UserError(
      "missing",
      `Cannot open ${name} as int8: expected ${quantized}, found none; \`deno task backbone quantize --name ${name} --backbones ${folder}\` makes it`,
    );
  }
  return networkOf(await readQuantizedWeights(quantized, path, settings));
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@+/()-]{0,99}$/u;

/**
 * Whether something can be a backbone's name: `ViT-L/14@336px`. A name leads to a folder of backbones
 * and nowhere else; a path of a file is none.
 */
export function isBackboneName(name: string): boolean {
  return NAME.test(name) && !name.endsWith(".safetensors") && !/[ .]$/.test(name);
}

/**
 * Where a backbone's weights lie: `FOLDER/ViT-L-14/model.safetensors`.
 * @throws {UserError} where the name is none
 */
export function weightsPath(folder: string, name: string): string {
  if (!isBackboneName(name)) throw noName(name);
  return join(folder, name.replaceAll("/", "-"), "model.safetensors");
}

function noName(name: string): UserError {
  return new UserError(
    "usage",
    "Cannot open backbone: expected a path in .safetensors or a name, of a letter or digit, then " +
      `letters, digits, spaces and ._@+/()-; found ${quoted(JSON.stringify(name))}`,
  );
}

async function notFound(
  paths: readonly string[],
  folders: readonly string[],
  isFile: boolean,
): Promise<string> {
  if (isFile) return `Cannot open backbone: expected a file at ${paths[0]}, found none`;
  const names = new Set<string>();
  for (const folder of folders) {
    for await (const { name, isDirectory } of readFolder(folder)) if (isDirectory) names.add(name);
  }
  return `Cannot open backbone: expected ${paths.join(" or ")}, found none; ${
    names.size > 0
      ? `there are ${[...names].sort().join(", ")}`
      : `${folders.join(" and ")} ${folders.length > 1 ? "hold" : "holds"} none`
  }; \`deno task backbone import FILE --name NAME --backbones ${folders[0]}\` adds one`;
}

async function* readFolder(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
