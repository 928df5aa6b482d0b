/**
 * What a rule of differentiation is, and what rules are written with.
 *
 * A gradient may have a size of 1, or lack axes, where all its numbers along an axis are one: sums
 * and means give such gradients, and what multiplies them on never has to fill them up.
 * @module
 */
import type { GraphBuilder } from "../graph.ts";
import type { Attribute, Dimension, GraphNode, Value } from "../values.ts";
import { intsAttribute, numberAttribute, numbersIn } from "../sizes.ts";

/** Gives the gradients by a node's inputs; those that nobody wants may be left out. */
export type Rule = (b: Backward) => readonly (Value | undefined)[];

/** What lies between values and a scalar that hangs on them. */
export interface Path {
  /** The operators, each after those that it reads. */
  readonly nodes: readonly GraphNode[];
  /** The values that hang on one of those that the gradient is by, themselves included. */
  readonly values: ReadonlySet<Value>;
  /** The operators on the path that read a value. */
  readonly readers: ReadonlyMap<Value, readonly GraphNode[]>;
}

/** What all rules of one gradient share. */
export interface GradientContext {
  readonly g: GraphBuilder;
  /** The constant 1, where the gradient starts. */
  readonly one: Value;
  /** What the gradient is by. */
  readonly wanted: ReadonlySet<Value>;
  readonly path: Path;
  /** Shapes that are read in the running graph, by the values that have them. */
  readonly shapes: Map<Value, Value>;
  /** Constant lists, by their numbers: most rules need the same few. */
  readonly lists: Map<string, Value>;
}

/** An operator on the way back. */
export class Backward {
  readonly g: GraphBuilder;
  readonly node: GraphNode;
  /** Gradients by the node's outputs. */
  readonly upstream: readonly (Value | undefined)[];
  readonly #context: GradientContext;

  /** Adds nothing yet. */
  constructor(
    context: GradientContext,
    node: GraphNode,
    upstream: readonly (Value | undefined)[],
  ) {
    this.g = context.g;
    this.node = node;
    this.upstream = upstream;
    this.#context = context;
  }

  /** The gradient by the first output; it may have to be repeated. */
  get dy(): Value {
    const value = this.upstream[0];
    if (value === undefined) throw this.refuse("only its first output has a gradient");
    return value;
  }

  /** The gradient by the first output, with all its numbers. */
  get fullDy(): Value {
    return this.full(this.dy, this.y);
  }

  /** The first output. */
  get y(): Value {
    return this.node.outputs[0]!;
  }

  /** An input that the operator cannot do without. */
  x(i = 0): Value {
    return this.node.inputs[i]!;
  }

  /** Whether the gradient by an input is wanted. */
  wants(i: number): boolean {
    const input = this.node.inputs[i];
    return input !== undefined && this.#context.path.values.has(input);
  }

  /** Whether the gradient of a value itself was asked for. */
  isAskedFor(value: Value): boolean {
    return this.#context.wanted.has(value);
  }

  /** The operators on the path that read a value. */
  readers(value: Value): readonly GraphNode[] {
    return this.#context.path.readers.get(value) ?? [];
  }

  /** Applies an operator. */
  op(
    type: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value {
    return this.g.op(type, inputs, attributes);
  }

  /** A constant list of whole numbers. */
  int(values: readonly number[]): Value {
    return listOf(this.#context, values);
  }

  /** a · b, where the gradient's start costs nothing. */
  mul(a: Value, b: Value): Value {
    const { one } = this.#context;
    if (a === one) return b;
    if (b === one) return a;
    return this.#signed(a, (a) => this.#signed(b, (b) => this.op("Mul", [a, b])));
  }

  /** a / b */
  div(a: Value, b: Value): Value {
    return this.#signed(a, (a) => this.op("Div", [a, b]));
  }

  /** −a */
  neg(a: Value): Value {
    return negated(this.g, a) ?? this.op("Neg", [a]);
  }

  /** Takes a sign out of a product, so that it ends in a subtraction where gradients are summed. */
  #signed(a: Value, product: (a: Value) => Value): Value {
    const positive = negated(this.g, a);
    return positive === undefined ? product(a) : this.neg(product(positive));
  }

  /** a times a number. */
  times(a: Value, factor: number): Value {
    return factor === 1 ? a : this.mul(a, this.g.float(factor));
  }

  /** The sum over axes. */
  sum(x: Value, axes: readonly number[], keepdims: 0 | 1): Value {
    if (axes.length === 0) return x;
    return this.#signed(x, (x) => this.op("ReduceSum", [x, this.int(axes)], { keepdims }));
  }

  /** An attribute that is a number. */
  number(name: string, otherwise: number): number {
    return numberAttribute(this.node, name, otherwise);
  }

  /** An attribute that is a list of whole numbers. */
  ints(name: string): readonly number[] | undefined {
    return intsAttribute(this.node, name);
  }

  /** A value's sizes. */
  shape(value: Value): readonly Dimension[] {
    return shapeOf(this.#context, value, this.node);
  }

  /** A value's size along an axis, which has to be a number. */
  size(value: Value, axis: number): number {
    const size = this.shape(value).at(axis);
    if (typeof size !== "number") throw this.refuse(`size ${axis} of ${value} is not a number`);
    return size;
  }

  /** The numbers of a constant list or scalar. */
  constants(value: Value): readonly number[] {
    const contents = numbersIn(this.g.facts(value).contents);
    if (!contents) throw this.refuse(`${value} is no constant`);
    return contents;
  }

  /** A value's sizes as an int64 list in the graph. */
  shapeValue(value: Value): Value {
    return shapeValue(this.#context, value);
  }

  /** Repeats a gradient's numbers until it is as large as a value. */
  full(gradient: Value, like: Value): Value {
    return expanded(this.#context, gradient, like, this.node);
  }

  /** Gives a gradient the shape of a value with as many numbers. */
  reshaped(gradient: Value, like: Value): Value {
    const shape = this.shape(like);
    const names = shape.filter((size) => typeof size === "string").length;
    const to = names > 1
      ? this.shapeValue(like)
      : this.int(shape.map((size) => typeof size === "string" ? -1 : size));
    return this.op("Reshape", [gradient, to]);
  }

  /**
   * Sums a gradient along the axes that an input was repeated along.
   * @param whole what has all the numbers that are summed; default: the output
   */
  sumTo(gradient: Value, input: Value, whole: Value = this.y): Value {
    const from = this.shape(whole), to = this.shape(input);
    const leading = from.length - to.length;
    const axes = from.flatMap((size, axis) =>
      axis < leading || (to[axis - leading] === 1 && size !== 1) ? [axis] : []
    );
    if (axes.length === 0) return gradient;
    const found = this.shape(gradient);
    const isWhole = found.length === from.length &&
      axes.every((axis) => found[axis] !== 1 || from[axis] === 1);
    const terms = isWhole ? gradient : this.full(gradient, whole);
    if (axes.length === leading) return this.sum(terms, axes, 0);
    const sum = this.sum(terms, axes, 1);
    return leading === 0
      ? sum
      : this.op("Squeeze", [sum, this.int(axes.filter((axis) => axis < leading))]);
  }

  /** Gives a list of one number a channel the axes that it needs beside [N, C, …]. */
  perChannel(list: Value, rank: number): Value {
    const axes = Array.from({ length: rank - 2 }, (_, i) => i + 1);
    return axes.length === 0 ? list : this.op("Unsqueeze", [list, this.int(axes)]);
  }

  /** An error that names the operator. */
  refuse(why: string): Error {
    return new Error(`Cannot derive the gradient of ${this.node.opType} (${this.y}): ${why}`);
  }
}

/** What a value is the negative of. */
function negated(g: GraphBuilder, value: Value): Value | undefined {
  const producer = g.producer(value);
  return producer?.opType === "Neg" ? producer.inputs[0] : undefined;
}

/** a + b, for which a sign costs nothing. */
export function sumOf(g: GraphBuilder, a: Value, b: Value): Value {
  const [minusA, minusB] = [negated(g, a), negated(g, b)];
  if (minusB !== undefined) return g.op("Sub", [a, minusB]);
  return minusA === undefined ? g.op("Add", [a, b]) : g.op("Sub", [b, minusA]);
}

/** Repeats a gradient's numbers until it is as large as a value. */
export function expanded(
  context: GradientContext,
  gradient: Value,
  like: Value,
  node?: GraphNode,
): Value {
  const from = shapeOf(context, gradient, node), to = shapeOf(context, like, node);
  const isWhole = from.length === to.length &&
    from.every((size, axis) => size !== 1 || to[axis] === 1);
  return isWhole ? gradient : context.g.op("Expand", [gradient, shapeValue(context, like)]);
}

/** The error of an operator that has no rule. */
export function withoutRule({ opType, outputs }: GraphNode): Error {
  return new Error(
    `Cannot derive the gradient of ${opType} (${outputs[0]}): there is no rule for the operator`,
  );
}

function shapeOf(
  { g }: GradientContext,
  value: Value,
  node: GraphNode | undefined,
): readonly Dimension[] {
  const { shape } = g.facts(value);
  if (shape) return shape;
  const of = node ? ` of ${node.opType} (${node.outputs[0]})` : "";
  throw new Error(`Cannot derive the gradient${of}: the shape of ${value} is not known`);
}

function listOf({ g, lists }: GradientContext, values: readonly number[]): Value {
  const key = values.join();
  let found = lists.get(key);
  if (!found) lists.set(key, found = g.int(values));
  return found;
}

function shapeValue(context: GradientContext, value: Value): Value {
  const { g, shapes } = context;
  let found = shapes.get(value);
  if (!found) {
    const sizes = numbersIn(g.facts(value).shape);
    shapes.set(value, found = sizes ? listOf(context, sizes) : g.op("Shape", [value]));
  }
  return found;
}
