import assert from "node:assert/strict";
import { DIFFERENTIABLE, gradient } from "../lib/onnx/gradient.ts";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import type { Value } from "../lib/onnx/values.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { sizeOf, type Tensor } from "../lib/io/tensor.ts";
import { randomStream } from "../lib/random.ts";
import { GRADIENT_CASES } from "./gradient_cases.ts";
import { type Input, openGraph } from "./gradient_graphs.ts";
import { assertClose } from "./head_golden.ts";

/** Half precision moves in steps that are larger than those of the differences. */
const STEP: Readonly<Record<string, number>> = { Cast: 2 ** -4, default: 2 ** -8 };

/** Float32 holds no more digits of a difference. */
const TOLERANCE = 2e-3;

const used = new Set<string>();

for (const [name, { build, inputs }] of Object.entries(GRADIENT_CASES)) {
  Deno.test(`a gradient is that of finite differences: ${name}`, async () => {
    const g = new GraphBuilder();
    const values = inputs.map(({ shape, type = "float32" }, i) => g.input(`${i}`, type, shape));
    const shapes = build(g, values).map((value) => g.facts(value).shape as readonly number[]);
    for (const { opType } of g.nodes) used.add(opType);
    const upstream = shapes.map((shape, i): Tensor => {
      const random = randomStream("upstream", i);
      return { data: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()), shape };
    });
    const by = inputs.flatMap(({ type = "float32" }, i) => type === "float32" ? [i] : []);
    const run = await openGraph(build, inputs, upstream, { by });
    const found = await run(inputs);
    found.outputs.forEach(({ shape }, i) => assert.deepEqual(shape, shapes[i], "inferred shape"));
    const loss = async (inputs: readonly Input[]) => {
      const { outputs } = await run(inputs);
      return outputs.reduce((sum, { data }, i) => sum + dot(data, upstream[i]!.data), 0);
    };
    const h = STEP[name] ?? STEP["default"]!;
    for (const [k, i] of by.entries()) {
      const slope = found.gradients[k]!;
      assert.deepEqual(slope.shape, inputs[i]!.shape);
      for (let seed = 0; seed < 4; seed++) {
        const random = randomStream("direction", seed);
        const direction = slope.data.map(() => random.uniform(0, 1) < .5 ? -1 : 1);
        const moved = (by: number) =>
          inputs.map((input, j): Input =>
            j === i ? { ...input, data: input.data.map((x, n) => x + by * direction[n]!) } : input
          );
        const numeric = (await loss(moved(h)) - await loss(moved(-h))) / (2 * h);
        const scale = Math.sqrt(dot(slope.data, slope.data)) + 1e-2;
        const off = Math.abs(dot(slope.data, direction) - numeric) / scale;
        assert(off <= TOLERANCE, `input ${i}: off by ${off} of the gradient's length`);
      }
    }
  });
}

for (
  const name of [
    "Conv with stride, padding, dilation and groups",
    "Conv that leaves places over, dilation under stride",
    "Conv of 1 × 1 with a stride that leaves places over",
    "Conv of many channels, dilated, padded on some sides",
    "MaxPool whose windows overlap",
    "GlobalAveragePool",
    "BatchNormalization in training",
    "BatchNormalization",
    "InstanceNormalization",
    "Resize to twice the size, nearest",
  ]
) {
  Deno.test(`a gradient is the same where a picture's size is known when it runs: ${name}`, async () => {
    const { build, inputs } = GRADIENT_CASES[name]!;
    const g = new GraphBuilder();
    const values = inputs.map(({ shape }, i) => g.input(`${i}`, "float32", shape));
    const upstream = build(g, values).map((value): Tensor => {
      const shape = g.facts(value).shape as number[];
      const random = randomStream("upstream");
      return { data: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()), shape };
    });
    const first = ["N", inputs[0]!.shape[1]!, "H", "W"];
    const expected = await (await openGraph(build, inputs, upstream))(inputs);
    const found = await (await openGraph(build, inputs, upstream, { first }))(inputs);
    found.gradients.forEach((gradient, i) => {
      assert.deepEqual(gradient!.shape, inputs[i]!.shape);
      assertClose(gradient!.data, expected.gradients[i]!.data, 1e-5, `gradient ${i}`);
    });
  });
}

Deno.test("every operator that has a rule is held to finite differences", () => {
  assert.deepEqual(DIFFERENTIABLE.filter((op) => !used.has(op)), []);
});

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, x, i) => sum + x * b[i]!, 0);
}

Deno.test("an operator without a rule is named, with the value that it makes", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["N", 4]);
  const [largest] = g.ops("TopK", 2, [x, g.int([2])], {}, { name: "best" });
  const loss = g.op("ReduceSum", [g.op("Relu", [largest])], { keepdims: 0 });
  assert.throws(() => gradient(g, loss, [x]), {
    name: "Error",
    message: `Cannot derive the gradient of TopK (${largest}): there is no rule for the operator`,
  });
});

Deno.test("an operator without a rule is no matter where no gradient goes through it", () => {
  const g = new GraphBuilder();
  const [x, y] = ["x", "y"].map((name) => g.input(name, "float32", ["N", 4]));
  const [largest] = g.ops("TopK", 2, [y, g.int([4])]);
  const loss = g.op("ReduceSum", [g.op("Mul", [x, largest])], { keepdims: 0 });
  const before = g.nodes.length;
  const [dx] = gradient(g, loss, [x!]);
  assert.equal(dx, largest, "it is the value itself");
  assert.equal(g.nodes.length, before, "nothing was added");
});

Deno.test("a value that the scalar does not hang on has no gradient", () => {
  const g = new GraphBuilder();
  const [x, y] = ["x", "y"].map((name) => g.input(name, "float32", [3]));
  const shape = g.op("Shape", [y]);
  const loss = g.op("ReduceSum", [g.op("Expand", [x, shape])], { keepdims: 0 });
  const [dx, dy, again] = gradient(g, loss, [x!, y!, x!]);
  assert(dx);
  assert.equal(dy, undefined);
  assert.equal(again, dx);
});

Deno.test("gradients by values on the way are those of all that reads them", async () => {
  // y = x², loss = Σ y · y + Σ x: by y it is 2 y, by x 4 x³ + 1
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["N"]);
  const y = g.op("Mul", [x, x]);
  const sum = (value: Value) => g.op("ReduceSum", [value], { keepdims: 0 });
  const [dy, dx] = gradient(g, g.op("Add", [sum(g.op("Mul", [y, y])), sum(x)]), [y, x]);
  g.output("dy", dy!, "float32", ["N"]);
  g.output("dx", dx!, "float32", ["N"]);
  const session = await openSession(g.build(), { threads: 1 });
  const found = await session.run({ x: ortTensor("float32", Float32Array.of(1, -2, 3), [3]) });
  assert.deepEqual([...found["dy"]!.data as Float32Array], [2, 8, 18]);
  assert.deepEqual([...found["dx"]!.data as Float32Array], [5, -31, 109]);
  await session.release();
});

Deno.test("a graph of 500 operators is differentiated in under 50 ms", () => {
  const width = 8;
  const build = () => {
    const g = new GraphBuilder();
    let x = g.input("x", "float32", ["N", width]);
    const weights: Value[] = [];
    while (g.nodes.length < 500) {
      weights.push(g.input(`w${weights.length}`, "float32", [width, width]));
      const y = g.op("Gemm", [x, weights.at(-1), g.float(new Float32Array(width))]);
      x = g.op("Add", [
        x,
        g.op("Relu", [g.op("LayerNormalization", [y, g.float(new Float32Array(width))])]),
      ]);
    }
    return { g, loss: g.op("ReduceSum", [x], { keepdims: 0 }), weights };
  };
  const times = [1, 2, 3].map(() => {
    const { g, loss, weights } = build();
    const started = performance.now();
    gradient(g, loss, weights);
    return performance.now() - started;
  });
  assert(Math.min(...times) < 50, `it took ${times.map((ms) => ms.toFixed(1)).join(", ")} ms`);
});

/** Runs a graph of one input `x` whose outputs have any sizes. */
async function runOn(
  x: Tensor,
  build: (g: GraphBuilder, x: Value) => readonly Value[],
): Promise<number[][]> {
  const g = new GraphBuilder();
  const outputs = build(g, g.input("x", "float32", x.shape));
  outputs.forEach((output, i) => {
    const shape = (g.facts(output).shape ?? []).map((_, axis) => `any${axis}`);
    g.output(`y${i}`, output, "float32", shape);
  });
  const session = await openSession(g.build(), { threads: 1 });
  const found = await session.run({ x: ortTensor("float32", x.data, x.shape) });
  await session.release();
  return outputs.map((_, i) => [...found[`y${i}`]!.data as Float32Array]);
}

const total = (g: GraphBuilder, x: Value) => g.op("ReduceSum", [x], { keepdims: 0 });

Deno.test("at kinks and ties gradients are PyTorch's, and a maximum of two gives all to the first", async () => {
  const x = { data: Float32Array.of(-1, 0, 2, 2), shape: [1, 1, 2, 2] };
  const slopes: [string, (g: GraphBuilder, x: Value) => Value, number[]][] = [
    ["Relu", (g, x) => g.op("Relu", [x]), [0, 0, 1, 1]],
    ["LeakyRelu", (g, x) => g.op("LeakyRelu", [x], { alpha: .25 }), [.25, .25, 1, 1]],
    ["steep LeakyRelu", (g, x) => g.op("LeakyRelu", [x], { alpha: 1.5 }), [1.5, 1.5, 1, 1]],
    ["Abs", (g, x) => g.op("Abs", [x]), [-1, 0, 1, 1]],
    ["Clip", (g, x) => g.op("Clip", [x, g.float(0), g.float(2)]), [0, 1, 1, 1]],
    ["Max of equal ones", (g, x) => g.op("Max", [x, g.op("Mul", [x, g.float(1)])]), [1, 1, 1, 1]],
    ["Max with 0", (g, x) => g.op("Max", [x, g.float(0)]), [0, 1, 1, 1]],
    ["ReduceMax", (g, x) => g.op("ReduceMax", [x]), [0, 0, .5, .5]],
    ["MaxPool", (g, x) => g.op("MaxPool", [x], { kernel_shape: [2, 2] }), [0, 0, 1, 0]],
  ];
  for (const [name, build, expected] of slopes) {
    const [found] = await runOn(x, (g, x) => [gradient(g, total(g, build(g, x)), [x])[0]!]);
    assert.deepEqual(found, expected, name);
  }
});

Deno.test("a vector of length 0 has no slope", async () => {
  const x = { data: new Float32Array(3), shape: [1, 3] };
  const [found] = await runOn(x, (g, x) => {
    const length = g.op("ReduceL2", [x, g.int([1])], { keepdims: 1 });
    return [gradient(g, total(g, length), [x])[0]!];
  });
  assert.deepEqual(found, [0, 0, 0]);
});

Deno.test("a gradient that stands for many equal ones counts as many where it is summed", async () => {
  const x = { data: new Float32Array(6), shape: [3, 2] };
  const found = await runOn(x, (g, x) => {
    const row = g.float([1, 2]), column = g.float([1, 2, 3], [3, 1]);
    const sum = g.op("Add", [g.op("Add", [x, row]), column]);
    const mean = g.op("ReduceMean", [sum, g.int([0])], { keepdims: 1 });
    return [total(g, sum), total(g, mean)].flatMap((loss) =>
      gradient(g, loss, [row, column])
    ) as Value[];
  });
  assert.deepEqual(found[0], [3, 3]);
  assert.deepEqual(found[1], [2, 2, 2]);
  assert.deepEqual(found[2]!.map((value) => value.toFixed(6)), ["1.000000", "1.000000"]);
  assert.deepEqual(found[3]!.map((value) => value.toFixed(6)), [
    "0.666667",
    "0.666667",
    "0.666667",
  ]);
});

Deno.test("by the output of a Relu before dropout the gradient is dropout's", async () => {
  const x = { data: Float32Array.of(-1, 2, 3), shape: [3] };
  const found = await runOn(x, (g, x) => {
    const open = g.op("Relu", [x]);
    const mask = g.op("Cast", [g.op("Less", [x, g.float(2.5)])], { to: "float32" });
    const loss = total(g, g.op("Mul", [open, mask]));
    return gradient(g, loss, [open, x]) as Value[];
  });
  assert.deepEqual(found, [[1, 1, 0], [0, 1, 0]]);
});

Deno.test("signs and sums cost no operators of their own", () => {
  const count = (build: (g: GraphBuilder, x: Value, y: Value) => Value) => {
    const g = new GraphBuilder();
    const [x, y] = ["x", "y"].map((name) => g.input(name, "float32", ["N", 4])) as [Value, Value];
    const loss = total(g, build(g, x, y));
    const before = g.nodes.length;
    gradient(g, loss, [x, y]);
    return g.nodes.slice(before).map(({ opType }) => opType);
  };
  assert.deepEqual(count((g, x, y) => g.op("Mul", [x, y])), [], "each is the other's gradient");
  // 1 · y − 1 · (y + …): the sign of the second ends in the sum
  const found = count((g, x, y) => g.op("Sub", [g.op("Mul", [x, y]), g.op("Exp", [x])]));
  assert.deepEqual(found.filter((op) => op === "Add"), []);
});
