/**
 * The head's layers as ONNX operators.
 *
 * Dropout's factor 2 is not multiplied into values: it stays a number beside them and becomes the
 * `alpha` of the next matrix product.
 * @module
 */
import type { GraphBuilder } from "../../../onnx/graph.ts";
import type { Value } from "../../../onnx/values.ts";
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

/** The head's outputs, and what they hang on. */
export interface Head {
  /** [count, 1] */
  readonly logits: Value;
  /** [count, d′] */
  readonly z: Scaled;
  /** The trained parameters by name. */
  readonly parameters: ReadonlyMap<string, Value>;
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
      // truth values: a product with them is known to drop
      const mask = g.input(`dropout.${name}`, "bool", [rows === 1 ? "count" : "rows", width]);
      masks.set(name, g.op("Cast", [mask], { to: "float32" }));
    }
  }

  const drop = (name: string, { value, factor }: Scaled): Scaled => {
    const mask = masks.get(name);
    return mask ? { value: g.op("Mul", [value, mask]), factor: 2 * factor } : { value, factor };
  };

  const linear = (name: string, { value, factor }: Scaled): Value => {
    const inputs = [value, parameters.get(`${name}.weight`)!, parameters.get(`${name}.bias`)!];
    return g.op("Gemm", inputs, { alpha: { float: factor }, transB: 1 }); // [rows, out]
  };

  /** Linear, ReLU, Dropout: the units of both projections and of the classification head. */
  const hidden = (linearName: string, dropoutName: string, x: Scaled): Scaled =>
    drop(dropoutName, { value: g.op("Relu", [linear(linearName, x)]), factor: 1 });

  /** Leading Dropout, then q hidden units. Paper: §3.2. */
  const projection = (name: string, x: Scaled): Scaled => {
    let y = drop(`${name}.0`, x);
    for (let layer = 0; layer < projectionLayers; layer++) {
      y = hidden(`${name}.${3 * layer + 1}`, `${name}.${3 * layer + 3}`, y);
    }
    return y;
  };

  /** Weighs blocks, feature by feature. Paper: §3.3, eq. 5 and 6. */
  const trainableImportance = ({ value, factor }: Scaled): Scaled => {
    if (blocks === 1) return { value, factor };
    const k = g.op("Reshape", [value, g.int([-1, blocks, projectionDim])]); // [count, n, d′]
    const sum = (x: Value) => g.op("ReduceSum", [x, g.int([1])], { keepdims: 0 }); // [count, d′]
    if (architecture.ablation === "tie") return { value: sum(k), factor: factor / blocks };
    const weights = g.op("Softmax", [parameters.get("alpha")!], { axis: 1 }); // [1, n, d′]
    return { value: sum(g.op("Mul", [k, weights])), factor };
  };

  const tokens = g.input("tokens", "float32", ["rows", width]);
  const k = projection("proj1", { value: tokens, factor: 1 });
  const z = projection("proj2", trainableImportance(k));
  const logits = linear(
    "head.6",
    hidden("head.3", "head.5", hidden("head.0", "head.2", z)),
  );
  return { logits, z, parameters };
}
