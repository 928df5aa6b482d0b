import assert from "node:assert/strict";
import type { Attribute, Value } from "../lib/onnx/values.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { GOLDENS } from "./goldens.ts";
import { type Build, type Input, openGraph } from "./gradient_graphs.ts";
import { assertClose } from "./head_golden.ts";

/** An entry of gradients.json. */
interface Case {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, number | string | number[]>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly upstream: readonly string[];
  readonly gradients: readonly (string | null)[];
}

const cases: Case[] = JSON.parse(await Deno.readTextFile(`${GOLDENS}/gradients.json`));
const { tensors } = await readSafetensors(`${GOLDENS}/gradients.safetensors`);

/** What a case lists as attributes and ONNX takes as inputs, in the order of those. */
const CONSTANT_INPUTS: Readonly<Record<string, readonly string[]>> = {
  Clip: ["min", "max"],
  Expand: ["shape"],
  Pad: ["pads", "value"],
  Reshape: ["shape"],
  Resize: ["roi", "scales"],
  Slice: ["starts", "ends", "axes", "steps"],
  Split: ["split"],
  Squeeze: ["axes"],
  Unsqueeze: ["axes"],
  ...Object.fromEntries(["Sum", "Mean", "Max"].map((name) => [`Reduce${name}`, ["axes"]])),
};

const COMPOSITES: Readonly<Record<string, Build>> = {
  gelu_erf: (g, [x]) => {
    const erf = g.op("Erf", [g.op("Mul", [x, g.float(Math.SQRT1_2)])]);
    const half = g.op("Mul", [x, g.float(.5)]);
    return [g.op("Mul", [half, g.op("Add", [erf, g.float(1)])])];
  },
  quick_gelu: (g, [x]) => [
    g.op("Mul", [x, g.op("Sigmoid", [g.op("Mul", [x, g.float(1.702)])])]),
  ],
  l2_normalise: (g, [x]) => {
    const square = g.op("ReduceSum", [g.op("Mul", [x, x]), g.int([1])], { keepdims: 1 });
    return [g.op("Div", [x, g.op("Sqrt", [square])])];
  },
  fan_out: (g, [x, m]) => {
    const sum = g.op("Add", [g.op("MatMul", [g.op("Relu", [x]), m]), x]);
    return [g.op("Mul", [sum, g.op("Sigmoid", [g.op("MatMul", [x, m])])])];
  },
  bce_with_logits: (g, [z, y]) => {
    const losses = g.op("Sub", [g.op("Softplus", [z]), g.op("Mul", [z, y])]);
    return [g.op("Reshape", [g.op("ReduceMean", [losses], { keepdims: 0 }), g.int([1])])];
  },
};

function buildCase({ name, op, attributes, outputs, gradients }: Case): Build {
  if (op === "composite") {
    const build = COMPOSITES[name];
    assert(build, `no graph for ${name}`);
    return build;
  }
  return (g, inputs) => {
    const rest: Record<string, Attribute> = {};
    const constants = CONSTANT_INPUTS[op] ?? [];
    for (const [key, value] of Object.entries(attributes)) {
      if (constants.includes(key)) continue;
      const isFloat = ["alpha", "beta", "epsilon"].includes(key);
      rest[key] = isFloat ? { float: value as number } : value;
    }
    const more = constants.map((key): Value | undefined => {
      const value = attributes[key];
      if (value === undefined) return undefined;
      if (typeof value === "number") return g.float(value);
      return key === "scales" ? g.float(value as number[]) : g.int(value as number[]);
    });
    if (op === "BatchNormalization" && attributes["training_mode"] === 1) {
      const channels = tensors.get(gradients[1]!)!.data;
      more.push(g.float(channels.map(() => 0)), g.float(channels.map(() => 1)));
      rest["momentum"] = { float: 0 };
      return g.ops(op, 3, [...inputs, ...more], rest).slice(0, 1);
    }
    return g.ops(op, outputs.length, [...inputs, ...more], rest);
  };
}

for (const golden of cases) {
  const { name, op, inputs, outputs, upstream, gradients } = golden;
  for (const named of [false, true]) {
    const sizes = named ? ", its first size known when it runs" : "";
    Deno.test(`the gradient of ${op} is PyTorch's: ${name}${sizes}`, async () => {
      const values = inputs.map((input, i): Input => {
        const type = op === "Gather" && i === 1
          ? "int64"
          : op === "Where" && i === 0
          ? "bool"
          : "float32";
        return { ...tensors.get(input)!, type };
      });
      const by = gradients.flatMap((expected, i) => expected === null ? [] : [i]);
      const seeds = upstream.map((input) => tensors.get(input)!);
      const run = await openGraph(buildCase(golden), values, seeds, { named, by });
      const found = await run(values);
      outputs.forEach((output, i) =>
        assertClose(found.outputs[i]!.data, tensors.get(output)!.data, 1e-4, output)
      );
      by.forEach((i, k) => {
        const expected = tensors.get(gradients[i]!)!;
        assert.deepEqual(found.gradients[k]!.shape, expected.shape, `shape of ${gradients[i]}`);
        assertClose(found.gradients[k]!.data, expected.data, 1e-4, gradients[i]!);
      });
    });
  }
}
