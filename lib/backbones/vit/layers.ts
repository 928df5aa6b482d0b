/**
 * The layers of a vision transformer as ONNX operators. N images, S tokens an image, W wide.
 * @module
 */
import type { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import type { Device } from "../../onnx/session.ts";
import { type Arithmetic, type GraphOptions, STORED_TYPES } from "../network.ts";
import { poolingOf, tokensBefore, trimmedShape, type VitArchitecture } from "./architecture.ts";
import type { VitWeights } from "./weights.ts";

/** How the tensors of a pool by attention are named. */
const POOL = "pool";

/** Where the values of rows lie: on both sides of zero, or above what an activation has at least. */
type Range = "around zero" | "activated";

/**
 * The byte that stands for 0: of unsigned bytes, whose products with signed ones are the fast ones.
 * Activations are seldom below zero, and have more bytes above it.
 */
const ZERO_POINTS: Readonly<Record<Range, number>> = { "around zero": 128, "activated": 32 };

/** No GELU, of whichever kind, has values below −.17. */
const DEEPEST = .17;

/** Scale of a row of zeros. */
const SMALLEST_SCALE = 1e-30;

/** Rows as unsigned bytes: a value is (byte − zero) · scale. */
interface Bytes {
  /** uint8 [·, inputs]. */
  readonly bytes: Value;
  /** [·, 1]. */
  readonly scales: Value;
  readonly zero: number;
}

/** Adds a transformer's layers to a graph. A layer is named as its weights are: `blocks.0.fc1`. */
export class VitLayers {
  readonly #g: GraphBuilder;
  readonly #weights: VitWeights;
  readonly #architecture: VitArchitecture;
  readonly #compute: Arithmetic;
  readonly #device: Device;
  readonly #weightsFile: string;
  /** Rows that several products read, as 8-bit integers. */
  readonly #bytes = new Map<Value, Bytes>();

  /** Adds nothing yet. */
  constructor(
    g: GraphBuilder,
    weights: VitWeights,
    { compute, device, weightsFile }: GraphOptions,
  ) {
    this.#g = g;
    this.#weights = weights;
    this.#architecture = weights.architecture;
    this.#compute = compute;
    this.#device = device;
    this.#weightsFile = weightsFile;
  }

  /** A tensor that stays in the weights' file. */
  weight(name: string): Value {
    const entry = this.#weights.tensors.get(name)!;
    const stored = STORED_TYPES[entry.dtype]!;
    const value = this.#g.external(name, stored, trimmedShape(entry), {
      location: this.#weightsFile,
      offset: entry.offset,
      length: entry.length,
    });
    const isFinal = stored === this.#compute || stored === "int8";
    return isFinal ? value : this.#g.op("Cast", [value], { to: this.#compute });
  }

  /** x wᵀ + b, or with 8-bit products where the weights are such; [·, inputs] → [·, outputs]. */
  linear(x: Value, name: string, range: Range = "around zero"): Value {
    const [matrix, bias] = [this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    if (!this.#weights.tensors.has(`${name}.weight.scale`)) {
      return this.#g.op("Gemm", [x, matrix, bias], { transB: 1 }); // [·, outputs]
    }
    const g = this.#g, { bytes, scales, zero } = this.#bytesOf(x, range);
    const products = g.op(
      "MatMulIntegerToFloat",
      [
        ...[bytes, matrix, g.float(1), this.weight(`${name}.weight.scale`)],
        g.constant("uint8", Uint8Array.of(zero), []),
      ],
      {},
      { domain: "com.microsoft" },
    ); // [·, outputs]
    return g.op("Add", [g.op("Mul", [products, scales]), bias]); // [·, outputs]
  }

  /**
   * Rows as 8-bit integers, each with a scale of its own: what stands beside a row does not change it.
   * Done once for all products of the same rows.
   */
  #bytesOf(x: Value, range: Range): Bytes {
    const known = this.#bytes.get(x);
    if (known) return known;
    const g = this.#g, zero = ZERO_POINTS[range];
    const values = range === "around zero" ? g.op("Abs", [x]) : x;
    const largest = g.op("ReduceMax", [values, g.int([1])], { keepdims: 1 }); // [·, 1]
    const least = range === "around zero" ? SMALLEST_SCALE : DEEPEST / zero;
    const scales = g.op("Max", [
      g.op("Mul", [largest, g.float(1 / (255 - zero))]),
      g.float(least),
    ]); // [·, 1]
    const flat = g.op("Reshape", [scales, g.int([-1])]); // [·]
    const zeros = g.op("Expand", [
      g.constant("uint8", Uint8Array.of(zero), [1]),
      g.op("Shape", [flat]),
    ]); // [·]
    const bytes = g.op("QuantizeLinear", [x, flat, zeros], { axis: 0 }); // uint8 [·, inputs]
    const made = { bytes, scales, zero };
    this.#bytes.set(x, made);
    return made;
  }

  /** All tokens one under the other; [N, S, W] → [N·S, W]. */
  rows(x: Value): Value {
    return this.#g.op("Reshape", [x, this.#g.int([-1, this.#architecture.width])]);
  }

  /** The reverse of {@linkcode rows}; [N·size, W] → [N, size, W]. */
  sequences(x: Value, size: number): Value {
    return this.#g.op("Reshape", [x, this.#g.int([-1, size, this.#architecture.width])]);
  }

  /** LayerScale, where there is one; [·, W]. */
  scaled(x: Value, name: string): Value {
    return this.#weights.tensors.has(name) ? this.#g.op("Mul", [x, this.weight(name)]) : x;
  }

  get #isForCpu(): boolean {
    return this.#device === "cpu" && this.#compute === "float32";
  }

  /** Layer normalisation; [N, size, W]. */
  normalise(x: Value, size: number, name: string): Value {
    if (this.#isForCpu) return this.#normaliseRows(x, size, name);
    const inputs = [x, this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    const { epsilon } = this.#architecture;
    return this.#g.op("LayerNormalization", inputs, { axis: -1, epsilon: { float: epsilon } });
  }

  /**
   * On the CPU, ONNX Runtime's layer normalisation adds up one number after the other; its instance
   * normalisation, of rows that are instances of one channel, takes a seventh of the time.
   */
  #normaliseRows(x: Value, size: number, name: string): Value {
    const g = this.#g, { width, epsilon } = this.#architecture;
    const instances = g.op("Reshape", [x, g.int([-1, 1, width])]); // [N·size, 1, W]
    const standard = g.op("InstanceNormalization", [instances, g.float([1]), g.float([0])], {
      epsilon: { float: epsilon },
    }); // [N·size, 1, W]
    const weighed = g.op("Mul", [this.sequences(standard, size), this.weight(`${name}.weight`)]);
    return g.op("Add", [weighed, this.weight(`${name}.bias`)]); // [N, size, W]
  }

  /** Adds a branch to the residual stream and normalises, both [N, size, W]: [normalised, sum]. */
  addAndNormalise(branch: Value, residual: Value, size: number, name: string): [Value, Value] {
    const g = this.#g, { epsilon } = this.#architecture;
    if (this.#isForCpu) {
      const sum = g.op("Add", [branch, residual]); // [N, size, W]
      return [this.#normaliseRows(sum, size, name), sum];
    }
    const inputs = [branch, residual, this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    const [normalised, , , sum] = g.ops("SkipLayerNormalization", 4, inputs, {
      epsilon: { float: epsilon },
    }, { domain: "com.microsoft" });
    return [normalised!, sum!];
  }

  /** Multi-head attention of `queries` to all tokens; [N, size, W] and [N, S, W] → [N, size, W]. */
  attend(queries: Value, size: number, tokens: Value, length: number, block: string): Value {
    const rows = this.rows(tokens); // [N·S, W]
    const asking = queries === tokens ? rows : this.rows(queries); // [N·size, W]
    const q = this.sequences(this.linear(asking, `${block}.q`), size); // [N, size, W]
    const k = this.sequences(this.linear(rows, `${block}.k`), length); // [N, S, W]
    const v = this.sequences(this.linear(rows, `${block}.v`), length); // [N, S, W]
    const attended = this.#device === "webgpu"
      ? this.#attendInParts(q, size, k, v, length)
      : this.#g.op("MultiHeadAttention", [q, k, v], { num_heads: this.#architecture.heads }, {
        domain: "com.microsoft",
      }); // [N, size, W]
    const out = this.linear(this.rows(attended), `${block}.out`); // [N·size, W]
    return this.sequences(this.scaled(out, `${block}.scale1`), size);
  }

  /**
   * The same from operators that are right on every adapter: on one without subgroups, ONNX Runtime
   * 1.30's fused attention gives other values on WebGPU.
   */
  #attendInParts(q: Value, size: number, k: Value, v: Value, length: number): Value {
    const g = this.#g, { width, heads } = this.#architecture, headWidth = width / heads;
    const split = (x: Value, tokens: number, perm: number[]) =>
      g.op("Transpose", [g.op("Reshape", [x, g.int([-1, tokens, heads, headWidth])])], { perm });
    const scale = g.float([1 / Math.sqrt(headWidth)]);
    const scaled = g.op("Mul", [
      q,
      this.#compute === "float32" ? scale : g.op("Cast", [scale], { to: this.#compute }),
    ]);
    const scores = g.op("MatMul", [
      split(scaled, size, [0, 2, 1, 3]),
      split(k, length, [0, 2, 3, 1]),
    ]); // [N, heads, size, S]
    const read = g.op("MatMul", [
      g.op("Softmax", [scores], { axis: -1 }),
      split(v, length, [0, 2, 1, 3]),
    ]); // [N, heads, size, W / heads]
    const joined = g.op("Transpose", [read], { perm: [0, 2, 1, 3] });
    return g.op("Reshape", [joined, g.int([-1, size, width])]);
  }

  /** The block's second branch; [N, size, W]. */
  mlp(x: Value, size: number, block: string): Value {
    const hidden = this.linear(this.rows(x), `${block}.fc1`); // [N·size, mlpWidth], gated: twice
    const isGated = this.#architecture.gated && block !== POOL;
    const active = isGated ? this.#gate(hidden) : this.#activate(hidden); // [N·size, mlpWidth]
    const out = this.linear(active, `${block}.fc2`, isGated ? "around zero" : "activated"); // [N·size, W]
    return this.sequences(this.scaled(out, `${block}.scale2`), size);
  }

  /** The first half times its sigmoid, times the second half: SwiGLU. */
  #gate(x: Value): Value {
    const g = this.#g, { mlpWidth } = this.#architecture;
    const half = (from: number, to: number) =>
      g.op("Slice", [x, g.int([from]), g.int([to]), g.int([1])]); // [N·size, mlpWidth]
    const first = half(0, mlpWidth);
    const gate = g.op("Mul", [first, g.op("Sigmoid", [first])]);
    return g.op("Mul", [gate, half(mlpWidth, 2 * mlpWidth)]);
  }

  #activate(x: Value): Value {
    const g = this.#g, { activation } = this.#architecture;
    if (activation === "quick_gelu") {
      return g.op("QuickGelu", [x], { alpha: { float: 1.702 } }, { domain: "com.microsoft" });
    }
    return g.op("Gelu", [x], activation === "gelu_tanh" ? { approximate: "tanh" } : {});
  }

  /** What stands for the image: its class token, or the mean over its patches; [N, 1, W]. */
  pool(x: Value): Value {
    const g = this.#g;
    if (poolingOf(this.#architecture) === "class") {
      return this.first(x);
    }
    return g.op("ReduceMean", [this.patches(x), g.int([1])], { keepdims: 1 });
  }

  /** What a query of the pool's own reads of all tokens, and an MLP adds; [N, 1, W]. */
  attentionPool(tokens: Value, length: number): Value {
    const probe = this.repeated(`${POOL}.probe`, 1, tokens); // [N, 1, W]
    const read = this.attend(probe, 1, tokens, length, POOL); // [N, 1, W]
    const added = this.mlp(this.normalise(read, 1, `${POOL}.norm`), 1, POOL); // [N, 1, W]
    return this.#g.op("Add", [read, added]);
  }

  /** A sequence without its class token and registers; [N, patches, W]. */
  patches(x: Value): Value {
    return this.after(x, tokensBefore(this.#architecture));
  }

  /** The first token; [N, 1, W]. */
  first(x: Value): Value {
    const g = this.#g;
    return g.op("Slice", [x, g.int([0]), g.int([1]), g.int([1])]);
  }

  /** A sequence without its first tokens. */
  after(x: Value, count: number): Value {
    if (count === 0) return x;
    const g = this.#g;
    return g.op("Slice", [x, g.int([count]), g.int([Number.MAX_SAFE_INTEGER]), g.int([1])]);
  }

  /** Tokens that are the same for all images of `like` [N, ·, W]; [N, count, W]. */
  repeated(name: string, count: number, like: Value): Value {
    const g = this.#g;
    const images = g.op("Shape", [like], { start: 0, end: 1 }); // [1]: N
    const shape = g.op("Concat", [images, g.int([count, this.#architecture.width])], { axis: 0 });
    return g.op("Expand", [this.weight(name), shape]); // [N, count, W]
  }
}
