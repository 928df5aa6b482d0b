/**
 * Rules of normalisations.
 * @module
 */
import type { Value } from "../values.ts";
import { axisOf } from "../sizes.ts";
import { meanOver, ofMean } from "./reduction.ts";
import type { Backward, Rule } from "./rule.ts";

/** Axes of a value but its channels. */
function besideChannels(b: Backward): number[] {
  return b.shape(b.x()).flatMap((_, axis) => axis === 1 ? [] : [axis]);
}

/** 1 / √(variance + ε). */
function inverseDeviation(b: Backward, variance: Value): Value {
  const shifted = b.op("Add", [variance, b.g.float(b.number("epsilon", 1e-5))]);
  return b.op("Reciprocal", [b.op("Sqrt", [shifted])]);
}

/** Mean and variance of a batch, [C] each. */
function batchStatistics(b: Backward): [mean: Value, variance: Value] {
  if (b.number("momentum", .9) === 0) {
    // its running statistics are then those of the batch
    const [, mean, variance] = b.g.moreOutputs(b.node, 3);
    return [mean!, variance!];
  }
  const axes = besideChannels(b);
  const mean = meanOver(b, b.x(), axes);
  const apart = b.op("Sub", [b.x(), mean]);
  const variance = meanOver(b, b.op("Mul", [apart, apart]), axes);
  const list = (x: Value) => b.op("Reshape", [x, b.int([-1])]);
  return [list(mean), list(variance)];
}

const batchNormalisation: Rule = (b) => {
  const isTraining = b.number("training_mode", 0) === 1;
  if (b.upstream.slice(1).some((value) => value !== undefined)) {
    throw b.refuse("there is no gradient through its statistics");
  }
  if (!isTraining && (b.wants(3) || b.wants(4))) {
    throw b.refuse("there is no gradient by its mean and variance");
  }
  const x = b.x(), dy = b.fullDy, axes = besideChannels(b);
  const across = (list: Value) => b.perChannel(list, b.shape(x).length);
  const [mean, variance] = isTraining ? batchStatistics(b) : [b.x(3), b.x(4)];
  const inverse = inverseDeviation(b, variance); // [C]
  const isWhole = isTraining || b.wants(1);
  const apart = isWhole ? b.op("Sub", [x, across(mean)]) : undefined; // [N, C, …]
  const along = apart && b.sum(b.mul(dy, apart), axes, 0); // [C]
  const total = isTraining || b.wants(2) ? b.sum(dy, axes, 0) : undefined; // [C]
  const byInput = () => {
    const slope = across(b.op("Mul", [b.x(1), inverse]));
    if (!isTraining) return b.mul(dy, slope);
    const share = ofMean(b, b.mul(along!, b.op("Mul", [inverse, inverse])), x, axes);
    const shift = ofMean(b, total!, x, axes);
    const centred = b.op("Sub", [dy, across(shift)]);
    return b.mul(b.op("Sub", [centred, b.mul(apart!, across(share))]), slope);
  };
  return [
    b.wants(0) ? byInput() : undefined,
    b.wants(1) ? b.mul(along!, inverse) : undefined,
    total,
  ];
};

/** The gradient through (x − mean) · inverse, both over axes, by that by the result. */
function throughNormal(
  b: Backward,
  { normal, inverse, axes }: { normal: Value; inverse: Value; axes: readonly number[] },
  gradient: Value,
): Value {
  const along = meanOver(b, b.mul(gradient, normal), axes);
  const centred = b.op("Sub", [gradient, meanOver(b, gradient, axes)]);
  return b.mul(b.op("Sub", [centred, b.mul(normal, along)]), inverse);
}

const layerNormalisation: Rule = (b) => {
  const x = b.x(), dy = b.fullDy, rank = b.shape(x).length;
  const first = axisOf(b.number("axis", -1), rank);
  const axes = Array.from({ length: rank - first }, (_, i) => first + i);
  const [, mean, inverse] = b.g.moreOutputs(b.node, 3) as [Value, Value, Value];
  const normal = b.mul(b.op("Sub", [x, mean]), inverse);
  return [
    b.wants(0) ? throughNormal(b, { normal, inverse, axes }, b.mul(dy, b.x(1))) : undefined,
    b.wants(1) ? b.sumTo(b.mul(dy, normal), b.x(1)) : undefined,
    b.wants(2) ? b.sumTo(dy, b.x(2)) : undefined,
  ];
};

const instanceNormalisation: Rule = (b) => {
  const x = b.x(), dy = b.fullDy, rank = b.shape(x).length;
  const axes = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  const apart = b.op("Sub", [x, meanOver(b, x, axes)]);
  const inverse = inverseDeviation(b, meanOver(b, b.op("Mul", [apart, apart]), axes));
  const normal = b.mul(apart, inverse);
  const scale = b.perChannel(b.x(1), rank);
  return [
    b.wants(0) ? throughNormal(b, { normal, inverse, axes }, b.mul(dy, scale)) : undefined,
    b.wants(1) ? b.sum(b.mul(dy, normal), besideChannels(b), 0) : undefined,
    b.wants(2) ? b.sum(dy, besideChannels(b), 0) : undefined,
  ];
};

/** Rules by operator. */
export const normalisationRules: Readonly<Record<string, Rule>> = {
  BatchNormalization: batchNormalisation,
  LayerNormalization: layerNormalisation,
  InstanceNormalization: instanceNormalisation,
};
