/**
 * The head as three ONNX models: prediction, gradients, and a whole training step.
 *
 * Everything that differs between heads of one architecture and between steps is an input, so that
 * all of them run in one session: parameters, moments, masks, ξ, learning rate.
 * @module
 */
import { GraphBuilder } from "../../../onnx/graph.ts";
import type { Value } from "../../../onnx/values.ts";
import { type HeadArchitecture, parameterShapes } from "../architecture.ts";
import { gradient } from "../../../onnx/gradient.ts";
import { ADAM, SMALLEST_NORM, SMALLEST_SUM, TEMPERATURE } from "../constants.ts";
import { buildHead, type Head, type Scaled } from "./layers.ts";
import { parameterLayout, type Piece } from "./layout.ts";

/** More than the logarithm of any float32. */
const BEYOND_EXP = 1e4;

/** Model of prediction: `tokens` and parameters in, `logits` [count, 1] and `z` [count, d′] out. */
export function predictionModel(architecture: HeadArchitecture): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  outputHead(g, architecture, buildHead(g, architecture, false));
  return g.build();
}

/** Model of gradients: `signs` [count, 1], −1 where generated, else 1, and `contrastiveWeight` in, losses and `gradient.*` out. */
export function gradientModel(
  architecture: HeadArchitecture,
  dropout: boolean,
): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const head = buildHead(g, architecture, dropout);
  const shapes = parameterShapes(architecture);
  for (const [name, gradient] of buildLoss(g, head, 1)) {
    g.output(`gradient.${name}`, gradient, "float32", shapes.get(name)!);
  }
  outputHead(g, architecture, head);
  return g.build();
}

/**
 * Model of a training step. Beside the inputs of {@linkcode gradientModel}: Adam's `stepSize` and
 * `epsilon`, both with the step's bias correction, and for every chunk of the
 * {@linkcode parameterLayout} its parameters and moments, as `parameters.0`, `firstMoment.0`,
 * `secondMoment.0`; outputs are the losses and the same chunks after the step, as `parameters.0.next`.
 */
export function trainingModel(
  architecture: HeadArchitecture,
  dropout: boolean,
): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const head = buildHead(g, architecture, dropout);
  // gradients come scaled by √(1 − β₂), so that their square needs no factor of its own
  const scale = Math.sqrt(1 - ADAM.beta2);
  const gradients = buildLoss(g, head, scale);
  // parameters are written where they are read, so no update may come before the last gradient
  const done = g.op("ReduceSum", [gradients.get("proj1.1.bias")!], { keepdims: 0 });
  const wait = g.op("Mul", [done, g.float(0)]);
  const stepSize = g.op("Add", [g.input("stepSize", "float32", []), wait]);
  const epsilon = g.input("epsilon", "float32", []);
  const mul = (a: Value, b: Value) => g.op("Mul", [a, b]);
  const pieces = flatPieces(g, gradients);
  parameterLayout(architecture).chunks.forEach(({ length, pieces: parts }, i) => {
    const values = parts.map((piece) => pieces(piece));
    const gradient = values.length === 1 ? values[0]! : g.op("Concat", values, { axis: 0 });
    const input = (name: string) => g.input(`${name}.${i}`, "float32", [length]);
    const output = (name: string, value: Value) =>
      g.output(`${name}.${i}.next`, value, "float32", [length]);
    const firstMoment = g.op("Add", [
      mul(input("firstMoment"), g.float(ADAM.beta1)),
      mul(gradient, g.float((1 - ADAM.beta1) / scale)),
    ]);
    const secondMoment = g.op("Add", [
      mul(input("secondMoment"), g.float(ADAM.beta2)),
      mul(gradient, gradient),
    ]);
    const ratio = g.op("Div", [
      firstMoment,
      g.op("Add", [g.op("Sqrt", [secondMoment]), epsilon]),
    ]);
    output("firstMoment", firstMoment);
    output("secondMoment", secondMoment);
    output("parameters", g.op("Sub", [input("parameters"), mul(ratio, stepSize)]));
  });
  return g.build();
}

function outputHead(
  g: GraphBuilder,
  { projectionDim }: HeadArchitecture,
  { logits, z }: { logits: Value; z: Scaled },
): void {
  g.output("logits", logits, "float32", ["count", 1]);
  const value = z.factor === 1 ? z.value : g.op("Mul", [z.value, g.float(z.factor)]);
  g.output("z", value, "float32", ["count", projectionDim]);
}

/** Adds both losses as outputs `bce` and `supcon`; gives the parameters' gradients times `scale`. */
function buildLoss(
  g: GraphBuilder,
  { logits, z, parameters }: Head,
  scale: number,
): Map<string, Value> {
  const signs = g.input("signs", "float32", ["count", 1]);
  const contrastiveWeight = g.input("contrastiveWeight", "float32", []);
  const bce = crossEntropy(g, logits, signs);
  const supcon = supervisedContrastive(g, z.value, signs);
  g.output("bce", bce, "float32", []);
  g.output("supcon", supcon, "float32", []);
  const scaled = (x: Value) => g.op("Mul", [x, g.float(scale)]);
  const total = g.op("Add", [
    scaled(bce),
    g.op("Mul", [supcon, scaled(contrastiveWeight)]),
  ]);
  const names = [...parameters.keys()];
  const gradients = gradient(g, total, [...parameters.values()]);
  return new Map(names.map((name, i) => [name, gradients[i]!]));
}

/** Binary cross-entropy with logits, summed over the batch; finite for any finite logit. */
function crossEntropy(g: GraphBuilder, logits: Value, signs: Value): Value {
  // −log σ(±x) = softplus(∓x), with + for generated
  const losses = g.op("Softplus", [g.op("Mul", [signs, logits])]); // [count, 1]
  return g.op("ReduceSum", [losses], { keepdims: 0 });
}

/**
 * Supervised contrastive loss, mean over all anchors; one without a positive counts 0.
 * Released: src/utils.py, `SupConLoss`, on `F.normalize(z)`.
 */
function supervisedContrastive(g: GraphBuilder, z: Value, signs: Value): Value {
  const mul = (a: Value, b: Value) => g.op("Mul", [a, b]);
  const sum = (x: Value, axis: number) => g.op("ReduceSum", [x, g.int([axis])], { keepdims: 1 });
  // PyTorch takes the larger of the two: the same float32 for all but lengths under 1e-5
  const length = g.op("Add", [
    g.op("ReduceL2", [z, g.int([1])], { keepdims: 1 }),
    g.float(SMALLEST_NORM),
  ]); // [count, 1]
  const unit = g.op("Div", [z, length]); // [count, d′]
  const similarity = g.op("Gemm", [unit, unit], { transB: 1, alpha: { float: 1 / TEMPERATURE } }); // [count, count]

  const same = g.op("Cast", [g.op("Equal", [signs, g.op("Transpose", [signs])])], {
    to: "float32",
  });
  const self = g.op("EyeLike", [same]);
  const positives = g.op("Sub", [same, self]);
  const positiveCount = sum(positives, 1); // [count, 1]
  const count = g.op("Cast", [g.op("Shape", [signs], { start: 0, end: 1 })], { to: "float32" });
  const share = mul(g.op("Max", [positiveCount, g.float(1)]), count);
  const pull = g.op("Div", [positives, share]); // [count, count]; a row sums to 1/count or 0
  const anchor = sum(pull, 1); // [count, 1]

  // similarities are at most 1/τ: their exponentials cannot overflow, and those with oneself are 0
  const others = g.op("Sub", [similarity, mul(self, g.float(BEYOND_EXP))]);
  const exponentials = g.op("Exp", [others]);
  // a batch of one image has no other
  const partition = g.op("Add", [sum(exponentials, 1), g.float(SMALLEST_SUM)]);
  return g.op("Sub", [
    g.op("ReduceSum", [mul(anchor, g.op("Log", [partition]))], { keepdims: 0 }),
    g.op("ReduceSum", [mul(pull, similarity)], { keepdims: 0 }),
  ]);
}

/** Cuts gradients into the pieces that chunks of the layout are made of. */
function flatPieces(g: GraphBuilder, gradients: ReadonlyMap<string, Value>) {
  const cut = new Map<string, Value[]>();
  return ({ name, index, lengths }: Piece): Value => {
    let values = cut.get(name);
    if (!values) {
      const gradient = gradients.get(name)!;
      const isFlat = g.facts(gradient).shape?.length === 1;
      const flat = isFlat ? gradient : g.op("Reshape", [gradient, g.int([-1])]);
      values = lengths.length === 1
        ? [flat]
        : g.ops("Split", lengths.length, [flat, g.int(lengths)], { axis: 0 });
      cut.set(name, values);
    }
    return values[index]!;
  };
}
