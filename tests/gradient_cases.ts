/** Graphs whose gradients are held to finite differences. */
import { sizeOf, type Tensor } from "../lib/io/tensor.ts";
import type { GraphBuilder } from "../lib/onnx/graph.ts";
import type { Attribute, Value } from "../lib/onnx/values.ts";
import { randomStream } from "../lib/random.ts";
import type { Build, Input } from "./gradient_graphs.ts";

/** A graph, and inputs that its gradients are taken at. */
export interface GradientCase {
  readonly build: Build;
  readonly inputs: readonly Input[];
}

/** Numbers that keep apart from one another and from 0: no step of a difference meets a kink. */
function apart(shape: readonly number[], low: number, high: number, seed: number): Tensor {
  const size = sizeOf(shape), spacing = (high - low) / size;
  const order = randomStream("apart", seed).permutation(size);
  // two tensors' numbers lie between each other
  const shift = [.5, .8, .3][seed % 3]! * spacing;
  return { data: Float32Array.from(order, (place) => low + shift + place * spacing), shape };
}

const floats = (shapes: readonly (readonly number[])[], low = -1.5, high = 1.5): Input[] =>
  shapes.map((shape, i) => apart(shape, low, high, i));

/** An operator on inputs of some shapes. */
function one(
  op: string,
  shapes: readonly (readonly number[])[],
  attributes: Readonly<Record<string, Attribute>> = {},
  { low = -1.5, high = 1.5, more = () => [] }: {
    low?: number;
    high?: number;
    more?: (g: GraphBuilder) => readonly (Value | undefined)[];
  } = {},
): GradientCase {
  const domain = op === "QuickGelu" ? { domain: "com.microsoft" } as const : {};
  return {
    build: (g, inputs) => [g.op(op, [...inputs, ...more(g)], attributes, domain)],
    inputs: floats(shapes, low, high),
  };
}

const mask: Input = { data: Float32Array.of(1, 0, 0, 1, 1, 0), shape: [2, 3], type: "bool" };
const picture = [2, 4, 7, 6];

/** Graphs by what they are of: every operator that has a rule is in one. */
export const GRADIENT_CASES: Readonly<Record<string, GradientCase>> = {
  "Conv with stride, padding, dilation and groups": one("Conv", [picture, [6, 2, 3, 2], [6]], {
    strides: [2, 3],
    pads: [1, 0, 2, 1],
    dilations: [2, 1],
    group: 2,
  }),
  "Conv of many channels, dilated, padded on some sides": one(
    "Conv",
    [[2, 7, 5, 6], [3, 7, 3, 2]],
    {
      pads: [1, 2, 3, 0],
      dilations: [2, 1],
    },
  ),
  "Conv along one axis": one("Conv", [[2, 3, 9], [4, 3, 3]], { strides: [2] }),
  "Conv that leaves places over, dilation under stride": one("Conv", [[1, 2, 9, 9], [2, 2, 2, 2]], {
    strides: [3, 3],
    dilations: [2, 2],
  }),
  "Conv of 1 × 1 with a stride that leaves places over": one("Conv", [picture, [3, 4, 1, 1]], {
    strides: [3, 4],
  }),
  "ConvTranspose with stride, padding, groups": one("ConvTranspose", [[2, 4, 3, 4], [4, 3, 3, 3], [
    6,
  ]], {
    strides: [2, 1],
    pads: [1, 0, 0, 1],
    group: 2,
    output_padding: [1, 0],
  }),
  "MaxPool whose windows overlap": one("MaxPool", [picture], {
    kernel_shape: [3, 3],
    strides: [2, 1],
    pads: [1, 1, 1, 1],
  }),
  "AveragePool with padding left out of the mean": one("AveragePool", [picture], {
    kernel_shape: [3, 2],
    strides: [2, 1],
    pads: [1, 0, 1, 1],
  }),
  "AveragePool with padding in the mean": one("AveragePool", [picture], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  "AveragePool of tiles": one("AveragePool", [picture], { kernel_shape: [2, 2], strides: [2, 2] }),
  GlobalAveragePool: one("GlobalAveragePool", [picture]),
  "BatchNormalization in training": {
    inputs: floats([picture, [4], [4]]),
    build: (g, inputs) => {
      const statistics = [g.float([0, 0, 0, 0]), g.float([1, 1, 1, 1])];
      return g.ops("BatchNormalization", 3, [...inputs, ...statistics], { training_mode: 1 })
        .slice(0, 1);
    },
  },
  "BatchNormalization": one("BatchNormalization", [picture, [4], [4]], {}, {
    more: (g) => [g.float([.3, -.2, .1, 0]), g.float([.5, 1.5, 1, .2])],
  }),
  LayerNormalization: one("LayerNormalization", [[3, 2, 5], [2, 5], [2, 5]], { axis: 1 }),
  InstanceNormalization: one("InstanceNormalization", [picture, [4], [4]]),
  "Gemm with factors and a repeated bias": one("Gemm", [[4, 3], [5, 4], [5]], {
    transA: 1,
    transB: 1,
    alpha: .5,
    beta: { float: 3 },
  }),
  "MatMul of stacks": one("MatMul", [[2, 1, 3, 4], [5, 4, 2]]),
  "MatMul by one matrix": one("MatMul", [[2, 3, 4], [4, 2]]),
  Pow: one("Pow", [[3, 4], [4]], {}, { low: .4, high: 2 }),
  Div: one("Div", [[3, 4], [3, 1]], {}, { low: .5, high: 2 }),
  Max: one("Max", [[3, 4], [4]]),
  "Max of three": one("Max", [[3, 4], [4], [3, 1]]),
  Min: one("Min", [[3, 4], [4]]),
  "Gather along an axis": {
    inputs: [...floats([[3, 4]]), {
      data: Float32Array.of(2, 0, -1, 2),
      shape: [2, 2],
      type: "int64",
    }],
    build: (g, inputs) => [g.op("Gather", inputs, { axis: 1 })],
  },
  "Gather of one place": one("Gather", [[3, 4]], { axis: 1 }, { more: (g) => [g.int(-2)] }),
  Where: {
    inputs: [mask, ...floats([[2, 3], [3]])],
    build: (g, inputs) => [g.op("Where", inputs)],
  },
  "Relu and dropout": {
    inputs: [...floats([[2, 3]]), mask],
    build: (g, [x, mask]) => [
      g.op("Mul", [g.op("Relu", [x]), g.op("Cast", [mask], { to: "float32" })]),
    ],
  },
  "Relu and dropout, read before it too": {
    inputs: [...floats([[2, 3]]), mask],
    build: (g, [x, mask]) => {
      const open = g.op("Relu", [x]);
      const kept = g.op("Mul", [open, g.op("Cast", [mask], { to: "float32" })]);
      return [g.op("Add", [kept, g.op("Mul", [open, open])])];
    },
  },
  "Relu and dropout, read beside it first": {
    inputs: [...floats([[2, 3]]), mask],
    build: (g, [x, mask]) => {
      const open = g.op("Relu", [x]);
      const square = g.op("Mul", [open, open]);
      const kept = g.op("Mul", [open, g.op("Cast", [mask], { to: "float32" })]);
      return [g.op("Add", [square, kept])];
    },
  },
  Clip: one("Clip", [[3, 4]], {}, { more: (g) => [g.float(-.7), g.float(.9)] }),
  HardSigmoid: one("HardSigmoid", [[3, 4]], { alpha: .9, beta: .4 }),
  LeakyRelu: one("LeakyRelu", [[3, 4]], { alpha: .2 }),
  QuickGelu: one("QuickGelu", [[3, 4]], { alpha: 1.5 }),
  ReduceMax: one("ReduceMax", [[3, 4, 2]], {}, { more: (g) => [g.int([0, -1])] }),
  ReduceMin: one("ReduceMin", [[3, 4]], { keepdims: 0 }, { more: (g) => [g.int([1])] }),
  "ReduceMean of all": one("ReduceMean", [[3, 4]], { keepdims: 0 }),
  Softmax: one("Softmax", [[3, 4, 2]], { axis: 1 }),
  LogSoftmax: one("LogSoftmax", [[3, 4]]),
  Transpose: one("Transpose", [[2, 3, 4]], { perm: [2, 0, 1] }),
  Reshape: one("Reshape", [[2, 3, 4]], {}, { more: (g) => [g.int([4, -1])] }),
  Flatten: one("Flatten", [[2, 3, 4]], { axis: 2 }),
  Squeeze: one("Squeeze", [[2, 1, 4]]),
  Unsqueeze: one("Unsqueeze", [[2, 4]], {}, { more: (g) => [g.int([0, -1])] }),
  Concat: one("Concat", [[2, 3], [2, 1]], { axis: -1 }),
  "Split of which one part is read": {
    inputs: floats([[2, 6]]),
    build: (g, inputs) => g.ops("Split", 3, inputs, { axis: 1, num_outputs: 3 }).slice(1, 2),
  },
  "Slice backwards": one("Slice", [[5, 6]], {}, {
    more: (g) => [g.int([-1, 4]), g.int([-9, 0]), g.int([0, 1]), g.int([-2, -1])],
  }),
  Slice: one("Slice", [[5, 6]], {}, {
    more: (g) => [g.int([1, -3]), g.int([9, -1]), g.int([0, 1])],
  }),
  Expand: one("Expand", [[2, 1]], {}, { more: (g) => [g.int([3, 2, 4])] }),
  Pad: one("Pad", [[2, 3]], {}, { more: (g) => [g.int([1, -1, 0, 2])] }),
  "Resize to twice the size, nearest": one("Resize", [[1, 2, 3, 4]], {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  }, { more: (g) => [undefined, g.float([1, 1, 2, 2])] }),
  "Resize to an odd size, nearest": one("Resize", [[1, 2, 3, 4]], {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  }, { more: (g) => [undefined, undefined, g.int([1, 2, 5, 7])] }),
  "Resize, linear": one("Resize", [[2, 2, 3, 4]], { mode: "linear" }, {
    more: (g) => [undefined, g.float([1, 1, 2, 2])],
  }),
  "Resize, linear, corners on corners": one("Resize", [[1, 2, 3, 4]], {
    mode: "linear",
    coordinate_transformation_mode: "align_corners",
  }, { more: (g) => [undefined, undefined, g.int([1, 2, 5, 3])] }),
  Cast: {
    inputs: floats([[2, 3]]),
    build: (g, [x]) => {
      const half = g.op("Cast", [x], { to: "float16" });
      return [g.op("Add", [g.op("Cast", [half], { to: "float32" }), g.op("Mul", [x, x])])];
    },
  },
  ...Object.fromEntries(
    ["Add", "Sub", "Mul"].map((op) => [op, one(op, [[2, 1, 4], [3, 1]])]),
  ),
  ...Object.fromEntries(
    "Neg Abs Exp Reciprocal Erf Relu Sigmoid Tanh Softplus Gelu Identity ReduceSum ReduceL1 ReduceL2 \
ReduceSumSquare ReduceLogSumExp ReduceMean".split(" ").map((op) => [op, one(op, [[3, 4]])]),
  ),
  ...Object.fromEntries(
    ["Sqrt", "Log"].map((op) => [op, one(op, [[3, 4]], {}, { low: .3, high: 3 })]),
  ),
};
