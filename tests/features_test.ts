import assert from "node:assert/strict";
import { basename, join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { type Backbone, PRECISIONS } from "../lib/backbones/backbone.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { Listings } from "../lib/data/listing.ts";
import { quantizedPath, quantizeWeights } from "../lib/backbones/quantize.ts";
import { readVitWeights } from "../lib/backbones/vit/weights.ts";
import { type DatasetSpec, type ImageEntry, listImages } from "../lib/data/dataset.ts";
import { extractFeatures, type ExtractOptions } from "../lib/tokens/extract.ts";
import { nameFeatures } from "../lib/tokens/request.ts";
import { readPaths } from "../lib/tokens/paths.ts";
import { FeatureReader } from "../lib/tokens/reader.ts";
import { identity } from "../lib/tokens/set_index.ts";
import { featurePaths, type FeatureSet, findFeatures } from "../lib/tokens/store.ts";
import { verifyFeatures } from "../lib/tokens/verify.ts";
import { decodeImage } from "../lib/image/image.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import type { Transform } from "../lib/image/transform.ts";
import { randomStream } from "../lib/random.ts";
import { contentKey, exists } from "../lib/io/files.ts";
import { unfinish } from "./feature_sets.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const REAL = 7, GENERATED = 6;

const SPEC: DatasetSpec = {
  name: "tiny",
  title: "Tiny",
  family: "test",
  sources: [{ label: 0, directory: "tiny/0_real" }, { label: 1, directory: "tiny/1_fake" }],
};

/** Images a little larger than a crop. */
async function makeImages(root: string, cropPx: number): Promise<void> {
  const width = cropPx + 18, height = cropPx + 12;
  for (const [folder, count] of [["0_real", REAL], ["1_fake", GENERATED]] as const) {
    await Deno.mkdir(join(root, "tiny", folder), { recursive: true });
    for (let i = 0; i < count; i++) {
      const random = randomStream("features", folder, i);
      const raw = { width, height, channels: 3 } as const;
      const pixels = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
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
  const root = temporaryFolder();
  await using backbone = await openBackbone(join(GOLDENS, "clip_hf.safetensors"));
  await makeImages(root, backbone.architecture.resolutionPx);
  const options = { root, folder: join(root, "tokens"), batchSize: 4, workers: 2 };
  const extract = async (transform: Transform, changed: Partial<ExtractOptions> = {}) => {
    const images = await listImages(root, SPEC);
    const request = {
      images,
      generator: "tiny",
      transform,
      seed: 3,
      epoch: 1,
      backbones: [backbone],
    };
    const [sets] = await extractFeatures([request], { ...options, ...changed });
    const set = sets![0]!;
    const found = await findFeatures(changed.folder ?? options.folder, set.key);
    using reader = await FeatureReader.open(found!);
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
    const images = await listImages(options.root, SPEC);
    const decoded = await Promise.all(
      images.map(({ path }) => decodeImage(join(options.root, path))),
    );
    const { data } = await backbone.features(decoded);
    assert.equal(stored.length, data.length);
    stored.forEach((value, i) =>
      assert(Math.abs(value - data[i]!) <= 2e-3 * Math.max(1, Math.abs(data[i]!)))
    );
  }));

Deno.test("extraction cut off anywhere goes on from what was put on disk and ends with the same bytes", () =>
  withFixture(async ({ backbone, size, options }) => {
    const images = await listImages(options.root, SPEC);
    const request = {
      images,
      generator: "tiny",
      transform: train(size),
      seed: 3,
      epoch: 1,
      backbones: [backbone],
    };
    const extract = async () => {
      const done: number[] = [];
      const [[set]] = await extractFeatures([request], {
        ...options,
        onProgress: (progress) => done.push(progress.done),
      }) as [[FeatureSet]];
      return { set, kept: done.find((rows) => rows > 0) };
    };
    const { set } = await extract();
    const whole = await Deno.readFile(set.path);
    const rowBytes = (whole.length - 128) / images.length;
    const batch = options.batchSize;
    const random = randomStream("cuts");
    const cuts = [
      [0, 0],
      [0, 127],
      [0, 128],
      [0, whole.length],
      [4, 128 + 4 * rowBytes],
      [8, whole.length - 1],
      [8, 128 + 8 * rowBytes - 1],
      [13, whole.length],
      ...Array.from({ length: 2 }, () => [random.integer(14), random.integer(whole.length)]),
    ] as [number, number][];
    for (const [rows, bytes] of cuts) {
      await unfinish(set, rows, bytes);
      const isThere = bytes >= 128 + rows * rowBytes;
      const expected = !isThere ? 0 : rows === images.length ? rows : rows - rows % batch;
      const { kept } = await extract();
      assert.deepEqual(await Deno.readFile(set.path), whole, `cut at ${rows} rows, ${bytes} bytes`);
      assert.equal(kept, expected || batch, `cut at ${rows} rows, ${bytes} bytes`);
      assert.equal(await exists(set.paths.progress), false);
    }
  }));

Deno.test("sets of the same crops that were cut off at different rows each go on from their own", () =>
  withFixture(async ({ backbone, size, options }) => {
    const images = await listImages(options.root, SPEC);
    const backbones = [backbone, backbone.at("block")];
    const request = { images, generator: "tiny", transform: train(size), seed: 3, epoch: 1 };
    const extract = async () => {
      const [sets] = await extractFeatures([{ ...request, backbones }], options);
      return sets!;
    };
    const sets = await extract();
    const whole = await Promise.all(sets.map(({ path }) => Deno.readFile(path)));
    for (const rows of [[4, 8], [8, 0]]) {
      for (const [s, set] of sets.entries()) await unfinish(set, rows[s]!, whole[s]!.length);
      for (const [s, { path }] of (await extract()).entries()) {
        assert.deepEqual(await Deno.readFile(path), whole[s], `cut at ${rows} rows, set ${s}`);
      }
    }
  }));

Deno.test("the key changes with the images, the transform, the seed and the epoch", () =>
  withFixture(async ({ backbone, size, options }) => {
    const images = await listImages(options.root, SPEC);
    const base = {
      images,
      generator: "tiny",
      transform: train(size),
      seed: 3,
      epoch: 1,
      backbones: [backbone],
    };
    const requests = [
      base,
      { ...base, images: images.slice(1) },
      { ...base, images: images.toReversed() },
      { ...base, transform: { kind: "center", size } as const },
      { ...base, seed: 4 },
      { ...base, epoch: 2 },
    ];
    const keys = (await nameFeatures(requests, new Listings(options.root))).flat();
    assert.equal(new Set(keys).size, requests.length);
    const center = { ...base, transform: { kind: "center", size } as const };
    const [[a], [b]] = await nameFeatures(
      [center, { ...center, seed: 9 }],
      new Listings(options.root),
    ) as [
      [string],
      [string],
    ];
    assert.equal(a, b, "a centre crop has nothing random in it");
  }));

Deno.test("a set's files name image, label and generator of every row, and what made it", () =>
  withFixture(async ({ backbone, size, options, extract }) => {
    await extract({ kind: "center", size });
    const images = await listImages(options.root, SPEC);
    const transform = { kind: "center", size } as const;
    const request = { images, generator: "x", transform, seed: 0, epoch: 0, backbones: [backbone] };
    const [[key]] = await nameFeatures([request], new Listings(options.root)) as [[string]];
    const set = (await findFeatures(options.folder, key))!;
    assert.deepEqual(await readPaths(set), images.map(({ path }) => path));
    const labels = await Deno.readFile(set.paths.labels);
    assert.deepEqual([...labels.subarray(128)], [
      ...Array(REAL).fill(0),
      ...Array(GENERATED).fill(1),
    ]);
    const { generator, firstImage, source, made } = set.index;
    assert.deepEqual([generator, firstImage], ["tiny", "tiny/0_real/0.png"]);
    assert.equal(contentKey([identity(source)]), key);
    assert.deepEqual(Object.keys(made.versions), [
      "rine",
      "onnxruntime",
      "sharp",
      "libvips",
      "deno",
    ]);
    assert.equal(made.device, "cpu");
    assert.equal(made.versions["deno"], Deno.version.deno);
    assert((await Deno.stat(set.paths.index)).size < 2000);
  }));

Deno.test("extraction in two processes at once makes each set once, and both have all of them", () =>
  withFixture(async ({ backbone, size, options }) => {
    const images = await listImages(options.root, SPEC);
    const requests = Array.from({ length: 6 }, (_, epoch) => ({
      images,
      generator: "tiny",
      transform: train(size),
      seed: 3,
      epoch: 1 + epoch,
      backbones: [backbone],
    }));
    // locks are of open files: two calls in one process are to each other as two processes
    const rows = [0, 0], made = new Set<string>();
    const both = await Promise.all([0, 1].map((call) =>
      extractFeatures(requests, {
        ...options,
        onProgress: ({ done }) => rows[call] = done,
      })
    ));
    for (const sets of both) sets.flat().forEach(({ key }) => made.add(key));
    assert.equal(made.size, requests.length);
    assert.deepEqual(rows, [6 * images.length, 6 * images.length]);
    const names = (await Array.fromAsync(Deno.readDir(options.folder))).map(({ name }) => name);
    assert.equal(names.length, 4 * requests.length, names.join(", "));
  }));

async function valuesOf(set: FeatureSet): Promise<Float32Array> {
  using reader = await FeatureReader.open(set);
  const [rows] = set.index.shape;
  const values = new Float32Array(rows * reader.rowLength);
  for (let row = 0; row < rows; row++) reader.copyRow(row, values, row * reader.rowLength);
  return values;
}

/** The tiny backbone at every precision. */
async function openAll(folder: string): Promise<Backbone[]> {
  await Deno.mkdir(join(folder, "Tiny"));
  const weights = join(folder, "Tiny", "model.safetensors");
  await Deno.copyFile(join(GOLDENS, "clip_hf.safetensors"), weights);
  await quantizeWeights(await readVitWeights(weights), quantizedPath(weights));
  return await Promise.all(
    PRECISIONS.map((precision) => openBackbone("Tiny", { folder, precision })),
  );
}

Deno.test("tokens of a crop depend neither on the others of its batch nor on their order, at any precision", () =>
  withFixture(async ({ size, options: { root } }) => {
    const COUNT = 7, cropBytes = size * size * 3;
    const random = randomStream("batches");
    const crops = Uint8Array.from({ length: COUNT * cropBytes }, () => random.integer(256));
    for (const backbone of await openAll(root)) {
      await using opened = backbone;
      const { data: expected } = await opened.featuresOfCrops(crops, COUNT);
      const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      const rowLength = expected.length / COUNT;
      const order = fc.shuffledSubarray([...Array(COUNT).keys()], { minLength: 1 });
      await fc.assert(
        fc.asyncProperty(order, async (order) => {
          const batch = new Uint8Array(order.length * cropBytes);
          order.forEach((crop, i) =>
            batch.set(crops.subarray(crop * cropBytes, (crop + 1) * cropBytes), i * cropBytes)
          );
          const { data } = await opened.featuresOfCrops(batch, order.length);
          order.forEach((crop, i) => {
            for (let k = 0; k < rowLength; k++) {
              const difference = data[i * rowLength + k]! - expected[crop * rowLength + k]!;
              assert(Math.abs(difference) <= 1e-5 * largest, `${opened.precision}: ${difference}`);
            }
          });
        }),
        { numRuns: 25 },
      );
    }
  }));

Deno.test("tokens of an image depend neither on order, batches and workers nor on what else is in the folder, at any precision", () =>
  withFixture(async ({ size, options }) => {
    const { root } = options;
    const all = await listImages(root, SPEC);
    const transforms: Transform[] = [
      { kind: "center", size },
      { kind: "ten", size },
      train(size),
      ...PERTURBATIONS.map((perturbation) => ({
        kind: "perturbed" as const,
        size,
        perturbation,
        protocol: "released" as const,
        probability: .5,
        resizePx: 2 * size,
      })),
    ];
    const backbones = await openAll(root);
    const extract = async (
      images: readonly ImageEntry[],
      transform: Transform,
      changed: Partial<ExtractOptions> = {},
    ) => {
      const request = { images, generator: "tiny", transform, seed: 3, epoch: 1, backbones };
      const [sets] = await extractFeatures([request], { ...options, ...changed });
      return await Promise.all(sets!.map(valuesOf));
    };
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...transforms),
        fc.shuffledSubarray(all, { minLength: 1 }),
        fc.record({
          batchSize: fc.integer({ min: 1, max: 40 }),
          workers: fc.integer({ min: 1, max: 3 }),
        }),
        async (transform, some, changed) => {
          const expected = await extract(all, transform);
          const folder = join(root, `tokens${round++}`);
          const found = await extract(some, transform, { ...changed, folder });
          expected.forEach((values, b) => {
            const length = values.length / all.length;
            some.forEach((image, i) => {
              const own = all.indexOf(image);
              for (let k = 0; k < length; k++) {
                const before = values[own * length + k]!, after = found[b]![i * length + k]!;
                // one step of float16, where float32's own rounding falls on an edge
                assert(Math.abs(after - before) <= 1e-3 * Math.max(1, Math.abs(before)));
              }
            });
          });
        },
      ),
      { numRuns: 10 },
    );
    for (const backbone of backbones) await backbone[Symbol.asyncDispose]();
  }));

const BROKEN = {
  "1_fake/2.png": "not an image",
  "0_real/gone.png": undefined,
} as const;

/** Spoils one image and adds a link that leads nowhere. */
async function spoil(root: string): Promise<void> {
  for (const [path, content] of Object.entries(BROKEN)) {
    if (content) await Deno.writeTextFile(join(root, "tiny", path), content);
    else await Deno.symlink("nowhere", join(root, "tiny", path));
  }
}

Deno.test("an image that cannot be decoded stops extraction and leaves nothing that looks finished", () =>
  withFixture(async ({ size, options, extract }) => {
    const path = join(options.root, "tiny/1_fake/9.png");
    await Deno.writeTextFile(path, "not an image");
    await assert.rejects(extract({ kind: "center", size }), {
      name: "UserError",
      message: `Cannot decode ${path}: expected an image, found 12 bytes; ` +
        "--skip-corrupt leaves them out, and `deno task doctor` lists those of sets",
    });
    for await (const { name } of Deno.readDir(options.folder)) assert(!name.endsWith(".npy"), name);
  }));

Deno.test("of several images that cannot be decoded the first is named and the others are counted", () =>
  withFixture(async ({ size, options: { root }, extract }) => {
    for (const name of ["3", "5", "6"]) {
      await Deno.writeTextFile(join(root, `tiny/0_real/${name}.png`), "");
    }
    await assert.rejects(extract({ kind: "center", size }), (error: Error) => {
      assert(
        error.message.includes(
          "0_real/3.png: expected an image, found 0 bytes, and 2 more like it",
        ),
      );
      return !error.message.includes("\n");
    });
    await spoil(root);
    await assert.rejects(
      extract({ kind: "center", size }),
      /gone\.png: expected an image, found none, and 1 more like it/,
      "what is not there is known before anything is decoded",
    );
  }));

Deno.test("with skipCorrupt the rows of such images are NaN and listed, and all others as ever", () =>
  withFixture(async ({ backbone, size, options }) => {
    const request = {
      generator: "tiny",
      transform: train(size),
      seed: 3,
      epoch: 1,
      backbones: [backbone],
    };
    const clean = await listImages(options.root, SPEC);
    const [[whole]] = await extractFeatures([{ ...request, images: clean }], options) as [
      [FeatureSet],
    ];
    assert.deepEqual(whole.unreadable, []);
    const expected = await valuesOf(whole);
    await spoil(options.root);
    const images = await listImages(options.root, SPEC);
    const lenient = { ...options, skipCorrupt: true };
    const [[set]] = await extractFeatures([{ ...request, images }], lenient) as [[FeatureSet]];
    assert.deepEqual(
      set.unreadable.map((position) => images[position]!.path),
      ["tiny/0_real/gone.png", "tiny/1_fake/2.png"],
    );
    const values = await valuesOf(set);
    const length = values.length / images.length;
    images.forEach(({ path }, i) => {
      const row = values.subarray(i * length, (i + 1) * length);
      const before = clean.findIndex((image) => image.path === path);
      if (set.unreadable.includes(i)) assert(row.every(Number.isNaN), basename(path));
      else {row.forEach((value, k) =>
          assert(
            Math.abs(value - expected[before * length + k]!) <= 1e-3 * Math.max(1, Math.abs(value)),
          )
        );}
    });
    await assert.rejects(extractFeatures([{ ...request, images }], options), /gone\.png/);
  }));

Deno.test("extraction without some images, cut off anywhere, ends with the same bytes and the same list", () =>
  withFixture(async ({ backbone, size, options }) => {
    await spoil(options.root);
    const images = await listImages(options.root, SPEC);
    const request = {
      images,
      generator: "tiny",
      transform: train(size),
      seed: 3,
      epoch: 1,
      backbones: [backbone],
    };
    const lenient = { ...options, skipCorrupt: true };
    const [[set]] = await extractFeatures([request], lenient) as [[FeatureSet]];
    const whole = await Deno.readFile(set.path);
    assert.deepEqual(set.unreadable, [7, 10]);
    for (const rows of [0, 4, 8, 12, images.length]) {
      await unfinish(set, rows, whole.length);
      const [[again]] = await extractFeatures([request], lenient) as [[FeatureSet]];
      assert.deepEqual(await Deno.readFile(again.path), whole, `cut at ${rows}`);
      assert.deepEqual(again.unreadable, set.unreadable);
      assert.deepEqual(again.index.sha256, set.index.sha256);
    }
  }));

Deno.test("an image that has been mended is taken in, even where its size is the same", () =>
  withFixture(async ({ backbone, size, options }) => {
    const path = join(options.root, "tiny/1_fake/2.png");
    const intact = await Deno.readFile(path);
    const request = {
      generator: "tiny",
      transform: train(size),
      seed: 3,
      epoch: 1,
      backbones: [backbone],
    };
    const extract = async (skipCorrupt: boolean, folder = options.folder) => {
      const images = await listImages(options.root, SPEC);
      const [[set]] = await extractFeatures([{ ...request, images }], {
        ...options,
        folder,
        skipCorrupt,
      }) as [
        [FeatureSet],
      ];
      return set;
    };
    await Deno.writeFile(path, intact.map((byte, i) => i > 40 ? 0 : byte));
    const lacking = await extract(true);
    assert.equal(lacking.unreadable.length, 1);
    await Deno.writeFile(path, intact);
    const mended = await extract(false);
    assert.equal(mended.key, lacking.key);
    assert.deepEqual(mended.unreadable, []);
    const values = await valuesOf(mended);
    assert(!values.some(Number.isNaN));

    await Deno.writeFile(path, intact.map((byte, i) => i > 40 ? 0 : byte));
    const other = join(options.root, "others");
    const cut = await extract(true, other);
    await unfinish(cut, 12, (await Deno.readFile(cut.path)).length);
    await Deno.writeFile(path, intact);
    assert.deepEqual(await valuesOf(await extract(false, other)), values, "cut off, then mended");
  }));

Deno.test("a set of which no image can be decoded is refused even with skipCorrupt", () =>
  withFixture(async ({ backbone, size, options }) => {
    const images = (await listImages(options.root, SPEC)).filter(({ label }) => label === 1);
    for (const { path } of images) await Deno.writeTextFile(join(options.root, path), "");
    const request = {
      images,
      generator: "tiny",
      transform: train(size),
      seed: 3,
      epoch: 1,
      backbones: [backbone],
    };
    await assert.rejects(extractFeatures([request], { ...options, skipCorrupt: true }), {
      name: "UserError",
      message: `Cannot compute features: expected images that can be decoded beside ${
        join(options.root, "tiny/1_fake/0.png")
      }, found none`,
    });
  }));

Deno.test("an image too small for ten crops is named, or left out of them and of nothing else", () =>
  withFixture(async ({ size, options: { root, folder }, extract }) => {
    const raw = { width: 3, height: 2, channels: 3 } as const;
    await sharp(new Uint8Array(18), { raw }).png().toFile(join(root, "tiny/0_real/small.png"));
    const ten = { kind: "ten", size } as const;
    const says =
      /small\.png: .*found an image of 3 × 2 pixels, too small for ten crops of .*--skip-c/;
    await assert.rejects(extract(ten), says);
    const lacking = await extract(ten, { skipCorrupt: true });
    const images = await listImages(root, SPEC);
    assert.equal(lacking.filter(Number.isNaN).length, lacking.length / images.length);
    // known by now, and not made again
    const files = () =>
      Array.from(Deno.readDirSync(folder), ({ name }) => Deno.statSync(join(folder, name)).mtime);
    const before = files();
    await extract(ten, { skipCorrupt: true });
    assert.deepEqual(files(), before);
    await assert.rejects(extract(ten), says);
    assert.equal((await extract({ kind: "center", size })).filter(Number.isNaN).length, 0);
  }));

Deno.test("a token file that is damaged is named, and made again with the same bytes", () =>
  withFixture(async ({ size, options, extract }) => {
    await extract({ kind: "center", size });
    const [key] = Array.from(Deno.readDirSync(options.folder))
      .flatMap(({ name }) => /^(\w+)\.npy$/.exec(name)?.[1] ?? []) as [string];
    const paths = featurePaths(options.folder, key), whole = new Map<string, Uint8Array>();
    const kept = [paths.features, paths.labels, paths.paths];
    for (const path of kept) whole.set(path, await Deno.readFile(path));
    const flipped = (path: string) => {
      const bytes = Deno.readFileSync(path);
      bytes[bytes.length - 2]! ^= 1;
      return bytes;
    };
    const damages: [path: string, bytes: () => Uint8Array | undefined, says: RegExp][] = [
      [paths.features, () => whole.get(paths.features)!.subarray(0, 300), /found 300 bytes where/],
      [paths.features, () => flipped(paths.features), /expected SHA-256 .* found/],
      [paths.features, () => new Uint8Array(whole.get(paths.features)!.length), /another format/],
      [paths.labels, () => flipped(paths.labels), /expected SHA-256 .* found/],
      [paths.paths, () => flipped(paths.paths), /expected SHA-256 .* found/],
      [paths.index, () => flipped(paths.index), /found/],
      [paths.index, () => new Uint8Array(), /no JSON in its 0 characters/],
    ];
    for (const [path, damaged, says] of damages) {
      await Deno.writeFile(path, damaged()!);
      const lines: string[] = [];
      await extract({ kind: "center", size }, { onDamage: (line: string) => lines.push(line) });
      assert.equal(lines.length, 1, path);
      assert.ok(lines[0]!.includes(path), lines[0]!);
      assert.match(lines[0]!, says);
      assert.match(lines[0]!, /; its set is made again$/);
      for (const file of kept) assert.deepEqual(await Deno.readFile(file), whole.get(file), file);
      assert.deepEqual(await verifyFeatures((await findFeatures(options.folder, key))!), []);
    }
  }));
