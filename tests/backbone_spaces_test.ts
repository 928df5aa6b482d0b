import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import type { Tap } from "../lib/backbones/backbone.ts";
import { importBackbone } from "../lib/backbones/import.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { buildVitGraph } from "../lib/backbones/vit/graph.ts";
import { readVitWeights } from "../lib/backbones/vit/weights.ts";
import { encodeSafetensors, readSafetensors } from "../lib/io/safetensors.ts";
import type { Tensor } from "../lib/io/tensor.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { temporaryFolder } from "./temporary.ts";

/** In parts of the largest absolute value in a tensor. */
const TOLERANCE = 1e-4;

/** A golden file: its numbers, and its weights in a file of their own, as people have them. */
async function golden(file: string, metadata: Record<string, string> = {}) {
  const { tensors, metadata: sizes } = await readSafetensors(join(GOLDENS, file));
  const numbers = new Map([...tensors].filter(([name]) => name.startsWith("expected.")));
  const weights = [...tensors].filter(([name]) => !name.startsWith("expected."));
  const path = join(temporaryFolder(), "model.safetensors");
  await Deno.writeFile(path, encodeSafetensors(weights, metadata));
  const size = (name: string) => Number(sizes[name]);
  return { path, size, tensor: (name: string) => numbers.get(`expected.${name}`)! };
}

/** What a graph makes of normalised pixels, output by output. */
async function run(graph: Uint8Array, path: string, { data, shape }: Tensor) {
  const session = await openSession(graph, { weightsFolder: dirname(path), threads: 1 });
  const outputs = await session.run({ images: ortTensor("float32", data, shape) });
  await session.release();
  return Object.fromEntries(
    Object.entries(outputs).map((
      [name, { data, dims }],
    ) => [name, { data: data as Float32Array, shape: dims }]),
  );
}

function assertEqual(found: { data: Float32Array; shape: readonly number[] }, expected: Tensor) {
  assert.deepEqual(found.shape, expected.shape);
  assertClose(found.data, expected.data, TOLERANCE, "values");
}

const VIT_FILES = [
  ["torchvision_vit.safetensors", "torchvision ViT"],
  ["torchvision_vit_new_names.safetensors", "torchvision ViT (mlp.0)"],
] as const;
const VIT_EXPECTED = [["ln2", "ln2_cls"], ["block", "block_cls"], ["embedding", "cls"]] as const;

Deno.test("torchvision's ViT has its numbers at each tap, under both of its names for the MLP", async () => {
  const { tensor, size } = await golden(VIT_FILES[0][0]);
  for (const [file, family] of VIT_FILES) {
    const { path } = await golden(file, { heads: `${size("heads")}` });
    const weights = await readVitWeights(path);
    assert.equal(weights.family.name, family);
    const { resolutionPx, patchPx, blocks, width, heads, mlpWidth } = weights.architecture;
    assert.deepEqual(
      [resolutionPx, patchPx, blocks, width, heads, mlpWidth],
      ["image", "patch", "blocks", "width", "heads", "mlp"].map(size),
    );
    for (const [tap, name] of VIT_EXPECTED) {
      const graph = buildVitGraph(weights, { tap, input: "pixels", compute: "float32" });
      const [found] = Object.values(await run(graph, path, tensor("pixels")));
      assertEqual(found!, tensor(name));
    }
  }
});

Deno.test("torchvision's ViT is imported and offers its class token, normalised and not projected, as embedding", async () => {
  const { path, size } = await golden(VIT_FILES[0][0], { heads: "1" });
  const folder = temporaryFolder();
  await importBackbone(path, { name: "ImageNet ViT", folder });
  await using backbone = await openBackbone("ImageNet ViT", { folder });
  assert.deepEqual(backbone.taps, ["ln2", "block", "embedding", "patches"] satisfies Tap[]);
  assert.deepEqual(backbone.at("embedding").featureSizes, { blocks: 1, width: size("width") });
});
