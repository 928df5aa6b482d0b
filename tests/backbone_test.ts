import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { buildVitGraph } from "../lib/backbones/vit/graph.ts";
import type { Tap } from "../lib/backbones/backbone.ts";
import { readVitWeights } from "../lib/backbones/vit/weights.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { encodeSafetensors } from "../lib/io/safetensors_writer.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { openSession, type OrtTensor, ortTensor } from "../lib/onnx/session.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFile } from "./temporary.ts";

const TOLERANCE = 2e-4;

/** Largest difference, in parts of the largest expected value. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  assert.equal(found.length, expected.length);
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return found.reduce((max, value, i) => Math.max(max, Math.abs(value - expected[i]!)), 0) /
    largest;
}

/** What a tap reads of normalised pixels, as the graph gives it. */
async function readPixels(path: string, tap: Tap, { data, shape }: Tensor) {
  const graph = buildVitGraph(await readVitWeights(path), {
    taps: [tap],
    input: "pixels",
    compute: "float32",
  });
  const session = await openSession(graph, { weightsFolder: dirname(path) });
  const outputs = await session.run({ images: ortTensor("float32", data, shape) });
  await session.release();
  const [[name, { data: found, dims }]] = Object.entries(outputs) as [[string, OrtTensor]];
  return { name, data: found as Float32Array, shape: dims };
}

const EXPECTED = [
  ["ln2", "ln2_cls"],
  ["block", "block_cls"],
  ["embedding", "image_embedding"],
] as const;

for (const family of ["hf", "openai"]) {
  for (const [tap, golden] of EXPECTED) {
    Deno.test(`what is read at ${tap} equals the reference with ${family} names`, async () => {
      const { tensors } = await readSafetensors(join(GOLDENS, "clip_expected.safetensors"));
      const path = join(GOLDENS, `clip_${family}.safetensors`);
      const { name, data, shape } = await readPixels(path, tap, tensors.get("pixels")!);
      const expected = tensors.get(golden)!;
      assert.equal(name, tap);
      assert.deepEqual(shape, expected.shape);
      assert(relativeError(data, expected.data) < TOLERANCE);
    });
  }
}

Deno.test("the architecture is read from the shapes, as the goldens' metadata has it", async () => {
  const { architecture, header } = await readVitWeights(join(GOLDENS, "clip_hf.safetensors"));
  const { metadata } = header;
  assert.equal(architecture.resolutionPx, Number(metadata["resolution"]));
  assert.equal(architecture.patchPx, Number(metadata["patch"]));
  assert.equal(architecture.width, Number(metadata["width"]));
  assert.equal(architecture.blocks, Number(metadata["layers"]));
  assert.equal(architecture.heads, Number(metadata["heads"]));
  assert.equal(architecture.embeddingWidth, Number(metadata["embed"]));
});

/** The golden weights with something changed, as a file of their own. */
async function changedWeights(change: (tensors: Map<string, Tensor>) => void): Promise<string> {
  const { tensors, metadata } = await readSafetensors(join(GOLDENS, "clip_hf.safetensors"));
  change(tensors);
  const path = temporaryFile(".safetensors");
  await Deno.writeFile(path, encodeSafetensors(tensors, metadata));
  return path;
}

Deno.test("missing and unexpected tensors are listed by name", async () => {
  const missing = "vision_model.encoder.layers.0.mlp.fc2.bias";
  const path = await changedWeights((tensors) => {
    tensors.delete(missing);
    tensors.set("vision_model.surprise", { data: new Float32Array(2), shape: [2] });
  });
  await assert.rejects(
    readVitWeights(path),
    (error: Error) =>
      error instanceof UserError && error.message.includes(`missing ${missing}`) &&
      error.message.includes("unexpected vision_model.surprise"),
  );
});

Deno.test("a block by a number that no file can hold is unexpected, at once", async () => {
  const name = "vision_model.encoder.layers.999999999.mlp.fc1.weight";
  const path = await changedWeights((tensors) => {
    tensors.set(name, { data: new Float32Array(1), shape: [1] });
  });
  await assert.rejects(
    readVitWeights(path),
    (error: Error) =>
      error instanceof UserError && error.message.includes(path) &&
      error.message.endsWith(`unexpected ${name}`),
  );
});

Deno.test("misshapen tensors are listed with the shape they should have", async () => {
  const name = "vision_model.encoder.layers.0.layer_norm1.bias";
  const path = await changedWeights((tensors) => {
    tensors.set(name, { data: new Float32Array(3), shape: [3] });
  });
  await assert.rejects(
    readVitWeights(path),
    (error: Error) =>
      error instanceof UserError && error.message.includes(path) &&
      error.message.includes("blocks.0.norm1.bias [3] for ["),
  );
});

Deno.test("weights under unknown names are refused with the names that are known", async () => {
  const path = await changedWeights((tensors) => {
    tensors.clear();
    tensors.set("resnet.conv1", { data: new Float32Array(1), shape: [1] });
  });
  await assert.rejects(readVitWeights(path), /expected a vision transformer named as Hugging Face/);
});
