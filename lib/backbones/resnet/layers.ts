/**
 * The layers of a ResNet as ONNX operators. N images, C channels, maps of H × W places.
 * @module
 */
import type { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import { type Arithmetic, STORED_TYPES } from "../network.ts";
import type { ResnetWeights } from "./weights.ts";

/** Side of a kernel and step between the places that it is laid on, in pixels. */
export interface Window {
  readonly kernelPx: number;
  readonly stride: number;
}

/** Adds a ResNet's layers to a graph. A layer is named as its weights are: `layer1.0.conv1`. */
export class ResnetLayers {
  readonly #g: GraphBuilder;
  readonly #weights: ResnetWeights;
  readonly #compute: Arithmetic;
  readonly #weightsFile: string;

  /**
   * Adds nothing yet.
   * @param weightsFile name of the file in the folder that the session is opened with
   */
  constructor(g: GraphBuilder, weights: ResnetWeights, compute: Arithmetic, weightsFile: string) {
    this.#g = g;
    this.#weights = weights;
    this.#compute = compute;
    this.#weightsFile = weightsFile;
  }

  /** A tensor that stays in the weights' file, or goes into the graph from memory; in float32. */
  #stored(name: string): Value {
    const held = this.#weights.values?.get(name);
    if (held) return this.#g.float(held.data, held.shape);
    const { dtype, shape, offset, length } = this.#weights.tensors.get(name)!;
    const type = STORED_TYPES[dtype]!;
    const location = this.#weightsFile;
    const value = this.#g.external(name, type, shape, { location, offset, length });
    return type === "float32" ? value : this.#g.op("Cast", [value], { to: "float32" });
  }

  #computed(value: Value): Value {
    return this.#compute === "float32" ? value : this.#g.op("Cast", [value], { to: this.#compute });
  }

  /** A tensor in what the graph computes in. */
  weight(name: string): Value {
    return this.#computed(this.#stored(name));
  }

  /**
   * A convolution with the batch normalisation after it, as one convolution: of constants alone,
   * which are computed once, in float32, when a session opens. [N, I, H, W] → [N, O, H′, W′].
   */
  convolve(x: Value, conv: string, norm: string, { kernelPx, stride }: Window): Value {
    const g = this.#g;
    const kernel = this.#stored(`${conv}.weight`); // [O, I, k, k]
    const epsilon = g.float(this.#weights.architecture.epsilon);
    const variance = g.op("Add", [this.#stored(`${norm}.running_var`), epsilon]); // [O]
    const scale = g.op("Div", [this.#stored(`${norm}.weight`), g.op("Sqrt", [variance])]); // [O]
    const shift = g.op("Mul", [this.#stored(`${norm}.running_mean`), scale]); // [O]
    const bias = g.op("Sub", [this.#stored(`${norm}.bias`), shift]); // [O]
    const scales = g.op("Reshape", [scale, g.int([-1, 1, 1, 1])]); // [O, 1, 1, 1]
    const scaled = g.op("Mul", [kernel, scales]); // [O, I, k, k]
    const pad = Math.floor(kernelPx / 2);
    return g.op("Conv", [x, this.#computed(scaled), this.#computed(bias)], {
      kernel_shape: [kernelPx, kernelPx],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    }); // [N, O, H′, W′]
  }

  /** Means of 2 × 2 places; a last odd row or column is left out. [N, C, H, W] → [N, C, H/2, W/2]. */
  halve(x: Value): Value {
    return this.#g.op("AveragePool", [x], { kernel_shape: [2, 2], strides: [2, 2] });
  }

  /** Maxima of 3 × 3 places, around every other one at stride 2; [N, C, H, W] → [N, C, H′, W′]. */
  maxima(x: Value, stride: 1 | 2): Value {
    return this.#g.op("MaxPool", [x], {
      kernel_shape: [3, 3],
      strides: [stride, stride],
      pads: [1, 1, 1, 1],
    });
  }

  /**
   * A bottleneck: 1 × 1, 3 × 3 and 1 × 1 convolutions beside a shortcut, which is a convolution in a
   * stage's first. [N, C, H, W] → [N, C′, H / stride, W / stride].
   */
  bottleneck(x: Value, block: string, stride: 1 | 2): Value {
    const g = this.#g;
    const averages = this.#weights.family.halving === "average";
    const step = averages ? 1 : stride;
    const shrink = (value: Value) => averages && stride === 2 ? this.halve(value) : value;
    const part = (value: Value, number: number, window: Window) =>
      this.convolve(value, `${block}.conv${number}`, `${block}.bn${number}`, window);
    const first = g.op("Relu", [part(x, 1, { kernelPx: 1, stride: 1 })]);
    const second = g.op("Relu", [part(first, 2, { kernelPx: 3, stride: step })]);
    const branch = part(shrink(second), 3, { kernelPx: 1, stride: 1 });
    const [conv, norm] = [`${block}.downsample.0`, `${block}.downsample.1`];
    const shortcut = this.#weights.tensors.has(`${conv}.weight`)
      ? this.convolve(shrink(x), conv, norm, { kernelPx: 1, stride: step })
      : x;
    return g.op("Relu", [g.op("Add", [branch, shortcut])]);
  }

  /** The mean over a map's places; [N, C, H, W] → [N, C]. */
  mean(x: Value): Value {
    return this.#g.op("Flatten", [this.#g.op("GlobalAveragePool", [x])], { axis: 1 });
  }

  /**
   * What the mean over a map's places, as the one query, reads from itself and all places, of which
   * each has a position; the mean comes first. [N, C, g, g] → [N, E].
   */
  attentionPool(x: Value, heads: number, channels: number): Value {
    const g = this.#g;
    const places = g.op("Reshape", [x, g.int([0, 0, -1])]); // [N, C, g·g]
    const sequence = g.op("Transpose", [places], { perm: [0, 2, 1] }); // [N, g·g, C]
    const mean = g.op("ReduceMean", [sequence, g.int([1])], { keepdims: 1 }); // [N, 1, C]
    const tokens = g.op("Add", [
      g.op("Concat", [mean, sequence], { axis: 1 }),
      this.weight("attnpool.positional_embedding"),
    ]); // [N, 1 + g·g, C]
    const query = g.op("Slice", [tokens, g.int([0]), g.int([1]), g.int([1])]); // [N, 1, C]
    const project = (value: Value, name: string) => {
      const rows = g.op("Reshape", [value, g.int([-1, channels])]);
      const layer = `attnpool.${name}_proj`;
      const inputs = [rows, this.weight(`${layer}.weight`), this.weight(`${layer}.bias`)];
      return g.op("Gemm", inputs, { transB: 1 });
    };
    const [q, k, v] = ([["q", query], ["k", tokens], ["v", tokens]] as const).map((
      [name, value],
    ) => g.op("Reshape", [project(value, name), g.op("Shape", [value])])); // [N, ·, C]
    const read = g.op("MultiHeadAttention", [q, k, v], { num_heads: heads }, {
      domain: "com.microsoft",
    }); // [N, 1, C]
    return project(read, "c"); // [N, E]
  }
}
