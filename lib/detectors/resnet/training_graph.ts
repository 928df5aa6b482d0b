/**
 * A ResNet with one logit in training as ONNX graphs: a whole step of Adam, and logits by the running
 * statistics. All parameters are inputs.
 * @module
 */
import { addResnet, pixelsFromRgb } from "../../backbones/resnet/graph.ts";
import { ResnetLayers, type Window } from "../../backbones/resnet/layers.ts";
import type { ResnetWeights } from "../../backbones/resnet/weights.ts";
import { gradient } from "../../onnx/gradient.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import type { PixelNormalisation } from "../pixel_detector.ts";
import { LAST_BIAS, LAST_WEIGHT } from "./checkpoint.ts";

/** What Adam is told besides the rate. */
export interface Adam {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** What is trained. */
export interface TrainedNetwork {
  /** Its sizes, and the names and shapes of its tensors; the last layer is among them. */
  readonly weights: ResnetWeights;
  /** Step of the first convolution and of the maximum after it: 2, or 1 without down-sampling. */
  readonly stemStride: 1 | 2;
  /** What becomes of bytes; absent where images come as float32 [N, 3, H, W], normalised. */
  readonly normalisation?: PixelNormalisation;
  readonly adam: Adam;
}

/** Share of a batch in the running statistics. Source: torchvision's and PyTorch's default. */
const MOMENTUM = .1;

/** Whether a tensor is a running statistic, which no gradient moves. */
export function isStatistic(name: string): boolean {
  return /\.running_(mean|var)$/.test(name);
}

/** The layers of a network whose tensors are inputs of the graph. */
class InputLayers extends ResnetLayers {
  readonly #g: GraphBuilder;
  readonly #epsilon: number;
  readonly #isLive: boolean;
  /** Tensors by name. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** What batches leave in normalisations, by their names: [C] each, and places of an image's map. */
  readonly statistics = new Map<string, { mean: Value; variance: Value; places: number }>();

  /** @param isLive whether normalisations go by the batch, or by the running statistics */
  constructor(g: GraphBuilder, weights: ResnetWeights, isLive: boolean) {
    super(g, weights, "float32", "");
    this.#g = g;
    this.#epsilon = weights.architecture.epsilon;
    this.#isLive = isLive;
    this.inputs = new Map(
      [...weights.tensors].map(([name, { shape }]) => [name, g.input(name, "float32", shape)]),
    );
  }

  override weight(name: string): Value {
    return this.inputs.get(name)!;
  }

  override convolve(x: Value, conv: string, norm: string, { kernelPx, stride }: Window): Value {
    const g = this.#g, pad = Math.floor(kernelPx / 2);
    const y = g.op("Conv", [x, this.weight(`${conv}.weight`)], {
      kernel_shape: [kernelPx, kernelPx],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    }); // [N, O, H′, W′]
    const affine = [y, this.weight(`${norm}.weight`), this.weight(`${norm}.bias`)];
    const running = ["mean", "var"].map((part) => this.weight(`${norm}.running_${part}`));
    const epsilon = { float: this.#epsilon };
    if (!this.#isLive) return g.op("BatchNormalization", [...affine, ...running], { epsilon });
    // with a momentum of 0, what it calls running statistics are those of the batch. ONNX Runtime
    // writes them over those that it is given: each layer needs some of its own, of any value
    const scratch = running.map((value) => g.op("Neg", [value]));
    const attributes = { training_mode: 1, momentum: { float: 0 }, epsilon };
    const inputs = [...affine, ...scratch];
    const [normal, mean, variance] = g.ops("BatchNormalization", 3, inputs, attributes);
    const [height, width] = g.facts(normal!).shape!.slice(2) as number[];
    this.statistics.set(norm, { mean: mean!, variance: variance!, places: height! * width! });
    return normal!;
  }
}

/** Adds the network up to its logits, [N, 1]. */
function addLogits(
  g: GraphBuilder,
  layers: InputLayers,
  { weights, stemStride, normalisation }: Omit<TrainedNetwork, "adam">,
  [height, width]: readonly [number | string, number | string],
): Value {
  const pixels = normalisation
    ? pixelsFromRgb(g, g.input("images", "uint8", ["N", height, width, 3]), {
      pixelMean: normalisation.mean,
      pixelStd: normalisation.std,
    })
    : g.input("images", "float32", ["N", 3, height, width]); // [N, 3, H, W]
  const last = addResnet(g, layers, weights, { pixels, stemStride }); // [N, C, h, w]
  const features = layers.mean(last); // [N, C]
  const inputs = [features, layers.weight(LAST_WEIGHT), layers.weight(LAST_BIAS)];
  return g.op("Gemm", inputs, { transB: 1 }); // [N, 1]
}

/** Graph of prediction: `images` of any size and all tensors in, `logits` [N, 1] out. */
export function logitsModel(network: Omit<TrainedNetwork, "adam">): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const layers = new InputLayers(g, network.weights, false);
  g.output("logits", addLogits(g, layers, network, ["H", "W"]), "float32", ["N", 1]);
  return g.build();
}

/**
 * Graph of a step: `images` of one size, `labels` [N, 1], all tensors, and `NAME.first` and
 * `NAME.second`, Adam's moments of each parameter; `stepSize` and `epsilon`, Adam's of this step, both
 * with its bias correction. Outputs are `loss`, binary cross-entropy before the step, mean over the
 * batch, and every tensor and moment after it, as `NAME.next`. They may be written where they are
 * read: no parameter is changed before the last gradient is there.
 */
export function stepModel(
  network: TrainedNetwork,
  sizePx: readonly [height: number, width: number],
): Uint8Array<ArrayBuffer> {
  const { weights, adam } = network;
  const g = new GraphBuilder();
  const layers = new InputLayers(g, weights, true);
  const logits = addLogits(g, layers, network, sizePx);
  const labels = g.input("labels", "float32", ["N", 1]);
  const losses = g.op("Sub", [g.op("Softplus", [logits]), g.op("Mul", [logits, labels])]); // [N, 1]
  const loss = g.op("ReduceMean", [losses], { keepdims: 0 });
  g.output("loss", loss, "float32", []);

  const names = [...layers.inputs.keys()].filter((name) => !isStatistic(name));
  const found = gradient(g, loss, names.map((name) => layers.weight(name)));
  const gradients = new Map(names.map((name, i) => [name, found[i]!]));
  const update = updater(g, layers, adam, gradients);
  for (const name of names) update(name);
  addStatistics(g, layers, labels);
  return g.build();
}

/** Adds a step of Adam for a parameter. */
function updater(
  g: GraphBuilder,
  layers: InputLayers,
  { beta1, beta2 }: Adam,
  gradients: ReadonlyMap<string, Value>,
): (name: string) => void {
  const mul = (a: Value, b: Value) => g.op("Mul", [a, b]);
  // every other parameter is read on the way to this gradient, and none after it
  const first = gradients.get("conv1.weight")!;
  const wait = mul(g.op("ReduceMax", [first], { keepdims: 0 }), g.float(0));
  const stepSize = g.op("Add", [g.input("stepSize", "float32", []), wait]);
  const epsilon = g.input("epsilon", "float32", []);
  return (name) => {
    const parameter = layers.weight(name), slope = gradients.get(name)!;
    const shape = g.facts(parameter).shape!;
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
  };
}

/** Adds the running statistics after a batch; the variance among them is the unbiased one. */
function addStatistics(g: GraphBuilder, layers: InputLayers, labels: Value): void {
  const images = g.op("Cast", [g.op("Shape", [labels], { start: 0, end: 1 })], { to: "float32" });
  const mixed = (name: string, batch: Value) => {
    const running = layers.weight(name);
    const before = g.op("Mul", [running, g.float(1 - MOMENTUM)]);
    const after = g.op("Add", [before, g.op("Mul", [batch, g.float(MOMENTUM)])]);
    g.output(`${name}.next`, after, "float32", g.facts(running).shape!);
  };
  const corrections = new Map<number, Value>();
  for (const [norm, { mean, variance, places }] of layers.statistics) {
    let correction = corrections.get(places);
    if (!correction) {
      const count = g.op("Mul", [images, g.float(places)]); // [1]
      correction = g.op("Div", [count, g.op("Sub", [count, g.float(1)])]);
      corrections.set(places, correction);
    }
    mixed(`${norm}.running_mean`, mean);
    mixed(`${norm}.running_var`, g.op("Mul", [variance, correction]));
  }
}
