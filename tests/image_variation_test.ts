import assert from "node:assert/strict";
import { join } from "node:path";
import * as colour from "../lib/image/colour.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { applyTransform, type Transform } from "../lib/image/transform.ts";
import { quarterTurn, type Variation, vary } from "../lib/image/variation.ts";
import { dmidRecipe } from "../lib/detectors/dmid.ts";
import { trainingTransform, validationTransform } from "../lib/detectors/pixel_training.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { randomStream } from "../lib/random.ts";
import { GOLDENS } from "./goldens.ts";
import { noiseImage } from "./image_samples.ts";

const { tensors } = await readSafetensors(join(GOLDENS, "colours.safetensors"));

function golden(name: string): RgbImage {
  const { data, shape: [height, width] } = tensors.get(name)!;
  return { width: width!, height: height!, data: Uint8Array.from(data) };
}

const CHANGES: Readonly<Record<string, (image: RgbImage, by: number) => RgbImage>> = {
  brightness: colour.withBrightness,
  contrast: colour.withContrast,
  saturation: colour.withSaturation,
  hue: colour.withHue,
  grey: colour.grey,
  quarter: quarterTurn,
};

Deno.test("colours and quarter turns are torchvision's on Pillow images, to the bit", () => {
  const names = [...tensors.keys()].filter((name) => name !== "image");
  assert.equal(names.length, 10);
  for (const name of names) {
    const [change, by] = name.split("_");
    assert.deepEqual(CHANGES[change!]!(golden("image"), Number(by)), golden(name), name);
  }
});

const NOTHING: Variation = {
  resizedCrop: { probability: 0, sizePx: 20, areas: [.08, 1], ratios: [3 / 4, 4 / 3] },
  colours: { probability: 0, brightness: .4, contrast: .4, saturation: .4, hue: .1 },
  greyProbability: 0,
  hole: { probability: 0, sizePx: 8, level: 128 },
  noise: { probability: 0, variances: [10, 50] },
  turnProbability: 0,
};
const IMAGE = noiseImage(40, 30, "variation");
const varied = (changes: Partial<Variation>, seed = 0) =>
  vary(IMAGE, { ...NOTHING, ...changes }, randomStream(seed, "variation"));

Deno.test("each change is made with its probability, and none without", () => {
  assert.deepEqual(varied({}), IMAGE);
  const piece = varied({ resizedCrop: { ...NOTHING.resizedCrop, probability: 1 } });
  assert.deepEqual([piece.width, piece.height], [20, 20]);
  const grey = varied({ greyProbability: 1 }).data;
  assert.ok(grey.every((value, i) => value === grey[i - i % 3]));
  const holed = varied({ hole: { ...NOTHING.hole, probability: 1 } });
  const changed = [...holed.data].flatMap((value, i) => value === IMAGE.data[i] ? [] : [value]);
  assert.ok(changed.length > 0 && changed.length <= 8 * 8 * 3 && changed.every((v) => v === 128));
  const wider = { ...IMAGE, data: new Uint8Array(IMAGE.data.length).fill(128) };
  const noisy = vary(
    wider,
    { ...NOTHING, noise: { probability: 1, variances: [25, 25] } },
    randomStream(1, "noise"),
  );
  const off = [...noisy.data].map((value) => value + .5 - 128);
  const deviation = Math.sqrt(off.reduce((sum, value) => sum + value ** 2, 0) / off.length);
  assert.ok(Math.abs(deviation - 5) < .2, `${deviation}`);
});

Deno.test("pieces lie anywhere on the image, within the areas and ratios that are asked for", () => {
  // columns and rows as levels: a piece's corners say where it lay
  const ramp = { width: 200, height: 100, data: new Uint8Array(200 * 100 * 3) };
  for (let i = 0; i < 200 * 100; i++) ramp.data.set([i % 200, Math.floor(i / 200), 0], i * 3);
  const random = randomStream(0, "pieces");
  const resizedCrop = { ...NOTHING.resizedCrop, probability: 1, sizePx: 50 };
  const pieces = Array.from({ length: 300 }, () => {
    const { data } = vary(ramp, { ...NOTHING, resizedCrop }, random);
    const [left, top, , right, bottom] = [data[0]!, data[1]!, 0, data.at(-3)!, data.at(-2)!];
    return { width: (right - left) * 50 / 49, height: (bottom - top) * 50 / 49 };
  });
  const areas = pieces.map(({ width, height }) => width * height / 20_000);
  const ratios = pieces.map(({ width, height }) => width / height);
  assert.ok(Math.min(...areas) > .06 && Math.min(...areas) < .12, `${Math.min(...areas)}`);
  assert.ok(Math.max(...areas) > .5 && Math.max(...areas) <= .7, `${Math.max(...areas)}`);
  assert.ok(Math.min(...ratios) > .7 && Math.max(...ratios) < 1.4);
});

Deno.test("a varied crop hangs on its key alone; without variation crops are as they were", () => {
  const transform = trainingTransform({ ...dmidRecipe, cropPx: 16 });
  const key = { seed: 0, epoch: 1, path: "a.png" };
  const [first] = applyTransform(IMAGE, transform, key);
  assert.deepEqual(applyTransform(IMAGE, transform, key)[0], first);
  assert.notDeepEqual(applyTransform(IMAGE, transform, { ...key, epoch: 2 })[0], first);
  const plain: Transform = {
    ...{ kind: "train", size: 16 },
    augmentation: { ...dmidRecipe.augmentation, blurProbability: 0, jpegProbability: 0 },
  };
  const unturned: Transform = { ...plain, variation: NOTHING };
  const [crop] = applyTransform(IMAGE, plain, key);
  assert.deepEqual(applyTransform(IMAGE, unturned, key)[0], crop);
  const turned: Transform = { ...plain, variation: { ...NOTHING, turnProbability: 1 } };
  const square = { width: 16, height: 16 };
  const four = new Set<string>();
  for (let epoch = 1; epoch <= 24; epoch++) {
    const [found] = applyTransform(IMAGE, turned, { ...key, epoch });
    let [back] = applyTransform(IMAGE, { ...plain }, { ...key, epoch }) as [Uint8Array];
    const flipped = { ...plain, augmentation: { ...plain.augmentation, flipProbability: 0 } };
    // turned before it is mirrored: compared where it is not
    const [unflipped] = applyTransform(IMAGE, flipped, { ...key, epoch });
    if (`${unflipped}` !== `${back}`) continue;
    for (let quarters = 0; quarters < 4; quarters++) {
      if (`${back}` === `${found}`) four.add(`${quarters}`);
      back = quarterTurn({ ...square, data: back }).data;
    }
  }
  assert.deepEqual([...four].sort(), ["0", "1", "2", "3"]);
});

Deno.test("DMID's training images are varied, its validation images are not", () => {
  assert.deepEqual(trainingTransform(dmidRecipe), {
    kind: "train",
    size: 96,
    augmentation: dmidRecipe.augmentation,
    variation: dmidRecipe.variation,
  });
  assert.deepEqual(validationTransform(dmidRecipe), {
    kind: "train",
    size: 96,
    crop: "center",
    augmentation: {
      ...dmidRecipe.augmentation,
      blurSigmaPx: [1.5, 1.5],
      jpegQualities: [65, 65],
      flipProbability: 0,
    },
  });
});
