/** The mini world is made once and kept by its version: so here stand the pixels of that version. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { makeMiniWorld } from "../lib/mini/make.ts";
import { GENERATORS } from "../lib/mini/generators.ts";
import { miniFolders, miniJpegQuality } from "../lib/mini/layout.ts";
import type { Picture } from "../lib/mini/picture.ts";
import { LEAF_SHAPES, photograph, sceneMaterial } from "../lib/mini/scene.ts";
import { decodeImage } from "../lib/image/image.ts";
import { randomStream } from "../lib/random.ts";
import { temporaryFolder } from "./temporary.ts";

/** The version that the hashes below are of. */
const VERSION_HERE = 6;

const ADVICE = "raise VERSION in lib/data/mini.ts, and that in lib/backbone/mini.ts where real " +
  "images changed, so that worlds of earlier pixels are made anew; then put the new hashes here";

/** Two images of each outline, as the bytes that are written to files. */
const SCENES: Readonly<Record<string, string>> = {
  "discs": "03964df96691",
  "squares": "2c92176468fd",
  "triangles": "c7b8238a4ea3",
  "stars": "f28cd3f7954d",
  "rings": "68d8db2c7188",
  "bars": "907797f55eb0",
  "mixed": "c52d3391a414",
};

/** What each generator makes of two real images. */
const GENERATED: Readonly<Record<string, string>> = {
  "zero_insertion_k3": "d324ca4d2344",
  "zero_insertion_k5": "c50aa5c09cc1",
  "zero_insertion_k5_noise": "170f7e3f199e",
  "checkerboard_deconv": "06db306db8db",
  "nearest_upsampling": "fa7da6fc6c18",
  "bilinear_2x": "06a3c21f10ca",
  "subpixel_shuffle": "65266a84630e",
  "blended_region": "58a119ad4f8d",
  "dark_gain_denoise": "877a8de625e8",
  "cubic_sharpened": "07e49a9a1a4a",
  "cascade_refinement": "e29a667fa8b6",
  "patch_quilting": "e784f1f6328b",
  "iterative_denoising": "b54476bc8523",
  "latent_dct_fine": "9890f00ff815",
  "latent_dct_fine_contrast": "f95ef71eda0f",
  "latent_dct_coarse": "ca0b2b4e6b21",
  "latent_dct_noisy": "e3b4bfcf45b1",
  "latent_dct_wide": "90ec8bb215cf",
  "latent_dct_wide_contrast": "b95f924e7723",
  "two_stage_soft": "d8f555052959",
  "two_stage_grainy": "7bd4423a5016",
  "two_stage_sharp": "3eab531ebc47",
  "palette_tokens": "fd1c7e1e533c",
};

const SIDE_PX = 32;
const material = sceneMaterial(0);

function hashOf(pictures: readonly Picture[]): string {
  const hash = createHash("sha256");
  for (const { data } of pictures) {
    hash.update(Uint8ClampedArray.from(data, (value) => 255 * value));
  }
  return hash.digest("hex").slice(0, 12);
}

for (const shape of [...LEAF_SHAPES, "mixed"] as const) {
  Deno.test(`real images of ${shape} are those of version ${VERSION_HERE}`, () => {
    const pictures = [1, 2].map((i) =>
      photograph(SIDE_PX, shape, material, randomStream("scene", shape, i))
    );
    assert.equal(hashOf(pictures), SCENES[shape], `Real images changed: ${ADVICE}`);
  });
}

for (const [name, generate] of Object.entries(GENERATORS)) {
  Deno.test(`images of ${name} are those of version ${VERSION_HERE}`, () => {
    const pictures = [1, 2].map((i) => {
      const real = photograph(SIDE_PX, "mixed", material, randomStream("real", i));
      return generate(real, randomStream("generator", name, i));
    });
    assert.equal(hashOf(pictures), GENERATED[name], `Generated images changed: ${ADVICE}`);
  });
}

Deno.test(`the world of seed 0 has the files and pixels of version ${VERSION_HERE}`, async () => {
  const root = temporaryFolder("mini_pixels_");
  const { version, folders } = await makeMiniWorld({ root, seed: 0, scale: .004, workers: 2 });
  assert.equal(version, VERSION_HERE, "put the number here, and the hashes where they changed");
  assert.deepEqual(Object.keys(folders), miniFolders(1).map(({ path }) => path));
  const pixels = createHash("sha256"), layout = createHash("sha256");
  for (const folder of Object.keys(folders).sort()) {
    for (const { name } of [...Deno.readDirSync(join(root, folder))].sort(byName)) {
      const path = `${folder}/${name}`;
      // a JPEG's pixels are the coder's too
      const { width, height, data } = await decodeImage(join(root, path));
      if (name.endsWith(".png")) pixels.update(data);
      layout.update(`${path} ${width} ${height}\n`);
    }
  }
  const digests = [layout, pixels].map((hash) => hash.digest("hex").slice(0, 12));
  assert.deepEqual(digests, ["8ed809a04272", "f3a38a034803"], `Files or pixels changed: ${ADVICE}`);
});

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

Deno.test("the full world has as many images as its sets are large", () => {
  const counts = new Map<string, number>();
  for (const { path, count } of miniFolders(1)) {
    const kind = path.split("/")[0]!;
    counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  assert.deepEqual(Object.fromEntries(counts), {
    train: 4 * 2 * 500,
    val: 4 * 2 * 50,
    // twelve sets of their own, eight that share two folders of real images
    test: (12 * 2 + 8 + 2) * 100,
    coco: 300 + 40,
    latent_diffusion_trainingset: 2 * (300 + 40),
    RAISEpng: 40,
    synthbuster: 9 * 40,
  });
  for (const { path, count, sizePx } of miniFolders(1)) {
    assert.equal(sizePx, /^(RAISEpng|synthbuster)/.test(path) ? 160 : 76, path);
    if (/^train/.test(path)) assert.equal(count, 500, path);
  }
});

Deno.test("JPEG qualities of the world lie in 80 to 97, both ends among them", () => {
  const qualities = Array.from({ length: 1000 }, (_, i) => miniJpegQuality(0, `${i}.jpg`));
  assert.deepEqual([Math.min(...qualities), Math.max(...qualities)], [80, 97]);
  assert.equal(new Set(qualities).size, 18);
});
