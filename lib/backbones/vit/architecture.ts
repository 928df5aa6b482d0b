/**
 * Sizes and variants of a vision transformer, read from its tensors' shapes.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import type { SafetensorsEntry, SafetensorsHeader } from "../../io/safetensors.ts";
import type { Architecture } from "../backbone.ts";
import type { Family, Pooling, VitSettings } from "../families/family.ts";

/** Sizes and variants of a vision transformer. */
export interface VitArchitecture extends Architecture, Omit<VitSettings, "pooling"> {
  /** Number of its blocks (n). */
  readonly blocks: number;
  /** Width of a block's vectors (d). */
  readonly width: number;
  /** Side of a patch in pixels. */
  readonly patchPx: number;
  /** Width of the layer inside the MLP. */
  readonly mlpWidth: number;
  /**
   * Present where that layer is the product of two, the first of which passes x · sigmoid(x) (DINOv2's
   * giant): the activation is then that of a pool alone.
   */
  readonly gated?: true;
  /** Width of the image embedding; absent where the file holds no projection. */
  readonly embeddingWidth?: number;
  /** Whether tokens are normalised before the first block. */
  readonly preNorm: boolean;
  /** Whether the patch embedding adds a bias. */
  readonly patchBias: boolean;
  /** Whether each residual branch is scaled by a learned vector (DINOv2). */
  readonly layerScale: boolean;
  /** Whether a sequence begins with a class token; SigLIP has none. */
  readonly classToken: boolean;
  /** Number of tokens besides, after the class token, that are read by nobody (DINOv2); absent: 0. */
  readonly registers?: number;
  /** Tokens that positions are added to; absent: all. `classed`: those of the class and of patches. */
  readonly placed?: "classed" | "patches";
  /** Present where attention makes the image embedding of all tokens (SigLIP). */
  readonly attentionPool?: true;
  /** Present where another pool does, which is not computed here. */
  readonly otherPool?: true;
  /** Present where the mean over patches stands for an image though there is a class token. */
  readonly pooling?: "mean";
}

/** Tensors by this project's names: `patch.weight`, `blocks.0.q.weight`, … */
export type VitTensors = ReadonlyMap<string, SafetensorsEntry>;

/** What stands for an image; without a class token it is the mean over patches. */
export function poolingOf({ classToken, pooling }: VitArchitecture): Pooling {
  return classToken ? pooling ?? "class" : "mean";
}

/** Number of tokens before those of patches: of the class, and registers. */
export function tokensBefore({ classToken, registers = 0 }: VitArchitecture): number {
  return (classToken ? 1 : 0) + registers;
}

/** Number of patches in an image. */
export function patchCount({ resolutionPx, patchPx }: VitArchitecture): number {
  return (resolutionPx / patchPx) ** 2;
}

/** A tensor's shape without leading ones (timm's `cls_token` and `pos_embed`), which change nothing. */
export function trimmedShape({ shape }: SafetensorsEntry): readonly number[] {
  return shape.slice(shape.findIndex((size) => size !== 1));
}

/** One more than the largest block's number; a block between that is not there counts. */
export function blockCount(tensors: VitTensors): number {
  let blocks = 0;
  for (const name of tensors.keys()) {
    const match = /^blocks\.(\d+)\./.exec(name);
    if (match) blocks = Math.max(blocks, Number(match[1]) + 1);
  }
  return blocks;
}

/** What a file's bytes and its family's rules say where nobody says otherwise. */
export function impliedSettings(
  { metadata }: SafetensorsHeader,
  tensors: VitTensors,
  { headWidth, activation, epsilon, pixelMean, pixelStd, pooling }: Family,
): VitSettings {
  const width = tensors.get("patch.weight")?.shape[0] ?? 0;
  const heads = Number(metadata["heads"] ?? width / headWidth);
  return { heads, activation, epsilon, pixelMean, pixelStd, pooling };
}

/**
 * The architecture that a family's tensors have under some settings.
 * @throws {UserError} where positions are no square grid, or the heads do not divide the width
 */
export function architectureOf(
  { path, tensors: all }: SafetensorsHeader,
  tensors: VitTensors,
  family: Family,
  { heads, activation, epsilon, pixelMean, pixelStd, pooling }: VitSettings,
): VitArchitecture {
  const shapeOf = (name: string) => tensors.get(name)?.shape ?? [];
  const [width = 0, , patchPx = 0] = shapeOf("patch.weight");
  const classToken = tensors.has("class");
  const registers = tensors.has("registers") ? shapeOf("registers").at(-2) ?? 1 : 0;
  const positions = shapeOf("positions").at(-2) ?? 0;
  const { grid, placed } = placeTokens(path, positions, classToken, registers);
  if (!Number.isInteger(heads) || heads < 1 || width % heads !== 0) {
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected heads that divide a width of ${width}, found ${heads}; metadata \`heads\` tells where they are not ${family.headWidth} wide`,
    );
  }
  const attentionPool = tensors.has("pool.probe");
  const otherPool = !attentionPool && [...all.keys()].some((name) => family.otherPool?.test(name));
  const mlpWidth = shapeOf("blocks.0.fc2.weight")[1] ?? 0;
  const gated = shapeOf("blocks.0.fc1.weight")[0] === 2 * mlpWidth;
  const embeddingWidth = shapeOf("projection")[0] ?? shapeOf("projection.transposed")[1];
  return {
    resolutionPx: grid * patchPx,
    patchPx,
    width,
    blocks: blockCount(tensors),
    heads,
    mlpWidth,
    ...(gated ? { gated: true as const } : {}),
    ...(embeddingWidth === undefined ? {} : { embeddingWidth }),
    preNorm: tensors.has("pre_norm.weight"),
    patchBias: tensors.has("patch.bias"),
    layerScale: tensors.has("blocks.0.scale1"),
    classToken,
    ...(registers > 0 ? { registers } : {}),
    ...(placed ? { placed } : {}),
    ...(attentionPool ? { attentionPool: true as const } : {}),
    ...(otherPool ? { otherPool: true as const } : {}),
    ...(classToken && pooling === "mean" ? { pooling: "mean" as const } : {}),
    activation,
    epsilon,
    pixelMean,
    pixelStd,
  };
}

/**
 * Which tokens positions are added to, by their number: the patches are a square of them.
 * @throws {UserError} where they are none
 */
function placeTokens(
  path: string,
  positions: number,
  classToken: boolean,
  registers: number,
): { grid: number; placed?: "classed" | "patches" } {
  const first = classToken ? 1 : 0;
  const ways = [
    { before: first + registers },
    { before: first, placed: "classed" as const },
    { before: 0, placed: "patches" as const },
  ];
  for (const { before, ...placed } of ways) {
    const grid = Math.sqrt(positions - before);
    if (Number.isInteger(grid) && grid >= 1) return { grid, ...placed };
  }
  throw new UserError(
    "damaged",
    `Cannot read ${path}: expected a square grid of positions, found ${positions} positions`,
  );
}

/**
 * Holds every tensor's shape to the architecture.
 * @throws {UserError} naming those that have another, or are stored as no floating-point numbers
 */
export function assertShapes(
  path: string,
  tensors: VitTensors,
  architecture: VitArchitecture,
): void {
  const { width, mlpWidth, patchPx, classToken, embeddingWidth = 0, placed } = architecture;
  const { registers = 0, gated } = architecture;
  const before = { all: tokensBefore(architecture), classed: classToken ? 1 : 0, patches: 0 };
  const positions = patchCount(architecture) + before[placed ?? "all"];
  const expectedShape = (name: string): number[] => {
    const isPool = name.startsWith("pool.");
    const inner = isPool ? tensors.get("pool.fc2.weight")!.shape[1]! : mlpWidth;
    const first = gated && !isPool ? 2 * inner : inner;
    const part = name.replace(/^(?:blocks\.\d+|pool)\./, "");
    if (part === "patch.weight") return [width, 3, patchPx, patchPx];
    if (part === "positions") return [positions, width];
    if (part === "registers") return registers > 1 ? [registers, width] : [width];
    if (part === "projection") return [embeddingWidth, width];
    if (part === "projection.transposed") return [width, embeddingWidth];
    if (part === "fc1.weight") return [first, width];
    if (part === "fc1.bias") return [first];
    if (part === "fc2.weight") return [width, inner];
    if (/^(q|k|v|out)\.weight$/.test(part)) return [width, width];
    return [width];
  };
  const wrong: string[] = [];
  for (const [name, entry] of tensors) {
    const expected = expectedShape(name);
    if (`${trimmedShape(entry)}` !== `${expected}`) {
      wrong.push(`${name} [${entry.shape}] for [${expected}]`);
    } else if (!["F32", "F16", "BF16"].includes(entry.dtype)) {
      wrong.push(`${name} as ${entry.dtype}`);
    }
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
