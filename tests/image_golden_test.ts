import assert from "node:assert/strict";
import { join } from "node:path";
import { gaussianBlur, gaussianFilter } from "../lib/image/blur.ts";
import { centerCrop, tenCrop } from "../lib/image/crop.ts";
import { decodeImage, type RgbImage } from "../lib/image/image.ts";
import { jpegRoundTrip } from "../lib/image/jpeg.ts";
import { compress, cropAndResize } from "../lib/image/perturb.ts";
import {
  resizeBicubic,
  resizeBilinear,
  resizeLanczos,
  resizeShortSide,
} from "../lib/image/resize.ts";
import { readSafetensors, readSafetensorsHeader } from "../lib/io/safetensors.ts";
import { GOLDENS, PUBLISHED } from "./goldens.ts";
import { concat } from "./image_samples.ts";

const TRANSFORMS = join(GOLDENS, "transforms.safetensors");

/** Largest of all differences, and their mean, that a correct implementation may have. */
interface Tolerance {
  readonly max: number;
  readonly mean: number;
}
const EXACT: Tolerance = { max: 0, mean: 0 };
const ONE_LEVEL: Tolerance = { max: 1, mean: 1 };
const JPEG: Tolerance = { max: 255, mean: 1.5 };
const RESIZED: Tolerance = { max: 255, mean: 1 };

type Transformed = Pick<RgbImage, "data"> | Promise<Pick<RgbImage, "data">>;

/** By the golden's name: what makes it of the image and of the number in the name. */
const OPERATIONS: readonly [
  RegExp,
  Tolerance,
  (image: RgbImage, value: number, imageName: string) => Transformed,
][] = [
  [/^center_crop_([\d.]+)$/, EXACT, (image, size) => centerCrop(image, size)],
  [/^ten_crop_([\d.]+)$/, EXACT, (image, size) => ({
    data: concat(tenCrop(image, size).map(({ data }) => data)),
  })],
  [/^train_blur_([\d.]+)$/, ONE_LEVEL, (image, sigma) => gaussianFilter(image, sigma)],
  [/^perturb_blur_([\d.]+)$/, ONE_LEVEL, (image, kernelSize) => gaussianBlur(image, kernelSize, 4)],
  [/^jpeg_(?:pil|cv2)_([\d.]+)$/, JPEG, (image, quality) => jpegRoundTrip(image, quality)],
  [/^perturb_jpeg_paper_([\d.]+)$/, JPEG, (image, quality) => compress(image, quality)],
  [/^perturb_jpeg_released_[\d.]+$/, JPEG, (image) => compress(image, 95)],
  [/^resize_([\d.]+)$/, RESIZED, (image, size) => resizeBilinear(image, size, size)],
  [/^perturb_crop$/, RESIZED, async (image, _, imageName) => {
    const { data: [fraction] } = await readGolden(`${imageName}.perturb_crop_fraction`);
    return cropAndResize(image, fraction!, "released");
  }],
];
/** What the operations above take in. */
const INPUTS = /^(rgb|perturb_crop_fraction)$/;

const DEMO_FILES: Readonly<Record<string, string>> = {
  demo_real: "demo_real.jpg",
  demo_fake: "demo_fake.png",
};

async function readGolden(name: string) {
  return (await readSafetensors(TRANSFORMS, [name])).tensors.get(name)!;
}

async function readInput(name: string): Promise<RgbImage> {
  const demo = DEMO_FILES[name];
  if (demo) return await decodeImage(join(PUBLISHED, demo));
  const { shape: [height, width], data } = await readGolden(`${name}.rgb`);
  return { width: width!, height: height!, data: Uint8Array.from(data) };
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const names = [...(await readSafetensorsHeader(TRANSFORMS)).tensors.keys()];

Deno.test("every operation on images has a golden", () => {
  for (const [pattern] of OPERATIONS) {
    const isHeld = names.some((golden) => pattern.test(golden.slice(golden.indexOf(".") + 1)));
    assert(isHeld, `none of ${TRANSFORMS} matches ${pattern.source}`);
  }
});

for (const golden of names) {
  const [, name, operation] = /^(\w+)\.(.+)$/.exec(golden)!;
  if (INPUTS.test(operation!)) continue;
  const missing = name! in DEMO_FILES && !isThere(join(PUBLISHED, DEMO_FILES[name!]!));
  Deno.test({
    name: `${golden} equals the reference${missing ? ` (skipped: no images in ${PUBLISHED})` : ""}`,
    ignore: missing,
    async fn() {
      const known = OPERATIONS.find(([pattern]) => pattern.test(operation!));
      assert(known, `expected one of ${OPERATIONS.map(([pattern]) => pattern.source).join(", ")}`);
      const [pattern, tolerance, apply] = known;
      const value = Number(pattern.exec(operation!)?.[1]);
      const { data: found } = await apply(await readInput(name!), value, name!);
      const { data: expected } = await readGolden(golden);
      assert.equal(found.length, expected.length);
      const differences = expected.map((level, i) => Math.abs(level - found[i]!));
      const max = differences.reduce((a, b) => Math.max(a, b), 0);
      const mean = differences.reduce((a, b) => a + b, 0) / differences.length;
      assert(
        max <= tolerance.max && mean <= tolerance.mean,
        `expected differences of at most ${tolerance.max}, ${tolerance.mean} on average, ` +
          `found ${max}, ${mean} on average`,
      );
    },
  });
}

const RESIZES = { bilinear: resizeBilinear, bicubic: resizeBicubic, lanczos: resizeLanczos };

Deno.test("Pillow's filters and torchvision's short side give every pixel of the reference", async () => {
  const { tensors, metadata } = await readSafetensors(join(GOLDENS, "resizes.safetensors"));
  const listed = (name: string) => JSON.parse(metadata[name]!) as (string | number)[];
  const imageOf = (name: string): RgbImage => {
    const { shape: [height, width], data } = tensors.get(name)!;
    return { width: width!, height: height!, data: Uint8Array.from(data) };
  };
  const held = new Set<string>();
  for (const name of tensors.keys()) {
    const parts = /^(image_\d+)\.([a-z]+)_(?:(\d+)x(\d+)|short_(\d+))$/.exec(name);
    if (!parts) continue;
    const [, source, filter, height, width, short] = parts;
    const resize = RESIZES[filter as keyof typeof RESIZES], image = imageOf(source!);
    const found = short === undefined
      ? resize(image, Number(width), Number(height))
      : resizeShortSide(image, Number(short), resize);
    assert.deepEqual(found, imageOf(name), name);
    held.add(name);
  }
  for (let i = 0; i < Number(metadata["images"]); i++) {
    for (const filter of listed("filters")) {
      const sizes = [...listed("sizes"), ...listed("shortSides").map((side) => `short_${side}`)];
      for (const size of sizes) assert(held.has(`image_${i}.${filter}_${size}`));
    }
  }
});
