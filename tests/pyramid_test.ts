import assert from "node:assert/strict";
import { join } from "node:path";
import {
  addLast,
  addPyramid,
  initialPyramid,
  pyramidOf,
  pyramidShapes,
} from "../lib/detectors/pyramid/layers.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { gradient } from "../lib/onnx/gradient.ts";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import type { Value } from "../lib/onnx/values.ts";
import { randomStream } from "../lib/random.ts";
import { assertClose } from "./head_golden.ts";

const { tensors } = await readSafetensors(
  join(import.meta.dirname!, "golden", "pyramid.safetensors"),
);

const under = (prefix: string): Map<string, Tensor> =>
  new Map(
    [...tensors].filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );

const shapesOf = (all: ReadonlyMap<string, Tensor>) =>
  new Map([...all].map(([name, { shape }]) => [name, shape]));

/** A pyramid whose tensors and maps are inputs. */
function inputsOf(g: GraphBuilder, name: string, areSizesKnown: boolean) {
  const parameters = under(`${name}.param.`), maps = under(`${name}.map.`);
  const values = new Map(
    [...parameters].map(([key, { shape }]) => [key, g.input(key, "float32", shape)]),
  );
  const inputs = [...maps].map(([key, { shape: [, channels, ...sizes] }]) =>
    g.input(`map.${key}`, "float32", [
      ...["N", channels!],
      ...areSizesKnown ? sizes : [`H${key}`, `W${key}`],
    ])
  );
  const weight = (key: string): Value => values.get(key)!;
  const features = addPyramid(g, weight, inputs);
  const logits = addLast(g, weight, features);
  g.output("features", features, "float32", ["N", "F"]);
  g.output("logits", logits, "float32", ["N", 1]);
  const feeds = Object.fromEntries(
    [...parameters, ...[...maps].map(([key, value]) => [`map.${key}`, value] as const)]
      .map(([key, { data, shape }]) => [key, ortTensor("float32", data, shape)]),
  );
  const moved = new Map<string, Value>([
    ...[...values].map(([key, value]) => [`param.${key}`, value] as const),
    ...inputs.map((value, i) => [`map.${i}`, value] as const),
  ]);
  return { logits, moved, feeds };
}

for (const name of ["halved", "equal"]) {
  Deno.test(`features, logits and gradients of a pyramid are torchvision's: maps ${name}`, async () => {
    const g = new GraphBuilder();
    const { logits, moved, feeds } = inputsOf(g, name, true);
    const labels = g.input("labels", "float32", ["N", 1]);
    const losses = g.op("Sub", [g.op("Softplus", [logits]), g.op("Mul", [logits, labels])]);
    const loss = g.op("ReduceMean", [losses], { keepdims: 0 });
    g.output("loss", loss, "float32", []);
    const slopes = gradient(g, loss, [...moved.values()]);
    [...moved.keys()].forEach((key, i) =>
      g.output(`grad.${key}`, slopes[i]!, "float32", g.facts([...moved.values()][i]!).shape!)
    );
    const session = await openSession(g.build(), { threads: 1 });
    const found = await session.run({
      ...feeds,
      labels: ortTensor("float32", tensors.get(`${name}.labels`)!.data, [2, 1]),
    });
    const compared = Object.keys(found);
    assert.deepEqual(
      compared.sort(),
      ["features", "logits", "loss", ...under(`${name}.grad.`).keys()]
        .map((key) => /^(param|map)/.test(key) ? `grad.${key}` : key).sort(),
    );
    for (const key of compared) {
      const expected = tensors.get(`${name}.${key}`)!;
      assertClose(found[key]!.data as Float32Array, expected.data, 1e-5, key);
    }
    await session.release();
  });

  Deno.test(`a pyramid on maps of any size finds their sizes as it runs: maps ${name}`, async () => {
    const g = new GraphBuilder();
    const { feeds } = inputsOf(g, name, false);
    const session = await openSession(g.build(), { threads: 1, sizesVary: true });
    const { features } = await session.run(feeds);
    const expected = tensors.get(`${name}.features`)!;
    assert.deepEqual(features!.dims, expected.shape);
    assertClose(features!.data as Float32Array, expected.data, 1e-5, "features");
    await session.release();
  });
}

Deno.test("sizes of a pyramid follow from its tensors, and what is missing, left over or of other shapes is named", () => {
  const shapes = shapesOf(under("halved.param."));
  const sizes = { maps: [3, 5, 6, 7], channels: 4 };
  assert.deepEqual(pyramidOf("a file", shapes), sizes);
  assert.deepEqual(new Map([...pyramidShapes(sizes)].sort()), new Map([...shapes].sort()));
  const cannot = (change: (changed: Map<string, readonly number[]>) => void) => {
    const changed = new Map(shapes);
    change(changed);
    let message = "";
    try {
      pyramidOf("a file", changed);
    } catch (error) {
      message = (error as Error).message;
    }
    return message.replace("Cannot load a file: expected the tensors of a feature pyramid ", "");
  };
  assert.equal(
    cannot((changed) => changed.delete("fpn.layer_blocks.2.0.bias")),
    "and its last layer, found fpn.layer_blocks.2.0.bias none for [4]",
  );
  assert.equal(
    cannot((changed) => changed.set("fc.weight", [1, 12])),
    "and its last layer, found fc.weight [1, 12] for [1, 16]",
  );
  assert.equal(
    cannot((changed) => changed.set("fpn.extra_blocks.0.weight", [1])),
    "and its last layer, found fpn.extra_blocks.0.weight",
  );
  assert.equal(cannot((changed) => changed.clear()), "and its last layer, found none");
});

Deno.test("a pyramid is drawn as torchvision draws it, and its last layer as Wang et al. draw theirs", () => {
  const sizes = { maps: [32, 64], channels: 48 };
  const drawn = initialPyramid(sizes, .02, randomStream(0, "pyramid"));
  assert.deepEqual(shapesOf(drawn), pyramidShapes(sizes));
  const spread = (name: string) => {
    const { data } = drawn.get(name)!;
    return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
  };
  // uniform by √(3 / inputs) on either side: a deviation of √(1 / inputs)
  for (
    const [name, deviation] of [
      ["fpn.inner_blocks.0.0.weight", Math.sqrt(1 / 32)],
      ["fpn.inner_blocks.1.0.weight", Math.sqrt(1 / 64)],
      ["fpn.layer_blocks.1.0.weight", Math.sqrt(1 / (9 * 48))],
      ["fc.weight", .02],
    ] as const
  ) assert.ok(Math.abs(spread(name) / deviation - 1) < .15, `${name}: ${spread(name)}`);
  assert.equal(spread("fpn.layer_blocks.0.0.bias"), 0);
  const [bias] = drawn.get("fc.bias")!.data;
  assert.ok(bias !== 0 && Math.abs(bias!) <= 1 / Math.sqrt(96));
});
