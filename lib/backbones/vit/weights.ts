/**
 * A vision transformer's weights: found in a safetensors file under any of the names in use, and
 * described by their shapes alone.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from "../../io/safetensors.ts";
import { type NamingScheme, SCHEMES } from "../families/index.ts";

/** Sizes and variants of a vision transformer, read from its weights. */
export interface VitArchitecture {
  /** Side of the input image in pixels. */
  readonly resolutionPx: number;
  /** Side of a patch in pixels. */
  readonly patchPx: number;
  /** Width of a token (d). */
  readonly width: number;
  /** Number of Transformer blocks (n). */
  readonly blocks: number;
  /** Attention heads: `heads` of the file's metadata, else as many as are 64 wide. */
  readonly heads: number;
  /** Width of the layer inside the MLP. */
  readonly mlpWidth: number;
  /** Width of the image embedding; absent where the file holds no projection. */
  readonly embeddingWidth?: number;
  /** What stands between the two layers of the MLP. */
  readonly activation: "quick_gelu" | "gelu";
  /** ε of every layer normalisation. */
  readonly epsilon: number;
  /** Whether tokens are normalised before the first block. */
  readonly preNorm: boolean;
  /** Whether the patch embedding adds a bias. */
  readonly patchBias: boolean;
  /** Whether each residual branch is scaled by a learned vector (DINOv2). */
  readonly layerScale: boolean;
  /** Without a class token (SigLIP) the mean over patches stands for it. */
  readonly classToken: boolean;
  /** Pixel normalisation by channel, on values in [0, 1]. */
  readonly pixelMean: readonly [number, number, number];
  /** Divides the pixels, after the mean is taken off; by channel. */
  readonly pixelStd: readonly [number, number, number];
}

/** Weights of a block, in this project's names. */
export const BLOCK_WEIGHTS = [
  "norm1.weight",
  "norm1.bias",
  "q.weight",
  "q.bias",
  "k.weight",
  "k.bias",
  "v.weight",
  "v.bias",
  "out.weight",
  "out.bias",
  "norm2.weight",
  "norm2.bias",
  "fc1.weight",
  "fc1.bias",
  "fc2.weight",
  "fc2.bias",
] as const;

/** Weights outside the blocks, in this project's names. */
export const STEM_WEIGHTS = ["patch.weight", "class", "positions"] as const;

/** A vision transformer's weights in a file. */
export interface VitWeights {
  readonly header: SafetensorsHeader;
  /** Naming scheme that the file follows. */
  readonly scheme: string;
  readonly architecture: VitArchitecture;
  /** By this project's names: `patch.weight`, `blocks.0.q.weight`, … */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** Names that a file may lack; what they stand for is then left out of the graph. */
const OPTIONAL = /^(pre_norm\.|post_norm\.|projection|patch\.bias$|class$|blocks\.\d+\.scale[12]$)/;

/** Width of an attention head in every model of the paper; no tensor's shape tells it. */
const HEAD_WIDTH = 64;

/**
 * Reads a weights file's header and finds the vision transformer in it. The architecture comes from
 * the tensors' shapes, never from the file's name; only a number of heads may stand in the metadata.
 * @throws {UserError} where the file is not whole
 * @throws {UserError} where its names follow no known scheme, or tensors are missing or left over
 * @throws {UserError} where tensors have other shapes than the architecture asks for
 */
export async function readVitWeights(path: string): Promise<VitWeights> {
  const header = await readSafetensorsHeader(path);
  const scheme = SCHEMES.find(({ mark }) => header.tensors.has(mark));
  if (!scheme) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected a vision transformer named as ${
        SCHEMES.map(({ name, mark }) => `${name} (${mark})`).join(", ")
      }; found ${[...header.tensors.keys()].slice(0, 3).join(", ") || "no tensor"}`,
    );
  }
  const { tensors, leftOver } = rename(header, scheme);
  const missing = missingNames(tensors, scheme);
  if (missing.length > 0 || leftOver.length > 0) {
    const parts = [
      missing.length > 0 ? `missing ${missing.join(", ")}` : "",
      leftOver.length > 0 ? `unexpected ${leftOver.join(", ")}` : "",
    ].filter((part) => part !== "");
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected the weights of ${scheme.name}, found ${parts.join("; ")}`,
    );
  }
  const architecture = architectureOf(header, tensors, scheme);
  assertShapes(path, tensors, architecture);
  return { header, scheme: scheme.name, architecture, tensors };
}

/** SHA-256 of a weights file, hexadecimal: what the file is, wherever it lies. */
export async function hashWeights(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}

function rename(header: SafetensorsHeader, scheme: NamingScheme) {
  const tensors = new Map<string, SafetensorsEntry>();
  const used = new Set<string>();
  const take = (name: string, fileName: string) => {
    const entry = header.tensors.get(fileName);
    if (!entry) return;
    tensors.set(name, entry);
    used.add(fileName);
  };
  for (const [name, fileName] of Object.entries(scheme.stem)) take(name, fileName);
  for (let block = 0; block < countBlocks(header, scheme); block++) {
    for (const [name, pattern] of Object.entries(scheme.block)) {
      take(`blocks.${block}.${name}`, pattern.replace("{}", `${block}`));
    }
    for (const [kind, pattern] of Object.entries(scheme.fusedQkv ?? {})) {
      const fileName = pattern.replace("{}", `${block}`);
      const entry = header.tensors.get(fileName);
      if (!entry) continue;
      used.add(fileName);
      ["q", "k", "v"].forEach((part, index) =>
        tensors.set(`blocks.${block}.${part}.${kind}`, thirdOf(entry, index))
      );
    }
  }
  const leftOver = [...header.tensors.keys()].filter((name) =>
    !used.has(name) && !scheme.ignored.test(name)
  );
  return { tensors, leftOver };
}

/** Rows of one third of a tensor: a byte range of its own, for the rows are contiguous. */
function thirdOf(entry: SafetensorsEntry, index: number): SafetensorsEntry {
  const length = entry.length / 3;
  const shape = [(entry.shape[0] ?? 0) / 3, ...entry.shape.slice(1)];
  return { ...entry, shape, length, offset: entry.offset + index * length };
}

function countBlocks(header: SafetensorsHeader, scheme: NamingScheme): number {
  const pattern = scheme.block["fc1.weight"]!;
  let blocks = 0;
  // a gap is reported as missing weights of the block that is not there
  const [before, after] = pattern.split("{}") as [string, string];
  for (const name of header.tensors.keys()) {
    if (!name.startsWith(before) || !name.endsWith(after)) continue;
    const number = Number(name.slice(before.length, name.length - after.length));
    if (!Number.isInteger(number)) continue;
    // a number that is too large for the file's tensors shows among those left over
    blocks = Math.max(blocks, Math.min(number + 1, header.tensors.size));
  }
  return blocks;
}

function missingNames(
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  scheme: NamingScheme,
): string[] {
  const missing: string[] = Object.entries(scheme.stem)
    .filter(([name]) => !tensors.has(name) && !OPTIONAL.test(name))
    .map(([, fileName]) => fileName);
  const blocks = blockCount(tensors);
  if (blocks === 0) missing.push(scheme.block["fc1.weight"]!.replace("{}", "0"));
  for (let block = 0; block < blocks; block++) {
    for (const name of BLOCK_WEIGHTS) {
      if (tensors.has(`blocks.${block}.${name}`)) continue;
      const [part, kind] = name.split(".") as [string, "weight" | "bias"];
      const pattern = scheme.block[name] ?? scheme.fusedQkv?.[kind] ?? part;
      const fileName = pattern.replace("{}", `${block}`);
      if (!missing.includes(fileName)) missing.push(fileName);
    }
  }
  return missing;
}

function blockCount(tensors: ReadonlyMap<string, SafetensorsEntry>): number {
  let blocks = 0;
  for (const name of tensors.keys()) {
    const match = /^blocks\.(\d+)\./.exec(name);
    if (match) blocks = Math.max(blocks, Number(match[1]) + 1);
  }
  return blocks;
}

function architectureOf(
  { path, metadata }: SafetensorsHeader,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  scheme: NamingScheme,
): VitArchitecture {
  const shapeOf = (name: string) => tensors.get(name)?.shape ?? [];
  const [width = 0, , patchPx = 0] = shapeOf("patch.weight");
  const classToken = tensors.has("class");
  const positions = shapeOf("positions").at(-2) ?? 0;
  const grid = Math.sqrt(positions - (classToken ? 1 : 0));
  const heads = Number(metadata["heads"] ?? width / HEAD_WIDTH);
  if (!Number.isInteger(grid) || grid < 1) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected a square grid of positions, found ${positions} positions`,
    );
  }
  if (!Number.isInteger(heads) || heads < 1 || width % heads !== 0) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected heads that divide a width of ${width}, found ${heads}; metadata \`heads\` tells where they are not ${HEAD_WIDTH} wide`,
    );
  }
  const embeddingWidth = shapeOf("projection")[0] ?? shapeOf("projection.transposed")[1];
  return {
    resolutionPx: grid * patchPx,
    patchPx,
    width,
    blocks: blockCount(tensors),
    heads,
    mlpWidth: shapeOf("blocks.0.fc1.weight")[0] ?? 0,
    ...(embeddingWidth === undefined ? {} : { embeddingWidth }),
    preNorm: tensors.has("pre_norm.weight"),
    patchBias: tensors.has("patch.bias"),
    layerScale: tensors.has("blocks.0.scale1"),
    classToken,
    ...scheme.variant,
  };
}

function assertShapes(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  { width, mlpWidth, patchPx, resolutionPx, classToken, embeddingWidth = 0 }: VitArchitecture,
): void {
  const positions = (resolutionPx / patchPx) ** 2 + (classToken ? 1 : 0);
  const expectedShape = (name: string): number[] => {
    const part = name.replace(/^blocks\.\d+\./, "");
    if (part === "patch.weight") return [width, 3, patchPx, patchPx];
    if (part === "positions") return [positions, width];
    if (part === "projection") return [embeddingWidth, width];
    if (part === "projection.transposed") return [width, embeddingWidth];
    if (part === "fc1.weight") return [mlpWidth, width];
    if (part === "fc1.bias") return [mlpWidth];
    if (part === "fc2.weight") return [width, mlpWidth];
    if (/^(q|k|v|out)\.weight$/.test(part)) return [width, width];
    return [width];
  };
  const wrong: string[] = [];
  for (const [name, { shape, dtype }] of tensors) {
    const expected = expectedShape(name);
    // a leading 1 (timm's cls_token and pos_embed) changes nothing
    const found = shape.slice(shape.findIndex((size) => size !== 1));
    if (`${found}` !== `${expected}`) wrong.push(`${name} [${shape}] for [${expected}]`);
    else if (!["F32", "F16", "BF16"].includes(dtype)) wrong.push(`${name} as ${dtype}`);
  }
  if (wrong.length > 0) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected F32, F16 or BF16 tensors that fit width ${width}, found ${
        wrong.join(", ")
      }`,
    );
  }
}
