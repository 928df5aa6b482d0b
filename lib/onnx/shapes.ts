/**
 * What is known of a graph's values before it runs: element types, sizes, and contents of shapes.
 * @module
 */
import type { Attribute, Dimension, ElementType, Facts, FactsOf, GraphNode } from "./values.ts";
import {
  axisOf,
  broadcastShape,
  derived,
  intsAttribute,
  numberAttribute,
  numbersIn,
  reducedAxes,
  reshaped,
  scaled,
  slicedLength,
  transposeWindowed,
  windowed,
} from "./sizes.ts";

type Infer = (node: GraphNode, inputs: readonly Facts[], factsOf: FactsOf) => Facts[];

const same: Infer = (_, [x]) => [{ type: x?.type, shape: x?.shape }];

const broadcast = (type?: ElementType): Infer => (_, inputs) => {
  const shapes = inputs.map(({ shape }) => shape);
  const shape = shapes.every((shape) => shape !== undefined)
    ? shapes.reduce(broadcastShape)
    : undefined;
  return [{ type: type ?? inputs[0]!.type, shape }];
};

const reduction: Infer = (node, [x], factsOf) => {
  const axes = x!.shape && reducedAxes(node, x!.shape.length, factsOf);
  const keep = numberAttribute(node, "keepdims", 1) !== 0;
  const shape = axes &&
    x!.shape!.flatMap((size, axis): Dimension[] =>
      axes.includes(axis) ? (keep ? [1] : []) : [size]
    );
  return [{ type: x!.type, shape }];
};

const pool: Infer = (node, [x]) => {
  const kernel = intsAttribute(node, "kernel_shape")!;
  const shape = x!.shape && [...x!.shape.slice(0, 2), ...windowed(node, x!.shape.slice(2), kernel)];
  return node.outputs.map((_, i) => ({ type: i === 0 ? x!.type : "int64", shape }));
};

const globalPool: Infer = (_, [x]) => [{
  type: x!.type,
  shape: x!.shape?.map((size, axis) => axis < 2 ? size : 1),
}];

/** Statistics that a normalisation gives beside its result. */
const normalisation = (rest: (node: GraphNode, x: readonly Dimension[]) => Dimension[]): Infer => {
  return (node, [x]) =>
    node.outputs.map((_, i) => ({
      type: x!.type,
      shape: i === 0 ? x!.shape : x!.shape && rest(node, x!.shape),
    }));
};

const INFER: Readonly<Record<string, Infer>> = {
  ...Object.fromEntries(
    ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mod", "PRelu"].map((
      op,
    ) => [op, broadcast()]),
  ),
  ...Object.fromEntries(
    ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"]
      .map((op) => [op, broadcast("bool")]),
  ),
  ...Object.fromEntries(
    ["Sum", "Mean", "Max", "Min", "L1", "L2", "LogSum", "LogSumExp", "Prod", "SumSquare"]
      .map((op) => [`Reduce${op}`, reduction]),
  ),
  ...Object.fromEntries(
    "Relu LeakyRelu Elu Selu Celu Sigmoid Tanh Softplus Softsign Gelu QuickGelu HardSigmoid HardSwish \
Softmax LogSoftmax Neg Sqrt Exp Log Abs Sign Erf Reciprocal Floor Ceil Round Clip Identity Not \
EyeLike ScatterElements ScatterND LpNormalization InstanceNormalization GroupNormalization CumSum \
Sin Cos ReverseSequence Trilu".split(" ").map((op) => [op, same]),
  ),
  Cast: (node, [x]) => [{
    type: node.attributes["to"] as ElementType,
    shape: x!.shape,
    contents: node.attributes["to"] === "int64" ? x!.contents : undefined,
  }],
  Where: (node, inputs, factsOf) => [{
    ...broadcast()(node, inputs, factsOf)[0]!,
    type: inputs[1]!.type,
  }],
  MaxPool: pool,
  AveragePool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  BatchNormalization: normalisation((_, x) => [x[1]!]),
  LayerNormalization: normalisation((node, x) => {
    const axis = axisOf(numberAttribute(node, "axis", -1), x.length);
    return x.map((size, i) => i < axis ? size : 1);
  }),
  Conv: (node, [x, w]) => [{
    type: x!.type,
    shape: x!.shape && w!.shape &&
      [x!.shape[0]!, w!.shape[0]!, ...windowed(node, x!.shape.slice(2), w!.shape.slice(2))],
  }],
  ConvTranspose: (node, [x, w]) => [{
    type: x!.type,
    shape: x!.shape && w!.shape && [
      x!.shape[0]!,
      scaled(w!.shape[1]!, numberAttribute(node, "group", 1), 1),
      ...transposeWindowed(node, x!.shape.slice(2), w!.shape.slice(2)),
    ],
  }],
  Gemm: (node, [a, b]) => [{
    type: a!.type,
    shape: a!.shape && b!.shape && [
      a!.shape[numberAttribute(node, "transA", 0) ? 1 : 0]!,
      b!.shape[numberAttribute(node, "transB", 0) ? 0 : 1]!,
    ],
  }],
  MatMul: (_, [a, b]) => {
    if (!a!.shape || !b!.shape) return [{ type: a!.type }];
    const batch = broadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    const rows = a!.shape.length > 1 ? [a!.shape.at(-2)!] : [];
    const columns = b!.shape.length > 1 ? [b!.shape.at(-1)!] : [];
    return [{ type: a!.type, shape: [...batch, ...rows, ...columns] }];
  },
  Reshape: (node, [x, to]) => [{
    type: x!.type,
    shape: to!.contents &&
      (x!.shape
        ? reshaped(x!.shape, to!.contents)
        : to!.contents.map((size, i) =>
          size === 0 || size === -1 ? `free${i}(${node.outputs[0]})` : size
        )),
    contents: x!.contents,
  }],
  Flatten: (node, [x]) => {
    const axis = x!.shape && axisOf(numberAttribute(node, "axis", 1), x!.shape.length);
    const product = (sizes: readonly Dimension[]) => reshaped(sizes, [-1])[0]!;
    return [{
      type: x!.type,
      shape: x!.shape && [product(x!.shape.slice(0, axis)), product(x!.shape.slice(axis))],
    }];
  },
  Transpose: (node, [x]) => {
    const perm = intsAttribute(node, "perm");
    const shape = x!.shape && (perm?.map((axis) => x!.shape![axis]!) ?? [...x!.shape].reverse());
    return [{ type: x!.type, shape }];
  },
  Unsqueeze: (_, [x, axes]) => {
    const added = numbersIn(axes!.contents);
    if (!x!.shape || !added) return [{ type: x!.type, contents: x!.contents }];
    const rank = x!.shape.length + added.length, rest = [...x!.shape];
    const at = added.map((axis) => axisOf(axis, rank));
    const shape = Array.from({ length: rank }, (_, i) => at.includes(i) ? 1 : rest.shift()!);
    return [{ type: x!.type, shape, contents: x!.contents }];
  },
  Squeeze: (_, [x, axes]) => {
    const removed = axes ? numbersIn(axes.contents) : undefined;
    if (!x!.shape || axes && !removed) return [{ type: x!.type }];
    const at = removed?.map((axis) => axisOf(axis, x!.shape!.length));
    const shape = x!.shape.filter((size, i) => at ? !at.includes(i) : size !== 1);
    return [{ type: x!.type, shape, contents: x!.contents }];
  },
  Concat: (node, inputs) => {
    const type = inputs[0]!.type;
    const contents = inputs.every(({ contents }) => contents !== undefined)
      ? inputs.flatMap(({ contents }) => contents!)
      : undefined;
    const shapes = inputs.map(({ shape }) => shape);
    if (!shapes.every((shape) => shape !== undefined)) return [{ type, contents }];
    const axis = axisOf(numberAttribute(node, "axis", 0), shapes[0]!.length);
    const sizes = shapes.map((shape) => shape[axis]!);
    const total = sizes.every((size) => typeof size === "number")
      ? sizes.reduce((a, b) => a + b, 0)
      : sizes.join("+");
    return [{ type, contents, shape: shapes[0]!.map((size, i) => i === axis ? total : size) }];
  },
  Split: (node, [x, split]) => {
    if (!x!.shape) return node.outputs.map(() => ({ type: x!.type }));
    const axis = axisOf(numberAttribute(node, "axis", 0), x!.shape.length);
    const count = node.outputs.length, whole = x!.shape[axis]!;
    const lengths = split?.contents ?? node.outputs.map((_, i) => {
      if (typeof whole !== "number") return scaled(whole, 1, count);
      const part = Math.ceil(whole / count);
      return Math.min(part, whole - i * part);
    });
    return lengths.map((length) => ({
      type: x!.type,
      shape: x!.shape!.map((size, i) => i === axis ? length : size),
    }));
  },
  Slice: (_, [x, starts, ends, axes, steps]) => {
    if (!x!.shape) return [{ type: x!.type }];
    const shape: Dimension[] = [...x!.shape];
    const rank = shape.length;
    const list = axes ? numbersIn(axes.contents) : shape.map((_, i) => i);
    if (!list) return [{ type: x!.type }];
    list.forEach((at, i) => {
      const axis = axisOf(at, rank), size = shape[axis]!;
      const start = starts!.contents?.[i], end = ends!.contents?.[i];
      const step = steps ? steps.contents?.[i] : 1;
      const known = [size, start, end, step].every((part) => typeof part === "number");
      shape[axis] = known
        ? slicedLength(size as number, start as number, end as number, step as number)
        : `slice(${[size, start, end, step].join()})`;
    });
    return [{ type: x!.type, shape }];
  },
  Expand: (_, [x, to]) => [{
    type: x!.type,
    shape: x!.shape && to!.contents && broadcastShape(x!.shape, to!.contents),
  }],
  Pad: (_, [x, pads, , axes]) => {
    const by = numbersIn(pads!.contents);
    const list = axes ? numbersIn(axes.contents) : x!.shape?.map((_, i) => i);
    if (!x!.shape || !list) return [{ type: x!.type, shape: x!.shape?.map((s) => `padded(${s})`) }];
    const shape: Dimension[] = [...x!.shape];
    list.forEach((at, i) => {
      const axis = axisOf(at, shape.length);
      const more = by ? by[i]! + by[i + list.length]! : undefined;
      if (more === 0) return;
      shape[axis] = more === undefined
        ? `padded(${shape[axis]})`
        : derived(shape[axis]!, (n) => n + more, `padded${more}`);
    });
    return [{ type: x!.type, shape }];
  },
  Gather: (node, [x, indices]) => {
    const axis = x!.shape && axisOf(numberAttribute(node, "axis", 0), x!.shape.length);
    const shape = x!.shape && indices!.shape &&
      [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis! + 1)];
    const at = numbersIn(indices!.contents);
    return [{ type: x!.type, shape, contents: x!.contents && at?.map((i) => x!.contents!.at(i)!) }];
  },
  TopK: (node, [x, count]) => {
    const axis = x!.shape && axisOf(numberAttribute(node, "axis", -1), x!.shape.length);
    const size = count!.contents?.[0] ?? "top";
    const shape = x!.shape?.map((all, i) => i === axis ? size : all);
    return [{ type: x!.type, shape }, { type: "int64", shape }];
  },
  Shape: (node, [x]) => {
    const { start, end } = node.attributes as Record<string, Attribute & number>;
    const contents = x!.shape?.slice(start ?? 0, end);
    return [{ type: "int64", shape: contents && [contents.length], contents }];
  },
  ArgMax: () => [{ type: "int64" }],
  ArgMin: () => [{ type: "int64" }],
  NonZero: () => [{ type: "int64" }],
  Size: () => [{ type: "int64", shape: [] }],
  ConstantOfShape: (_, [shape]) => [{ type: "float32", shape: shape!.contents }],
  Resize: (_, [x, , scales, sizes]) => {
    const to = sizes?.contents ?? scales?.contents?.map((scale, axis) => {
      const size = x!.shape?.[axis] ?? "?";
      if (scale === 1) return size;
      const times = scale as number;
      return derived(size, (n) => Math.floor(n * times), `resized${times}`);
    });
    return [{ type: x!.type, shape: to }];
  },
};

/** What is known of an operator's outputs by what is known of its inputs. */
export function inferFacts(node: GraphNode, factsOf: FactsOf): readonly Facts[] {
  const inputs = node.inputs.map((value) => value === undefined ? undefined : factsOf(value));
  // an input that is left out reads as `undefined` in the rules that have such inputs
  return INFER[node.opType]?.(node, inputs as readonly Facts[], factsOf) ?? [];
}
