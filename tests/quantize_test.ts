import assert from "node:assert/strict";
import { join } from "node:path";
import { quantizedPath, quantizeWeights, readQuantizedWeights } from "../lib/backbones/quantize.ts";
import { readVitWeights } from "../lib/backbones/vit/weights.ts";
import { readSafetensors, readSafetensorsHeader } from "../lib/io/safetensors.ts";
import { encodeSafetensors } from "../lib/io/safetensors_writer.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

/** Quantises the golden weights, a matrix of which may be changed first. */
async function quantized(change: (matrix: Float32Array, inputs: number) => void = () => {}) {
  const path = join(temporaryFolder(), "model.safetensors");
  const { tensors, metadata } = await readSafetensors(join(GOLDENS, "clip_hf.safetensors"));
  const { data, shape } = tensors.get("vision_model.encoder.layers.0.mlp.fc1.weight")!;
  change(data, shape[1]!);
  await Deno.writeFile(path, encodeSafetensors(tensors, metadata));
  await quantizeWeights(await readVitWeights(path), quantizedPath(path));
  return { path, tensors, made: await readSafetensors(quantizedPath(path)) };
}

Deno.test("each output's largest weight becomes ±127, and each weight the nearest step, transposed", async () => {
  const { path, tensors, made } = await quantized();
  const types = (await readSafetensorsHeader(quantizedPath(path))).tensors;
  const layers = "vision_model.encoder.layers.";
  for (
    const [name, file] of [
      ["blocks.1.fc1", `${layers}1.mlp.fc1`],
      ["blocks.0.fc2", `${layers}0.mlp.fc2`],
      ["blocks.1.q", `${layers}1.self_attn.q_proj`],
      ["blocks.0.k", `${layers}0.self_attn.k_proj`],
      ["blocks.0.v", `${layers}0.self_attn.v_proj`],
      ["blocks.0.out", `${layers}0.self_attn.out_proj`],
    ] as const
  ) {
    const { data: values, shape: [outputs, inputs] } = tensors.get(`${file}.weight`)!;
    const { data: steps, shape } = made.tensors.get(`${name}.weight`)!;
    const { data: scales } = made.tensors.get(`${name}.weight.scale`)!;
    assert.deepEqual([shape, scales.length], [[inputs, outputs], outputs]);
    assert.equal(types.get(`${name}.weight`)!.dtype, "I8");
    for (let output = 0; output < outputs!; output++) {
      const row = values.subarray(output * inputs!, (output + 1) * inputs!);
      const largest = row.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      assert.equal(scales[output], Math.fround(largest / 127));
      let most = 0;
      row.forEach((value, input) => {
        const step = steps[input * outputs! + output]!;
        most = Math.max(most, Math.abs(step));
        // half a step, and the last digits of float32
        assert(Math.abs(value - step * scales[output]!) <= (.5 + 1e-4) * scales[output]!, name);
      });
      assert.equal(most, 127, `${name}, output ${output}`);
    }
    assert.deepEqual(made.tensors.get(`${name}.bias`), tensors.get(`${file}.bias`));
  }
  assert.equal(types.get("class")!.dtype, "F32");
  const positions = tensors.get("vision_model.embeddings.position_embedding.weight")!;
  assert.deepEqual(made.tensors.get("positions"), positions);
});

Deno.test("weights at both ends, halfway between steps, and a row of zeros are what they should be", async () => {
  const rows = [
    [127, -127, 126.5, 126.4, -126.4, -126.6, 0.5, 0.49, -0.49, -0.6],
    [-1, 0.5],
    [],
  ];
  const { made } = await quantized((matrix, inputs) => {
    matrix.fill(0, 0, rows.length * inputs);
    rows.forEach((row, output) => matrix.set(row, output * inputs));
  });
  const { data, shape: [, outputs] } = made.tensors.get("blocks.0.fc1.weight")!;
  const stepsOf = (output: number, count: number) =>
    Array.from({ length: count }, (_, input) => data[input * outputs! + output]);
  assert.deepEqual(stepsOf(0, 11), [127, -127, 127, 126, -126, -127, 1, 0, 0, -1, 0]);
  assert.deepEqual(stepsOf(1, 3), [-127, 64, 0]);
  assert.deepEqual(stepsOf(2, 3), [0, 0, 0]);
  const scales = made.tensors.get("blocks.0.fc1.weight.scale")!.data;
  assert.deepEqual([...scales.subarray(0, 3)], [1, Math.fround(1 / 127), 1]);
});

Deno.test("int8 weights keep the architecture, and are refused once a byte of their source changes", async () => {
  const { path } = await quantized();
  const { architecture, family } = await readVitWeights(path);
  const read = await readQuantizedWeights(quantizedPath(path), path);
  assert.deepEqual([read.architecture, read.family], [architecture, family]);
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await Deno.writeFile(path, bytes);
  await assert.rejects(readQuantizedWeights(quantizedPath(path), path), {
    name: "UserError",
    message: /found those of an earlier file/,
  });
});
