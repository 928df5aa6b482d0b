/**
 * Reverse-mode differentiation: the gradient of a scalar in a graph, as more operators of the graph.
 * @module
 */
import type { GraphBuilder } from "./graph.ts";
import type { GraphNode, Value } from "./values.ts";
import { convolutionRules } from "./gradients/convolution.ts";
import { elementwiseRules } from "./gradients/elementwise.ts";
import { layoutRules } from "./gradients/layout.ts";
import { normalisationRules } from "./gradients/normalisation.ts";
import { poolingRules } from "./gradients/pooling.ts";
import { productRules } from "./gradients/product.ts";
import { reductionRules } from "./gradients/reduction.ts";
import { Backward, expanded, type Path, type Rule, sumOf, withoutRule } from "./gradients/rule.ts";

const RULES: Readonly<Record<string, Rule>> = {
  ...convolutionRules,
  ...elementwiseRules,
  ...layoutRules,
  ...normalisationRules,
  ...poolingRules,
  ...productRules,
  ...reductionRules,
};

/** Operators that a gradient goes back through. */
export const DIFFERENTIABLE: readonly string[] = Object.keys(RULES);

/**
 * Adds the gradient of a scalar to the graph that it is in.
 *
 * Sizes may have names; a named size is taken not to be repeated where two values meet. Of values
 * that are equally large, a maximum's gradient goes to the first, `ReduceMax` divides it among all.
 *
 * @param scalar a value of one number; of a larger one, the sum is differentiated
 * @param by inputs, constants or any other values
 * @returns for each of `by` the gradient, of the same shape; `undefined` where the scalar does not
 * hang on the value
 * @throws {Error} where an operator on the way has no rule, or a rule needs a size that is not known
 *
 * @example
 * ```ts
 * import { gradient } from "./gradient.ts";
 * import { GraphBuilder } from "./graph.ts";
 *
 * const g = new GraphBuilder();
 * const x = g.input("x", "float32", ["N", 3]);
 * const [dx] = gradient(g, g.op("ReduceSum", [g.op("Mul", [x, x])], { keepdims: 0 }), [x]);
 * g.output("dx", dx!, "float32", ["N", 3]);
 * ```
 */
export function gradient(
  g: GraphBuilder,
  scalar: Value,
  by: readonly Value[],
): (Value | undefined)[] {
  const path = nodesOnPath(g, scalar, by);
  for (const node of path.nodes) if (!(node.opType in RULES)) throw withoutRule(node);
  const context = {
    g,
    one: g.float(1),
    wanted: new Set(by),
    path,
    shapes: new Map<Value, Value>(),
    lists: new Map<string, Value>(),
  };
  const gradients = new Map<Value, Value>(path.values.has(scalar) ? [[scalar, context.one]] : []);
  for (const node of [...path.nodes].reverse()) {
    const upstream = node.outputs.map((output) => gradients.get(output));
    if (upstream.every((value) => value === undefined)) continue;
    const parts = RULES[node.opType]!(new Backward(context, node, upstream));
    parts.forEach((part, i) => {
      const input = node.inputs[i];
      if (part === undefined || input === undefined || !path.values.has(input)) return;
      const before = gradients.get(input);
      gradients.set(input, before === undefined ? part : sumOf(g, before, part));
    });
  }
  for (const value of context.wanted) {
    const found = gradients.get(value);
    if (found) gradients.set(value, expanded(context, found, value));
  }
  return by.map((value) => gradients.get(value));
}

/** Operators whose result stays as it is when their inputs move a little. */
const FLAT: ReadonlySet<string> = new Set([
  "Ceil",
  "ConstantOfShape",
  "EyeLike",
  "Floor",
  "Round",
  "Sign",
]);

/** Types of numbers that do not move a little. */
const WHOLE: ReadonlySet<string | undefined> = new Set(["bool", "int32", "int64", "int8", "uint8"]);

function nodesOnPath(g: GraphBuilder, scalar: Value, by: readonly Value[]): Path {
  const values = new Set(by);
  const hanging: GraphNode[] = [];
  for (const node of g.nodes) {
    if (FLAT.has(node.opType)) continue;
    if (!node.inputs.some((input) => input !== undefined && values.has(input))) continue;
    for (const output of node.outputs) if (!WHOLE.has(g.facts(output).type)) values.add(output);
    hanging.push(node);
  }
  const reached = new Set([scalar]);
  const nodes: GraphNode[] = [];
  const readers = new Map<Value, GraphNode[]>();
  for (const node of hanging.reverse()) {
    if (!node.outputs.some((output) => reached.has(output))) continue;
    nodes.push(node);
    for (const input of new Set(node.inputs)) {
      if (input === undefined || !values.has(input)) continue;
      reached.add(input);
      readers.set(input, [...readers.get(input) ?? [], node]);
    }
  }
  return {
    nodes: nodes.reverse(),
    values: new Set([...values].filter((value) => reached.has(value))),
    readers,
  };
}
