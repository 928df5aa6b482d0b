/**
 * A ResNet with one logit in training as ONNX graphs: a whole step of Adam, and logits by the running
 * statistics. All parameters are inputs.
 * @module
 */
import { addResnet, pixelsFromRgb } from "../../backbones/resnet/graph.ts";
import { ResnetLayers, type Window } from "../../backbones/resnet/layers.ts";
import type { ResnetWeights } from "../../backbones/resnet/weights.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import { type Adam, addStep } from "../adam_step.ts";
import { isStatistic, LiveNorms } from "../live_norm.ts";
import type { PixelNormalisation } from "../pixel_detector.ts";
import { LAST_BIAS, LAST_WEIGHT } from "./checkpoint.ts";

/** What is trained. */
export interface TrainedNetwork {
  /** Its sizes, and the names and shapes of its tensors; the last layer is among them. */
  readonly weights: ResnetWeights;
  /** Step of the first convolution and of the maximum after it: 2, or 1 without down-sampling. */
  readonly stemStride: 1 | 2;
  /** What becomes of bytes; absent where images come as float32 [N, 3, H, W], normalised. */
  readonly normalisation?: PixelNormalisation;
  readonly adam: Adam;
  /**
   * Adds what makes logits [N, 1] of the maps of the stages, [N, C, H′, W′] each; by default the last
   * layer, on the means of the last map.
   * @param weight a tensor of `weights` by its name
   */
  readonly head?: (
    g: GraphBuilder,
    weight: (name: string) => Value,
    maps: readonly Value[],
  ) => Value;
}

/** The layers of a network whose tensors are inputs of the graph. */
class InputLayers extends ResnetLayers {
  readonly #g: GraphBuilder;
  /** Tensors by name. */
  readonly inputs: ReadonlyMap<string, Value>;
  readonly norms: LiveNorms;

  /** @param isLive whether normalisations go by the batch, or by the running statistics */
  constructor(g: GraphBuilder, weights: ResnetWeights, isLive: boolean) {
    super(g, weights, "float32", "");
    this.#g = g;
    this.inputs = new Map(
      [...weights.tensors].map(([name, { shape }]) => [name, g.input(name, "float32", shape)]),
    );
    const { epsilon } = weights.architecture;
    this.norms = new LiveNorms(g, { weight: (name) => this.weight(name), epsilon, isLive });
  }

  override weight(name: string): Value {
    return this.inputs.get(name)!;
  }

  override convolve(x: Value, conv: string, norm: string, { kernelPx, stride }: Window): Value {
    const pad = Math.floor(kernelPx / 2);
    const y = this.#g.op("Conv", [x, this.weight(`${conv}.weight`)], {
      kernel_shape: [kernelPx, kernelPx],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    }); // [N, O, H′, W′]
    return this.norms.normalise(y, norm);
  }
}

/** Adds the network up to its logits, [N, 1]. */
function addLogits(
  g: GraphBuilder,
  layers: InputLayers,
  { weights, stemStride, normalisation, head }: Omit<TrainedNetwork, "adam">,
  [height, width]: readonly [number | string, number | string],
): Value {
  const pixels = normalisation
    ? pixelsFromRgb(g, g.input("images", "uint8", ["N", height, width, 3]), {
      pixelMean: normalisation.mean,
      pixelStd: normalisation.std,
    })
    : g.input("images", "float32", ["N", 3, height, width]); // [N, 3, H, W]
  const maps: Value[] = [];
  const onMap = (name: string, map: Value) => {
    if (name !== "stem") maps.push(map);
  };
  const last = addResnet(g, layers, weights, { pixels, stemStride, onMap }); // [N, C, h, w]
  if (head) return head(g, (name) => layers.weight(name), maps);
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
  const parameters = [...layers.inputs].filter(([name]) => !isStatistic(name));
  // every other parameter is read on the way to the gradient of the first layer
  const labels = addStep(g, logits, {
    ...{ parameters: new Map(parameters), adam, last: "conv1.weight" },
  });
  layers.norms.addNext(labels);
  return g.build();
}
