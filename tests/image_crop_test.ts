import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { centerCrop, flipHorizontal, randomCrop, tenCrop } from "../lib/image/crop.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { randomStream } from "../lib/random.ts";
import { constantImage, noiseImage } from "./image_samples.ts";

const side = fc.integer({ min: 1, max: 40 });

/** Red at a pixel; black outside, as padding is. */
function redAt({ width, height, data }: RgbImage, row: number, column: number): number {
  const inside = row >= 0 && row < height && column >= 0 && column < width;
  return inside ? data[(row * width + column) * 3]! : 0;
}

/** Whether a crop holds what lies at (top, left) of an image. */
function liesAt(crop: RgbImage, image: RgbImage, top: number, left: number): boolean {
  for (let row = 0; row < crop.height; row++) {
    for (let column = 0; column < crop.width; column++) {
      if (redAt(crop, row, column) !== redAt(image, top + row, left + column)) return false;
    }
  }
  return true;
}

Deno.test("a centre crop starts where torchvision's does, halves rounded to even", () => {
  for (
    const [length, size, start] of [[7, 4, 2], [5, 4, 0], [9, 4, 2], [6, 4, 1], [4, 4, 0]] as const
  ) {
    const image = noiseImage(length, length);
    assert(liesAt(centerCrop(image, size), image, start, start), `${size} of ${length}`);
  }
});

Deno.test("a centre crop pads a short side with black, the odd pixel after it", () => {
  for (const [width, size, before] of [[3, 4, 0], [3, 6, 1], [2, 6, 2], [1, 4, 1]] as const) {
    const image = noiseImage(width, 9);
    assert(liesAt(centerCrop(image, size), image, 2, -before), `${size} of ${width} × 9`);
  }
});

Deno.test("a centre crop of any size of any image is a square cut out of padded pixels", () => {
  fc.assert(fc.property(side, side, side, (width, height, size) => {
    const image = noiseImage(width, height);
    const crop = centerCrop(image, size);
    assert.deepEqual([crop.width, crop.height, crop.data.length], [size, size, size * size * 3]);
    const kept = Math.min(width, size) * Math.min(height, size) * 3;
    const sum = (data: Uint8Array) => data.reduce((a, b) => a + b, 0);
    if (kept === image.data.length) assert.equal(sum(crop.data), sum(image.data));
  }));
});

Deno.test("ten crops are four corners and the centre, then those of the mirror image", () => {
  fc.assert(fc.property(side, side, side, (a, b, c) => {
    const [size, short, long] = [a, b, c].sort((x, y) => x - y) as [number, number, number];
    const image = noiseImage(long, short);
    const mirrored = flipHorizontal(image);
    const crops = tenCrop(image, size);
    assert.equal(crops.length, 10);
    [image, mirrored].forEach((from, half) => {
      const [bottom, right] = [short - size, long - size];
      assert(liesAt(crops[half * 5]!, from, 0, 0));
      assert(liesAt(crops[half * 5 + 1]!, from, 0, right));
      assert(liesAt(crops[half * 5 + 2]!, from, bottom, 0));
      assert(liesAt(crops[half * 5 + 3]!, from, bottom, right));
      assert.deepEqual(crops[half * 5 + 4], centerCrop(from, size));
    });
  }));
});

Deno.test("all ten crops of a constant image are constant", () => {
  for (const crop of tenCrop(constantImage(31, 17, 201), 16)) {
    assert(crop.data.every((value) => value === 201));
  }
});

Deno.test("ten crops of an image that is too small are refused with both sizes", () => {
  assert.throws(() => tenCrop(constantImage(200, 300, 0), 224), {
    name: "UserError",
    message: "Cannot cut ten crops: expected at least 224 × 224 pixels, found 200 × 300",
  });
});

Deno.test("flipping twice changes nothing, flipping once mirrors every row", () => {
  fc.assert(fc.property(side, side, (width, height) => {
    const image = noiseImage(width, height);
    const flipped = flipHorizontal(image);
    assert.deepEqual(flipHorizontal(flipped), image);
    for (let row = 0; row < height; row++) {
      assert.equal(redAt(flipped, row, 0), redAt(image, row, width - 1));
    }
  }));
});

Deno.test("random crops start at every possible place equally often, padding included", () => {
  for (const [width, starts] of [[7, [0, 1, 2, 3]], [4, [0]], [2, [-2, -1, 0]]] as const) {
    const image = noiseImage(width, 4);
    const counts = new Map(starts.map((start) => [start as number, 0]));
    const random = randomStream("random crops", width);
    for (let i = 0; i < 2000; i++) {
      const crop = randomCrop(image, 4, random);
      const start = [...counts.keys()].find((left) => liesAt(crop, image, 0, left));
      assert(start !== undefined, "a crop lies nowhere in the image");
      counts.set(start, counts.get(start)! + 1);
    }
    for (const count of counts.values()) {
      assert(Math.abs(count / 2000 - 1 / starts.length) < 0.05, `${width}: ${[...counts]}`);
    }
  }
});

Deno.test("a crop size that is no positive integer is refused", () => {
  for (const size of [0, -1, 2.5, NaN, Infinity]) {
    assert.throws(() => centerCrop(constantImage(4, 4, 0), size), UserError);
    assert.throws(() => tenCrop(constantImage(4, 4, 0), size), UserError);
    assert.throws(() => randomCrop(constantImage(4, 4, 0), size, randomStream(0)), UserError);
  }
});
