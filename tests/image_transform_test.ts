import assert from "node:assert/strict";
import fc from "fast-check";
import type { Augmentation, Protocol } from "../lib/image/augment.ts";
import { centerCrop } from "../lib/image/crop.ts";
import { addNoise, compress, cropAndResize, perturb, PERTURBATIONS } from "../lib/image/perturb.ts";
import { applyTransform, cropsPerImage, isRandom, type Transform } from "../lib/image/transform.ts";
import { randomStream } from "../lib/random.ts";
import { constantImage, noiseImage, waveImage } from "./image_samples.ts";

const AUGMENTATION: Augmentation = {
  blurProbability: 0.5,
  blurSigmaPx: [0, 3],
  jpegProbability: 0.5,
  jpegQualities: [30, 100],
  flipProbability: 0.5,
  protocol: "released",
};
const PROTOCOLS: readonly Protocol[] = ["released", "paper"];

const TRANSFORMS: readonly Transform[] = [
  { kind: "center", size: 24 },
  { kind: "ten", size: 24 },
  ...PROTOCOLS.flatMap((protocol): Transform[] => [
    { kind: "train", size: 24, augmentation: { ...AUGMENTATION, protocol } },
    ...PERTURBATIONS.map((perturbation): Transform => ({
      kind: "perturbed",
      size: 24,
      perturbation,
      probability: 0.5,
      resizePx: 28,
      protocol,
    })),
  ]),
];

const KEY = { seed: 0, epoch: 1, path: "horse/0.png" };

for (const transform of TRANSFORMS) {
  const name = [
    transform.kind,
    ...transform.kind === "perturbed" ? [transform.perturbation, transform.protocol] : [],
    ...transform.kind === "train" ? [transform.augmentation.protocol] : [],
  ].join(" ");

  Deno.test(`crops under ${name} hang on the key alone: not on order, nor on who works beside`, async () => {
    const images = Array.from({ length: 8 }, (_, i) => ({
      image: waveImage(40 + i, 36),
      key: { ...KEY, path: `horse/${i}.png` },
    }));
    const oneByOne: Uint8Array[][] = [];
    for (const { image, key } of images) oneByOne.push(applyTransform(image, transform, key));
    const restored: Transform = JSON.parse(JSON.stringify(transform));
    const order = fc.shuffledSubarray([...images.keys()]);
    await fc.assert(
      fc.asyncProperty(order, async (chosen) => {
        const together = await Promise.all(
          chosen.map((i) => applyTransform(images[i]!.image, restored, images[i]!.key)),
        );
        chosen.forEach((i, place) => assert.deepEqual(together[place], oneByOne[i]));
      }),
      { numRuns: 5 },
    );
    for (const crops of oneByOne) {
      assert.equal(crops.length, cropsPerImage(transform));
      assert(crops.every((crop) => crop.length === 24 * 24 * 3));
    }
  });

  Deno.test(`crops under ${name} ${isRandom(transform) ? "change" : "do not change"} with seed, epoch and path`, () => {
    const image = waveImage(40, 36);
    const keys = Array.from({ length: 12 }, (_, i) => i + 1).flatMap((i) => [
      { ...KEY, seed: i },
      { ...KEY, epoch: i },
      { ...KEY, path: `${i}` },
    ]);
    for (const vary of [0, 1, 2]) {
      const crops = new Set<string>();
      for (const key of keys.filter((_, i) => i % 3 === vary)) {
        crops.add(String(applyTransform(image, transform, key)[0]));
      }
      assert.equal(crops.size > 1, isRandom(transform));
    }
  });
}

Deno.test("training crops without augmentation are cut out of the image", () => {
  const image = noiseImage(30, 30);
  const augmentation = {
    ...AUGMENTATION,
    blurProbability: 0,
    jpegProbability: 0,
    flipProbability: 0,
  };
  const [crop] = applyTransform(image, { kind: "train", size: 20, augmentation }, KEY);
  const rows = (data: Uint8Array, width: number, from: number) =>
    Array.from(
      { length: 20 },
      (_, y) => [...data.subarray(y * width + from, y * width + from + 60)],
    );
  const places = Array.from({ length: 121 }, (_, place) => {
    const [top, left] = [Math.floor(place / 11), place % 11];
    return rows(image.data.subarray(top * 90), 90, left * 3);
  });
  assert(places.some((place) => String(place) === String(rows(crop!, 60, 0))));
});

Deno.test("a flipped training crop is the mirror image of the one that is not", async () => {
  const image = waveImage(30, 30);
  const made = (flipProbability: number) => {
    const augmentation = { ...AUGMENTATION, flipProbability };
    return (applyTransform(image, { kind: "train", size: 20, augmentation }, KEY))[0]!;
  };
  const [straight, flipped] = [await made(0), await made(1)];
  straight.forEach((value, i) => {
    const [channel, x, y] = [i % 3, Math.floor(i / 3) % 20, Math.floor(i / 60)];
    assert.equal(flipped[(y * 20 + 19 - x) * 3 + channel], value);
  });
});

Deno.test("training images are blurred, compressed, both and neither, a quarter each", () => {
  const image = waveImage(16, 16);
  const total = 400;
  let untouched = 0;
  for (let i = 0; i < total; i++) {
    const augmentation = { ...AUGMENTATION, flipProbability: 0, blurSigmaPx: [1, 3] as const };
    const transform: Transform = { kind: "train", size: 16, augmentation };
    const [crop] = applyTransform(image, transform, { ...KEY, path: `${i}` });
    if (crop!.every((value, j) => value === image.data[j])) untouched++;
  }
  assert(Math.abs(untouched / total - 0.25) < 0.06, `${untouched} of ${total} were left alone`);
});

Deno.test("half of the training crops are flipped at probability .5, image by image", () => {
  const image = noiseImage(16, 16);
  const augmentation = { ...AUGMENTATION, blurProbability: 0, jpegProbability: 0 };
  let straight = 0;
  for (let i = 0; i < 400; i++) {
    const transform: Transform = { kind: "train", size: 16, augmentation };
    const [crop] = applyTransform(image, transform, { ...KEY, path: `${i}` });
    if (crop!.every((value, j) => value === image.data[j])) straight++;
  }
  assert(Math.abs(straight / 400 - 0.5) < 0.08, `${straight} of 400 were not flipped`);
});

for (const perturbation of PERTURBATIONS) {
  Deno.test(`${perturbation} leaves every image alone at probability 0, and none at 1`, () => {
    const image = waveImage(48, 40);
    for (const protocol of PROTOCOLS) {
      const plan = { perturbation, resizePx: 44, protocol };
      const random = randomStream("perturb", perturbation);
      assert.equal(perturb(image, { ...plan, probability: 0 }, random), image);
      const { width, height, data } = perturb(image, { ...plan, probability: 1 }, random);
      assert.deepEqual([width, height], protocol === "released" ? [44, 44] : [48, 40]);
      assert.equal(data.length, width * height * 3);
      assert.notDeepEqual(data, image.data);
    }
  });
}

Deno.test("half of the images are perturbed at probability .5, and then resized if so released", () => {
  const transform: Transform = {
    kind: "perturbed",
    size: 12,
    perturbation: "noise",
    probability: 0.5,
    resizePx: 14,
    protocol: "released",
  };
  const image = waveImage(20, 20);
  const plain = String(centerCrop(image, 12).data);
  let perturbed = 0;
  for (let i = 0; i < 600; i++) {
    const [crop] = applyTransform(image, transform, { ...KEY, path: `${i}` });
    if (String(crop) !== plain) perturbed++;
  }
  assert(Math.abs(perturbed / 600 - 0.5) < 0.06, `${perturbed} of 600 were perturbed`);
});

Deno.test("cropping swaps width and height in the released protocol only", () => {
  const image = waveImage(60, 40);
  const size = (protocol: Protocol) => {
    const { width, height } = cropAndResize(image, 0.2, protocol);
    return [width, height];
  };
  assert.deepEqual(size("released"), [40, 60]);
  assert.deepEqual(size("paper"), [60, 40]);
});

Deno.test("cropping takes half its share off each end", () => {
  const image = constantImage(40, 40, 0);
  // a frame of two pixels is what 10 % takes
  image.data.forEach((_, i) => {
    const [x, y] = [Math.floor(i / 3) % 40, Math.floor(i / 120)];
    if (x < 2 || x >= 38 || y < 2 || y >= 38) image.data[i] = 255;
  });
  assert(cropAndResize(image, 0.1, "paper").data.every((value) => value === 0));
  assert(cropAndResize(image, 0.09, "paper").data.some((value) => value > 0));
});

Deno.test("compression at higher quality comes closer to the image", async () => {
  const image = waveImage(64, 48);
  const loss = (quality: number) =>
    (compress(image, quality)).data.reduce(
      (sum, value, i) => sum + Math.abs(value - image.data[i]!),
      0,
    );
  assert(await loss(95) < await loss(75) && await loss(75) < await loss(10));
});

Deno.test("noise has the standard deviation asked for, and levels are rounded down", () => {
  const { data } = addNoise(constantImage(200, 200, 128), 12, randomStream("noise"));
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length;
  assert(Math.abs(mean - 127.5) < 0.2, `mean ${mean}`);
  assert(Math.abs(Math.sqrt(variance) - 12) < 0.2, `standard deviation ${Math.sqrt(variance)}`);
  const clipped = addNoise(constantImage(50, 50, 255), 12, randomStream("noise")).data;
  assert(clipped.every((value) => value > 128) && clipped.includes(255));
});
