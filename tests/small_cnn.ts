/** Convolutional networks in training as graphs: torchvision's ResNet, and a feature pyramid on top of it. */
import { addPyramidLogits } from "../lib/detectors/pyramid/layers.ts";
import type { GraphBuilder } from "../lib/onnx/graph.ts";
import type { Value } from "../lib/onnx/values.ts";

/** What a network is built of. */
export interface CnnParts {
  readonly g: GraphBuilder;
  /** Parameters by torchvision's names. */
  readonly parameters: ReadonlyMap<string, Value>;
  /** Bottleneck blocks of the four layers. */
  readonly layers: readonly number[];
  /** What batch normalisation adds to variances. */
  readonly epsilon: number;
  /** Where batch normalisation leaves mean and variance of the batch, by its name. */
  readonly statistics: Map<string, readonly [mean: Value, variance: Value]>;
  /** What each batch normalisation gives, by its name. */
  readonly normalised: Map<string, Value>;
}

function conv({ g, parameters }: CnnParts, x: Value, name: string, stride = 1): Value {
  const weight = parameters.get(`${name}.weight`)!;
  const kernel = g.facts(weight).shape!.slice(2) as number[];
  const pads = [...kernel, ...kernel].map((size) => (size - 1) / 2);
  const inputs = [x, weight, parameters.get(`${name}.bias`)];
  return g.op("Conv", inputs.filter((input) => input !== undefined), {
    kernel_shape: kernel,
    strides: [stride, stride],
    pads,
  });
}

function norm(parts: CnnParts, x: Value, name: string): Value {
  const { g, parameters, epsilon, statistics, normalised } = parts;
  const scale = parameters.get(`${name}.weight`)!, bias = parameters.get(`${name}.bias`)!;
  const channels = g.facts(scale).shape![0] as number;
  const before = [0, 1].map((value) => g.float(new Float32Array(channels).fill(value)));
  const [y, mean, variance] = g.ops("BatchNormalization", 3, [x, scale, bias, ...before], {
    training_mode: 1,
    // what it calls running statistics are then those of the batch
    momentum: { float: 0 },
    epsilon: { float: epsilon },
  });
  statistics.set(name, [mean!, variance!]);
  normalised.set(name, y!);
  return y!;
}

/** [N, 3, H, W] to the maps after each of the four layers. */
export function resnetStages(parts: CnnParts, pixels: Value, prefix = ""): Value[] {
  const { g, parameters, layers } = parts;
  const relu = (x: Value) => g.op("Relu", [x]);
  const stem = relu(norm(parts, conv(parts, pixels, `${prefix}conv1`, 2), `${prefix}bn1`));
  let x = g.op("MaxPool", [stem], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  return layers.map((count, layer) => {
    for (let block = 0; block < count; block++) {
      const name = `${prefix}layer${layer + 1}.${block}`;
      const stride = layer > 0 && block === 0 ? 2 : 1;
      let y = relu(norm(parts, conv(parts, x, `${name}.conv1`), `${name}.bn1`));
      y = relu(norm(parts, conv(parts, y, `${name}.conv2`, stride), `${name}.bn2`));
      y = norm(parts, conv(parts, y, `${name}.conv3`), `${name}.bn3`);
      const shortcut = parameters.has(`${name}.downsample.0.weight`)
        ? norm(parts, conv(parts, x, `${name}.downsample.0`, stride), `${name}.downsample.1`)
        : x;
      x = relu(g.op("Add", [y, shortcut]));
    }
    return x;
  });
}

function linear({ g, parameters }: CnnParts, x: Value): Value {
  return g.op("Gemm", [x, parameters.get("fc.weight"), parameters.get("fc.bias")], { transB: 1 });
}

/** [N, 3, H, W] to logits [N, 1]. */
export function resnet(parts: CnnParts, pixels: Value): Value {
  const { g } = parts;
  const pooled = g.op("GlobalAveragePool", [resnetStages(parts, pixels).at(-1)]);
  return linear(parts, g.op("Flatten", [pooled]));
}

/** [N, 3, H, W] to logits [N, 1], by way of a feature pyramid. */
export function pyramid(parts: CnnParts, pixels: Value): Value {
  const { g, parameters } = parts;
  const maps = resnetStages(parts, pixels, "body.");
  return addPyramidLogits(g, (name) => parameters.get(name)!, maps);
}
