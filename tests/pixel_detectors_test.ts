import assert from "node:assert/strict";
import { join } from "node:path";
import { pixelDetectorNamed } from "../lib/detectors/index.ts";
import { scoreImages } from "../lib/detectors/pixel_detector.ts";
import {
  IMAGENET_NORMALISATION as normalisation,
  readClassifier,
} from "../lib/detectors/resnet/checkpoint.ts";
import { buildClassifierGraph } from "../lib/detectors/resnet/graph.ts";
import { openClassifier } from "../lib/detectors/resnet/scorer.ts";
import { sightOf, tilesOf } from "../lib/detectors/resnet/tiles.ts";
import { RESNET_50 } from "./bench/random_resnet.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { isPadded, type PixelTransform, readPixels } from "../lib/image/pixels.ts";
import { readPytorchFile } from "../lib/io/pytorch_file.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { openSession, ortTensor } from "../lib/onnx/session.ts";
import { GOLDENS } from "./goldens.ts";
import { assertClose } from "./head_golden.ts";
import { noiseImage } from "./image_samples.ts";
import { inFolder } from "./temporary.ts";

/** Of the largest absolute value in a tensor, and of logits. */
const TOLERANCE = 1e-4;

const { tensors, metadata } = await readSafetensors(join(GOLDENS, "resnet.safetensors"));
const size = (name: string) => Number(metadata[name]);
const values = (name: string) => tensors.get(name)!.data;

function imageOf(name: string): RgbImage {
  const { data, shape: [height, width] } = tensors.get(name)!;
  return { width: width!, height: height!, data: Uint8Array.from(data) };
}
const images = Array.from({ length: size("images") }, (_, i) => imageOf(`image_${i}`));

/** The golden's ways to read an image, by its names. */
const WAYS: Readonly<Record<string, PixelTransform>> = {
  plain: [],
  crop: [{ kind: "crop", sizePx: size("crop") }],
  resize_crop: [
    { kind: "square", sizePx: size("resize"), filter: "bilinear" },
    { kind: "crop", sizePx: size("crop") },
  ],
  dmid: [],
};
const FILES = ["wang.pth", "dmid.pth", "lgrad_classifier.pth"] as const;

function assertLogits(found: Float32Array, expected: Float32Array) {
  assert.equal(found.length, expected.length);
  found.forEach((logit, i) => {
    assert.ok(Math.abs(logit - expected[i]!) <= TOLERANCE, `${logit} is not ${expected[i]}`);
  });
}

Deno.test("what is padded is told by the steps: a crop of what is resized first is not", () => {
  const crop = { kind: "crop", sizePx: 8 } as const;
  const square = { kind: "square", sizePx: 8, filter: "bilinear" } as const;
  const short = { kind: "shortSide", sizePx: 7, filter: "lanczos" } as const;
  const small = noiseImage(5, 20), large = noiseImage(9, 8);
  assert.deepEqual(
    [[crop], [square, crop], [short, crop], []].map((steps) => isPadded(small, steps)),
    [
      true,
      false,
      true,
      false,
    ],
  );
  assert.equal(isPadded(large, [crop]), false);
});

Deno.test("an image is cropped, or resized to a square and cropped, to the released code's pixels", () => {
  images.forEach((image, i) => {
    assert.deepEqual(readPixels(image, WAYS["crop"]!), imageOf(`crop.rgb_${i}`));
    const square = readPixels(image, WAYS["resize_crop"]!.slice(0, 1));
    assert.deepEqual(square, imageOf(`resize.rgb_${i}`));
    assert.equal(readPixels(image, []), image);
  });
});

for (const file of FILES) {
  Deno.test(`${file}: Wang's network has the released code's logits of whole images, crops and resized ones`, async () => {
    const scorer = await pixelDetectorNamed("wang").open(join(GOLDENS, file), { engine: "onnx" });
    for (const way of ["plain", "crop", "resize_crop"]) {
      const views = images.map((image) => readPixels(image, WAYS[way]!));
      assertLogits(await scoreImages(scorer, views), values(`${way}.logits`));
    }
    await scorer.dispose();
  });
}

Deno.test("safetensors of Wang's network have its logits, whatever they were saved under", async () => {
  const network = await readPytorchFile(join(GOLDENS, FILES[1]));
  const views = images.map((image) => readPixels(image, WAYS["crop"]!));
  for (const saved of ["", "model.", "state_dict.module."]) {
    await inFolder(async (folder) => {
      const path = join(folder, "wang.safetensors");
      await writeSafetensors(
        path,
        [...network].filter(([name]) => !name.includes("optimizer"))
          .map(([name, value]) => [saved + name.replace(/^model\./, ""), value] as const),
      );
      const scorer = await pixelDetectorNamed("wang").open(path, { engine: "onnx" });
      assertLogits(await scoreImages(scorer, views), values("crop.logits"));
      await scorer.dispose();
    });
  }
});

for (const way of ["crop", "dmid"] as const) {
  Deno.test(`a classifier's graph has the released code's features and the means of every map (${way})`, async () => {
    const weights = await readClassifier(join(GOLDENS, FILES[0]));
    const stemStride = way === "dmid" ? 1 : 2;
    const graph = buildClassifierGraph(weights, { normalisation, stemStride, means: true });
    const session = await openSession(graph, { threads: 1 });
    const found = await Promise.all(images.map(async (image) => {
      const { width, height, data } = readPixels(image, WAYS[way]!);
      return await session.run({ images: ortTensor("uint8", data, [1, height, width, 3]) });
    }));
    await session.release();
    const names = ["features", "layer1", "layer2", "layer3", "layer4"];
    for (const [output, name] of [["stem", "maxpool"], ...names.map((name) => [name, name])]) {
      const all = found.flatMap((outputs) => [...outputs[output!]!.data as Float32Array]);
      assertClose(Float32Array.from(all), values(`${way}.${name}`), TOLERANCE, name!);
    }
  });
}

Deno.test("DMID's network has the released code's mean logits of whole images", async () => {
  for (const file of FILES) {
    const scorer = await pixelDetectorNamed("dmid").open(join(GOLDENS, file), { engine: "onnx" });
    assertLogits(await scoreImages(scorer, images), values("dmid.logits"));
    assert.deepEqual(images.map(({ height, width }) => scorer.tiles!(height, width)), [
      1,
      1,
      1,
      1,
      1,
    ]);
    await scorer.dispose();
  }
});

Deno.test("an image that is read in overlapping tiles has the logit of the whole", async () => {
  const openWith = (stemStride: 1 | 2, limitPx: number) =>
    openClassifier(join(GOLDENS, FILES[1]), { normalisation, stemStride, limitPx }, {
      engine: "onnx",
    });
  for (const limitPx of [2000, 9000]) {
    const scorer = await openWith(1, limitPx);
    const tiles = images.map(({ height, width }) => scorer.tiles!(height, width));
    assert.ok(Math.max(...tiles) > 1, `${tiles}`);
    assertLogits(await scoreImages(scorer, images), values("dmid.logits"));
    await scorer.dispose();
  }
  // the golden images are no larger than one place of the other network sees
  const large = noiseImage(411, 390);
  const whole = await openWith(2, 2 ** 20), tiled = await openWith(2, 1);
  assert.equal(whole.tiles!(large.height, large.width), 1);
  assert.ok(tiled.tiles!(large.height, large.width) > 3);
  assertLogits(await scoreImages(tiled, [large]), await scoreImages(whole, [large]));
  await whole.dispose();
  await tiled.dispose();
});

Deno.test("tiles count every place of the map once, keep their context, and stay within the limit", () => {
  assert.deepEqual(sightOf(RESNET_50, 1), { stridePx: 8, contextPx: 56 });
  assert.deepEqual(sightOf(RESNET_50, 2), { stridePx: 32, contextPx: 224 });
  for (
    const [height, width] of [[1024, 1024], [3000, 4001], [200, 9000], [641, 640], [5, 90_000]]
  ) {
    const tiling = { limitPx: 640 * 640, ...sightOf(RESNET_50, 1) };
    const tiles = tilesOf(height!, width!, tiling);
    assert.ok(tiles.length > 1);
    const counted = new Uint8Array(Math.ceil(height! / 8) * Math.ceil(width! / 8));
    for (const { top, left, height: tall, width: wide, rows, columns } of tiles) {
      assert.ok(tall * wide <= tiling.limitPx, `${tall} × ${wide}`);
      assert.ok(top % 8 === 0 && left % 8 === 0 && top + tall <= height! && left + wide <= width!);
      for (
        const [start, length, whole, [first, end]] of [
          [top, tall, height!, rows],
          [left, wide, width!, columns],
        ] as const
      ) {
        assert.ok(start === 0 || first * 8 >= 56);
        assert.ok(start + length === whole || length - end * 8 >= 56);
      }
      for (let row = rows[0]; row < rows[1]; row++) {
        for (let column = columns[0]; column < columns[1]; column++) {
          counted[(top / 8 + row) * Math.ceil(width! / 8) + left / 8 + column]!++;
        }
      }
    }
    assert.ok(counted.every((count) => count === 1));
  }
});

Deno.test("images of one size have the same logits together as alone", async () => {
  const scorer = await pixelDetectorNamed("wang").open(join(GOLDENS, FILES[0]), { engine: "onnx" });
  const views = [...images.map((image) => readPixels(image, WAYS["crop"]!)), ...images];
  const together = await scoreImages(scorer, views);
  for (const [i, view] of views.entries()) {
    assertLogits(await scoreImages(scorer, [view]), together.subarray(i, i + 1));
  }
  const few = { ...scorer, pixelsAtOnce: 2 * size("crop") ** 2 };
  assertLogits(await scoreImages(few, views), together);
  await scorer.dispose();
});
