/**
 * The head's layers as ONNX operators, forward and backward.
 *
 * Gradients are those of PyTorch's autograd, written out. Dropout's factor 2 is not multiplied into
 * values: it stays a number beside them and becomes the `alpha` of the next matrix product.
 * @module
 */
import type { GraphBuilder, Value } from "../../../onnx/graph.ts";
import {
  blocksRead,
  type HeadArchitecture,
  parameterShapes,
  trainedParameters,
} from "../architecture.ts";
import { dropoutLayers } from "../dropout.ts";

/** A value in the graph that stands for `factor` times itself. */
export interface Scaled {
  /** What the graph holds. */
  readonly value: Value;
  /** What the next operator has to multiply it by. */
  readonly factor: number;
}

/** Part of the head: its output, and how a gradient goes back through it. */
interface Layer {
  readonly output: Scaled;
  /** Takes the gradient by `output.value`; the result adds that by the input's `value`, if wanted. */
  backward(gradient: Value): () => Value;
}

/** The head's outputs, and how their gradients become those of the parameters. */
export interface Head {
  /** [count, 1] */
  readonly logits: Value;
  /** [count, d′] */
  readonly z: Scaled;
  /** Takes the gradients by `logits` and `z.value`, gives those by the trained parameters. */
  backward(logitsGradient: Value, zGradient: Value): Map<string, Value>;
}

/** Adds the head to a graph, with its inputs `tokens`, the parameters and `dropout.*`. */
export function buildHead(
  g: GraphBuilder,
  architecture: HeadArchitecture,
  dropout: boolean,
): Head {
  const { width, projectionLayers, projectionDim } = architecture;
  const blocks = blocksRead(architecture);
  const trained = new Set(trainedParameters(architecture));
  const parameters = new Map<string, Value>();
  for (const [name, shape] of parameterShapes(architecture)) {
    if (trained.has(name)) parameters.set(name, g.input(name, "float32", shape));
  }
  const masks = new Map<string, Value>();
  if (dropout) {
    for (const { name, width, rows } of dropoutLayers(architecture)) {
      const shape = [rows === 1 ? "count" : "rows", width];
      masks.set(name, asFloat(g, g.input(`dropout.${name}`, "uint8", shape)));
    }
  }
  const gradients = new Map<string, Value>();

  const drop = (name: string, { value, factor }: Scaled): Scaled => {
    const mask = masks.get(name);
    return mask ? { value: g.op("Mul", [value, mask]), factor: 2 * factor } : { value, factor };
  };

  const linear = (name: string, { value: x, factor }: Scaled): Layer => {
    const weight = parameters.get(`${name}.weight`)!; // [out, in]
    const alpha = { float: factor };
    const value = g.op("Gemm", [x, weight, parameters.get(`${name}.bias`)!], { alpha, transB: 1 });
    return {
      output: { value, factor: 1 }, // [rows, out]
      backward(gradient) {
        gradients.set(`${name}.weight`, g.op("Gemm", [gradient, x], { alpha, transA: 1 }));
        const bias = g.op("ReduceSum", [gradient, g.int([0])], { keepdims: 0 });
        gradients.set(`${name}.bias`, bias);
        return () => g.op("Gemm", [gradient, weight], { alpha }); // [rows, in]
      },
    };
  };

  /** Linear, ReLU, Dropout: the units of both projections and of the classification head. */
  const hidden = (linearName: string, dropoutName: string, x: Scaled): Layer => {
    const inner = linear(linearName, x);
    const output = drop(dropoutName, { value: g.op("Relu", [inner.output.value]), factor: 1 });
    return {
      output,
      // what is positive was neither cut by ReLU nor dropped
      backward: (gradient) => inner.backward(g.op("Mul", [gradient, isPositive(g, output.value)])),
    };
  };

  /** Leading Dropout, then q hidden units. Paper: §3.2. */
  const projection = (name: string, x: Scaled): Layer => {
    const dropped = drop(`${name}.0`, x);
    const layers: Layer[] = [];
    for (let layer = 0; layer < projectionLayers; layer++) {
      const input = layers.at(-1)?.output ?? dropped;
      layers.push(hidden(`${name}.${3 * layer + 1}`, `${name}.${3 * layer + 3}`, input));
    }
    return {
      output: layers.at(-1)!.output,
      backward(gradient) {
        const back = chain(gradient, layers);
        const mask = masks.get(`${name}.0`);
        return mask ? () => g.op("Mul", [back(), mask]) : back;
      },
    };
  };

  /** Weighs blocks, feature by feature. Paper: §3.3, eq. 5 and 6. */
  const trainableImportance = ({ value, factor }: Scaled): Layer => {
    if (blocks === 1) return { output: { value, factor }, backward: (gradient) => () => gradient };
    const stack = g.int([-1, blocks, projectionDim]), rows = g.int([-1, projectionDim]);
    const k = g.op("Reshape", [value, stack]); // [count, n, d′]
    const sum = (x: Value, axis: number, keepdims = 0) =>
      g.op("ReduceSum", [x, g.int([axis])], { keepdims });
    if (architecture.ablation === "tie") {
      return {
        output: { value: sum(k, 1), factor: factor / blocks },
        backward(gradient) {
          const like = g.op("Expand", [
            g.op("Unsqueeze", [gradient, g.int([1])]),
            g.op("Shape", [k]),
          ]);
          return () => g.op("Reshape", [like, rows]);
        },
      };
    }
    const weights = g.op("Softmax", [parameters.get("alpha")!], { axis: 1 }); // [1, n, d′]
    return {
      output: { value: sum(g.op("Mul", [k, weights]), 1), factor }, // [count, d′]
      backward(gradient) {
        const byImage = g.op("Unsqueeze", [gradient, g.int([1])]); // [count, 1, d′]
        const byWeights = sum(g.op("Mul", [k, byImage]), 0, 1); // [1, n, d′]
        const weighted = g.op("Mul", [weights, byWeights]);
        const mean = g.op("Mul", [weights, sum(weighted, 1, 1)]);
        gradients.set("alpha", g.op("Sub", [weighted, mean]));
        return () => g.op("Reshape", [g.op("Mul", [byImage, weights]), rows]);
      },
    };
  };

  const tokens: Scaled = { value: g.input("tokens", "float32", ["rows", width]), factor: 1 };
  const proj1 = projection("proj1", tokens);
  const tie = trainableImportance(proj1.output);
  const proj2 = projection("proj2", tie.output);
  const head0 = hidden("head.0", "head.2", proj2.output);
  const head3 = hidden("head.3", "head.5", head0.output);
  const head6 = linear("head.6", head3.output);
  return {
    logits: head6.output.value,
    z: proj2.output,
    backward(logitsGradient, zGradient) {
      const byHead = chain(logitsGradient, [head0, head3, head6])();
      chain(g.op("Add", [byHead, zGradient]), [proj1, tie, proj2]);
      return gradients;
    },
  };
}

/** Sends a gradient back through layers, last one first. */
function chain(gradient: Value, layers: readonly Layer[]): () => Value {
  return layers.reduceRight<() => Value>((later, layer) => layer.backward(later()), () => gradient);
}

function asFloat(g: GraphBuilder, value: Value): Value {
  return g.op("Cast", [value], { to: "float32" });
}

/** 1 where a value is positive, else 0: one operator on all threads, where casts take two on one. */
function isPositive(g: GraphBuilder, value: Value): Value {
  return g.op("HardSigmoid", [value], { alpha: { float: 3e38 }, beta: { float: 0 } });
}
