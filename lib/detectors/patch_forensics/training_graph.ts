/**
 * A network of patches in training as ONNX graphs: a whole step of Adam, and logits by the running
 * statistics. All parameters are inputs.
 * @module
 */
import { pixelsFromRgb } from "../../backbones/resnet/graph.ts";
import type { Tensor } from "../../io/tensor.ts";
import { GraphBuilder } from "../../onnx/graph.ts";
import type { Value } from "../../onnx/values.ts";
import { type Adam, addStep } from "../adam_step.ts";
import { CheckpointTensors, type ShapePattern } from "../checkpoint_tensors.ts";
import { isStatistic, LiveNorms } from "../live_norm.ts";
import { type FeatureMap, HALF, PatchLayers, type Window } from "./graph.ts";

/** What a batch normalisation adds to variances, in PyTorch. */
const EPSILON = 1e-5;

/** The layers of a network whose tensors are inputs of the graph. */
class InputLayers extends PatchLayers {
  readonly #shapes: CheckpointTensors;
  readonly inputs: ReadonlyMap<string, Value>;
  readonly norms: LiveNorms;

  constructor(g: GraphBuilder, tensors: ReadonlyMap<string, Tensor>, isLive: boolean) {
    const shapes = new CheckpointTensors("a network in training", tensors, "Patch-Forensics");
    super(g, shapes);
    this.#shapes = shapes;
    this.inputs = new Map(
      [...tensors].map(([name, { shape }]) => [name, g.input(name, "float32", shape)]),
    );
    const weight = (name: string) => this.inputs.get(name)!;
    this.norms = new LiveNorms(g, { weight, epsilon: EPSILON, isLive });
  }

  protected override weight(name: string, shape: ShapePattern): Value {
    this.#shapes.take(name, shape);
    return this.inputs.get(name)!;
  }

  protected override convolve(
    { value, channels }: FeatureMap,
    conv: string,
    norm: string,
    window: Window,
  ): FeatureMap {
    const { kernel } = window;
    const weight = this.weight(`${conv}.weight`, [undefined, channels, kernel, kernel]);
    const normal = this.norms.normalise(this.conv([value, weight], window, 1), norm);
    const { shape } = this.#shapes.take(`${norm}.weight`, [undefined]);
    return { value: normal, channels: shape[0]! };
  }
}

/**
 * Adds the network up to its logits, [N, P] for P patches: how much more likely each is generated than
 * real, so that the cross-entropy over its two channels is that of this one logit.
 */
function addLogits(
  g: GraphBuilder,
  layers: InputLayers,
  [height, width]: readonly [number | string, number | string],
): Value {
  const images = g.input("images", "uint8", ["N", height, width, 3]);
  const pixels = pixelsFromRgb(g, images, { pixelMean: HALF, pixelStd: HALF }); // [N, 3, H, W]
  const apart = g.float([1, -1], [1, 2, 1, 1]);
  const map = g.op("Conv", [layers.map(pixels), apart], { kernel_shape: [1, 1] }); // [N, 1, h, w]
  return g.op("Flatten", [map], { axis: 1 }); // [N, h · w]
}

/** Graph of prediction: `images` of any size and all tensors in, `logits` [N, P] out. */
export function patchLogits(tensors: ReadonlyMap<string, Tensor>): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const layers = new InputLayers(g, tensors, false);
  g.output("logits", addLogits(g, layers, ["H", "W"]), "float32", ["N", "P"]);
  return g.build();
}

/**
 * Graph of a step, as `addStep` makes it, on `images` of one size: the loss is cross-entropy over all
 * patches of all images.
 * Released: patch-forensics, `models/patch_discriminator_model.py`
 */
export function patchStep(
  tensors: ReadonlyMap<string, Tensor>,
  adam: Adam,
  sizePx: readonly [height: number, width: number],
): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder();
  const layers = new InputLayers(g, tensors, true);
  const logits = addLogits(g, layers, sizePx);
  const parameters = new Map([...layers.inputs].filter(([name]) => !isStatistic(name)));
  // every other parameter is read on the way to the gradient of the first layer
  const labels = addStep(g, logits, { parameters, adam, last: "conv1.weight" });
  layers.norms.addNext(labels);
  return g.build();
}
