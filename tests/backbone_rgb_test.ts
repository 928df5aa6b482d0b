import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { FAMILIES } from "../lib/backbones/families/index.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { quantizedPath, quantizeWeights, readQuantizedWeights } from "../lib/backbones/quantize.ts";
import { buildVitGraph } from "../lib/backbones/vit/graph.ts";
import { readVitWeights, type VitWeights } from "../lib/backbones/vit/weights.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { randomStream } from "../lib/random.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { concat, noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

// The goldens feed normalised pixels, which are no 8-bit colours: so RGB is normalised here by hand,
// and what the graph makes of it is held to its own tokens of normalised pixels, which are PyTorch's.

/** From CLIP's own code, `clip.py`, `_transform`. */
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];

const COUNT = 3;

/** A few roundings of 11 bits, in parts of the largest token; channels with swapped spreads are over 9e-3. */
const HALF_TOLERANCE = 4e-3;

/** uint8 [count, R, R, 3]: each channel, row and column has a mean and a spread of its own. */
function unevenCrops(count: number, resolutionPx: number): Uint8Array {
  const random = randomStream("uneven crops");
  return Uint8Array.from({ length: count * resolutionPx ** 2 * 3 }, (_, i) => {
    const channel = i % 3, place = Math.floor(i / 3);
    const x = place % resolutionPx, y = Math.floor(place / resolutionPx) % resolutionPx;
    const mean = [190, 60, 110][channel]! + 40 * (x / resolutionPx) ** 2 - 25 * y / resolutionPx;
    return Math.min(255, Math.max(0, mean + [12, 30, 55][channel]! * random.normal()));
  });
}

/** [count, R, R, 3] → float32 [count, 3, R, R], as torchvision's `ToTensor` and `Normalize`. */
function normalise(
  rgb: Uint8Array,
  resolutionPx: number,
  mean: readonly number[],
  std: readonly number[],
): Float32Array {
  const area = resolutionPx ** 2;
  const pixels = new Float32Array(rgb.length);
  rgb.forEach((level, i) => {
    const channel = i % 3, place = Math.floor(i / 3);
    const at = (Math.floor(place / area) * 3 + channel) * area + place % area;
    pixels[at] = (level / 255 - mean[channel]!) / std[channel]!;
  });
  return pixels;
}

/** Where the goldens have tokens. */
const TAPS = ["ln2", "block"] as const;

interface Graph {
  readonly tap: typeof TAPS[number];
  readonly input: "rgb" | "pixels";
  readonly compute?: "float32" | "float16";
}

/** Tokens of a graph on the CPU, float32 [count, blocks, width]. */
async function tokensOf(
  weights: VitWeights,
  { tap, input, compute = "float32" }: Graph,
  data: Uint8Array | Float32Array,
): Promise<Float32Array> {
  const { header: { path }, architecture: { resolutionPx: size } } = weights;
  const graph = buildVitGraph(weights, { taps: [tap], input, compute });
  const session = await openSession(graph, { weightsFolder: dirname(path), threads: 1 });
  const count = data.length / (3 * size * size);
  const images = input === "rgb"
    ? ortTensor("uint8", data, [count, size, size, 3])
    : ortTensor("float32", data, [count, 3, size, size]);
  const { [tap]: tokens } = await session.run({ images });
  const { dims, data: values } = tokens!;
  assert.deepEqual(dims, [count, weights.architecture.blocks, weights.architecture.width]);
  await session.release();
  return Float32Array.from(values as Float32Array);
}

for (const family of ["hf", "openai"]) {
  for (const tap of TAPS) {
    Deno.test(`RGB under ${family} names has the tokens at ${tap} of pixels normalised by hand`, async () => {
      const path = join(GOLDENS, `clip_${family}.safetensors`);
      const weights = await readVitWeights(path);
      const size = weights.architecture.resolutionPx;
      const rgb = unevenCrops(COUNT, size);
      const pixels = normalise(rgb, size, CLIP_MEAN, CLIP_STD);
      const expected = await tokensOf(weights, { tap, input: "pixels" }, pixels);
      await using backbone = await openBackbone(path, { tap, threads: 1 });
      const { data, shape } = await backbone.featuresOfCrops(rgb, COUNT);
      const { blocks, width } = weights.architecture;
      assert.deepEqual(shape, [COUNT, blocks, width]);
      assertClose(data, expected, 2e-5, "tokens");
    });

    Deno.test(`in half precision, RGB under ${family} names has float32's tokens at ${tap} but for rounding`, async () => {
      const weights = await readVitWeights(join(GOLDENS, `clip_${family}.safetensors`));
      const size = weights.architecture.resolutionPx;
      const rgb = unevenCrops(COUNT, size);
      const pixels = normalise(rgb, size, CLIP_MEAN, CLIP_STD);
      const expected = await tokensOf(weights, { tap, input: "pixels" }, pixels);
      const found = await tokensOf(weights, { tap, input: "rgb", compute: "float16" }, rgb);
      assertClose(found, expected, HALF_TOLERANCE, "tokens");
    });
  }
}

Deno.test("half precision equals PyTorch's tokens but for rounding", async () => {
  const { tensors } = await readSafetensors(join(GOLDENS, "clip_expected.safetensors"));
  const weights = await readVitWeights(join(GOLDENS, "clip_hf.safetensors"));
  for (const tap of TAPS) {
    const graph = { tap, input: "pixels", compute: "float16" } as const;
    const found = await tokensOf(weights, graph, tensors.get("pixels")!.data);
    const expected = tensors.get(`${tap}_cls`)!.data;
    assertClose(found, expected, HALF_TOLERANCE, `tokens at ${tap}`);
  }
});

Deno.test("in int8, RGB has the tokens of pixels normalised by hand, near float32's", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "tiny", "model.safetensors");
  await Deno.mkdir(dirname(path));
  await Deno.copyFile(join(GOLDENS, "clip_hf.safetensors"), path);
  const weights = await readVitWeights(path);
  await quantizeWeights(weights, quantizedPath(path));
  const size = weights.architecture.resolutionPx;
  const rgb = unevenCrops(COUNT, size);
  const pixels = normalise(rgb, size, CLIP_MEAN, CLIP_STD);
  const int8 = await readQuantizedWeights(quantizedPath(path), path);
  const full = await tokensOf(weights, { tap: "ln2", input: "pixels" }, pixels);
  await using backbone = await openBackbone("tiny", { folder, precision: "int8", threads: 1 });
  const { data } = await backbone.featuresOfCrops(rgb, COUNT);
  const one = data.length / COUNT, area = 3 * size * size;
  for (let i = 0; i < COUNT; i++) {
    const alone = pixels.subarray(i * area, (i + 1) * area);
    const expected = await tokensOf(int8, { tap: "ln2", input: "pixels" }, alone);
    const found = data.subarray(i * one, (i + 1) * one);
    // a value that lies between two steps may be rounded to either
    assertClose(found, expected, 5e-3, `tokens of crop ${i}`);
    const near = full.subarray(i * one, (i + 1) * one);
    const error = near.reduce((sum, value, j) => sum + (value - found[j]!) ** 2, 0);
    const power = near.reduce((sum, value) => sum + value ** 2, 0);
    assert(error < 1e-3 * power, `crop ${i} is ${error / power} off float32's tokens`);
  }
});

Deno.test("images of any size have the tokens of their centre crops, in their order", async () => {
  await using backbone = await openBackbone(join(GOLDENS, "clip_hf.safetensors"), { threads: 1 });
  const size = backbone.architecture.resolutionPx;
  const images = [noiseImage(size + 9, size + 4), noiseImage(size, size - 3)];
  const crops = [
    cutOut(images[0]!, { top: 2, left: 4, size }), // 4.5 is rounded to even
    cutOut(images[1]!, { top: -1, left: 0, size }), // three black rows: one above, two below
  ];
  const { data } = await backbone.features(images);
  assert.deepEqual(data, (await backbone.featuresOfCrops(concat(crops), 2)).data);
});

/** A square cut out by hand, black outside the image. */
function cutOut(
  { width, height, data }: RgbImage,
  { top, left, size }: { top: number; left: number; size: number },
): Uint8Array {
  return Uint8Array.from({ length: size * size * 3 }, (_, i) => {
    const x = left + Math.floor(i / 3) % size, y = top + Math.floor(i / 3 / size);
    return x >= 0 && x < width && y >= 0 && y < height ? data[(y * width + x) * 3 + i % 3]! : 0;
  });
}

Deno.test("every family normalises pixels as its own code does", () => {
  const clip = {
    pixelMean: CLIP_MEAN,
    pixelStd: CLIP_STD,
    epsilon: 1e-5,
    activation: "quick_gelu",
  };
  const timm = {
    pixelMean: [0.5, 0.5, 0.5],
    pixelStd: [0.5, 0.5, 0.5],
    epsilon: 1e-6,
    activation: "gelu",
  };
  const torchvision = {
    ...timm,
    pixelMean: [0.485, 0.456, 0.406],
    pixelStd: [0.229, 0.224, 0.225],
  };
  const found = FAMILIES.map(({ name, pixelMean, pixelStd, epsilon, activation }) => [
    name,
    { pixelMean, pixelStd, epsilon, activation },
  ]);
  assert.deepEqual(Object.fromEntries(found), {
    "Hugging Face CLIP": clip,
    "Hugging Face CLIP tower": clip,
    "OpenAI CLIP": clip,
    "Hugging Face SigLIP": { ...timm, activation: "gelu_tanh" },
    "Hugging Face SigLIP tower": { ...timm, activation: "gelu_tanh" },
    "Hugging Face ViT": { ...timm, epsilon: 1e-12 },
    "Hugging Face DINOv2 giant": torchvision,
    "Hugging Face DINOv2": torchvision,
    "open_clip with timm CLIP": clip,
    "open_clip with timm ViT": timm,
    "open_clip with timm ViT without class token": timm,
    "timm CLIP": clip,
    "Meta DINOv2 giant": torchvision,
    "Meta ViT with registers": timm,
    "DeiT with distillation": timm,
    "timm ViT": timm,
    "timm ViT without class token": timm,
    "torchvision ViT": torchvision,
    "torchvision ViT (mlp.0)": torchvision,
  });
});
