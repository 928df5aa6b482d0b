import assert from "node:assert/strict";
import { gradient } from "../lib/onnx/gradient.ts";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import type { Value } from "../lib/onnx/values.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { type CnnParts, pyramid, resnet } from "./small_cnn.ts";

const { metadata, tensors } = await readSafetensors(`${GOLDENS}/cnn_training.safetensors`);
const [beta1, beta2, epsilon, learningRate, momentum, steps] = [
  "beta1",
  "beta2",
  "eps",
  "learningRate",
  "momentum",
  "steps",
].map((name) => Number(metadata[name])) as [number, number, number, number, number, number];

const under = (prefix: string): Map<string, Tensor> =>
  new Map(
    [...tensors].filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );

/** One model of logits, loss, all gradients and all statistics. */
async function openNetwork(
  network: (parts: CnnParts, pixels: Value) => Value,
  start: ReadonlyMap<string, Tensor>,
) {
  const g = new GraphBuilder();
  const [, ...picture] = tensors.get("pixels")!.shape;
  const pixels = g.input("pixels", "float32", ["N", ...picture]);
  const labels = g.input("labels", "float32", ["N", 1]);
  const parameters = new Map(
    [...start].map(([name, { shape }]) => [name, g.input(name, "float32", shape)]),
  );
  const parts: CnnParts = {
    g,
    parameters,
    layers: JSON.parse(metadata["layers"]!),
    epsilon: Number(metadata["bnEps"]),
    statistics: new Map(),
    normalised: new Map(),
  };
  const logits = network(parts, pixels);
  const losses = g.op("Sub", [g.op("Softplus", [logits]), g.op("Mul", [logits, labels])]);
  const loss = g.op("ReduceMean", [losses], { keepdims: 0 });
  const gradients = gradient(g, loss, [...parameters.values()]);
  [...parameters.keys()].forEach((name, i) =>
    g.output(`grad.${name}`, gradients[i]!, "float32", start.get(name)!.shape)
  );
  for (const [name, [mean, variance]] of parts.statistics) {
    g.output(`${name}.mean`, mean, "float32", ["C"]);
    g.output(`${name}.var`, variance, "float32", ["C"]);
  }
  g.output("logits", logits, "float32", ["N", 1]);
  g.output("loss", loss, "float32", []);
  const session = await openSession(g.build(), { threads: 1 });
  const { data, shape } = tensors.get("pixels")!;
  /** Numbers that one of a layer's means is of. */
  const places = (layer: string) => {
    const [, , height, width] = g.facts(parts.normalised.get(layer)!).shape as number[];
    return shape[0]! * height! * width!;
  };
  const run = async (values: ReadonlyMap<string, Float32Array>) => {
    const found = await session.run({
      pixels: ortTensor("float32", data, shape),
      labels: ortTensor("float32", tensors.get("labels")!.data, [shape[0]!, 1]),
      ...Object.fromEntries(
        [...values].map((
          [name, data],
        ) => [name, ortTensor("float32", data, start.get(name)!.shape)]),
      ),
    });
    return (name: string) => found[name]!;
  };
  return { run, places };
}

for (const [name, network] of [["resnet", resnet], ["fpn", pyramid]] as const) {
  Deno.test(`gradients and three Adam steps of a whole network are PyTorch's: ${name}`, async () => {
    const start = under(`${name}.param.`), buffers = under(`${name}.buffer.`);
    const { run, places } = await openNetwork(network, start);
    const values = new Map([...start].map(([key, { data }]) => [key, Float64Array.from(data)]));
    const running = new Map([...buffers].map(([key, { data }]) => [key, Float64Array.from(data)]));
    const first = new Map(
      [...start].map(([key, { data }]) => [key, new Float64Array(data.length)]),
    );
    const second = new Map(
      [...start].map(([key, { data }]) => [key, new Float64Array(data.length)]),
    );
    const losses: number[] = [];
    for (let step = 1; step <= steps; step++) {
      const found = await run(new Map([...values].map(([key, x]) => [key, Float32Array.from(x)])));
      const floats = (name: string) => found(name).data as Float32Array;
      losses.push(floats("loss")[0]!);
      if (step === 1) {
        assertClose(floats("logits"), tensors.get(`${name}.logits`)!.data, 2e-4, "logits");
        for (const [key, { data, shape }] of under(`${name}.grad.`)) {
          assert.deepEqual(found(`grad.${key}`).dims, shape, key);
          assertClose(floats(`grad.${key}`), data, 2e-4, `gradient of ${key}`);
        }
      }
      for (const [key, buffer] of running) {
        const layer = key.slice(0, key.lastIndexOf("."));
        const isMean = key.endsWith("running_mean");
        const batch = floats(`${layer}.${isMean ? "mean" : "var"}`);
        const count = places(layer);
        const unbiased = isMean ? 1 : count / (count - 1);
        buffer.forEach((old, i) => {
          buffer[i] = (1 - momentum) * old + momentum * batch[i]! * unbiased;
        });
      }
      for (const [key, value] of values) {
        const slope = floats(`grad.${key}`), m = first.get(key)!, v = second.get(key)!;
        slope.forEach((g, i) => {
          m[i] = beta1 * m[i]! + (1 - beta1) * g;
          v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
          const square = Math.sqrt(v[i]! / (1 - beta2 ** step)) + epsilon;
          value[i]! -= learningRate * m[i]! / (1 - beta1 ** step) / square;
        });
      }
    }
    assertClose(losses, tensors.get(`${name}.losses`)!.data, 1e-4, "losses");
    for (const [key, { data }] of under(`${name}.buffer3.`)) {
      assertClose(running.get(key)!, data, 1e-4, key);
    }
    const off = [...under(`${name}.param3.`)].flatMap(([key, { data }]) =>
      [...data].map((expected, i) => Math.abs(expected - values.get(key)![i]!))
    );
    assert(off.every((by) => by <= 5e-5), `parameters are off by ${Math.max(...off)}`);
    const far = off.filter((by) => by > 2e-6).length;
    assert(far <= off.length / 1000, `${far} of ${off.length} parameters are off by over 2e-6`);
  });
}
