/**
 * Rules of operators that put the same numbers elsewhere.
 * @module
 */
import type { Dimension, Value } from "../values.ts";
import { axisOf, slicedLength } from "../sizes.ts";
import type { Backward, Rule } from "./rule.ts";

const reshape: Rule = (b) => [b.reshaped(b.fullDy, b.x())];

const transpose: Rule = (b) => {
  const rank = b.shape(b.y).length;
  const perm = b.ints("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  const dy = b.shape(b.dy).length === rank ? b.dy : b.fullDy;
  return [b.op("Transpose", [dy], { perm: inverse })];
};

const concat: Rule = (b) => {
  const { inputs } = b.node;
  if (inputs.length === 1) return [b.dy];
  const axis = axisOf(b.number("axis", 0), b.shape(b.y).length);
  const sizes = inputs.map((input) => b.shape(input!)[axis]!);
  const lengths = sizes.every((size) => typeof size === "number") ? b.int(sizes) : b.op(
    "Concat",
    inputs.map((input) => b.op("Shape", [input], { start: axis, end: axis + 1 })),
    { axis: 0 },
  );
  return b.g.ops("Split", inputs.length, [b.fullDy, lengths], { axis });
};

const split: Rule = (b) => {
  const parts = b.node.outputs.map((output, i) => {
    return b.full(b.upstream[i] ?? b.g.float(0), output);
  });
  return [parts.length === 1 ? parts[0] : b.op("Concat", parts, { axis: b.number("axis", 0) })];
};

const slice: Rule = (b) => {
  const [x, starts, ends, axesInput, stepsInput] = b.node.inputs as readonly Value[];
  const shape = b.shape(x!), rank = shape.length;
  const axes = axesInput ? b.constants(axesInput) : shape.map((_, axis) => axis);
  const steps = stepsInput ? b.constants(stepsInput) : axes.map(() => 1);
  const before = new Array<number>(rank).fill(0), after = new Array<number>(rank).fill(0);
  let gradient = b.fullDy;
  axes.forEach((at, i) => {
    const axis = axisOf(at, rank), size = shape[axis]!;
    const start = b.g.facts(starts!).contents?.[i], end = b.g.facts(ends!).contents?.[i];
    const isKnown = [size, start, end].every((value) => typeof value === "number");
    if (isKnown && steps[i] === 1) {
      const [whole, first, last] = [size, start, end] as number[];
      before[axis] = Math.min(Math.max(first! < 0 ? first! + whole! : first!, 0), whole!);
      after[axis] = whole! - before[axis]! - slicedLength(whole!, first!, last!, 1);
    } else gradient = scattered(b, gradient, axis, i);
  });
  const pads = [...before, ...after];
  return [pads.every((pad) => pad === 0) ? gradient : b.op("Pad", [gradient, b.int(pads)])];
};

/** Puts what a slice took of an axis back where it was, among zeros. */
function scattered(b: Backward, gradient: Value, axis: number, i: number): Value {
  const [x, starts, ends, , steps] = b.node.inputs as readonly Value[];
  const rank = b.shape(x!).length;
  const entry = (list: Value) => b.op("Gather", [list, b.int([i])]);
  const size = b.op("Shape", [x], { start: axis, end: axis + 1 });
  const places = b.op("Range", [b.g.int(0), b.op("Squeeze", [size]), b.g.int(1)]);
  const taken = b.op("Slice", [
    places,
    entry(starts!),
    entry(ends!),
    b.int([0]),
    steps ? entry(steps) : b.int([1]),
  ]);
  const shape = b.op("Shape", [gradient]);
  const alone = b.int(Array.from({ length: rank }, (_, at) => at === axis ? -1 : 1));
  const indices = b.op("Expand", [b.op("Reshape", [taken, alone]), shape]);
  const sizes = b.op("Concat", [
    ...axis > 0 ? [b.op("Shape", [gradient], { end: axis })] : [],
    size,
    ...axis + 1 < rank ? [b.op("Shape", [gradient], { start: axis + 1 })] : [],
  ], { axis: 0 });
  const zeros = b.op("Expand", [b.g.float(0), sizes]);
  return b.op("ScatterElements", [zeros, indices, gradient], { axis });
}

const pad: Rule = (b) => {
  if ((b.node.attributes["mode"] ?? "constant") !== "constant") {
    throw b.refuse("there is a rule for constant padding only");
  }
  if (b.wants(2)) throw b.refuse("there is no gradient by the number that it pads with");
  const [, pads, , axes] = b.node.inputs as readonly Value[];
  const contents = b.g.facts(pads!).contents as readonly number[] | undefined;
  const back = contents ? b.int(contents.map((by) => -by)) : b.op("Neg", [pads]);
  return [b.op("Pad", axes ? [b.fullDy, back, undefined, axes] : [b.fullDy, back])];
};

const gather: Rule = (b) => {
  const [data, indices] = [b.x(0), b.x(1)];
  const shape = b.shape(data), rank = shape.length;
  const axis = axisOf(b.number("axis", 0), rank), size = shape[axis]!;
  const at = b.g.facts(indices).contents;
  if (at && b.shape(indices).length === 0 && typeof size === "number") {
    const place = at[0] as number < 0 ? at[0] as number + size : at[0] as number;
    const pads = new Array<number>(2 * rank).fill(0);
    [pads[axis], pads[rank + axis]] = [place, size - 1 - place];
    return [b.op("Pad", [b.op("Unsqueeze", [b.fullDy, b.int([axis])]), b.int(pads)])];
  }
  // all places that were read, one after the other along one axis
  const output = b.shape(b.y), places = b.shape(indices).length;
  const list: Dimension[] = [...output.slice(0, axis), -1, ...output.slice(axis + places)];
  const names = list.filter((size) => typeof size === "string").length;
  const sizes = names === 0 ? b.int(list as number[]) : b.op("Concat", [
    ...axis > 0 ? [b.op("Shape", [data], { end: axis })] : [],
    b.int([-1]),
    ...axis + 1 < rank ? [b.op("Shape", [data], { start: axis + 1 })] : [],
  ], { axis: 0 });
  const updates = b.op("Reshape", [b.fullDy, sizes]);
  const alone = b.int(Array.from({ length: rank }, (_, i) => i === axis ? -1 : 1));
  const long = b.op("Cast", [b.op("Reshape", [indices, alone])], { to: "int64" });
  const everywhere = b.op("Expand", [long, b.op("Shape", [updates])]);
  const zeros = b.op("Expand", [b.g.float(0), b.shapeValue(data)]);
  return [b.op("ScatterElements", [zeros, everywhere, updates], { axis, reduction: "add" })];
};

/** Rules by operator. */
export const layoutRules: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Expand: (b) => [b.sumTo(b.dy, b.x())],
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Gather: gather,
};
