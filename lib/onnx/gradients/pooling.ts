/**
 * Rules of pooling and of resizing.
 * @module
 */
import type { Value } from "../values.ts";
import { sizeOf } from "../../io/tensor.ts";
import { ofMean } from "./reduction.ts";
import { transposed } from "./product.ts";
import type { Backward, Rule } from "./rule.ts";

const maxPool: Rule = (b) => {
  if (b.number("storage_order", 0) !== 0) {
    throw b.refuse("there is a rule for storage_order 0 only");
  }
  const [, places] = b.g.moreOutputs(b.node, 2);
  const list = b.int([-1]);
  const shape = b.shapeValue(b.x());
  const count = b.op("ReduceProd", [shape], { keepdims: 1 });
  const zeros = b.op("ConstantOfShape", [count]);
  const sums = b.op("ScatterElements", [
    zeros,
    b.op("Reshape", [places, list]),
    b.op("Reshape", [b.fullDy, list]),
  ], { axis: 0, reduction: "add" });
  return [b.op("Reshape", [sums, shape])];
};

const averagePool: Rule = (b) => {
  if (b.number("ceil_mode", 0) !== 0) throw b.refuse("there is a rule for ceil_mode 0 only");
  const kernel = b.ints("kernel_shape")!, rank = kernel.length;
  const strides = b.ints("strides") ?? kernel.map(() => 1);
  const pads = b.ints("pads") ?? new Array<number>(2 * rank).fill(0);
  const isPadded = pads.some((pad) => pad !== 0);
  const shares = isPadded && !b.number("count_include_pad", 0) ? windowShares(b) : undefined;
  const each = b.times(shares ? b.op("Div", [b.fullDy, shares]) : b.fullDy, 1 / sizeOf(kernel));
  const input = b.shape(b.x()).slice(2), output = b.shape(b.y).slice(2);
  const isTiling = !isPadded && kernel.every((size, i) => size === strides[i]) &&
    [...input, ...output].every((size) => typeof size === "number");
  // every channel of every image by itself
  const single = b.op("Reshape", [each, b.int([-1, 1, ...kernel.map(() => 0)])]);
  if (isTiling) {
    const sizes = output as number[];
    const apart = b.op("Reshape", [each, b.int([-1, ...sizes.flatMap((size) => [size, 1])])]);
    const tiles = b.op("Expand", [apart, b.int([1, ...kernel.flatMap((k) => [1, k])])]);
    const whole = b.op("Reshape", [
      tiles,
      b.int([-1, ...sizes.map((size, i) => size * kernel[i]!)]),
    ]);
    const rest = input.map((size, i) => size as number - sizes[i]! * kernel[i]!);
    const back = rest.every((pad) => pad === 0)
      ? whole
      : b.op("Pad", [whole, b.int([0, ...rest.map(() => 0), 0, ...rest])]);
    return [b.reshaped(back, b.x())];
  }
  const rest = input.map((size, i) => {
    if (typeof size !== "number") {
      if (strides[i] === 1) return 0;
      throw b.refuse("the sizes of its input are not known");
    }
    return (size + pads[i]! + pads[i + rank]! - kernel[i]!) % strides[i]!;
  });
  const weights = b.g.float(new Array<number>(sizeOf(kernel)).fill(1), [1, 1, ...kernel]);
  const back = b.op("ConvTranspose", [single, weights], {
    kernel_shape: kernel,
    strides,
    pads,
    output_padding: rest,
  });
  return [b.reshaped(back, b.x())];
};

/** What part of each window lies on the picture. */
function windowShares(b: Backward): Value {
  const sizes = b.op("Shape", [b.x()], { start: 2 });
  const ones = b.op("Expand", [
    b.g.float(1),
    b.op("Concat", [b.int([1, 1]), sizes], { axis: 0 }),
  ]);
  return b.op("AveragePool", [ones], { ...b.node.attributes, count_include_pad: 1 });
}

const globalAverage: Rule = (b) => {
  const axes = b.shape(b.x()).flatMap((_, axis) => axis < 2 ? [] : [axis]);
  return [ofMean(b, b.dy, b.x(), axes)];
};

const resize: Rule = (b) => {
  const [, , scales] = b.node.inputs;
  const input = b.shape(b.x()), output = b.shape(b.y), rank = input.length;
  const resized = input.flatMap((size, axis) => size === output[axis] ? [] : [axis]);
  if (resized.some((axis) => axis < rank - 2)) {
    throw b.refuse("there is a rule for the last two axes only");
  }
  const factors = input.map((size, axis) => {
    if (size === output[axis]) return 1;
    return scales ? b.constants(scales)[axis]! : Number(output[axis]) / Number(size);
  });
  const { mode, coordinate_transformation_mode: places, nearest_mode: nearest } = b.node.attributes;
  const isRepeat = (mode ?? "nearest") === "nearest" && rank === 4 &&
    places === "asymmetric" && nearest === "floor" && factors.every(Number.isInteger);
  if (isRepeat) {
    const kernel = factors.slice(2);
    const mean = b.op("AveragePool", [b.fullDy], { kernel_shape: kernel, strides: kernel });
    return [b.times(mean, sizeOf(kernel))];
  }
  // resizing is linear: along an axis its matrix is what it makes of the unit vectors
  return [resized.reduce((gradient, axis) => {
    const matrix = resizeMatrix(b, axis);
    return axis === rank - 1
      ? b.op("MatMul", [gradient, matrix])
      : b.op("MatMul", [transposed(b, matrix), gradient]);
  }, b.fullDy)];
};

/** The operator along one axis as a matrix, [after, before]. */
function resizeMatrix(b: Backward, axis: number): Value {
  const [, , scales, sizes] = b.node.inputs;
  const before = b.size(b.x(), axis);
  const unit = b.g.float(
    Float32Array.from({ length: before ** 2 }, (_, i) => i % (before + 1) === 0 ? 1 : 0),
    [before, before],
  );
  const to = sizes
    ? [undefined, b.int([b.size(b.y, axis), before])]
    : [b.g.float([b.constants(scales!)[axis]!, 1])];
  return b.op("Resize", [unit, undefined, ...to], b.node.attributes);
}

/** Rules by operator. */
export const poolingRules: Readonly<Record<string, Rule>> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAverage,
  Resize: resize,
};
