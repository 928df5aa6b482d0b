import assert from "node:assert/strict";
import { join } from "node:path";
import { CheckpointTensors } from "../lib/detectors/checkpoint_tensors.ts";
import { importDetector } from "../lib/detectors/import.ts";
import { discriminatorKind, readDiscriminator } from "../lib/detectors/lgrad/checkpoint.ts";
import lgrad from "../lib/detectors/lgrad/detector.ts";
import { buildGradientGraph, resolutionOf } from "../lib/detectors/lgrad/discriminator.ts";
import { scoreImages } from "../lib/detectors/pixel_detector.ts";
import wang from "../lib/detectors/wang.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { readPixels } from "../lib/image/pixels.ts";
import { writePytorchFile } from "../lib/io/pytorch_file.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { type Tensor, tensor } from "../lib/io/tensor.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const { tensors, metadata } = await readSafetensors(join(GOLDENS, "lgrad.safetensors"));
const DISCRIMINATOR = join(GOLDENS, "lgrad_discriminator.pth");
const CLASSIFIER = join(GOLDENS, "lgrad_classifier.pth");
const RELEASED = "karras2019stylegan-bedrooms-256x256_discriminator.pth";
const sizePx = Number(metadata["resolution"]);
const count = Number(metadata["images"]);

/** Of the stored picture, and of one's own. */
const [OF_STORED, OF_OWN] = [1e-4, 2e-3];

function imageOf(name: string): RgbImage {
  const { shape: [height, width], data } = tensors.get(name)!;
  return { width: width!, height: height!, data: Uint8Array.from(data) };
}
const indices = Array.from({ length: count }, (_, i) => i);
const images = indices.map((i) => imageOf(`image_${i}`));
const pictures = indices.map((i) => imageOf(`gradient_picture_${i}`));
const { original } = await lgrad.transformsOf!(await released());

/** What the discriminator's graph gives for one image. */
async function gradientOf(graph: Uint8Array, { data, width, height }: RgbImage) {
  const session = await openSession(graph, { threads: 1 });
  const outputs = await session.run({ images: ortTensor("uint8", data, [1, height, width, 3]) });
  await session.release();
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
}

const graphOf = async (path: string, options = {}) =>
  buildGradientGraph((await readDiscriminator(path)).tensors, options);

/** A classifier with the discriminator beside it, under its released name. */
async function released(discriminator = DISCRIMINATOR): Promise<string> {
  const folder = temporaryFolder(), path = join(folder, "LGrad-4class.pth");
  await Deno.copyFile(CLASSIFIER, path);
  await Deno.copyFile(discriminator, join(folder, RELEASED));
  return path;
}

function assertPicture(found: Uint8Array, expected: Uint8Array, what: string) {
  assert.equal(found.length, expected.length);
  const apart = Array.from(found, (level, i) => Math.abs(level - expected[i]!));
  const largest = apart.reduce((a, b) => Math.max(a, b), 0);
  const share = apart.filter((levels) => levels > 0).length / apart.length;
  assert(largest <= 1 && share <= 1e-3, `${what}: ${largest} levels, ${100 * share} % differ`);
}

Deno.test("the gradient by an image, its score and its picture are the reference's", async () => {
  const graph = await graphOf(DISCRIMINATOR, { numbers: true });
  for (const i of indices) {
    const found = await gradientOf(graph, readPixels(images[i]!, original));
    assertClose(
      [...found["score"] as Float32Array],
      [tensors.get("score")!.data[i]!],
      1e-4,
      "score",
    );
    for (const [name, golden] of [["least", "gradient_min"], ["most", "gradient_max"]] as const) {
      const { data } = tensors.get(golden)!;
      assertClose([...found[name] as Float32Array], [data[i]!], 1e-3, golden);
    }
    assertPicture(found["picture"] as Uint8Array, pictures[i]!.data, `picture of image ${i}`);
    if (i > 0) continue;
    const stored = await readSafetensors(join(GOLDENS, "lgrad_gradient.safetensors"));
    const { data: expected } = stored.tensors.get("gradient_0")!;
    const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const far = (found["gradient"] as Float32Array)
      .filter((value, k) => !(Math.abs(value - expected[k]!) <= 1e-4 * largest));
    assert(far.length <= 1e-3 * expected.length, `${far.length} of ${expected.length} are far`);
  }
});

Deno.test("the classifier's logits are the reference's, on its pictures and on our own", async () => {
  const classifier = await wang.open(CLASSIFIER, { engine: "onnx" });
  const expected = [...tensors.get("logits")!.data];
  const near = (found: Float32Array, tolerance: number) =>
    found.forEach((logit, i) =>
      assert(Math.abs(logit - expected[i]!) <= tolerance, `${logit} is not ${expected[i]}`)
    );
  near(await scoreImages(classifier, pictures), OF_STORED);
  await classifier.dispose();
  const path = await released();
  const scorer = await lgrad.open(path, { engine: "onnx" });
  near(await scoreImages(scorer, images.map((image) => readPixels(image, original))), OF_OWN);
  await scorer.dispose();
  await using detector = await openDetector(path, { as: "lgrad" });
  assert.equal(detector.reads, `resized to ${sizePx} × ${sizePx} (bilinear) (original)`);
  for (const i of indices) {
    near(
      Float32Array.of(...expected).fill((await detector.detect(images[i]!)).logit, i, i + 1),
      OF_OWN,
    );
  }
});

Deno.test("read as by SIDBench, an image is cropped, and red and blue of its gradient are exchanged", async () => {
  const path = await released(), image = noiseImage(sizePx + 30, sizePx - 20, 3);
  const view = readPixels(image, [{ kind: "crop", sizePx }]);
  const found = await gradientOf(await graphOf(DISCRIMINATOR), view);
  const rgb = found["picture"] as Uint8Array;
  const bgr = rgb.map((_, i) => rgb[i - i % 3 + 2 - i % 3]!);
  assert.notDeepEqual(rgb, bgr);
  const exchanged = await gradientOf(await graphOf(DISCRIMINATOR, { swapped: true }), view);
  assert.deepEqual(exchanged["picture"], bgr);
  const classifier = await wang.open(CLASSIFIER, { engine: "onnx" });
  const [expected, otherwise] = await scoreImages(
    classifier,
    [bgr, rgb].map((data) => ({ ...view, data })),
  );
  await classifier.dispose();
  await using detector = await openDetector(path, { as: "lgrad", transform: "sidbench" });
  const { logit } = await detector.detect(image);
  assert(Math.abs(logit - expected!) < 1e-5, `${logit} is not ${expected}`);
  assert(Math.abs(logit - otherwise!) > 1e-5);
});

Deno.test("an image of another size than the discriminator's is refused", async () => {
  const scorer = await lgrad.open(await released(), { engine: "onnx" });
  await assert.rejects(
    scoreImages(scorer, [noiseImage(64, 48, 1)]),
    new RegExp(`expected ${sizePx} × ${sizePx} pixels, found 64 × 48$`),
  );
  await scorer.dispose();
});

Deno.test("classifier and discriminator are imported each by itself, and find one another", async () => {
  const folder = temporaryFolder(), path = join(folder, "LGrad.pth");
  await Deno.copyFile(CLASSIFIER, path);
  await assert.rejects(lgrad.open(path, { engine: "onnx" }), {
    name: "UserError",
    message: /found none; import it with `deno task detector import .*--as stylegan_discriminator`/,
  });
  const kept = join(folder, "kept");
  const taken = await importDetector(path, { as: "lgrad", name: "lgrad_4class", folder: kept });
  assert.equal(taken.title, "LGrad (4-class)");
  await assert.rejects(
    openDetector(taken.path),
    /expected StyleGAN's discriminator, for LGrad, at/,
  );
  await importDetector(DISCRIMINATOR, { as: "stylegan_discriminator", folder: kept });
  await using detector = await openDetector(taken.path);
  const { logit } = await detector.detect(images[0]!);
  assert(Math.abs(logit - tensors.get("logits")!.data[0]!) <= OF_OWN);
  const described = await lgrad.describeCheckpoint(taken.path);
  assert.match(described.join("\n"), /discriminator +.*stylegan_discriminator/);
  await assert.rejects(
    importDetector(CLASSIFIER, { as: "stylegan_discriminator", folder: kept, name: "x" }),
    /expected a checkpoint of StyleGAN's discriminator/,
  );
});

/** The golden's discriminator, changed. */
async function changed(change: (weights: Map<string, Tensor>) => void): Promise<string> {
  const { tensors: held } = await readDiscriminator(DISCRIMINATOR);
  buildGradientGraph(held);
  const weights = new Map(held.taken());
  change(weights);
  const path = join(temporaryFolder(), "discriminator.pth");
  await writePytorchFile(path, weights);
  return path;
}

Deno.test("a discriminator's size follows from its layers; what does not fit is refused by name", async () => {
  const path = await changed(() => {});
  const { tensors: weights } = await discriminatorKind.ownTensors(path);
  assert.equal(resolutionOf(new Set(weights.keys())), sizePx);
  const shape = weights.get("layer1.bias")!.shape;
  const cases: [(weights: Map<string, Tensor>) => void, RegExp][] = [
    [
      (held) => held.delete("layer1.bias"),
      new RegExp(`expected layer1\\.bias \\[${shape}\\], found none$`),
    ],
    [
      (held) => held.set("layer1.blur.kernel", tensor(new Float32Array(9), [1, 1, 3, 3])),
      /expected layer1\.blur\.kernel \[\d+, 1, 3, 3\], found \[1, 1, 3, 3\]$/,
    ],
    [
      (held) => held.set("label.weight", tensor(new Float32Array(1), [1])),
      /and no others, found label\.weight$/,
    ],
    [(held) => held.get("layer0.weight")!.data.fill(NaN), /numbers in layer0\.weight, found NaN$/],
  ];
  for (const [change, says] of cases) {
    const bad = await changed(change);
    await assert.rejects(discriminatorKind.ownTensors(bad), { name: "UserError", message: says });
  }
});

/** A discriminator of 8 × 8 images whose score is linear where all of its units are open. */
function smallDiscriminator(lastWeight: number): CheckpointTensors {
  const weights = new Map<string, Tensor>();
  const add = (name: string, shape: number[], value: number) => {
    const length = shape.reduce((product, side) => product * side, 1);
    weights.set(name, tensor(new Float32Array(length).fill(value), shape));
  };
  const layer = (name: string, shape: number[], value: number, bias: number) => {
    add(`${name}.weight`, shape, value);
    add(`${name}.bias`, [shape[0]!], bias);
  };
  layer("input0", [1, 3, 1, 1], 1, 100);
  layer("layer0", [1, 1, 3, 3], 0, 0);
  weights.get("layer0.weight")!.data[4] = 1; // the middle: each place by itself
  layer("layer1", [1, 1, 3, 3], 0, 0);
  weights.get("layer1.weight")!.data[4] = 1;
  add("layer1.blur.kernel", [1, 1, 3, 3], 0);
  weights.get("layer1.blur.kernel")!.data[4] = 1;
  layer("layer2", [1, 2, 3, 3], 0, 0);
  weights.get("layer2.weight")!.data[4] = 1;
  weights.get("layer2.weight")!.data[9 + 4] = 1e6; // of the deviation over the batch
  layer("layer3", [1, 16], 0, 0);
  weights.get("layer3.weight")!.data[5] = 1; // the place in row 1, column 1
  layer("layer4", [1, 1], lastWeight, 0);
  return new CheckpointTensors("small", weights, "a small discriminator");
}

Deno.test("a score that hangs on one place of the last map has its four pixels as gradient", async () => {
  const grey = { width: 8, height: 8, data: new Uint8Array(8 * 8 * 3).fill(100) };
  const found = await gradientOf(
    buildGradientGraph(smallDiscriminator(1), { numbers: true }),
    grey,
  );
  // by hand: weights are scaled by √2 / √fan-in, four pixels are averaged
  const scales = [3, 9, 9, 18, 16].map((fanIn) => Math.SQRT2 / Math.sqrt(fanIn));
  const slope = scales.reduce((product, scale) => product * scale, 1) / 4;
  const pixel = (100 / 255 - .5) / .5;
  const [first, second, third, fourth, fifth] = scales as [number, number, number, number, number];
  const place = second * third * (first * 3 * pixel + 100);
  const score = fifth * fourth * (place + 1e6 * 1e-4);
  assertClose([...found["score"] as Float32Array], [score], 1e-5, "score");
  const isIn = (at: number) => [2, 3].includes(Math.floor(at / 8)) && [2, 3].includes(at % 8);
  const expected = Array.from({ length: 3 * 64 }, (_, i) => isIn(i % 64) ? slope : 0);
  assertClose(found["gradient"] as Float32Array, expected, 1e-5, "gradient");
  const picture = Array.from({ length: 64 * 3 }, (_, i) => isIn(Math.floor(i / 3)) ? 255 : 0);
  assert.deepEqual([...found["picture"] as Uint8Array], picture);
});

Deno.test("a gradient that is the same everywhere is a black picture", async () => {
  const grey = { width: 8, height: 8, data: new Uint8Array(8 * 8 * 3).fill(100) };
  const { picture } = await gradientOf(buildGradientGraph(smallDiscriminator(0)), grey);
  assert((picture as Uint8Array).every((level) => level === 0));
});
