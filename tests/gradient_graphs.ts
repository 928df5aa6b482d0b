/** Graphs of which gradients are taken, and runs of them. */
import type { GraphBuilder } from "../lib/onnx/graph.ts";
import type { Dimension, Value } from "../lib/onnx/values.ts";
import { GraphBuilder as Builder } from "../lib/onnx/graph.ts";
import { gradient } from "../lib/onnx/gradient.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import type { Tensor } from "../lib/io/tensor.ts";

/** Values into a graph, values out. */
export type Build = (g: GraphBuilder, inputs: readonly Value[]) => readonly Value[];

/** An input: its numbers, and the type that it has in the graph. */
export interface Input extends Tensor {
  readonly type?: "float32" | "int64" | "bool";
}

/** What a graph gives: its outputs, and the gradients of Σ output · upstream. */
export interface Differentiated {
  readonly outputs: Tensor[];
  readonly gradients: (Tensor | undefined)[];
}

/** A graph on inputs whose gradients can be taken again and again at other numbers. */
export async function openGraph(
  build: Build,
  inputs: readonly Input[],
  upstream: readonly Tensor[],
  { named = false, by = inputs.map((_, i) => i), first }: {
    /** Whether the first sizes of inputs are known when the graph runs. */
    named?: boolean;
    /** The inputs whose gradients are wanted; default: all. */
    by?: readonly number[];
    /** The sizes of the first input as the graph knows them. */
    first?: readonly Dimension[];
  } = {},
): Promise<(inputs: readonly Input[]) => Promise<Differentiated>> {
  const g = new Builder();
  const values = inputs.map(({ shape, type = "float32" }, i) => {
    if (i === 0 && first) return g.input("in0", type, first);
    const isNamed = named && shape.length > 0 && shape[0]! > 1;
    return g.input(`in${i}`, type, isNamed ? [`N${shape[0]}`, ...shape.slice(1)] : shape);
  });
  const outputs = build(g, values);
  const parts = outputs.map((output, i) =>
    g.op("ReduceSum", [g.op("Mul", [output, g.float(upstream[i]!.data, upstream[i]!.shape)])], {
      keepdims: 0,
    })
  );
  const scalar = parts.reduce((a, b) => g.op("Add", [a, b]));
  const anything = (shape: readonly number[]) => shape.map((_, i) => `any${i}`);
  const found = gradient(g, scalar, by.map((i) => values[i]!));
  const names = found.map((value, k) => {
    if (value === undefined) return undefined;
    g.output(`grad${by[k]}`, value, "float32", anything(inputs[by[k]!]!.shape));
    return `grad${by[k]}`;
  });
  outputs.forEach((output, i) =>
    g.output(`out${i}`, output, "float32", anything(upstream[i]!.shape))
  );
  const session = await openSession(g.build(), { threads: 1 });
  return async (inputs) => {
    const feeds = inputs.map(({ data, shape, type = "float32" }, i) => {
      const numbers = type === "float32"
        ? data
        : type === "bool"
        ? Uint8Array.from(data)
        : BigInt64Array.from(data, BigInt);
      return [`in${i}`, ortTensor(type, numbers, shape)] as const;
    });
    const result = await session.run(Object.fromEntries(feeds));
    const tensor = (name: string): Tensor => ({
      data: result[name]!.data as Float32Array,
      shape: result[name]!.dims,
    });
    return {
      outputs: outputs.map((_, i) => tensor(`out${i}`)),
      gradients: names.map((name) => name === undefined ? undefined : tensor(name)),
    };
  };
}
