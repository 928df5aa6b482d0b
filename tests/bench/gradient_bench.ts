/**
 * What it costs to add the gradient to a graph of some 500 operators, by all parameters: a plain
 * network of matrix products, and ResNet-152, whose batch normalisations have the longest rules.
 *
 *     deno bench --allow-all tests/bench/gradient_bench.ts
 *
 * @module
 */
import { gradient } from "../../lib/onnx/gradient.ts";
import { GraphBuilder } from "../../lib/onnx/graph.ts";
import type { Value } from "../../lib/onnx/values.ts";
import { resnet } from "../small_cnn.ts";

/** A graph, its scalar, and what the gradient is by. */
interface Differentiable {
  readonly g: GraphBuilder;
  readonly scalar: Value;
  readonly by: readonly Value[];
}

function plainNetwork(operators: number): Differentiable {
  const g = new GraphBuilder(), width = 64;
  const by: Value[] = [];
  let x = g.input("x", "float32", ["N", width]);
  while (g.nodes.length < operators - 1) {
    const weights = g.input(`weight${by.length}`, "float32", [width, width]);
    const bias = g.input(`bias${by.length}`, "float32", [width]);
    by.push(weights, bias);
    const hidden = g.op("Relu", [g.op("Gemm", [x, weights, bias], { transB: 1 })]);
    x = g.op("Add", [x, g.op("Mul", [g.op("Sigmoid", [hidden]), hidden])]);
  }
  return { g, scalar: g.op("ReduceSum", [x], { keepdims: 0 }), by };
}

function resnet152(): Differentiable {
  const g = new GraphBuilder(), layers = [3, 8, 36, 3];
  const parameters = new Map<string, Value>();
  const add = (name: string, shape: readonly number[]) =>
    void parameters.set(name, g.input(name, "float32", shape));
  const unit = (conv: string, norm: string, outputs: number, inputs: number, kernel: number) => {
    add(`${conv}.weight`, [outputs, inputs, kernel, kernel]);
    add(`${norm}.weight`, [outputs]);
    add(`${norm}.bias`, [outputs]);
  };
  unit("conv1", "bn1", 64, 3, 7);
  let channels = 64;
  layers.forEach((count, layer) => {
    const width = 64 << layer, wide = 4 * width;
    for (let block = 0; block < count; block++) {
      const name = `layer${layer + 1}.${block}`;
      unit(`${name}.conv1`, `${name}.bn1`, width, channels, 1);
      unit(`${name}.conv2`, `${name}.bn2`, width, width, 3);
      unit(`${name}.conv3`, `${name}.bn3`, wide, width, 1);
      if (block === 0) unit(`${name}.downsample.0`, `${name}.downsample.1`, wide, channels, 1);
      channels = wide;
    }
  });
  add("fc.weight", [1, channels]);
  add("fc.bias", [1]);
  const pixels = g.input("pixels", "float32", ["N", 3, 224, 224]);
  const parts = {
    g,
    parameters,
    layers,
    epsilon: 1e-5,
    statistics: new Map(),
    normalised: new Map(),
  };
  const losses = g.op("Softplus", [resnet(parts, pixels)]);
  const scalar = g.op("ReduceMean", [losses], { keepdims: 0 });
  return { g, scalar, by: [...parameters.values()] };
}

for (
  const [name, make] of [["plain", () => plainNetwork(500)], ["ResNet-152", resnet152]] as const
) {
  const operators = make().g.nodes.length;
  Deno.bench(`gradient of ${name}, ${operators} operators`, (b) => {
    const { g, scalar, by } = make();
    b.start();
    gradient(g, scalar, by);
    b.end();
  });
}
