import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import sharp from "sharp";
import type { Tap } from "../lib/backbones/backbone.ts";
import { describeBackbone, importBackbone } from "../lib/backbones/import.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { buildResnetGraph, type ResnetGraphOptions } from "../lib/backbones/resnet/graph.ts";
import { readResnetWeights, resnetFamilyOf } from "../lib/backbones/resnet/weights.ts";
import { buildVitGraph } from "../lib/backbones/vit/graph.ts";
import { readVitWeights } from "../lib/backbones/vit/weights.ts";
import { readWeights } from "../lib/backbones/weights.ts";
import { quantizeBackbone } from "../lib/cli/backbone.ts";
import { writeFeatures } from "../lib/cli/features.ts";
import { centerCrop } from "../lib/image/crop.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { writePytorchFile } from "../lib/io/pytorch_file.ts";
import { readSafetensors, readSafetensorsHeader } from "../lib/io/safetensors.ts";
import { encodeSafetensors, writeLargeSafetensors } from "../lib/io/safetensors_writer.ts";
import { type Tensor, tensor } from "../lib/io/tensor.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { concat, noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

/** In parts of the largest absolute value in a tensor. */
const TOLERANCE = 1e-4;

/**
 * A golden file: its numbers, and its weights in a file of their own, as people have them.
 * @param metadata of that file; by default the number of heads, which are narrow
 * @param change of the weights, by their names, before they are written
 */
async function golden(
  file: string,
  metadata?: Record<string, string>,
  change: (weights: Map<string, Tensor>) => void = () => {},
) {
  const { tensors, metadata: sizes } = await readSafetensors(join(GOLDENS, file));
  const isNumber = /^(expected|plain|crop|resize|resize_crop|dmid|adam)\.|^image_/;
  const weights = new Map(
    [...tensors].filter(([name]) => !isNumber.test(name)).map((
      [name, values],
    ) => [name.replace(/^weights\./, ""), values]),
  );
  change(weights);
  const path = join(temporaryFolder(), "model.safetensors");
  const { heads } = sizes;
  await Deno.writeFile(
    path,
    encodeSafetensors(weights, metadata ?? (heads === undefined ? {} : { heads })),
  );
  return {
    path,
    size: (name: string): number => Number(sizes[name]),
    sizes: (name: string): number[] => JSON.parse(sizes[name]!),
    tensor: (name: string): Tensor => tensors.get(name) ?? tensors.get(`expected.${name}`)!,
  };
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
    const { path } = await golden(file);
    const weights = await readVitWeights(path);
    assert.equal(weights.family.name, family);
    const { resolutionPx, patchPx, blocks, width, heads, mlpWidth } = weights.architecture;
    assert.deepEqual(
      [resolutionPx, patchPx, blocks, width, heads, mlpWidth],
      ["image", "patch", "blocks", "width", "heads", "mlp"].map(size),
    );
    for (const [tap, name] of VIT_EXPECTED) {
      const graph = buildVitGraph(weights, { taps: [tap], input: "pixels", compute: "float32" });
      const [found] = Object.values(await run(graph, path, tensor("pixels")));
      assertEqual(found!, tensor(name));
    }
  }
});

Deno.test("torchvision's ViT is imported and offers its class token, normalised and not projected, as embedding", async () => {
  const { path, size } = await golden(VIT_FILES[0][0]);
  const folder = temporaryFolder();
  await importBackbone(path, { name: "ImageNet ViT", folder });
  await using backbone = await openBackbone("ImageNet ViT", { folder });
  assert.deepEqual(backbone.taps, ["ln2", "block", "embedding", "patches"] satisfies Tap[]);
  assert.deepEqual(backbone.at("embedding").featureSizes, { blocks: 1, width: size("width") });
});

async function readResnet(path: string, settings = {}) {
  const family = resnetFamilyOf(await readSafetensorsHeader(path))!;
  return await readResnetWeights(path, family, settings);
}

Deno.test("CLIP's RN50 has its embedding, and its means over the places of each stage", async () => {
  const { path, size, sizes, tensor } = await golden("clip_rn50.safetensors");
  const weights = await readResnet(path);
  assert.equal(weights.family.name, "OpenAI CLIP ResNet");
  const { resolutionPx, width, stages, heads, embeddingWidth } = weights.architecture;
  assert.deepEqual(
    { resolutionPx, width, stages, heads, embeddingWidth },
    {
      resolutionPx: size("resolution"),
      width: size("width"),
      stages: sizes("layers"),
      heads: size("heads"),
      embeddingWidth: size("embed"),
    },
  );
  const graph = buildResnetGraph(weights, { input: "pixels", compute: "float32", means: true });
  const found = await run(graph, path, tensor("pixels"));
  const names = ["stem", "layer1", "layer2", "layer3", "layer4", "embedding"];
  assert.deepEqual(Object.keys(found).sort(), names.sort());
  for (const name of names) assertEqual(found[name]!, tensor(name));
});

/** The golden images, as they are. */
function imagesOf({ size, tensor }: Awaited<ReturnType<typeof golden>>): RgbImage[] {
  return Array.from({ length: size("images") }, (_, i) => {
    const { data, shape: [height, width] } = tensor(`image_${i}`);
    return { width: width!, height: height!, data: Uint8Array.from(data) };
  });
}

/** What a ResNet makes of one image of any size. */
async function readImage(
  { width, height, data }: RgbImage,
  path: string,
  options: Partial<ResnetGraphOptions> = {},
) {
  const weights = await readResnet(path);
  const graph = buildResnetGraph(weights, {
    ...{ input: "rgb", compute: "float32", means: true, ...options },
  });
  const session = await openSession(graph, { weightsFolder: dirname(path), threads: 1 });
  const outputs = await session.run({ images: ortTensor("uint8", data, [1, height, width, 3]) });
  await session.release();
  return new Map(
    Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]),
  );
}

const RESNET_OUTPUTS = [
  ["stem", "maxpool"],
  ["layer1", "layer1"],
  ["layer2", "layer2"],
  ["layer3", "layer3"],
  ["layer4", "layer4"],
  ["embedding", "features"],
] as const;

for (const way of ["plain", "crop"] as const) {
  const what = way === "plain" ? "whole images of any size" : "centre crops";
  Deno.test(`torchvision's ResNet has the features and means of ${what}`, async () => {
    const file = await golden("resnet.safetensors");
    const cropped = imagesOf(file).map((image) =>
      way === "plain" ? image : centerCrop(image, file.size("crop"))
    );
    const found = await Promise.all(cropped.map((image) => readImage(image, file.path)));
    for (const [output, name] of RESNET_OUTPUTS) {
      const expected = file.tensor(`${way}.${name}`);
      const all = Float32Array.from(found.flatMap((image) => [...image.get(output)!]));
      assertEqual({ data: all, shape: [found.length, all.length / found.length] }, expected);
    }
  });
}

Deno.test("torchvision's ResNet is read as a backbone: crops of its resolution, the mean as embedding", async () => {
  const file = await golden("resnet.safetensors");
  const crop = file.size("crop");
  await using usual = await openBackbone(file.path);
  assert.deepEqual([usual.architecture.resolutionPx, usual.taps], [224, ["embedding"]]);
  await using backbone = await openBackbone(file.path, { settings: { resolutionPx: crop } });
  const { architecture, featureSizes, tap } = backbone;
  assert.deepEqual([architecture.resolutionPx, tap], [crop, "embedding"]);
  assert.deepEqual(featureSizes, { blocks: 1, width: file.size("features") });
  const { data, shape } = await backbone.features(imagesOf(file));
  const expected = file.tensor("crop.features");
  assert.deepEqual(shape, [expected.shape[0], 1, expected.shape[1]]);
  assertClose(data, expected.data, TOLERANCE, "features");
  // crops of another size are other features
  assert.equal(
    await backbone.fingerprint(),
    await usual.fingerprint() + (crop === 224 ? "" : ` {"resolutionPx":${crop}}`),
  );
});

Deno.test("CLIP's RN50 is read as a backbone: RGB is normalised as CLIP's is", async () => {
  const file = await golden("clip_rn50.safetensors");
  const size = file.size("resolution");
  const crops = [0, 1].map((seed) =>
    Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * i + (7 + seed) * i) % 256)
  );
  const [mean, std] = [[.48145466, .4578275, .40821073], [.26862954, .26130258, .27577711]];
  const area = size * size;
  const pixels = Float32Array.from({ length: 2 * 3 * area }, (_, i) => {
    const channel = Math.floor(i / area) % 3;
    const level = crops[Math.floor(i / (3 * area))]![(i % area) * 3 + channel]!;
    return (level / 255 - mean[channel]!) / std[channel]!;
  });
  const graph = buildResnetGraph(await readResnet(file.path), {
    ...{ input: "pixels", compute: "float32" },
  });
  const { embedding } = await run(graph, file.path, tensor(pixels, [2, 3, size, size]));
  await using backbone = await openBackbone(file.path);
  const { data } = await backbone.featuresOfCrops(concat(crops), 2);
  assertClose(data, embedding!.data, 2e-5, "embedding");
});

Deno.test("a ResNet in half precision has float32's embedding but for rounding", async () => {
  const file = await golden("clip_rn50.safetensors");
  const { data, shape } = file.tensor("pixels");
  const graph = buildResnetGraph(await readResnet(file.path), {
    ...{ input: "pixels", compute: "float16" },
  });
  const { embedding } = await run(graph, file.path, { data, shape });
  assertClose(embedding!.data, file.tensor("embedding").data, 5e-3, "embedding");
});

Deno.test("a ResNet stored in half precision has the embedding of its values", async () => {
  const file = await golden("clip_rn50.safetensors");
  const { tensors, metadata } = await readSafetensors(file.path);
  const path = join(temporaryFolder(), "half.safetensors");
  const stored = [...tensors].map(([name, { data, shape }]) => ({
    ...{ name, shape, dtype: "F16" as const },
    bytes: () => Promise.resolve(new Uint8Array(Float16Array.from(data).buffer)),
  }));
  await writeLargeSafetensors(path, stored, metadata);
  const graph = buildResnetGraph(await readResnet(path), { input: "pixels", compute: "float32" });
  const { embedding } = await run(graph, path, file.tensor("pixels"));
  assertClose(embedding!.data, file.tensor("embedding").data, 5e-3, "embedding");
  await using backbone = await openBackbone(path);
  await using whole = await openBackbone(file.path);
  const counted = [...tensors].filter(([name]) => !name.endsWith("num_batches_tracked"));
  const values = counted.reduce((sum, [, { data }]) => sum + data.length, 0);
  assert.deepEqual([backbone.weightsBytes, whole.weightsBytes], [2 * values, 4 * values]);
});

Deno.test("a ResNet is described for people by its stages, pool and embedding", async () => {
  const clip = await golden("clip_rn50.safetensors"), plain = await golden("resnet.safetensors");
  const lineOf = async ({ path }: { path: string }) =>
    describeBackbone(await readWeights(path)).split("\n");
  const [first, second] = await lineOf(clip);
  assert.match(first!, new RegExp(`^${clip.path}: OpenAI CLIP ResNet names, F32, \\d\\.\\d MB$`));
  assert.equal(
    second,
    `stages of ${clip.sizes("layers").join(", ")} bottlenecks, ${
      clip.size("width")
    } channels at first, attention pool of ${clip.size("heads")} heads; ${
      clip.size("resolution")
    } px; image embedding of ${clip.size("embed")}`,
  );
  assert.match(
    (await lineOf(plain))[1]!,
    new RegExp(`, mean of the last map; 224 px; image embedding of ${plain.size("features")}$`),
  );
});

Deno.test("a ResNet offers its embedding alone, and no int8: both are said in a sentence", async () => {
  const folder = temporaryFolder();
  const { path } = await golden("clip_rn50.safetensors");
  const { header } = await importBackbone(path, { name: "RN50", folder });
  for (const tap of ["ln2", "block", "patches"] as const) {
    await assert.rejects(openBackbone("RN50", { folder, tap }), {
      name: "UserError",
      message:
        `Cannot read RN50 at ${tap}: expected embedding, which is all that the weights in ${header.path} give`,
    });
  }
  const rest =
    "expected a vision transformer, whose linear layers int8 is for, found a ResNet, which runs at full precision alone";
  await assert.rejects(openBackbone("RN50", { folder, precision: "int8" }), {
    name: "UserError",
    message: `Cannot open RN50 as int8: ${rest}`,
  });
  await assert.rejects(quantizeBackbone("RN50", folder), {
    name: "UserError",
    message: `Cannot quantize RN50: ${rest}`,
  });
});

const POSITIONS = "visual.attnpool.positional_embedding";

Deno.test("tensors of a ResNet that are missing, left over or misshapen are listed by name", async () => {
  const { path } = await golden("resnet.safetensors", undefined, (weights) => {
    weights.delete("layer2.0.bn3.running_var");
    weights.set("surprise", tensor(new Float32Array(2), [2]));
    weights.set("layer1.0.bn1.bias", tensor(new Float32Array(3), [3]));
  });
  await assert.rejects(
    openBackbone(path),
    /missing layer2\.0\.bn3\.running_var; unexpected surprise; layer1\.0\.bn1\.bias \[3\] for \[\d+\]$/,
  );
  const far = await golden("clip_rn50.safetensors", undefined, (weights) => {
    weights.set("visual.layer3.999999999.conv1.weight", tensor(new Float32Array(1), [1]));
  });
  const odd = await golden("clip_rn50.safetensors", undefined, (weights) => {
    const { data, shape: [positions = 0, width = 0] } = weights.get(POSITIONS)!;
    const without = data.slice(0, (positions - 1) * width);
    weights.set(POSITIONS, tensor(without, [positions - 1, width]));
  });
  await assert.rejects(
    openBackbone(odd.path),
    /expected positions of a mean and a square grid, found \d+$/,
  );
  await assert.rejects(
    openBackbone(far.path),
    /found unexpected visual\.layer3\.999999999\.conv1\.weight$/,
  );
});

Deno.test("what cannot be said of a ResNet is refused", async () => {
  const clip = await golden("clip_rn50.safetensors");
  await assert.rejects(
    openBackbone(clip.path, { settings: { resolutionPx: 224 } }),
    /expected options of heads, epsilon, pixelMean, pixelStd; found resolutionPx$/,
  );
  await assert.rejects(
    openBackbone(clip.path, { settings: { heads: 0 } }),
    /expected heads that divide \d+ channels, found 0/,
  );
  const resnet = await golden("resnet.safetensors");
  await assert.rejects(
    openBackbone(resnet.path, { settings: { resolutionPx: 63.5 } }),
    /expected resolutionPx of 1 or more, found 63\.5$/,
  );
  await assert.rejects(
    openBackbone(resnet.path, { settings: { activation: "gelu" } }),
    /expected options of resolutionPx, epsilon, pixelMean, pixelStd; found activation$/,
  );
});

Deno.test("heads of an attention pool are 64 wide, or as many as metadata say, or settings before them", async () => {
  const plain = await golden("clip_rn50.safetensors", {});
  assert.equal((await readResnet(plain.path)).architecture.heads, plain.size("width") * 32 / 64);
  const { path, size } = await golden("clip_rn50.safetensors", { heads: "1" });
  assert.equal((await readResnet(path)).architecture.heads, 1);
  assert.equal(
    (await readResnet(path, { heads: size("heads") })).architecture.heads,
    size("heads"),
  );
  await using backbone = await openBackbone(path);
  await using other = await openBackbone(path, { settings: { heads: 2 } });
  assert.equal(await other.fingerprint(), `${await backbone.fingerprint()} {"heads":2}`);
});

Deno.test("features on disk are a ResNet's embeddings, and their description names its weights", async () => {
  const file = await golden("clip_rn50.safetensors");
  const images = temporaryFolder(), folder = temporaryFolder();
  const size = file.size("resolution");
  const pictures = [0, 1, 2].map((seed) => noiseImage(size, size, seed));
  for (const [i, { width, height, data }] of pictures.entries()) {
    const raw = { width, height, channels: 3 } as const;
    await sharp(data, { raw }).png().toFile(join(images, `${i}.png`));
  }
  await importBackbone(file.path, { name: "RN50", folder });
  const out = join(folder, "features.npy");
  const said = await silently(() =>
    writeFeatures({
      ...{ images, out, backbone: "RN50", backbones: folder, transform: "center", device: "cpu" },
      ...{ precision: "full", skipCorrupt: false },
    })
  );
  const width = file.size("embed");
  assert(said.includes(`float16 [3, 1, ${width}]`), said);
  await using backbone = await openBackbone("RN50", { folder });
  const { source } = JSON.parse(await Deno.readTextFile(`${out}.json`));
  assert.deepEqual([source.tap, source.weights], ["embedding", await backbone.fingerprint()]);
  const bytes = await Deno.readFile(out);
  const stored = new Float16Array(bytes.slice(bytes.length - 2 * 3 * width).buffer);
  assertClose(stored, (await backbone.features(pictures)).data, 1e-3, "features");
});

/** Does something whose progress nobody wants to see. */
async function silently<T>(work: () => Promise<T>): Promise<T> {
  const { error } = console;
  console.error = () => {};
  try {
    return await work();
  } finally {
    console.error = error;
  }
}

Deno.test("what a training script saves beside a network is not imported", async () => {
  const folder = temporaryFolder(), path = join(folder, "model_epoch_best.pth");
  const file = await golden("resnet.safetensors");
  const { tensors } = await readSafetensors(file.path);
  const moment = tensor(new Float32Array(4), [4]);
  await writePytorchFile(path, [
    ...[...tensors].map(([name, values]) => [`model.${name}`, values] as const),
    ["optimizer.state.0.exp_avg", moment],
    ["scheduler.rate", moment],
  ]);
  const { header, tensors: found } = await importBackbone(path, { name: "Wang", folder });
  assert.deepEqual([...header.tensors.keys()].sort(), [...found.keys()].sort());
});

const ARCHIVES = ["lgrad_classifier.pth", "dmid.pth", "wang.pth"] as const;

for (const name of ARCHIVES) {
  Deno.test(`the network in ${name} is imported, whatever it was saved under`, async () => {
    const folder = temporaryFolder();
    const file = await golden("resnet.safetensors");
    await importBackbone(join(GOLDENS, name), { name: "RN50", folder });
    const settings = { resolutionPx: file.size("crop") };
    await using backbone = await openBackbone("RN50", { folder, settings });
    const { data } = await backbone.features(imagesOf(file));
    assertClose(data, file.tensor("crop.features").data, TOLERANCE, "features");
  });
}
