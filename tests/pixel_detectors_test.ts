import assert from "node:assert/strict";
import { join } from "node:path";
import { pixelDetectorNamed } from "../lib/detectors/index.ts";
import { scoreImages } from "../lib/detectors/pixel_detector.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { type PixelTransform, readPixels } from "../lib/image/pixels.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { GOLDENS } from "./goldens.ts";

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
