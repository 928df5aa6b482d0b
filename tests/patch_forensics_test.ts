import assert from "node:assert/strict";
import { join } from "node:path";
import { readModelFile } from "../lib/detectors/checkpoint_file.ts";
import { CheckpointTensors } from "../lib/detectors/checkpoint_tensors.ts";
import { findDetector } from "../lib/detectors/index.ts";
import patchForensics from "../lib/detectors/patch_forensics/detector.ts";
import { buildPatchNetwork } from "../lib/detectors/patch_forensics/graph.ts";
import { AVERAGES, imageLogits } from "../lib/detectors/patch_forensics/score.ts";
import { scoreImages } from "../lib/detectors/pixel_detector.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { readPixels } from "../lib/image/pixels.ts";
import { readSafetensors, writeSafetensors } from "../lib/io/safetensors.ts";
import { type Tensor, tensor } from "../lib/io/tensor.ts";
import { sigmoid } from "../lib/metrics.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { concat, noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const PTH = join(GOLDENS, "patch_forensics.pth");
const { tensors, metadata } = await readSafetensors(join(GOLDENS, "patch_forensics.safetensors"));
const size = (name: string) => Number(metadata[name]);

function imageOf(name: string): RgbImage {
  const { shape: [height, width], data } = tensors.get(name)!;
  return { width: width!, height: height!, data: Uint8Array.from(data) };
}
const indices = Array.from({ length: size("images") }, (_, i) => i);
const crops = indices.map((i) => imageOf(`crop_${i}`));
const [MAP, SCORE] = [1e-4, 1e-5];

/** A file with the golden's weights, changed, and metadata. */
async function weightsFile(
  said: Record<string, string> = {},
  change: (weights: Map<string, Tensor>) => void = () => {},
): Promise<string> {
  const weights = new Map(
    [...tensors].filter(([name]) => name.startsWith("weights."))
      .map(([name, value]) => [name.slice("weights.".length), value]),
  );
  change(weights);
  const path = join(temporaryFolder(), "patches.safetensors");
  await writeSafetensors(path, weights, said);
  return path;
}

async function mapOf(graph: Uint8Array, images: readonly RgbImage[]) {
  const { height, width } = images[0]!;
  const session = await openSession(graph, { threads: 1 });
  const rgb = concat(images.map(({ data }) => data));
  const shape = [images.length, height, width, 3];
  const { map } = await session.run({ images: ortTensor("uint8", rgb, shape) });
  await session.release();
  return { data: map!.data as Float32Array, shape: map!.dims };
}

Deno.test("images are resized and cropped as the released transform does", () => {
  const sizePx = size("loadSize");
  indices.forEach((i) => {
    const steps = [
      { kind: "shortSide", sizePx, filter: "lanczos" },
      { kind: "crop", sizePx },
    ] as const;
    assert.deepEqual(readPixels(imageOf(`image_${i}`), steps), crops[i]);
  });
});

Deno.test("weights in safetensors and in the released script's pickle have the reference's map of patches", async () => {
  for (const path of [await weightsFile(), PTH]) {
    const { tensors: own } = await readModelFile(path);
    const network = buildPatchNetwork(new CheckpointTensors(path, own, "Patch-Forensics"));
    assert.deepEqual([network.body, network.lastBlock], ["Xception", `block${size("block")}`]);
    const found = await mapOf(network.graph, crops);
    const expected = tensors.get("map")!;
    assert.deepEqual(found.shape, expected.shape);
    assert.deepEqual(found.shape.slice(2), [size("gridHeight"), size("gridWidth")]);
    assertClose(found.data, expected.data, MAP, "map");
  }
});

const EXPECTED = { mean: "mean_softmax", vote: "vote", logits: "mean_logit_softmax" } as const;
const WAYS = { mean: "original", vote: "vote", logits: "mean_logit" } as const;

for (const average of AVERAGES) {
  const name = EXPECTED[average];
  const isGenerated = (_: number, i: number) => i % 2 === size("fakeChannel");
  Deno.test(`${name} of the patches is the reference's score of a generated image`, async () => {
    const expected = tensors.get(name)!.data.filter(isGenerated);
    const scorer = await patchForensics.open(PTH, { engine: "onnx" }, WAYS[average]);
    const logits = await scoreImages(scorer, crops);
    const ofMap = imageLogits(tensors.get("map")!.data, crops.length, average);
    await scorer.dispose();
    indices.forEach((i) => {
      const tolerance = average === "vote" ? 1e-7 : SCORE; // a share of patches, as float32
      for (const found of [logits, ofMap]) {
        const score = sigmoid(found[i]!);
        assert(Math.abs(score - expected[i]!) <= tolerance, `${score} is not ${expected[i]}`);
      }
    });
  });
}

Deno.test("one patch alone, and votes without dissent, have finite logits and exact scores", () => {
  // two images of two patches: logits of generated, then of real
  const map = Float32Array.of(3, 1, 2, 0, /**/ -500, 0, 500, 900);
  const scores = (average: (typeof AVERAGES)[number]) =>
    Array.from(imageLogits(map, 2, average), (logit) => {
      assert(Number.isFinite(logit));
      return Math.fround(sigmoid(logit));
    });
  const expected = Math.fround(1 / (1 + Math.exp(-1)));
  assert.deepEqual(scores("vote"), [1, 0]);
  assert.deepEqual(scores("logits"), [expected, 0]);
  assert.deepEqual(scores("mean"), [expected, 0]);
  const even = Float32Array.of(1, 0, 0, 1); // a tie of votes, no tie of patches
  for (const average of AVERAGES) assert.equal(imageLogits(even, 1, average)[0], 0);
});

Deno.test("the size that images are read at is the network's own, or what its file says", async () => {
  const sizes = async (path: string) => {
    const transforms = await patchForensics.transformsOf!(path);
    assert.deepEqual(Object.keys(transforms), Object.keys(patchForensics.reads.transforms));
    return transforms.original.map((step) => step.sizePx);
  };
  assert.deepEqual(await sizes(PTH), [299, 299]);
  assert.deepEqual(await sizes(await weightsFile({ loadSize: "75" })), [75, 75]);
  assert.deepEqual(await sizes(await residualFile("basic")), [224, 224]);
});

Deno.test("a released file is opened as it is, and images are judged as by its network", async () => {
  assert.equal((await findDetector(PTH)).kind, patchForensics);
  const image = noiseImage(330, 310, 1);
  const views = [readPixels(image, patchForensics.reads.transforms.original)];
  for (const transform of Object.values(WAYS)) {
    const scorer = await patchForensics.open(PTH, { engine: "onnx" }, transform);
    const [logit] = await scoreImages(scorer, views);
    await scorer.dispose();
    await using detector = await openDetector(PTH, { transform });
    assert.equal(detector.reads, `short side 299 (lanczos), centre crop 299 (${transform})`);
    assert.equal((await detector.detect(image)).logit, logit);
  }
  await assert.rejects(
    openDetector(PTH, { transform: "median" }),
    /expected a transform of original, vote, mean_logit; found median$/,
  );
});

Deno.test("a checkpoint is described, and gives its own tensors without what training kept", async () => {
  const [first, parameters] = await patchForensics.describeCheckpoint(PTH);
  assert.equal(first, `${PTH}: Patch-Forensics, Xception up to block${size("block")}`);
  const { tensors: own } = await patchForensics.ownTensors(PTH);
  const counted = [...own].filter(([name]) => !name.includes("running_"));
  const values = counted.reduce((sum, [, { data }]) => sum + data.length, 0);
  assert.match(parameters!, new RegExp(`^ +parameters +${values}$`));
  const names = [...tensors.keys()].flatMap((name) =>
    /^weights\.(.+(?<!num_batches_tracked))$/.exec(name)?.[1] ?? []
  );
  assert.deepEqual([...own.keys()].sort(), names.sort());
});

Deno.test("tensors that are missing, misshapen, left over or no numbers are refused by name", async () => {
  const cases: [(weights: Map<string, Tensor>) => void, RegExp][] = [
    [
      (weights) => weights.delete("block1.skipbn.bias"),
      /expected block1\.skipbn\.bias \[\d+\], found none$/,
    ],
    [
      (weights) => weights.set("convout.bias", tensor(new Float32Array(3), [3])),
      /expected convout\.bias \[2\], found \[3\]$/,
    ],
    [
      (weights) => weights.set("fc.bias", tensor(new Float32Array(3), [3])),
      /expected the weights of Patch-Forensics and no others, found fc\.bias$/,
    ],
    [
      (weights) => weights.get("bn1.weight")!.data.fill(NaN),
      /expected numbers in bn1\.weight, found NaN$/,
    ],
  ];
  for (const [change, says] of cases) {
    const changed = (weights: Map<string, Tensor>) => {
      for (const [name, { data, shape }] of [...weights]) {
        weights.set(name, tensor(data.slice(), shape));
      }
      change(weights);
    };
    const path = await weightsFile({}, changed);
    await assert.rejects(patchForensics.open(path, { engine: "onnx" }), {
      name: "UserError",
      message: says,
    });
  }
});

/** A file of a ResNet of 2 channels, cut off after its second stage, that computes with ones. */
async function residualFile(kind: "basic" | "bottleneck"): Promise<string> {
  const weights = new Map<string, Tensor>();
  const add = (name: string, shape: number[], value: number) => {
    const length = shape.reduce((product, side) => product * side, 1);
    weights.set(name, tensor(new Float32Array(length).fill(value), shape));
  };
  const unit = (conv: string, norm: string, shape: [number, number, number, number]) => {
    add(`${conv}.weight`, shape, 1 / (shape[1] * shape[2] * shape[3]));
    add(`${norm}.weight`, [shape[0]], Math.sqrt(1 + 1e-5));
    add(`${norm}.bias`, [shape[0]], 0);
    add(`${norm}.running_mean`, [shape[0]], 0);
    add(`${norm}.running_var`, [shape[0]], 1);
  };
  unit("conv1", "bn1", [2, 3, 7, 7]);
  let inputs = 2;
  [2, 4].forEach((width, stage) => {
    const outputs = kind === "basic" ? width : 4 * width;
    const name = `layer${stage + 1}.0`;
    const kernels = kind === "basic" ? [3, 3] : [1, 3, 1];
    kernels.forEach((k, i) => {
      const out = i === kernels.length - 1 ? outputs : width;
      unit(`${name}.conv${i + 1}`, `${name}.bn${i + 1}`, [out, i === 0 ? inputs : width, k, k]);
    });
    if (inputs !== outputs) {
      unit(`${name}.downsample.0`, `${name}.downsample.1`, [outputs, inputs, 1, 1]);
    }
    inputs = outputs;
  });
  add("convout.weight", [2, inputs, 1, 1], 1 / inputs);
  add("convout.bias", [2], 0);
  weights.get("convout.bias")!.data[1] = 1;
  const path = join(temporaryFolder(), `${kind}.safetensors`);
  await writeSafetensors(path, weights);
  return path;
}

for (const kind of ["basic", "bottleneck"] as const) {
  Deno.test(`a ResNet of ${kind} blocks is cut off after its last stage: means of white double with each block`, async () => {
    const path = await residualFile(kind);
    const { tensors: own } = await readModelFile(path);
    const network = buildPatchNetwork(new CheckpointTensors(path, own, "Patch-Forensics"));
    assert.deepEqual([network.body, network.lastBlock], ["ResNet", "layer2"]);
    const white = { width: 96, height: 80, data: new Uint8Array(96 * 80 * 3).fill(255) };
    const { data, shape } = await mapOf(network.graph, [white]);
    assert.deepEqual(shape, [1, 2, 80 / 8, 96 / 8]);
    // far from the edges every layer averages equal values: 1, then 1 + 1, then 2 + 2
    const middle = 5 * 12 + 6, places = 10 * 12;
    assert(Math.abs(data[middle]! - 4) < 1e-4, `${data[middle]}`);
    assert(Math.abs(data[places + middle]! - 5) < 1e-4, `${data[places + middle]}`);
  });
}
