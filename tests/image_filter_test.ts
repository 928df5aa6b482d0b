import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { gaussianBlur, gaussianFilter } from "../lib/image/blur.ts";
import { BLOCK_VALUES, convolve, memory } from "../lib/image/convolve.ts";
import { flipHorizontal } from "../lib/image/crop.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { jpegRoundTrip } from "../lib/image/jpeg.ts";
import { resizeBilinear, resizeCubic } from "../lib/image/resize.ts";
import { randomStream } from "../lib/random.ts";
import { constantImage, noiseImage, waveImage } from "./image_samples.ts";

function largestDifference(a: RgbImage, b: RgbImage): number {
  assert.deepEqual([a.width, a.height, a.data.length], [b.width, b.height, b.data.length]);
  return a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);
}

function meanDifference(a: RgbImage, b: RgbImage): number {
  return a.data.reduce((sum, value, i) => sum + Math.abs(value - b.data[i]!), 0) / a.data.length;
}

/** The definition, pixel by pixel: columns then rows, mirrored edges, rounded down twice. */
function plainGaussianFilter(image: RgbImage, sigma: number): RgbImage {
  const { width, height } = image;
  const radius = Math.floor(4 * sigma + 0.5);
  const offsets = Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius);
  const weights = offsets.map((offset) => Math.exp(-0.5 * (offset / sigma) ** 2));
  const total = weights.reduce((a, b) => a + b, 0);
  const inside = (position: number, length: number): number =>
    position < 0
      ? inside(-1 - position, length)
      : position >= length
      ? inside(2 * length - 1 - position, length)
      : position;
  const pass = (from: Uint8Array, down: number, right: number) =>
    from.map((_, i) => {
      const [channel, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
      const sum = offsets.reduce((partial, offset, k) => {
        const row = inside(y + down * offset, height);
        const column = inside(x + right * offset, width);
        return partial + weights[k]! * from[(row * width + column) * 3 + channel]!;
      }, 0);
      return Math.floor(sum / total);
    });
  return { width, height, data: pass(pass(image.data, 1, 0), 0, 1) };
}

Deno.test("convolve() equals the same sums in JavaScript to the last bit", () => {
  const values = new Float64Array(memory.buffer);
  const random = randomStream("convolve");
  for (
    const [count, stride, radius] of [[8, 1, 0], [16, 3, 5], [40, 7, 12], [1000, 3, 2]] as const
  ) {
    const source = 100 + radius * stride;
    const target = source + count + radius * stride + BLOCK_VALUES;
    for (let i = 0; i < target; i++) values[i] = random.uniform(0, 255);
    for (let k = 0; k <= radius; k++) values[k] = random.uniform();
    const bias = random.uniform();
    convolve(8 * source, 8 * target, count, stride, 0, radius, bias);
    for (let i = 0; i < count; i++) {
      let sum = bias + values[0]! * values[source + i]!;
      for (let k = radius; k > 0; k--) {
        sum += values[k]! * (values[source + i - k * stride]! + values[source + i + k * stride]!);
      }
      assert.equal(values[target + i], Math.floor(sum));
    }
  }
});

// Where an exact sum is an integer, the order of summation decides how it is rounded: a level a pass.
const ROUNDING = 2;

Deno.test("gaussianFilter() equals its definition on images of any shape", () => {
  const side = fc.integer({ min: 1, max: 30 });
  const sigma = fc.double({ min: 0.2, max: 6, noNaN: true });
  fc.assert(fc.property(side, side, sigma, (width, height, sigmaPx) => {
    const image = noiseImage(width, height);
    const expected = plainGaussianFilter(image, sigmaPx);
    assert(largestDifference(gaussianFilter(image, sigmaPx), expected) <= ROUNDING);
  }));
});

Deno.test("gaussianFilter() has no seams where it goes from tile to tile", () => {
  for (const [width, height] of [[1100, 9], [9, 140], [2051, 66]] as const) {
    const image = noiseImage(width, height);
    const found = gaussianFilter(image, 1.3);
    const expected = plainGaussianFilter(image, 1.3);
    assert(largestDifference(found, expected) <= ROUNDING);
    assert(meanDifference(found, expected) < 1e-3);
  }
});

Deno.test("gaussianFilter() of a mirrored image is the mirrored result", () => {
  const image = noiseImage(50, 33);
  assert.deepEqual(
    gaussianFilter(flipHorizontal(image), 2.2),
    flipHorizontal(gaussianFilter(image, 2.2)),
  );
});

Deno.test("gaussianFilter() of almost no width leaves the image as it is", () => {
  const image = noiseImage(12, 7);
  for (const sigma of [0, 0.05, 0.124]) assert.deepEqual(gaussianFilter(image, sigma), image);
});

Deno.test("gaussianBlur() keeps constant images as they are", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(1, 3, 5, 9, 15),
    fc.double({ min: 0.3, max: 10, noNaN: true }),
    (level, kernelSize, sigma) => {
      const image = constantImage(11, 6, level);
      assert.deepEqual(gaussianBlur(image, kernelSize, sigma), image);
    },
  ));
});

Deno.test("gaussianBlur() spreads a point by the kernel, edges mirrored without the edge", () => {
  // with σ = 4, three taps are 84/256, 88/256, 84/256
  const point = constantImage(5, 1, 0);
  point.data.fill(255, 6, 9);
  const red = (image: RgbImage) => [0, 1, 2, 3, 4].map((x) => image.data[3 * x]);
  assert.deepEqual(red(gaussianBlur(point, 3, 4)), [0, 84, 88, 84, 0]);
  const second = constantImage(5, 1, 0);
  second.data.fill(255, 3, 6);
  assert.deepEqual(red(gaussianBlur(second, 3, 4)), [167, 88, 84, 0, 0]);
});

Deno.test("blurring refuses widths and kernels that have no meaning", () => {
  const image = constantImage(4, 4, 0);
  for (const sigma of [-1, NaN, Infinity, 1001]) {
    assert.throws(() => gaussianFilter(image, sigma), UserError);
  }
  for (const sigma of [0, -1, NaN]) {
    assert.throws(() => gaussianBlur(image, 3, sigma), UserError);
  }
  for (const kernelSize of [0, 2, 4, -3, 2.5]) {
    assert.throws(() => gaussianBlur(image, kernelSize, 4), UserError);
  }
});

Deno.test("a JPEG round trip keeps the size and loses less at higher quality", () => {
  for (const [width, height] of [[1, 1], [17, 9], [64, 48]] as const) {
    const image = waveImage(width, height);
    const low = jpegRoundTrip(image, 10);
    const high = jpegRoundTrip(image, 100);
    assert.deepEqual([low.width, low.height], [width, height]);
    if (width > 1) assert(meanDifference(high, image) < meanDifference(low, image));
  }
});

Deno.test("a JPEG quality that libjpeg does not know is refused", () => {
  for (const quality of [0, 101, 30.5, NaN]) {
    assert.throws(() => jpegRoundTrip(constantImage(8, 8, 0), quality), UserError);
  }
});

Deno.test("resizing to the same size changes nothing, and constant images stay constant", () => {
  const side = fc.integer({ min: 1, max: 40 });
  fc.assert(fc.property(side, side, side, side, (width, height, toWidth, toHeight) => {
    const image = noiseImage(width, height);
    assert.deepEqual(resizeBilinear(image, width, height), image);
    assert.deepEqual(resizeCubic(image, width, height), image);
    const constant = constantImage(width, height, 137);
    const expected = constantImage(toWidth, toHeight, 137);
    assert.deepEqual(resizeBilinear(constant, toWidth, toHeight), expected);
    assert.deepEqual(resizeCubic(constant, toWidth, toHeight), expected);
  }));
});

Deno.test("bilinear resizing averages all old pixels where it shrinks", () => {
  // at scale 2 the triangle weighs four neighbours 1, 3, 3, 1, and at the edge three
  const row = { width: 4, height: 1, data: new Uint8Array(12) };
  row.data.fill(70, 3, 6);
  const shrunk = resizeBilinear(row, 2, 1);
  assert.deepEqual([...shrunk.data], [30, 30, 30, 10, 10, 10]);
});

Deno.test("cubic resizing weighs four old pixels, antialiased or not", () => {
  // halfway between pixels the weights are −3/32, 19/32, 19/32, −3/32
  const row = { width: 8, height: 1, data: new Uint8Array(24) };
  row.data.fill(64, 6, 9);
  const shrunk = resizeCubic(row, 4, 1);
  assert.deepEqual([...shrunk.data].filter((_, i) => i % 3 === 0), [0, 38, 0, 0]);
});

Deno.test("resizing to no pixels is refused", () => {
  for (const side of [0, -1, 1.5, NaN]) {
    assert.throws(() => resizeBilinear(constantImage(4, 4, 0), side, 4), UserError);
    assert.throws(() => resizeCubic(constantImage(4, 4, 0), 4, side), UserError);
  }
});
