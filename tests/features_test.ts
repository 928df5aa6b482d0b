import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { type Backbone, openBackbone } from "../lib/backbone/backbone.ts";
import { type DatasetSpec, listImages } from "../lib/data/dataset.ts";
import { type ExtractOptions, extractTokens, nameTokens } from "../lib/features/extract.ts";
import { findTokens, tokenPaths, TokenReader } from "../lib/features/token_set.ts";
import type { Transform } from "../lib/image/transform.ts";
import { randomStream } from "../lib/random.ts";

const GOLDENS = Deno.env.get("RINE_GOLDENS") ?? join(import.meta.dirname!, "golden");
const REAL = 7, GENERATED = 6;

const SPEC: DatasetSpec = {
  name: "tiny",
  title: "Tiny",
  family: "test",
  sources: [{ label: 0, directory: "tiny/0_real" }, { label: 1, directory: "tiny/1_fake" }],
};

async function makeImages(root: string): Promise<void> {
  for (const [folder, count] of [["0_real", REAL], ["1_fake", GENERATED]] as const) {
    await Deno.mkdir(join(root, "tiny", folder), { recursive: true });
    for (let i = 0; i < count; i++) {
      const random = randomStream("features", folder, i);
      const raw = { width: 50, height: 44, channels: 3 } as const;
      const pixels = Uint8Array.from({ length: 50 * 44 * 3 }, () => random.integer(256));
      await sharp(pixels, { raw }).png().toFile(join(root, "tiny", folder, `${i}.png`));
    }
  }
}

interface Fixture {
  readonly backbone: Backbone;
  readonly size: number;
  readonly options: ExtractOptions;
  extract(transform: Transform, options?: Partial<ExtractOptions>): Promise<Float32Array>;
}

async function withFixture(use: (fixture: Fixture) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  await makeImages(root);
  await using backbone = await openBackbone(join(GOLDENS, "clip_hf.safetensors"));
  const options = { root, folder: join(root, "tokens"), batchSize: 4, workers: 2 };
  const extract = async (transform: Transform, changed: Partial<ExtractOptions> = {}) => {
    const images = await listImages(root, SPEC);
    const request = { images, transform, seed: 3, epoch: 1, backbones: [backbone] };
    const [sets] = await extractTokens([request], { ...options, ...changed });
    const set = sets![0]!;
    const found = await findTokens(changed.folder ?? options.folder, set.key);
    using reader = await TokenReader.open(found!);
    const rows = found!.index.shape[0];
    const values = new Float32Array(rows * reader.rowLength);
    for (let row = 0; row < rows; row++) reader.copyRow(row, values, row * reader.rowLength);
    return values;
  };
  await use({ backbone, size: backbone.architecture.resolutionPx, options, extract });
  await Deno.remove(root, { recursive: true });
}

const train = (size: number): Transform => ({
  kind: "train",
  size,
  augmentation: {
    protocol: "released",
    blurProbability: .5,
    blurSigmaPx: [0, 3],
    jpegProbability: .5,
    jpegQualities: [30, 100],
    flipProbability: .5,
  },
});

Deno.test("tokens on disk are the backbone's, rounded to float16", () =>
  withFixture(async ({ backbone, size, options, extract }) => {
    const stored = await extract({ kind: "center", size });
    const { decodeImage } = await import("../lib/image/image.ts");
    const images = await listImages(options.root, SPEC);
    const decoded = await Promise.all(
      images.map(({ path }) => decodeImage(join(options.root, path))),
    );
    const { data } = await backbone.tokens(decoded);
    assert.equal(stored.length, data.length);
    stored.forEach((value, i) =>
      assert(Math.abs(value - data[i]!) <= 2e-3 * Math.max(1, Math.abs(data[i]!)))
    );
  }));

Deno.test("tokens do not depend on batch size, worker count or the other requests", () =>
  withFixture(async ({ size, options, extract }) => {
    for (const transform of [train(size), { kind: "ten", size } as const]) {
      const expected = await extract(transform);
      for (
        const [index, changed] of [{ batchSize: 1 }, { batchSize: 30 }, { workers: 1 }].entries()
      ) {
        const folder = join(options.root, `${transform.kind}${index}`);
        const found = await extract(transform, { ...changed, folder });
        // one step of float16 beside float32's own rounding
        found.forEach((value, i) =>
          assert(Math.abs(value - expected[i]!) <= 1e-3 * Math.max(1, Math.abs(expected[i]!)))
        );
      }
    }
  }));

Deno.test("extraction cut off anywhere goes on and ends with the same bytes", () =>
  withFixture(async ({ backbone, size, options, extract }) => {
    const transform = train(size);
    await extract(transform);
    const images = await listImages(options.root, SPEC);
    const request = { images, transform, seed: 3, epoch: 1, backbones: [backbone] };
    const [[key]] = await nameTokens([request], options.root) as [[string]];
    const paths = tokenPaths(options.folder, key);
    const whole = await Deno.readFile(paths.tokens);
    const random = randomStream("cuts");
    const cuts = [
      0,
      1,
      127,
      128,
      whole.length - 1,
      whole.length,
      ...Array.from({ length: 10 }, () => random.integer(whole.length)),
    ];
    for (const cut of cuts) {
      await Deno.remove(paths.tokens);
      await Deno.writeFile(`${paths.tokens}.partial`, whole.slice(0, cut));
      await extract(transform);
      assert.deepEqual(await Deno.readFile(paths.tokens), whole, `cut at ${cut}`);
    }
  }));

Deno.test("the key changes with the images, the transform, the seed and the epoch", () =>
  withFixture(async ({ backbone, size, options }) => {
    const images = await listImages(options.root, SPEC);
    const base = { images, transform: train(size), seed: 3, epoch: 1, backbones: [backbone] };
    const requests = [
      base,
      { ...base, images: images.slice(1) },
      { ...base, images: images.toReversed() },
      { ...base, transform: { kind: "center", size } as const },
      { ...base, seed: 4 },
      { ...base, epoch: 2 },
    ];
    const keys = (await nameTokens(requests, options.root)).flat();
    assert.equal(new Set(keys).size, requests.length);
    const center = { ...base, transform: { kind: "center", size } as const };
    const [[a], [b]] = await nameTokens([center, { ...center, seed: 9 }], options.root) as [
      [string],
      [string],
    ];
    assert.equal(a, b, "a centre crop has nothing random in it");
  }));

Deno.test("the index names image, label and generator of every row", () =>
  withFixture(async ({ backbone, size, options, extract }) => {
    await extract({ kind: "center", size });
    const images = await listImages(options.root, SPEC);
    const request = {
      images,
      transform: { kind: "center", size } as const,
      seed: 0,
      epoch: 0,
      backbones: [backbone],
    };
    const [[key]] = await nameTokens([request], options.root) as [[string]];
    const { index } = (await findTokens(options.folder, key))!;
    assert.equal(index.images.length, REAL + GENERATED);
    assert.deepEqual(index.images[0], { path: "tiny/0_real/0.png", label: 0, generator: "tiny" });
    assert.equal(index.images.filter(({ label }) => label === 1).length, GENERATED);
  }));

Deno.test("an image that cannot be decoded stops extraction and leaves nothing that looks finished", () =>
  withFixture(async ({ size, options, extract }) => {
    await Deno.writeTextFile(join(options.root, "tiny/1_fake/9.png"), "not an image");
    await assert.rejects(
      extract({ kind: "center", size }),
      (error: Error) => error instanceof SyntaxError && error.message.includes("9.png"),
    );
    for await (const { name } of Deno.readDir(options.folder)) assert(!name.endsWith(".npy"), name);
  }));

Deno.test("a truncated token file is named, not read", () =>
  withFixture(async ({ size, options, extract }) => {
    await extract({ kind: "center", size });
    for await (const { name } of Deno.readDir(options.folder)) {
      if (name.endsWith(".npy")) await Deno.truncate(join(options.folder, name), 300);
    }
    await assert.rejects(
      extract({ kind: "center", size }),
      /expected a whole float16 \.npy file, found 300 bytes where shape \[13, .*takes/,
    );
  }));
