/**
 * A vision transformer as an ONNX graph that computes CLS tokens and nothing else. The weights stay
 * in their safetensors file, as external data.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { basename } from "node:path";
import { type ElementType, GraphBuilder, type Value } from "../../onnx/graph.ts";
import type { VitWeights } from "./weights.ts";

/** Which vector of a block is its token. */
export const TAPS = ["ln2", "block"] as const;

/**
 * `ln2`: the CLS row of the second layer normalisation's output, before the MLP, as the released
 * code has it. `block`: the CLS row of the block's output. Paper: eq. 1 and 2. Released:
 * src/models.py, `Hook`, which `Model` registers on `ln_2` of every block.
 */
export type Tap = typeof TAPS[number];

/** What the graph takes and gives. */
export interface VitGraphOptions {
  readonly tap: Tap;
  /**
   * `rgb`: uint8 [N, R, R, 3], normalised in the graph. `pixels`: float32 [N, 3, R, R], already
   * normalised.
   */
  readonly input: "rgb" | "pixels";
  /** Whether CLIP's image embedding is computed too, as `embedding` [N, E]. */
  readonly embedding: boolean;
  /** Name of the weights' file in the folder that the session is opened with. */
  readonly weightsFile?: string;
  /** What the graph computes in; half precision is for GPUs. */
  readonly compute: "float32" | "float16";
}

const STORED: Readonly<Record<string, ElementType>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I8: "int8",
};

/**
 * Builds the graph. Input: `images`, as the options say. Output: `tokens`, float32
 * [N, blocks, width].
 *
 * Work that no token depends on is left out: in the last block only the CLS query attends, and at
 * tap `ln2` its MLP is not there. Paper: §3.1. Released: src/models.py, `Hook`.
 *
 * @throws {UserError} where an embedding is asked of weights that hold no projection
 */
export function buildVitGraph(
  weights: VitWeights,
  { tap, input, embedding, compute, weightsFile = basename(weights.header.path) }: VitGraphOptions,
): Uint8Array<ArrayBuffer> {
  const { architecture, tensors, header } = weights;
  const { resolutionPx, patchPx, width, blocks, heads, epsilon, classToken } = architecture;
  if (embedding && architecture.embeddingWidth === undefined) {
    throw new UserError(
      "usage",
      `Cannot compute embeddings: expected a projection in ${header.path}`,
    );
  }
  const grid = resolutionPx / patchPx;
  const length = grid * grid + (classToken ? 1 : 0); // tokens of an image, S
  const g = new GraphBuilder();

  const weight = (name: string): Value => {
    const entry = tensors.get(name)!;
    const shape = entry.shape.slice(entry.shape.findIndex((size) => size !== 1));
    const stored = STORED[entry.dtype]!;
    const value = g.external(name, stored, shape, {
      location: weightsFile,
      offset: entry.offset,
      length: entry.length,
    });
    const isFinal = stored === compute || stored === "int8";
    return isFinal ? value : g.op("Cast", [value], { to: compute });
  };
  const linear = (x: Value, name: string): Value => {
    const [matrix, bias] = [weight(`${name}.weight`), weight(`${name}.bias`)];
    if (!tensors.has(`${name}.weight.scale`)) return g.op("Gemm", [x, matrix, bias], { transB: 1 });
    const scales = weight(`${name}.weight.scale`);
    return g.op("DynamicQuantizeMatMul", [x, matrix, scales, undefined, bias], {}, {
      domain: "com.microsoft",
    });
  };
  const rows = (x: Value): Value => g.op("Reshape", [x, g.int([-1, width])]); // [·, W]
  const sequences = (x: Value, size: number): Value =>
    g.op("Reshape", [x, g.int([-1, size, width])]); // [N, size, W]
  const scaled = (x: Value, name: string): Value =>
    architecture.layerScale ? g.op("Mul", [x, weight(name)]) : x;
  /**
   * On the CPU, ONNX Runtime's layer normalisation adds up one number after the other; its instance
   * normalisation, of rows that are instances of one channel, takes a seventh of the time.
   */
  const normaliseRows = (x: Value, size: number, norm: string): Value => {
    const instances = g.op("Reshape", [x, g.int([-1, 1, width])]);
    const standard = g.op("InstanceNormalization", [instances, g.float([1]), g.float([0])], {
      epsilon: { float: epsilon },
    });
    const weighed = g.op("Mul", [sequences(standard, size), weight(`${norm}.weight`)]);
    return g.op("Add", [weighed, weight(`${norm}.bias`)]); // [N, size, W]
  };
  /** Adds a branch to the residual stream and normalises, both [N, size, W]: [normalised, sum]. */
  const addAndNormalise = (
    branch: Value,
    residual: Value,
    size: number,
    norm: string,
  ): [Value, Value] => {
    if (compute === "float32") {
      const sum = g.op("Add", [branch, residual]);
      return [normaliseRows(sum, size, norm), sum];
    }
    const inputs = [branch, residual, weight(`${norm}.weight`), weight(`${norm}.bias`)];
    const [normalised, , , sum] = g.ops("SkipLayerNormalization", 4, inputs, {
      epsilon: { float: epsilon },
    }, { domain: "com.microsoft" });
    return [normalised!, sum!];
  };
  const normalise = (x: Value, size: number, norm: string): Value =>
    compute === "float32"
      ? normaliseRows(x, size, norm)
      : g.op("LayerNormalization", [x, weight(`${norm}.weight`), weight(`${norm}.bias`)], {
        axis: -1,
        epsilon: { float: epsilon },
      });
  /** What stands for the image in a sequence: its CLS row, or the mean where there is none. */
  const pool = (x: Value): Value =>
    classToken
      ? g.op("Slice", [x, g.int([0]), g.int([1]), g.int([1])]) // [N, 1, W]
      : g.op("ReduceMean", [x, g.int([1])], { keepdims: 1 });
  const mlp = (x: Value, block: string): Value => {
    const hidden = linear(rows(x), `${block}.fc1`); // [·, mlpWidth]
    const active = architecture.activation === "quick_gelu"
      ? g.op("QuickGelu", [hidden], { alpha: { float: 1.702 } }, { domain: "com.microsoft" })
      : g.op("Gelu", [hidden]);
    return scaled(linear(active, `${block}.fc2`), `${block}.scale2`); // [·, W]
  };

  const patches = input === "rgb"
    ? patchesFromRgb(g, architecture, grid)
    : patchesFromPixels(g, architecture, grid); // [N·grid², 3·P·P]
  const inputs = compute === "float32" ? patches : g.op("Cast", [patches], { to: compute });
  const kernel = g.op("Reshape", [weight("patch.weight"), g.int([width, -1])]); // [W, 3·P·P]
  const bias = architecture.patchBias ? weight("patch.bias") : undefined;
  let x = sequences(g.op("Gemm", [inputs, kernel, bias], { transB: 1 }), grid * grid);
  if (classToken) {
    const count = g.op("Shape", [x], { start: 0, end: 1 });
    const shape = g.op("Concat", [count, g.int([1, width])], { axis: 0 });
    x = g.op("Concat", [g.op("Expand", [weight("class"), shape]), x], { axis: 1 }); // [N, S, W]
  }
  x = g.op("Add", [x, weight("positions")]);
  if (architecture.preNorm) x = normalise(x, length, "pre_norm");
  let normalised = normalise(x, length, "blocks.0.norm1");

  const tokens: Value[] = [];
  let last = x;
  for (let index = 0; index < blocks; index++) {
    const block = `blocks.${index}`;
    const isLast = index === blocks - 1;
    // the mean over patches needs them all; a CLS row needs only its own query
    const onlyClass = isLast && classToken;
    const size = onlyClass ? 1 : length;
    const queries = onlyClass ? pool(normalised) : normalised;
    if (onlyClass) x = pool(x);
    const attended = g.op(
      "MultiHeadAttention",
      [
        sequences(linear(rows(queries), `${block}.q`), size),
        sequences(linear(rows(normalised), `${block}.k`), length),
        sequences(linear(rows(normalised), `${block}.v`), length),
      ],
      { num_heads: heads },
      { domain: "com.microsoft" },
    ); // [N, size, W]
    const branch = sequences(
      scaled(linear(rows(attended), `${block}.out`), `${block}.scale1`),
      size,
    );
    const [normalised2, sum] = addAndNormalise(branch, x, size, `${block}.norm2`);
    if (tap === "ln2") tokens.push(pool(normalised2));
    if (isLast && tap === "ln2" && !embedding) break;
    const branch2 = sequences(mlp(normalised2, block), size);
    if (isLast) {
      last = g.op("Add", [sum, branch2]);
    } else {
      [normalised, x] = addAndNormalise(branch2, sum, size, `blocks.${index + 1}.norm1`);
      last = x;
    }
    if (tap === "block") tokens.push(pool(last));
  }
  const result = (value: Value) =>
    compute === "float32" ? value : g.op("Cast", [value], { to: "float32" });
  const stacked = g.op("Concat", tokens, { axis: 1 });
  g.output("tokens", result(stacked), "float32", ["N", blocks, width]);
  if (embedding) {
    const pooled = rows(normalise(pool(last), 1, "post_norm")); // [N, W]
    const transposed = tensors.has("projection.transposed");
    const matrix = weight(transposed ? "projection.transposed" : "projection");
    const projected = g.op("Gemm", [pooled, matrix], { transB: transposed ? 0 : 1 });
    g.output("embedding", result(projected), "float32", ["N", architecture.embeddingWidth!]);
  }
  return g.build();
}

function patchesFromRgb(
  g: GraphBuilder,
  { resolutionPx, patchPx, pixelMean, pixelStd }: VitWeights["architecture"],
  grid: number,
): Value {
  const images = g.input("images", "uint8", ["N", resolutionPx, resolutionPx, 3]);
  const scale = g.float(pixelStd.map((std) => 1 / (255 * std)));
  const shift = g.float(pixelMean.map((mean, channel) => -mean / pixelStd[channel]!));
  const values = g.op("Cast", [images], { to: "float32" });
  const pixels = g.op("Add", [g.op("Mul", [values, scale]), shift]); // [N, R, R, 3]
  const cells = g.op("Reshape", [pixels, g.int([-1, grid, patchPx, grid, patchPx, 3])]);
  const ordered = g.op("Transpose", [cells], { perm: [0, 1, 3, 5, 2, 4] }); // [N, g, g, 3, P, P]
  return g.op("Reshape", [ordered, g.int([-1, 3 * patchPx * patchPx])]);
}

function patchesFromPixels(
  g: GraphBuilder,
  { resolutionPx, patchPx }: VitWeights["architecture"],
  grid: number,
): Value {
  const images = g.input("images", "float32", ["N", 3, resolutionPx, resolutionPx]);
  const cells = g.op("Reshape", [images, g.int([-1, 3, grid, patchPx, grid, patchPx])]);
  const ordered = g.op("Transpose", [cells], { perm: [0, 2, 4, 1, 3, 5] }); // [N, g, g, 3, P, P]
  return g.op("Reshape", [ordered, g.int([-1, 3 * patchPx * patchPx])]);
}
