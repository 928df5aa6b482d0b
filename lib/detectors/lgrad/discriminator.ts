/**
 * StyleGAN's discriminator and the picture that its gradient makes, as an ONNX graph. One image, C
 * channels, maps of R × R places.
 * Paper: Karras et al., CVPR 2019. Released: LGrad, img2gad_pytorch/models/stylegan_discriminator.py
 * @module
 */
import { gradient } from "../../onnx/gradient.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import { type Tensor, tensor } from "../../io/tensor.ts";
import type { Value } from "../../onnx/values.ts";
import type { CheckpointTensors } from "../checkpoint_tensors.ts";

/** Side of the last map, pixels. */
export const LAST_SIZE = 4;

/** Side of the smallest map at which the network averages kernels instead of results. */
const FUSED_FROM = 128;

/** Slope of activations below 0. */
const SLOPE = .2;

/** The network's own gain of every layer but the last: weights are scaled by it over √fan-in. */
export const GAIN = Math.SQRT2;

/** Deviation over a batch of one image: √ε, in every place of the channel that is for it. */
const DEVIATION_OF_ONE = Math.sqrt(1e-8);

/** Tensors that the network at full resolution has no use for. */
const UNUSED = /^(?:lod$|input[1-9]\d*\.)/;

/** Names of a discriminator's tensors that tell it from other networks. */
const MARKS = ["input0.weight", "layer0.weight", "layer1.blur.kernel"];

/** Whether these are the tensors of a discriminator. */
export function isDiscriminator(names: ReadonlySet<string>): boolean {
  return MARKS.every((name) => names.has(name));
}

/**
 * Side in pixels of the images that a discriminator takes: 4 in the last map, doubled by every second
 * layer before.
 */
export function resolutionOf(names: ReadonlySet<string>): number {
  let layers = 0;
  while (names.has(`layer${layers}.weight`)) layers++;
  return LAST_SIZE * 2 ** Math.floor((layers - 3) / 2);
}

/** What the graph gives besides the picture. */
export interface DiscriminatorGraphOptions {
  /** Whether to give `score` [1, 1] and `gradient`, float32 [1, 3, R, R], too; default no. */
  readonly numbers?: boolean;
  /** Whether red and blue are exchanged in the picture, as in SIDBench's code; default no. */
  readonly swapped?: boolean;
}

/**
 * Builds the graph. Input: `images`, uint8 [1, R, R, 3]. Output: `picture`, uint8 [1, R, R, 3], the
 * gradient of the score by the pixels, from its least value to its largest over all pixels and
 * channels, rounded to 8 bits; and these two values, `least` and `most`, float32 []. It takes one image at a time: in a batch, the deviation over the images
 * would make each one's gradient hang on its neighbours.
 * Released: LGrad, img2gad_pytorch/gen_imggrad.py
 * @throws {UserError} where tensors are missing, left over or of other shapes
 */
export function buildGradientGraph(
  tensors: CheckpointTensors,
  { numbers = false, swapped = false }: DiscriminatorGraphOptions = {},
): Uint8Array<ArrayBuffer> {
  const resolution = resolutionOf(new Set(tensors.names));
  const g = new GraphBuilder();
  const images = g.input("images", "uint8", [1, resolution, resolution, 3]);
  const values = g.op("Cast", [images], { to: "float32" });
  const unit = g.op("Div", [values, g.float(255)]);
  const scaled = g.op("Div", [g.op("Sub", [unit, g.float(.5)]), g.float(.5)]);
  const pixels = g.op("Transpose", [scaled], { perm: [0, 3, 1, 2] }); // [1, 3, R, R]
  const score = new DiscriminatorLayers(g, tensors).score(pixels, resolution); // [1, 1]
  tensors.assertAllTaken(UNUSED);
  const [byPixels] = gradient(g, score, [pixels]); // [1, 3, R, R]
  if (numbers) {
    g.output("score", score, "float32", [1, 1]);
    g.output("gradient", byPixels!, "float32", [1, 3, resolution, resolution]);
  }
  const [least, most] = ["ReduceMin", "ReduceMax"].map((type) =>
    g.op(type, [byPixels!], { keepdims: 0 })
  ) as [Value, Value];
  g.output("least", least, "float32", []);
  g.output("most", most, "float32", []);
  const picture = pictureOf(g, byPixels!, least, swapped);
  g.output("picture", picture, "uint8", [1, resolution, resolution, 3]);
  return g.build();
}

/** float32 [1, 3, R, R] → uint8 [1, R, R, 3]; a gradient that is the same everywhere is black. */
function pictureOf(g: GraphBuilder, byPixels: Value, least: Value, swapped: boolean): Value {
  const above = g.op("Sub", [byPixels, least]);
  const most = g.op("ReduceMax", [above], { keepdims: 0 });
  const divisor = g.op("Where", [g.op("Equal", [most, g.float(0)]), g.float(1), most]);
  const levels = g.op("Mul", [g.op("Div", [above, divisor]), g.float(255)]);
  const rounded = g.op("Cast", [g.op("Round", [levels])], { to: "uint8" }); // halves to even
  const rgb = g.op("Transpose", [rounded], { perm: [0, 2, 3, 1] });
  return swapped ? g.op("Gather", [rgb, g.int([2, 1, 0])], { axis: 3 }) : rgb;
}

/** Adds layers, named as their weights are, to a graph. */
class DiscriminatorLayers {
  readonly #g: GraphBuilder;
  readonly #tensors: CheckpointTensors;

  constructor(g: GraphBuilder, tensors: CheckpointTensors) {
    this.#g = g;
    this.#tensors = tensors;
  }

  /** [1, 3, R, R] → [1, 1] */
  score(pixels: Value, resolution: number): Value {
    const g = this.#g;
    let x = this.#activate(this.#convolve(pixels, "input0", 3, { kernel: 1 }));
    let layer = 0;
    for (let size = resolution; size > LAST_SIZE; size /= 2) {
      x = this.#activate(this.#convolve(x, `layer${layer}`, this.#channels, { pad: 1 }));
      x = this.#halve(this.#blur(x, `layer${layer + 1}`), `layer${layer + 1}`, size);
      x = this.#activate(x); // [1, C′, size / 2, size / 2]
      layer += 2;
    }
    const deviation = new Float32Array(LAST_SIZE ** 2).fill(DEVIATION_OF_ONE);
    const channel = g.float(deviation, [1, 1, LAST_SIZE, LAST_SIZE]);
    const last = g.op("Concat", [x, channel], { axis: 1 }); // [1, C + 1, 4, 4]
    x = this.#activate(this.#convolve(last, `layer${layer}`, this.#channels + 1, { pad: 1 }));
    const flat = g.op("Flatten", [x], { axis: 1 }); // [1, C · 4 · 4]
    const features = this.#channels * LAST_SIZE ** 2;
    const hidden = this.#activate(this.#dense(flat, `layer${layer + 1}`, features, GAIN));
    return this.#dense(hidden, `layer${layer + 2}`, this.#channels, 1, 1);
  }

  /** Of the map that was made last. */
  #channels = 0;

  /** Weights of a layer, scaled as the network scales them when it runs, and its bias. */
  #parameters(
    layer: string,
    shape: readonly (number | undefined)[],
    gain: number,
  ): [weight: Tensor, bias: Tensor] {
    const weight = this.#tensors.take(`${layer}.weight`, shape);
    const outputs = weight.shape[0]!;
    const scale = gain / Math.sqrt(weight.data.length / outputs);
    const bias = this.#tensors.take(`${layer}.bias`, [outputs]);
    this.#channels = outputs;
    return [tensor(weight.data.map((value) => value * scale), weight.shape), bias];
  }

  #constant({ data, shape }: Tensor): Value {
    return this.#g.float(data, shape);
  }

  #convolve(
    x: Value,
    layer: string,
    inputs: number,
    { kernel = 3, pad = 0, stride = 1 },
  ): Value {
    const parameters = this.#parameters(layer, [undefined, inputs, kernel, kernel], GAIN);
    return this.#g.op("Conv", [x, ...parameters.map((values) => this.#constant(values))], {
      kernel_shape: [kernel, kernel],
      pads: [pad, pad, pad, pad],
      strides: [stride, stride],
    });
  }

  #dense(x: Value, layer: string, inputs: number, gain: number, outputs?: number): Value {
    const parameters = this.#parameters(layer, [outputs, inputs], gain);
    const constants = parameters.map((values) => this.#constant(values));
    return this.#g.op("Gemm", [x, ...constants], { transB: 1 });
  }

  #activate(x: Value): Value {
    return this.#g.op("LeakyRelu", [x], { alpha: { float: SLOPE } });
  }

  /** Each channel smoothed by the layer's kernel. */
  #blur(x: Value, layer: string): Value {
    const kernel = this.#tensors.take(`${layer}.blur.kernel`, [this.#channels, 1, 3, 3]);
    return this.#eachChannel(x, kernel.data, 3);
  }

  /**
   * A 3 × 3 convolution whose result is averaged over 2 × 2 places. Of large maps the network itself
   * averages the kernel over four shifts instead, which is the same, and rounds so. Of others the
   * averages come first and the convolution takes every other one: a quarter of the products.
   */
  #halve(x: Value, layer: string, size: number): Value {
    if (size < FUSED_FROM) {
      const box = new Float32Array(this.#channels * 4).fill(1 / 4);
      return this.#convolve(this.#eachChannel(x, box, 2), layer, this.#channels, { stride: 2 });
    }
    const [kernel, bias] = this.#parameters(layer, [undefined, this.#channels, 3, 3], GAIN);
    const fused = tensor(averagedKernels(kernel.data), [...kernel.shape.slice(0, 2), 4, 4]);
    return this.#g.op("Conv", [x, this.#constant(fused), this.#constant(bias)], {
      kernel_shape: [4, 4],
      pads: [1, 1, 1, 1],
      strides: [2, 2],
    });
  }

  #eachChannel(x: Value, kernels: Float32Array, kernel: number): Value {
    const channels = this.#channels;
    return this.#g.op("Conv", [x, this.#g.float(kernels, [channels, 1, kernel, kernel])], {
      kernel_shape: [kernel, kernel],
      pads: [1, 1, 1, 1],
      group: channels,
    });
  }
}

/** [count, 3, 3] → [count, 4, 4]: the mean of the kernel at its four places. */
function averagedKernels(kernels: Float32Array): Float32Array {
  const averaged = new Float32Array(kernels.length / 9 * 16);
  kernels.forEach((value, i) => {
    const at = Math.floor(i / 9) * 16 + Math.floor(i % 9 / 3) * 4 + i % 3;
    for (const shift of [0, 1, 4, 5]) averaged[at + shift]! += value / 4;
  });
  return averaged;
}
