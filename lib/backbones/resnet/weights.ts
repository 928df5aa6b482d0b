/**
 * A ResNet's weights: found in a safetensors file under any family's names.
 * @module
 */
import { listed, refuseUnknown, UserError } from "../../io/errors.ts";
import {
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from "../../io/safetensors.ts";
import type { Tensor } from "../../io/tensor.ts";
import { differences, type ResnetFamily, type ResnetSettings } from "../families/family.ts";
import { networkPrefix, withoutPrefix } from "../families/find.ts";
import { RESNET_FAMILIES } from "../families/index.ts";
import {
  lastChannels,
  type ResnetArchitecture,
  tensorShapes,
  TOTAL_STRIDE,
} from "./architecture.ts";

/** Number of stages that every ResNet has. */
const STAGES = 4;

/** A ResNet's weights in a file. */
export interface ResnetWeights {
  /** Header of the file that holds them. */
  readonly header: SafetensorsHeader;
  /** The family whose names the file follows. */
  readonly family: ResnetFamily;
  /** Their sizes. */
  readonly architecture: ResnetArchitecture;
  /** What was said of them and does not follow from the file; part of the fingerprint. */
  readonly settings: Partial<ResnetSettings>;
  /** Where each tensor lies, by its name without the family's prefix. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** The tensors themselves, where they lie in memory and in no file that a graph can name. */
  readonly values?: ReadonlyMap<string, Tensor>;
}

/** The family of ResNets whose names a file follows; `undefined` where it follows no such one's. */
export function resnetFamilyOf({ path, tensors }: SafetensorsHeader): ResnetFamily | undefined {
  const prefix = networkPrefix(path, tensors.keys());
  return RESNET_FAMILIES.find(({ mark }) => tensors.has(`${prefix}${mark}`));
}

/**
 * Reads a weights file's header and finds the ResNet in it. The sizes come from the tensors' names
 * and shapes, never from the file's name.
 * @param family whose names it follows
 * @param settings what is known of the file and cannot be read from it; it goes before the family's
 * @throws {UserError} where the file is not whole
 * @throws {UserError} where tensors are missing, left over, of other shapes than the sizes ask for,
 * or stored as no floating-point numbers
 * @throws {UserError} where the heads do not divide what an attention pool reads, or a setting is none
 * of the network's
 */
export async function readResnetWeights(
  path: string,
  family: ResnetFamily,
  settings: Partial<ResnetSettings> = {},
): Promise<ResnetWeights> {
  return resnetIn(await readSafetensorsHeader(path), family, settings);
}

/**
 * Finds the ResNet in tensors that are in memory, as {@linkcode readResnetWeights} does in a file.
 * @param path of the file that they were read from, for errors
 */
export function resnetOfTensors(
  path: string,
  values: ReadonlyMap<string, Tensor>,
  family: ResnetFamily,
  settings: Partial<ResnetSettings> = {},
): ResnetWeights {
  const entries = [...values].map(([name, { shape, data }]) =>
    [name, { dtype: "F32", shape, offset: 0, length: data.byteLength }] as const
  );
  const header = { path, metadata: {}, tensors: new Map(entries) };
  return { ...resnetIn(header, family, settings), values };
}

/**
 * Finds a ResNet among a file's tensors.
 * @throws {UserError} as {@linkcode readResnetWeights}
 */
export function resnetIn(
  whole: SafetensorsHeader,
  family: ResnetFamily,
  settings: Partial<ResnetSettings> = {},
): ResnetWeights {
  const { path } = whole;
  const saved = networkPrefix(path, whole.tensors.keys());
  const header = { ...whole, tensors: withoutPrefix(whole.tensors, saved) };
  const tensors = new Map(
    [...header.tensors].filter(([name]) => name.startsWith(family.prefix))
      .map(([name, entry]) => [name.slice(family.prefix.length), entry]),
  );
  const shapeOf = (name: string) => tensors.get(name)?.shape ?? [];
  const sizes = {
    width: shapeOf(`${family.stem.at(-1)!.conv}.weight`)[0] ?? 0,
    stages: Array.from({ length: STAGES }, (_, stage) => countBottlenecks(tensors, stage)),
  };
  const channels = lastChannels(sizes);
  const attends = family.pooling === "attention";
  const embeddingWidth = attends ? shapeOf("attnpool.c_proj.bias")[0] ?? 0 : channels;
  const positions = shapeOf("attnpool.positional_embedding")[0] ?? 0;
  const shapes = tensorShapes({ ...sizes, embeddingWidth }, family, positions);
  assertTensors(header, family, tensors, shapes);

  const implied = impliedSettings(header, family, channels);
  refuseUnknown(`Cannot read ${path}`, settings, Object.keys(implied));
  const known = { ...implied, ...settings };
  if (known.heads !== undefined) assertHeads(path, known.heads, channels);
  const resolutionPx = known.resolutionPx ?? TOTAL_STRIDE * gridOf(path, positions);
  if (!Number.isInteger(resolutionPx) || resolutionPx < 1) {
    throw new UserError(
      "usage",
      `Cannot read ${path}: expected resolutionPx of 1 or more, found ${resolutionPx}`,
    );
  }
  return {
    header,
    family,
    architecture: { ...sizes, embeddingWidth, ...known, resolutionPx },
    settings: differences<ImpliedSettings>(settings, implied),
    tensors: new Map([...shapes.keys()].map((name) => [name, tensors.get(name)!])),
  };
}

/** From the first on to a gap; what comes after it shows among the tensors left over. */
function countBottlenecks(tensors: ReadonlyMap<string, unknown>, stage: number): number {
  const there = new Set([...tensors.keys()].map((name) => name.split(".", 2).join(".")));
  let count = 1;
  while (there.has(`layer${stage + 1}.${count}`)) count++;
  return count;
}

/** Holds the file's tensors to those that a network of its sizes has. */
function assertTensors(
  { path, tensors: all }: SafetensorsHeader,
  { name: family, prefix, ignored }: ResnetFamily,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  shapes: ReadonlyMap<string, readonly number[]>,
): void {
  const missing = [...shapes.keys()].filter((name) => !tensors.has(name));
  const known = new Set([...shapes.keys()].map((name) => `${prefix}${name}`));
  const leftOver = [...all.keys()].filter((name) => !known.has(name) && !ignored.test(name));
  const wrong = [...shapes].flatMap(([name, shape]) => {
    const entry = tensors.get(name);
    if (!entry) return [];
    if (`${entry.shape}` !== `${shape}`) {
      return [`${prefix}${name} [${entry.shape}] for [${shape}]`];
    }
    return ["F32", "F16", "BF16"].includes(entry.dtype)
      ? []
      : [`${prefix}${name} as ${entry.dtype}`];
  });
  const parts = [
    missing.length > 0 ? `missing ${listed(missing.map((name) => `${prefix}${name}`))}` : "",
    leftOver.length > 0 ? `unexpected ${listed(leftOver)}` : "",
    wrong.length > 0 ? listed(wrong) : "",
  ].filter((part) => part !== "");
  if (parts.length === 0) return;
  throw new UserError(
    "damaged",
    `Cannot read ${path}: expected the weights of ${family}, in F32, F16 or BF16, found ${
      parts.join("; ")
    }`,
  );
}

/** Heads are those of an attention pool, whose positions tell the resolution. */
type ImpliedSettings =
  & Omit<ResnetSettings, "heads" | "resolutionPx">
  & Partial<Pick<ResnetSettings, "heads" | "resolutionPx">>;

/** What a file's bytes and its family's rules say where nobody says otherwise. */
function impliedSettings(
  { metadata }: SafetensorsHeader,
  { pooling, headWidth, epsilon, pixelMean, pixelStd, resolutionPx }: ResnetFamily,
  channels: number,
): ImpliedSettings {
  const own = pooling === "attention"
    ? { heads: Number(metadata["heads"] ?? channels / headWidth) }
    : { resolutionPx };
  return { ...own, epsilon, pixelMean, pixelStd };
}

function gridOf(path: string, positions: number): number {
  const grid = Math.sqrt(positions - 1);
  if (Number.isInteger(grid) && grid >= 1) return grid;
  throw new UserError(
    "damaged",
    `Cannot read ${path}: expected positions of a mean and a square grid, found ${positions}`,
  );
}

function assertHeads(path: string, heads: number, channels: number): void {
  if (Number.isInteger(heads) && heads >= 1 && channels % heads === 0) return;
  throw new UserError(
    "damaged",
    `Cannot read ${path}: expected heads that divide ${channels} channels, found ${heads}; metadata \`heads\` tells where they are not 64 wide`,
  );
}
