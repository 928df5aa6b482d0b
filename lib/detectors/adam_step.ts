/**
 * A step of Adam on the logits of a graph: the loss, its gradients, and what every parameter and moment
 * is after it.
 * @module
 */
import { gradient } from "../onnx/gradient.ts";
import type { GraphBuilder } from "../onnx/graph.ts";
import type { Value } from "../onnx/values.ts";

/** What Adam is told besides the rate. */
export interface Adam {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** What is moved, and how. */
export interface StepOptions {
  /** Inputs of the graph by their names. */
  readonly parameters: ReadonlyMap<string, Value>;
  readonly adam: Adam;
  /**
   * A parameter whose gradient hangs on all others that are read on the way back: once it is there,
   * no parameter is read any more.
   */
  readonly last: string;
}

/**
 * Adds a step to a graph: inputs `labels` [N, 1], `NAME.first` and `NAME.second`, Adam's moments of
 * each parameter, `stepSize` and `epsilon`, Adam's of this step, both with its bias correction.
 * Outputs are `loss`, binary cross-entropy before the step, mean over all logits, and every parameter
 * and moment after it, as `NAME.next`, which may be written where they are read.
 * @param logits [N, P], P of each image: one, or one for each place that is judged
 * @returns the labels
 */
export function addStep(
  g: GraphBuilder,
  logits: Value,
  { parameters, adam: { beta1, beta2 }, last }: StepOptions,
): Value {
  const labels = g.input("labels", "float32", ["N", 1]);
  const losses = g.op("Sub", [g.op("Softplus", [logits]), g.op("Mul", [logits, labels])]); // [N, P]
  const loss = g.op("ReduceMean", [losses], { keepdims: 0 });
  g.output("loss", loss, "float32", []);

  const names = [...parameters.keys()];
  const found = gradient(g, loss, [...parameters.values()]);
  const gradients = new Map(names.map((name, i) => [name, found[i]!]));
  const mul = (a: Value, b: Value) => g.op("Mul", [a, b]);
  const wait = mul(g.op("ReduceMax", [gradients.get(last)], { keepdims: 0 }), g.float(0));
  const stepSize = g.op("Add", [g.input("stepSize", "float32", []), wait]);
  const epsilon = g.input("epsilon", "float32", []);
  for (const [name, parameter] of parameters) {
    const slope = gradients.get(name)!, shape = g.facts(parameter).shape!;
    const moment = (order: string) => g.input(`${name}.${order}`, "float32", shape);
    const output = (of: string, value: Value) => g.output(`${of}.next`, value, "float32", shape);
    const mean = g.op("Add", [
      mul(moment("first"), g.float(beta1)),
      mul(slope, g.float(1 - beta1)),
    ]);
    const square = g.op("Add", [
      mul(moment("second"), g.float(beta2)),
      mul(mul(slope, slope), g.float(1 - beta2)),
    ]);
    const ratio = g.op("Div", [mean, g.op("Add", [g.op("Sqrt", [square]), epsilon])]);
    output(name, g.op("Sub", [parameter, mul(ratio, stepSize)]));
    output(`${name}.first`, mean);
    output(`${name}.second`, square);
  }
  return labels;
}
