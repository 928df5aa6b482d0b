import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { lookAtImage, lookBuffer } from "../lib/data/image_file.ts";
import { augment, type Augmentation } from "../lib/image/augment.ts";
import { gaussianBlur, gaussianFilter } from "../lib/image/blur.ts";
import { HEADER_BYTES, readImageHeader } from "../lib/image/header.ts";
import {
  assertImages,
  decodeImage,
  MAX_FILE_BYTES,
  MAX_PIXELS,
  reasonToRefuse,
} from "../lib/image/image.ts";
import { jpegRoundTrip } from "../lib/image/jpeg.ts";
import {
  addNoise,
  compress,
  cropAndResize,
  perturb,
  type Perturbing,
} from "../lib/image/perturb.ts";
import { Random } from "../lib/random.ts";
import { concat, noiseImage, pngFile, waveImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

/** A stream that draws one number again and again: 0 or the highest below 1. */
function always(bits: 0 | -1): () => Random {
  const generator: ConstructorParameters<typeof Random>[0] = {
    clone: () => generator,
    next: () => bits,
    getState: () => [],
  };
  return () => new Random(generator);
}

const [lowest, highest] = [always(0), always(-1)];
const image = waveImage(44, 36);

Deno.test("training JPEG qualities are 30 and 100 as released, and all from 30 to 100 in the paper", () => {
  const plain: Augmentation = {
    blurProbability: 0,
    blurSigmaPx: [0, 3],
    jpegProbability: 1,
    jpegQualities: [30, 100],
    flipProbability: 0,
    protocol: "released",
  };
  for (const protocol of ["released", "paper"] as const) {
    const augmentation = { ...plain, protocol };
    assert.deepEqual(augment(image, augmentation, lowest()), jpegRoundTrip(image, 30));
    assert.deepEqual(
      augment(image, augmentation, highest()),
      jpegRoundTrip(image, 100),
    );
  }
  const between = new Random({ ...middle(), clone: middle });
  const found = augment(image, { ...plain, protocol: "paper" }, between);
  assert.deepEqual(found, jpegRoundTrip(image, 65), "the 36th of 71");
  const blurred = { ...plain, jpegProbability: 0, blurProbability: 1 };
  assert.deepEqual(augment(image, blurred, lowest()), image, "σ = 0");
  assert.deepEqual(
    augment(image, blurred, highest()),
    gaussianFilter(image, 3 * (1 - 2 ** -32)),
  );
});

/** Draws one half, which is never less than a probability of one half. */
function middle(): ConstructorParameters<typeof Random>[0] {
  return { clone: middle, next: () => 2 ** 31 | 0, getState: () => [] };
}

Deno.test("blur comes before compression", () => {
  const both: Augmentation = {
    blurProbability: 1,
    blurSigmaPx: [1, 1],
    jpegProbability: 1,
    jpegQualities: [30, 30],
    flipProbability: 0,
    protocol: "released",
  };
  const expected = jpegRoundTrip(gaussianFilter(image, 1), 30);
  assert.deepEqual(augment(image, both, lowest()), expected);
});

Deno.test("perturbations reach both ends of their ranges", async () => {
  const run = (perturbation: Perturbing["perturbation"], random: Random) =>
    perturb(image, { perturbation, probability: 1, resizePx: 0, protocol: "paper" }, random);
  assert.deepEqual(await run("compress", lowest()), compress(image, 10));
  assert.deepEqual(await run("compress", highest()), compress(image, 75));
  assert.deepEqual(await run("crop", lowest()), cropAndResize(image, 0.05, "paper"));
  assert.deepEqual(
    await run("crop", highest()),
    cropAndResize(image, 0.2 - 0.15 * 2 ** -32, "paper"),
  );
  // σ of OpenCV's getGaussianKernel: 0.3 · ((k − 1) / 2 − 1) + 0.8
  assert.deepEqual(await run("blur", lowest()), gaussianBlur(image, 3, 0.8));
  assert.deepEqual(await run("blur", highest()), gaussianBlur(image, 9, 1.7));
  const released = (random: Random) =>
    perturb(
      image,
      { perturbation: "blur", probability: 1, resizePx: 44, protocol: "released" },
      random,
    );
  assert.deepEqual([(await released(lowest())).width, (await released(lowest())).height], [44, 44]);
  assert.deepEqual(await run("noise", lowest()), addNoise(image, 5, lowest()));
  assert.deepEqual(await run("noise", highest()), addNoise(image, 20 - 15 * 2 ** -32, highest()));
});

Deno.test("an image is left alone at the very probability that is drawn", () => {
  const plan = { perturbation: "noise", resizePx: 36, protocol: "paper" } as const;
  const half = () => new Random(middle());
  assert.equal(perturb(image, { ...plan, probability: .5 }, half()), image);
  assert.notEqual(perturb(image, { ...plan, probability: .5 + 2 ** -30 }, half()), image);
});

Deno.test("JPEG qualities of 1 and 100 are the last that are taken", () => {
  const [worst, best] = [jpegRoundTrip(image, 1), jpegRoundTrip(image, 100)];
  const loss = (of: { data: Uint8Array }) =>
    of.data.reduce((sum, value, i) => sum + Math.abs(value - image.data[i]!), 0) / of.data.length;
  assert(loss(worst) > 10 && loss(best) < 4, `${loss(worst)} and ${loss(best)}`);
});

Deno.test("an image of as many pixels as are decoded is decoded, one of a pixel more is refused", () => {
  const of = (width: number, height: number) =>
    reasonToRefuse({ format: "png", width, height, bits: 8, colour: "rgb" });
  assert.equal(MAX_PIXELS, 178_956_970, "Pillow's: twice its Image.MAX_IMAGE_PIXELS");
  assert.equal(of(MAX_PIXELS, 1), undefined);
  assert.equal(of(5, 35_791_394), undefined);
  assert.match(of(MAX_PIXELS + 1, 1)!, /^178956971 × 1 pixels; at most 178956970 are decoded$/);
  assert.match(of(2, 89_478_486)!, /^2 × 89478486 pixels/);
});

Deno.test("bits that have no 8-bit RGB equal to Pillow's are refused, all others taken", () => {
  const of = (format: "png" | "jpeg", bits: number, colour: "grey" | "grey+alpha" | "rgb") =>
    reasonToRefuse({ format, width: 1, height: 1, bits, colour });
  assert.match(of("png", 16, "grey")!, /^a 16-bit grey PNG/);
  assert.match(of("jpeg", 12, "rgb")!, /^a JPEG with 12 bits a channel; Pillow reads 8$/);
  for (const bits of [1, 2, 4, 8]) assert.equal(of("png", bits, "grey"), undefined);
  assert.equal(of("png", 16, "rgb"), undefined);
  assert.equal(of("png", 16, "grey+alpha"), undefined);
  assert.equal(of("jpeg", 8, "grey"), undefined);
});

Deno.test("a file of as many bytes as are read is looked at, one of a byte more is refused", async () => {
  const path = join(temporaryFolder(), "large.png");
  await Deno.writeFile(path, pngFile({ width: 1, bits: 8, type: "rgb", rows: [[1, 2, 3]] }));
  await Deno.truncate(path, MAX_FILE_BYTES); // sparse: takes no room
  assert.equal(MAX_FILE_BYTES, 2 ** 30);
  const { header, problem } = await lookAtImage(path, lookBuffer());
  assert.deepEqual([header!.width, problem], [1, undefined]);
  await Deno.truncate(path, MAX_FILE_BYTES + 1);
  const found = "1073741825 bytes; at most 1073741824 are read";
  assert.equal((await lookAtImage(path, lookBuffer())).problem, found);
  await assert.rejects(decodeImage(path), {
    name: "UserError",
    message: `Cannot decode ${path}: expected an image, found ${found}`,
  });
});

Deno.test("headers are read from as few bytes as hold them, and refused from one less", async () => {
  const { data } = noiseImage(300, 200);
  const encoder = sharp(data, { raw: { width: 300, height: 200, channels: 3 } });
  const jpeg = new Uint8Array(await encoder.jpeg().toBuffer());
  const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
  for (
    const [bytes, least] of [
      [new Uint8Array(await encoder.png().toBuffer()), 26],
      [new Uint8Array(await encoder.webp().toBuffer()), 30],
      [jpeg, frame + 10],
    ] as const
  ) {
    const { width, height, bits } = readImageHeader(bytes.subarray(0, least));
    assert.deepEqual([width, height, bits], [300, 200, 8]);
    assert.throws(() => readImageHeader(bytes.subarray(0, least - 1)), /cut off in its header$/);
  }
});

Deno.test("the largest sides that each format can hold are read as they are", () => {
  const webp = (kind: string, fill: (view: DataView) => void) => {
    const bytes = new Uint8Array(30);
    bytes.set(new TextEncoder().encode("RIFF----WEBP" + kind));
    fill(new DataView(bytes.buffer));
    const { width, height } = readImageHeader(bytes);
    return [width, height];
  };
  const lossy = webp("VP8 ", (view) => {
    view.setUint16(26, 0xffff, true); // the two upper bits are a scale
    view.setUint16(28, 0x4001, true);
  });
  assert.deepEqual(lossy, [16_383, 1]);
  assert.deepEqual(webp("VP8L", (view) => view.setUint32(21, 0x3fff | 1 << 14, true)), [16_384, 2]);
  const extended = webp("VP8X", (view) => {
    for (const at of [24, 25, 26]) view.setUint8(at, 0xff);
    view.setUint8(28, 1);
  });
  assert.deepEqual(extended, [2 ** 24, 257]);
  const png = pngFile({ width: 1, bits: 8, type: "rgb", rows: [[1, 2, 3]] });
  new DataView(png.buffer).setUint32(16, 2 ** 31 - 1);
  assert.equal(readImageHeader(png).width, 2 ** 31 - 1);
});

Deno.test("a JPEG's frame header may start where the bytes read first end, or long after", async () => {
  const { data } = noiseImage(20, 10);
  const jpeg = new Uint8Array(
    await sharp(data, { raw: { width: 20, height: 10, channels: 3 } }).jpeg().toBuffer(),
  );
  const frame = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
  const folder = temporaryFolder();
  assert.equal(HEADER_BYTES, 65_536);
  for (const frameAt of [HEADER_BYTES - 10, HEADER_BYTES - 9, HEADER_BYTES + 100]) {
    const bytes = frameAt - frame - 2; // of a segment's length and content
    const segment = new Uint8Array(bytes + 2);
    segment.set([0xff, 0xe2, bytes >> 8, bytes & 255]);
    const path = join(folder, `${frameAt}.jpg`);
    await Deno.writeFile(path, concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]));
    const { header, endsWell } = await lookAtImage(path, lookBuffer());
    assert.deepEqual([header?.width, header?.height, endsWell], [20, 10, true], `${frameAt}`);
  }
});

Deno.test("what is no list of images is refused with what to do", () => {
  const refused = (value: unknown, found: string) =>
    assert.throws(() => assertImages(value, "Cannot detect"), {
      name: "UserError",
      message: `Cannot detect: expected a list of images, found ${found}`,
    });
  assertImages([image, noiseImage(1, 1)], "Cannot detect");
  refused(image, "one image; put it in [ ]");
  refused("a.png", 'the text "a.png"; await decodeImage(path) reads a file');
  refused([image, "a.png"], 'the text "a.png"; await decodeImage(path) reads a file');
  refused([Promise.resolve(image)], "a promise; write await before it");
  refused([{ ...image, width: image.width + 1 }], "[object Object]");
  refused(undefined, "undefined");
});

Deno.test("a file ends well with the last byte of its format, and not one before it", async () => {
  const { data } = noiseImage(20, 10);
  const encoder = sharp(data, { raw: { width: 20, height: 10, channels: 3 } });
  const path = join(temporaryFolder(), "image");
  for (const format of ["jpeg", "png", "webp"] as const) {
    const whole = new Uint8Array(await encoder.clone()[format]().toBuffer());
    for (const [bytes, expected] of [[whole, true], [whole.subarray(0, -1), false]] as const) {
      await Deno.writeFile(path, bytes);
      assert.equal((await lookAtImage(path, lookBuffer())).endsWell, expected, format);
    }
  }
});

Deno.test("files are told apart by their first 16,384 bytes", async () => {
  const png = pngFile({ width: 1, bits: 8, type: "rgb", rows: [[1, 2, 3]] });
  const path = join(temporaryFolder(), "image.png");
  const startWith = async (change?: number) => {
    const bytes = new Uint8Array(20_000);
    bytes.set(png);
    if (change !== undefined) bytes[change]! ^= 1;
    await Deno.writeFile(path, bytes);
    return (await lookAtImage(path, lookBuffer())).start;
  };
  const start = await startWith();
  assert.notEqual(await startWith(16_383), start);
  assert.equal(await startWith(16_384), start);
});

Deno.test("a JPEG's segments that are numbered among frame headers and are none are passed over", () => {
  // tables, JPG's own extension, arithmetic conditioning
  for (const marker of [0xc4, 0xc8, 0xcc]) {
    const segment = [0xff, marker, 0, 12, 8, 0, 99, 0, 98, 3, 0, 0, 0, 0];
    const frame = [0xff, 0xc0, 0, 17, 8, 0, 5, 0, 7, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const { width, height } = readImageHeader(Uint8Array.of(0xff, 0xd8, ...segment, ...frame));
    assert.deepEqual([width, height], [7, 5], marker.toString(16));
  }
});
