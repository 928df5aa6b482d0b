import assert from "node:assert/strict";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import type { Value } from "../lib/onnx/values.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";

Deno.test("scalars of one value and of two types are two constants", async () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["N"]);
  assert.equal(g.float(1), g.float(1), "shared");
  assert.notEqual(g.float(1), g.int(1));
  g.output("sum", g.op("Add", [x, g.float(1)]), "float32", ["N"]);
  g.output("second", g.op("Gather", [x, g.int(1)]), "float32", []);
  const session = await openSession(g.build(), { threads: 1 });
  const { sum, second } = await session.run({
    x: ortTensor("float32", Float32Array.of(4, 6), [2]),
  });
  assert.deepEqual([...sum!.data as Float32Array], [5, 7]);
  assert.deepEqual([second!.dims, ...second!.data as Float32Array], [[], 6]);
  await session.release();
});

Deno.test("attributes are whole or broken numbers, lists and types as they are given", async () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [2, 2]);
  g.output("turned", g.op("Transpose", [x], { perm: [1, 0] }), "float32", [2, 2]);
  g.output("whole", g.op("Elu", [x], { alpha: { float: 2 } }), "float32", [2, 2]);
  g.output("broken", g.op("Elu", [x], { alpha: .5 }), "float32", [2, 2]);
  g.output("cast", g.op("Cast", [x], { to: "int64" }), "int64", [2, 2]);
  const { turned, whole, broken, cast } = await (await openSession(g.build(), { threads: 1 })).run({
    x: ortTensor("float32", Float32Array.of(1, -30, 3.9, -2), [2, 2]),
  });
  const values = (tensor: typeof whole) => [...tensor!.data as Float32Array];
  assert.deepEqual(values(turned), [1, Math.fround(3.9), -30, -2]);
  assert.deepEqual([values(whole)[1], values(broken)[1]], [-2, -.5]);
  assert.deepEqual([...cast!.data as BigInt64Array], [1n, -30n, 3n, -2n]);
});

Deno.test("a value may be the model's output twice, and an input one too", async () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["N"]);
  const twice = g.op("Add", [x, x]);
  for (const name of ["a", "b"]) g.output(name, twice, "float32", ["N"]);
  g.output("same", x, "float32", ["N"]);
  const found = await (await openSession(g.build(), { threads: 1 })).run({
    x: ortTensor("float32", Float32Array.of(3), [1]),
  });
  const first = (name: string) => (found[name]!.data as Float32Array)[0];
  assert.deepEqual(["a", "b", "same"].map(first), [6, 6, 3]);
});

Deno.test("sizes that are known when the model runs keep their names through reshapes and back", () => {
  const g = new GraphBuilder();
  const rows = g.input("x", "float32", ["rows", 6]);
  const sizes = (value: Value) => g.facts(value).shape;
  const stack = g.op("Reshape", [rows, g.int([-1, 4, 6])]);
  assert.deepEqual(sizes(stack), ["rows/4", 4, 6]);
  assert.deepEqual(sizes(g.op("Reshape", [stack, g.int([-1, 6])])), ["rows", 6]);
  assert.deepEqual(sizes(g.op("Flatten", [stack])), ["rows/4", 24]);
  assert.deepEqual(sizes(g.op("ReduceSum", [stack, g.int([1])], { keepdims: 0 })), ["rows/4", 6]);
  assert.deepEqual(sizes(g.op("Add", [stack, g.float([1, 2, 3, 4], [4, 1])])), ["rows/4", 4, 6]);
  const like = g.op("Expand", [g.float(0), g.op("Shape", [stack])]);
  assert.deepEqual(sizes(like), sizes(stack));
  const picture = g.input("picture", "float32", ["N", 3, "H", 9]);
  const filter = g.float(new Float32Array(2 * 3 * 9), [2, 3, 3, 3]);
  const same = g.op("Conv", [picture, filter], { pads: [1, 1, 1, 1] });
  assert.deepEqual(sizes(same), ["N", 2, "H", 9]);
  const [, , height, width] = sizes(g.op("Conv", [picture, filter], { strides: [2, 2] }))!;
  assert.deepEqual([typeof height, width], ["string", 4]);
});

Deno.test("what no output hangs on is left out of the model", () => {
  const build = (more: boolean) => {
    const g = new GraphBuilder();
    const x = g.input("x", "float32", ["N"]);
    const y = g.op("Relu", [x]);
    if (more) g.op("Add", [y, g.float([1, 2, 3])]);
    g.output("y", y, "float32", ["N"]);
    return g.build();
  };
  assert.deepEqual(build(true), build(false));
});
