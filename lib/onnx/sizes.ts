/**
 * How the sizes of an operator's outputs follow from those of its inputs. A size that is known only
 * when the model runs has a name; a size that follows from it is named by how it does.
 * @module
 */
import type { Dimension, FactsOf, GraphNode } from "./values.ts";

/** A number among a node's attributes. */
export function numberAttribute(node: GraphNode, name: string, otherwise: number): number {
  const value = node.attributes[name];
  if (value === undefined) return otherwise;
  return typeof value === "number" ? value : (value as { float: number }).float;
}

/** A list of whole numbers among a node's attributes. */
export function intsAttribute(node: GraphNode, name: string): readonly number[] | undefined {
  return node.attributes[name] as readonly number[] | undefined;
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The axes that a reduction goes over; `undefined` where they are not constants. */
export function reducedAxes(
  node: GraphNode,
  rank: number,
  factsOf: FactsOf,
): number[] | undefined {
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const input = node.inputs[1];
  if (input === undefined) return numberAttribute(node, "noop_with_empty_axes", 0) ? [] : all;
  const axes = numbersIn(factsOf(input).contents);
  return axes?.length === 0 ? all : axes?.map((axis) => axisOf(axis, rank));
}

/** The contents where all of them are numbers. */
export function numbersIn(
  contents: readonly Dimension[] | undefined,
): readonly number[] | undefined {
  return contents?.every((value) => typeof value === "number") ? contents : undefined;
}

/** The sizes that two shapes have together. A named size is taken not to be repeated. */
export function broadcastShape(
  a: readonly Dimension[],
  b: readonly Dimension[],
): readonly Dimension[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1, y = b[i - rank + b.length] ?? 1;
    if (x === 1) return y;
    return typeof x === "string" && typeof y === "number" && y !== 1 ? y : x;
  });
}

/** A size times a fraction: a number, or a name that says so. */
export function scaled(size: Dimension, times: number, over: number): Dimension {
  if (typeof size === "number") return size * times / over;
  const known = /^(?:(\d+)\*)?(.*?)(?:\/(\d+))?$/.exec(size)!;
  const up = times * Number(known[1] ?? 1), down = over * Number(known[3] ?? 1);
  const common = greatestDivisor(up, down);
  const factor = up === common ? "" : `${up / common}*`;
  return `${factor}${known[2]}${down === common ? "" : `/${down / common}`}`;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** A size that follows from another: computed, or named by how it follows. */
export function derived(
  size: Dimension,
  compute: (size: number) => number,
  how: string,
): Dimension {
  return typeof size === "number" ? compute(size) : `${how}(${size})`;
}

/** The sizes after a reshape, with 0 and -1 as ONNX reads them. */
export function reshaped(
  from: readonly Dimension[],
  to: readonly Dimension[],
): readonly Dimension[] {
  const shape = to.map((size, i) => size === 0 ? from[i] ?? 0 : size);
  const free = shape.indexOf(-1);
  if (free < 0) return shape;
  const names = from.filter((size) => typeof size === "string");
  let over = 1;
  for (const [i, size] of shape.entries()) {
    if (i === free) continue;
    if (typeof size === "number") over *= size;
    else if (names.includes(size)) names.splice(names.indexOf(size), 1);
    else names.push(`1/${size}`);
  }
  const times = from.reduce<number>((a, size) => typeof size === "number" ? a * size : a, 1);
  shape[free] = names.length === 0
    ? times / over
    : scaled(names.length === 1 ? names[0]! : `(${names.join("·")})`, times, over);
  return shape;
}

/** The sizes after a window has gone over the spatial axes. */
export function windowed(
  node: GraphNode,
  spatial: readonly Dimension[],
  kernel: readonly Dimension[],
): Dimension[] {
  const rank = spatial.length;
  const pads = intsAttribute(node, "pads"), strides = intsAttribute(node, "strides");
  const dilations = intsAttribute(node, "dilations");
  const round = numberAttribute(node, "ceil_mode", 0) ? Math.ceil : Math.floor;
  return spatial.map((size, i) => {
    const k = kernel[i]!, stride = strides?.[i] ?? 1, dilation = dilations?.[i] ?? 1;
    const padding = (pads?.[i] ?? 0) + (pads?.[i + rank] ?? 0);
    if (typeof k !== "number") return `window(${size},${k})`;
    const less = padding - dilation * (k - 1) - 1;
    if (stride === 1 && less === -1) return size;
    return derived(size, (n) => round((n + less) / stride) + 1, `window${less},${stride}`);
  });
}

/** The sizes of what a window of these sizes was put together from. */
export function transposeWindowed(
  node: GraphNode,
  spatial: readonly Dimension[],
  kernel: readonly Dimension[],
): Dimension[] {
  const rank = spatial.length;
  const pads = intsAttribute(node, "pads"), strides = intsAttribute(node, "strides");
  const dilations = intsAttribute(node, "dilations");
  const more = intsAttribute(node, "output_padding");
  return spatial.map((size, i) => {
    const k = kernel[i]!, stride = strides?.[i] ?? 1;
    const padding = (pads?.[i] ?? 0) + (pads?.[i + rank] ?? 0);
    if (typeof k !== "number") return `transposed(${size},${k})`;
    const end = (more?.[i] ?? 0) + (dilations?.[i] ?? 1) * (k - 1) + 1 - padding;
    if (stride === 1 && end === 1) return size;
    return derived(size, (n) => (n - 1) * stride + end, `transposed${end},${stride}`);
  });
}

/** How many values a slice takes of an axis. */
export function slicedLength(size: number, start: number, end: number, step: number): number {
  const clamp = (at: number, low: number, high: number) =>
    Math.min(Math.max(at < 0 ? at + size : at, low), high);
  return step > 0
    ? Math.max(Math.ceil((clamp(end, 0, size) - clamp(start, 0, size)) / step), 0)
    : Math.max(Math.ceil((clamp(end, -1, size - 1) - clamp(start, 0, size - 1)) / step), 0);
}
