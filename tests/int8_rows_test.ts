import assert from "node:assert/strict";
import { join } from "node:path";
import { readSafetensorsHeader } from "../lib/io/safetensors.ts";
import { writeLargeSafetensors } from "../lib/io/safetensors_writer.ts";
import { VitLayers } from "../lib/backbones/vit/layers.ts";
import type { VitWeights } from "../lib/backbones/vit/weights.ts";
import { GraphBuilder } from "../lib/onnx/graph.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { randomStream } from "../lib/random.ts";
import { temporaryFolder } from "./temporary.ts";

const INPUTS = 64, OUTPUTS = 48;
const random = randomStream("int8 rows");
const MATRIX = Int8Array.from({ length: INPUTS * OUTPUTS }, () => random.integer(255) - 127);
const SCALES = Float32Array.from({ length: OUTPUTS }, () => random.uniform(.001, .01));
const BIAS = Float32Array.from({ length: OUTPUTS }, () => random.uniform(-1, 1));

const bytes = ({ buffer }: Int8Array | Float32Array) => () =>
  Promise.resolve(new Uint8Array(buffer as ArrayBuffer));

async function products(
  rows: Float32Array,
  range: "around zero" | "activated",
): Promise<Float32Array> {
  const folder = temporaryFolder(), path = join(folder, "layer.safetensors");
  await writeLargeSafetensors(path, [
    { name: "fc.weight", dtype: "I8", shape: [INPUTS, OUTPUTS], bytes: bytes(MATRIX) },
    { name: "fc.weight.scale", dtype: "F32", shape: [OUTPUTS], bytes: bytes(SCALES) },
    { name: "fc.bias", dtype: "F32", shape: [OUTPUTS], bytes: bytes(BIAS) },
  ]);
  const { tensors } = await readSafetensorsHeader(path);
  const g = new GraphBuilder();
  const layers = new VitLayers(g, { tensors } as VitWeights, {
    compute: "float32",
    device: "cpu",
    weightsFile: "layer.safetensors",
  });
  const x = g.input("x", "float32", ["rows", INPUTS]);
  g.output("y", layers.linear(x, "fc", range), "float32", ["rows", OUTPUTS]);
  const session = await openSession(g.build(), { weightsFolder: folder });
  const { y } = await session.run({
    x: ortTensor("float32", rows, [rows.length / INPUTS, INPUTS]),
  });
  await session.release();
  return y!.data as Float32Array;
}

/** The same in float64, of the weights that the bytes stand for. */
function exact(row: Float32Array): number[] {
  return Array.from({ length: OUTPUTS }, (_, output) =>
    row.reduce(
      (sum, value, input) => sum + value * MATRIX[input * OUTPUTS + output]! * SCALES[output]!,
      BIAS[output]!,
    ));
}

/** Root of the mean squared error of a row's products, over that of the products without bias. */
function relativeError(row: Float32Array, found: Float32Array): number {
  const right = exact(row);
  const error = right.reduce((sum, value, i) => sum + (value - found[i]!) ** 2, 0);
  return Math.sqrt(error / right.reduce((sum, value, i) => sum + (value - BIAS[i]!) ** 2, 0));
}

Deno.test("8-bit products scale each row by itself: one a million times as large beside it costs no digit", async () => {
  const sizes = [1, 1e-3, 1e6, 20];
  const rows = Float32Array.from(
    { length: sizes.length * INPUTS },
    (_, i) => sizes[Math.floor(i / INPUTS)]! * random.normal(),
  );
  const found = await products(rows, "around zero");
  for (const [r, size] of sizes.entries()) {
    const row = rows.subarray(r * INPUTS, (r + 1) * INPUTS);
    const error = relativeError(row, found.subarray(r * OUTPUTS, (r + 1) * OUTPUTS));
    assert(error < .015, `a row of size ${size} is off by ${error}`);
  }
});

Deno.test("8-bit products of activations have more steps above zero, and none of theirs is cut off", async () => {
  const gelu = (x: number) => x / (1 + Math.exp(-1.702 * x));
  const sizes = [.1, 1, 4];
  const rows = Float32Array.from(
    { length: sizes.length * INPUTS },
    (_, i) => gelu(sizes[Math.floor(i / INPUTS)]! * random.normal()),
  );
  const [activated, around] = [
    await products(rows, "activated"),
    await products(rows, "around zero"),
  ];
  const errors = (found: Float32Array) =>
    sizes.map((_, r) =>
      relativeError(
        rows.subarray(r * INPUTS, (r + 1) * INPUTS),
        found.subarray(r * OUTPUTS, (r + 1) * OUTPUTS),
      )
    );
  const [fine, coarse] = [errors(activated), errors(around)];
  assert(fine[0]! < .1 && fine[1]! < .012 && fine[2]! < .012, `${fine}`);
  assert(fine[1]! < .75 * coarse[1]! && fine[2]! < .75 * coarse[2]!, `${fine} against ${coarse}`);
});

Deno.test("a row of zeros has the bias for its 8-bit products", async () => {
  for (const range of ["around zero", "activated"] as const) {
    const found = await products(new Float32Array(INPUTS), range);
    assert(found.every((value, i) => value === BIAS[i]), range);
  }
});
