/**
 * A vision transformer as an ONNX graph that computes what is read of it and nothing else. The
 * weights stay in their safetensors file, as external data.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { basename } from "node:path";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import type { Device } from "../../onnx/session.ts";
import type { Tap } from "../backbone.ts";
import type { Arithmetic } from "../network.ts";
import { patchCount, poolingOf, tokensBefore, type VitArchitecture } from "./architecture.ts";
import { VitLayers } from "./layers.ts";
import type { VitWeights } from "./weights.ts";

/** What the graph takes and gives. */
export interface VitGraphOptions {
  /** What is read of the transformer: one tap, or several in one pass. */
  readonly taps: readonly Tap[];
  /**
   * `rgb`: uint8 [N, R, R, 3], normalised in the graph. `pixels`: float32 [N, 3, R, R], already
   * normalised.
   */
  readonly input: "rgb" | "pixels";
  /** Name of the weights' file in the folder that the session is opened with. */
  readonly weightsFile?: string;
  /** What the graph computes in; half precision is for GPUs. */
  readonly compute: Arithmetic;
  /** Where it runs; default `cpu`. */
  readonly device?: Device;
  /** How many of the first blocks; default all. With fewer there is no embedding. */
  readonly blocks?: number;
}

/**
 * Builds the graph. Input: `images`, as the options say. Outputs, float32, each named by its tap:
 * `ln2` and `block` [N, blocks, width], `embedding` [N, E], `patches` [N, blocks · patches, width].
 *
 * Work that no output depends on is left out: where class tokens are read, only the last block's
 * CLS query attends, and where `ln2` alone is read, its MLP is not there. Paper: §3.1. Released:
 * src/models.py, `Hook`.
 *
 * @throws {UserError} where an embedding is asked of weights that hold none
 */
export function buildVitGraph(
  weights: VitWeights,
  { taps, input, compute, device = "cpu", blocks: most = Infinity, ...options }: VitGraphOptions,
): Uint8Array<ArrayBuffer> {
  const { architecture } = weights;
  const { width } = architecture;
  const blocks = Math.min(architecture.blocks, most);
  const patches = patchCount(architecture);
  const length = patches + tokensBefore(architecture); // tokens of an image, S
  const g = new GraphBuilder();
  const { weightsFile = basename(weights.header.path) } = options;
  const layers = new VitLayers(g, weights, { compute, device, weightsFile });

  let x = embedPatches(g, layers, weights, input, compute); // [N, S, W]
  let normalised = layers.normalise(x, length, "blocks.0.norm1"); // [N, S, W]

  const reads = new Set(taps);
  const taken: Record<Exclude<Tap, "embedding">, Value[]> = { ln2: [], block: [], patches: [] };
  for (let index = 0; index < blocks; index++) {
    const block = `blocks.${index}`;
    const isLast = index === blocks - 1;
    // patches and their mean need every query of the last block; a CLS row needs only its own
    const needsAll = reads.has("patches") || (reads.has("embedding") && architecture.attentionPool);
    const onlyClass = isLast && !needsAll && poolingOf(architecture) === "class";
    const size = onlyClass ? 1 : length;
    const queries = onlyClass ? layers.pool(normalised) : normalised; // [N, size, W]
    if (onlyClass) x = layers.pool(x); // [N, size, W]
    const branch = layers.attend(queries, size, normalised, length, block); // [N, size, W]
    const [normalised2, sum] = layers.addAndNormalise(branch, x, size, `${block}.norm2`);
    if (reads.has("ln2")) taken.ln2.push(layers.pool(normalised2)); // [N, 1, W]
    if (isLast && reads.size === 1 && reads.has("ln2")) break;
    const branch2 = layers.mlp(normalised2, size, block); // [N, size, W]
    if (isLast) {
      x = g.op("Add", [sum, branch2]); // [N, size, W]
    } else {
      [normalised, x] = layers.addAndNormalise(branch2, sum, size, `blocks.${index + 1}.norm1`);
    }
    if (reads.has("block")) taken.block.push(layers.pool(x)); // [N, 1, W]
    if (reads.has("patches")) taken.patches.push(layers.patches(x)); // [N, patches, W]
  }
  const result = (value: Value) =>
    compute === "float32" ? value : g.op("Cast", [value], { to: "float32" });
  for (const tap of taps) {
    if (tap === "embedding") {
      const { value, embeddingWidth } = embedImage(g, layers, weights, x, length);
      g.output(tap, result(value), "float32", ["N", embeddingWidth]);
    } else {
      const stacked = g.op("Concat", taken[tap], { axis: 1 }); // [N, blocks or blocks · patches, W]
      const rows = tap === "patches" ? blocks * patches : blocks;
      g.output(tap, result(stacked), "float32", ["N", rows, width]);
    }
  }
  return g.build();
}

/** From images to what the first block takes; [N, S, W]. */
function embedPatches(
  g: GraphBuilder,
  layers: VitLayers,
  { architecture }: VitWeights,
  input: VitGraphOptions["input"],
  compute: Arithmetic,
): Value {
  const { patchBias, classToken, registers, placed, preNorm, width } = architecture;
  const patches = patchCount(architecture);
  const pixels = input === "rgb"
    ? patchesFromRgb(g, architecture)
    : patchesFromPixels(g, architecture); // [N·patches, 3·P·P]
  const inputs = compute === "float32" ? pixels : g.op("Cast", [pixels], { to: compute });
  const kernel = g.op("Reshape", [layers.weight("patch.weight"), g.int([width, -1])]); // [W, 3·P·P]
  const bias = patchBias ? layers.weight("patch.bias") : undefined; // [W]
  const embedded = g.op("Gemm", [inputs, kernel, bias], { transB: 1 }); // [N·patches, W]
  let x = layers.sequences(embedded, patches); // [N, patches, W]
  const place = (tokens: Value) => g.op("Add", [tokens, layers.weight("positions")]);
  const token = classToken ? [layers.repeated("class", 1, x)] : []; // [N, 1, W]
  const others = registers ? [layers.repeated("registers", registers, x)] : []; // [N, registers, W]
  const join = (parts: Value[]) =>
    parts.length > 1 ? g.op("Concat", parts, { axis: 1 }) : parts[0]!;
  if (placed === "patches") {
    x = join([...token, ...others, place(x)]); // [N, S, W]
  } else if (placed === "classed") {
    x = place(join([...token, x])); // [N, S - registers, W]
    x = join([...(classToken ? [layers.first(x)] : []), ...others, layers.after(x, token.length)]);
  } else {
    x = place(join([...token, ...others, x])); // [N, S, W]
  }
  return preNorm ? layers.normalise(x, patches + tokensBefore(architecture), "pre_norm") : x;
}

function patchesFromRgb(
  g: GraphBuilder,
  { resolutionPx, patchPx, pixelMean, pixelStd }: VitArchitecture,
): Value {
  const grid = resolutionPx / patchPx;
  const images = g.input("images", "uint8", ["N", resolutionPx, resolutionPx, 3]);
  // a factor for each number of a patch: one for each channel would be read three numbers at a time
  const each = (values: readonly number[]) =>
    g.float(values.flatMap((value) => Array.from({ length: patchPx ** 2 }, () => value))); // [3·P·P]
  const scale = each(pixelStd.map((std) => 1 / (255 * std)));
  const shift = each(pixelMean.map((mean, channel) => -mean / pixelStd[channel]!));
  // bytes are put in order, not numbers; in two steps, each of which moves whole runs or one axis
  const cells = g.op("Reshape", [images, g.int([-1, grid, patchPx, grid, 3 * patchPx])]);
  const ordered = g.op("Transpose", [cells], { perm: [0, 1, 3, 2, 4] }); // [N, g, g, P, 3·P]
  const colours = g.op("Reshape", [ordered, g.int([-1, patchPx ** 2, 3])]);
  const channels = g.op("Transpose", [colours], { perm: [0, 2, 1] }); // [N·patches, 3, P·P]
  const rows = g.op("Reshape", [channels, g.int([-1, 3 * patchPx ** 2])]);
  const values = g.op("Cast", [rows], { to: "float32" }); // [N·patches, 3·P·P]
  return g.op("Add", [g.op("Mul", [values, scale]), shift]); // [N·patches, 3·P·P]
}

function patchesFromPixels(g: GraphBuilder, { resolutionPx, patchPx }: VitArchitecture): Value {
  const grid = resolutionPx / patchPx;
  const images = g.input("images", "float32", ["N", 3, resolutionPx, resolutionPx]);
  const cells = g.op("Reshape", [images, g.int([-1, 3, grid, patchPx, grid, patchPx])]);
  const ordered = g.op("Transpose", [cells], { perm: [0, 2, 4, 1, 3, 5] }); // [N, g, g, 3, P, P]
  return g.op("Reshape", [ordered, g.int([-1, 3 * patchPx * patchPx])]); // [N·patches, 3·P·P]
}

/** The image embedding of the last block's output; [N, E]. */
function embedImage(
  g: GraphBuilder,
  layers: VitLayers,
  weights: VitWeights,
  last: Value,
  length: number,
) {
  const { header, tensors, architecture } = weights;
  const embeddingWidth = embeddingWidthOf(weights);
  if (embeddingWidth === undefined) {
    throw new UserError(
      "usage",
      `Cannot compute embeddings: expected a projection in ${header.path}`,
    );
  }
  const token = architecture.attentionPool
    ? layers.attentionPool(layers.normalise(last, length, "post_norm"), length)
    : layers.normalise(layers.pool(last), 1, "post_norm"); // [N, 1, W]
  const pooled = layers.rows(token); // [N, W]
  if (architecture.embeddingWidth === undefined) return { value: pooled, embeddingWidth };
  const transposed = tensors.has("projection.transposed");
  const matrix = layers.weight(transposed ? "projection.transposed" : "projection");
  const value = g.op("Gemm", [pooled, matrix], { transB: transposed ? 0 : 1 }); // [N, E]
  return { value, embeddingWidth };
}

/**
 * Width of the image embedding; none where the weights lack the last normalisation, or the
 * projection that their family has, or where a mean or a pool that is not known stands for the image.
 */
export function embeddingWidthOf(
  { architecture, tensors, family }: VitWeights,
): number | undefined {
  const { attentionPool, otherPool } = architecture;
  const isPooled = attentionPool || (poolingOf(architecture) === "class" && !otherPool);
  if (!isPooled || !tensors.has("post_norm.weight")) return undefined;
  if (attentionPool) return architecture.embeddingWidth ?? architecture.width;
  const projects = ["projection", "projection.transposed"].some((name) => name in family.stem);
  return architecture.embeddingWidth ?? (projects ? undefined : architecture.width);
}
