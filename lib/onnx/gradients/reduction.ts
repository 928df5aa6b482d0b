/**
 * Rules of reductions, and of Softmax.
 * @module
 */
import type { Value } from "../values.ts";
import { axisOf, reducedAxes } from "../sizes.ts";
import type { Backward, Rule } from "./rule.ts";

function axesOf(b: Backward): readonly number[] {
  const axes = reducedAxes(b.node, b.shape(b.x()).length, (value) => b.g.facts(value));
  if (!axes) throw b.refuse("its axes are no constants");
  return axes;
}

/** Gives what a reduction made the axes back that it took away, each with a size of 1. */
function kept(b: Backward, value: Value): Value {
  // a single number needs no axes to be repeated
  if (b.number("keepdims", 1) || b.shape(value).length === 0) return value;
  const axes = axesOf(b);
  return axes.length === 0 ? value : b.op("Unsqueeze", [b.full(value, b.y), b.int(axes)]);
}

/** How many numbers went into each of a reduction, as a factor. */
function divided(b: Backward, gradient: Value, x: Value, axes: readonly number[]): Value {
  const sizes = axes.map((axis) => b.shape(x)[axis]!);
  if (sizes.every((size) => typeof size === "number")) {
    return b.times(gradient, 1 / sizes.reduce((a, size) => a * size, 1));
  }
  const chosen = b.op("Gather", [b.shapeValue(x), b.int(axes)]);
  const count = b.op("Cast", [b.op("ReduceProd", [chosen], { keepdims: 0 })], { to: "float32" });
  return b.div(gradient, count);
}

/** The mean over axes, which stay with a size of 1. */
export function meanOver(b: Backward, x: Value, axes: readonly number[]): Value {
  return b.op("ReduceMean", [x, b.int(axes)], { keepdims: 1 });
}

/** The gradient by the input of a mean over axes that stayed. */
export function ofMean(b: Backward, gradient: Value, x: Value, axes: readonly number[]): Value {
  return divided(b, gradient, x, axes);
}

const extreme: Rule = (b) => {
  const isIt = b.op("Cast", [b.op("Equal", [b.x(), kept(b, b.y)])], { to: "float32" });
  const count = b.sum(isIt, axesOf(b), 1);
  return [b.mul(isIt, b.div(kept(b, b.dy), count))];
};

/** The sum along the axis of a Softmax. */
function sumAlong(b: Backward, x: Value): Value {
  const axis = axisOf(b.number("axis", -1), b.shape(b.y).length);
  return b.sum(x, [axis], 1);
}

/** Rules by operator. */
export const reductionRules: Readonly<Record<string, Rule>> = {
  ReduceSum: (b) => [kept(b, b.dy)],
  ReduceMean: (b) => [kept(b, divided(b, b.dy, b.x(), axesOf(b)))],
  ReduceMax: extreme,
  ReduceMin: extreme,
  ReduceL1: (b) => [b.mul(kept(b, b.dy), b.op("Sign", [b.x()]))],
  ReduceL2: (b) => {
    // a vector of length 0 has the gradient 0, as in PyTorch
    const length = b.op("Max", [b.y, b.g.float(1.2e-38)]);
    return [b.mul(b.x(), kept(b, b.div(b.dy, length)))];
  },
  ReduceSumSquare: (b) => [b.mul(b.times(kept(b, b.dy), 2), b.x())],
  ReduceLogSumExp: (b) => [
    b.mul(kept(b, b.dy), b.op("Exp", [b.op("Sub", [b.x(), kept(b, b.y)])])),
  ],
  Softmax: (b) => {
    const weighted = b.mul(b.y, b.dy);
    return [b.op("Sub", [weighted, b.mul(b.y, sumAlong(b, weighted))])];
  },
  LogSoftmax: (b) => {
    const dy = b.fullDy;
    return [b.op("Sub", [dy, b.mul(b.op("Exp", [b.y]), sumAlong(b, dy))])];
  },
};
