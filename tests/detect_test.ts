import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { openBackbone } from "../lib/backbones/open.ts";
import { checkpointFacts } from "../lib/detectors/checkpoint_file.ts";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { loadCheckpoint, saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { openDetector, type Verdict } from "../lib/detectors/verdict.ts";
import { scoreAhead } from "../lib/detectors/ahead.ts";
import type { ImageScorer } from "../lib/detectors/image_scorer.ts";
import { decodeImage, type RgbImage } from "../lib/image/image.ts";
import { quantizeBackbone } from "../lib/cli/backbone.ts";
import { makeMiniBackbones } from "../lib/mini/backbones.ts";
import { randomStream } from "../lib/random.ts";
import { commandLine } from "./command_line.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("detect ");
await makeMiniBackbones({ root: folder, seed: 0 });
const backbone = "Mini-B/16", backbones = join(folder, "backbones");
const head = join(folder, "head.safetensors"), knowing = join(folder, "knowing.safetensors");
{
  await using opened = await openBackbone(backbone, { folder: backbones });
  const { blocks, width } = opened.featureSizes;
  const architecture = {
    blocks,
    width,
    projectionLayers: 1,
    projectionDim: 8,
    ablation: "none",
  } as const;
  const parameters = initialParameters(architecture, randomStream(0));
  await saveCheckpoint(head, architecture, parameters);
  await saveCheckpoint(knowing, architecture, parameters, { config: JSON.stringify({ backbone }) });
}
const images = join(folder, "images");
await Deno.mkdir(join(images, "below"), { recursive: true });
for (const [name, blur] of [["a.png", 1], ["below/b.jpg", 3]] as const) {
  const { width, height, data } = noiseImage(80, 70);
  await sharp(data, { raw: { width, height, channels: 3 } }).blur(blur).toFile(join(images, name));
}
await Deno.writeTextFile(join(images, "broken.png"), "this is no image, but a line of text");

const detect = (...args: string[]) => commandLine("detect", ...args);
const OWN = ["--head", head, "--backbone", backbone, "--backbones", backbones];

Deno.test("each image of a folder has a verdict or what is wrong with it", async () => {
  const { code, out, error } = await detect(...OWN, "--json", images, join(images, "a.png"));
  assert.equal(code, 1);
  const [a, b, again, ...more] = out.split("\n").map((line) => JSON.parse(line));
  assert.equal(more.length, 0);
  assert.deepEqual([a.path, b.path], [join(images, "a.png"), join(images, "below/b.jpg")]);
  assert.equal(a.isGenerated, a.score > .5);
  assert.notEqual(a.score, b.score);
  assert.deepEqual(again, a);
  const [, problem] = error.split("\n");
  assert.match(problem!, /^Cannot decode .*broken\.png: expected an image, found bytes that start/);
});

Deno.test("a verdict on an image smaller than the crop says that it was padded", async () => {
  const path = join(folder, "small.png");
  const { width, height, data } = noiseImage(20, 90);
  await sharp(data, { raw: { width, height, channels: 3 } }).toFile(path);
  const { out } = await detect(...OWN, path);
  assert.match(out, /small\.png: (generated|real) \(score \d\.\d\d, padded from 20 × 90 pixels\)$/);
  const lines = (await detect(...OWN, "--json", path, join(images, "a.png"))).out.split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line).paddedFromPx), [[20, 90], undefined]);
});

Deno.test("a path that is not there, and a folder without images, are named", async () => {
  const none = await detect(...OWN, join(folder, "none.png"));
  assert.match(none.error, /expected an image or a folder at .*none.png, found none$/);
  assert.equal(none.code, 1);
  const empty = await detect(...OWN, backbones);
  assert.match(empty.error, /expected some in .*backbones, found none$/);
  assert.equal(empty.code, 1);
});

Deno.test("a head brings its backbone, and a notice where that is a mini one; a released one means CLIP's", async () => {
  const image = join(images, "a.png"), where = ["--backbones", backbones, image];
  const own = await detect("--head", knowing, ...where);
  assert.equal(own.code, 0, own.error);
  assert.match(own.out, /a\.png: (generated|real) \(score \d\.\d\d\)$/);
  assert.match(own.error, /^Mini profile: .*not comparable with the paper$/);
  for (
    const [args, name] of [
      [["--head", head], "ViT-L-14"],
      [["--head", knowing, "--backbone", "X"], "X"],
    ] as const
  ) {
    const { code, out, error } = await detect(...args, ...where);
    assert.ok(error.includes(join(backbones, name, "model.safetensors")), error);
    assert.ok(
      error.includes("there are Mini-B-16, Mini-B-16 random, Mini-L-8, Mini-L-8 random"),
      error,
    );
    assert.deepEqual([code, out, error.split("\n").length], [2, "", 1]);
  }
});

Deno.test("--precision is what is typed, else what the head says", async () => {
  const image = join(images, "a.png"), int8 = join(folder, "int8.safetensors");
  const { architecture, parameters } = await loadCheckpoint(head);
  const features = { backbone, weights: "0", tap: "ln2", precision: "int8" };
  await saveCheckpoint(int8, architecture, parameters, {
    config: JSON.stringify({ backbone }),
    features: JSON.stringify(features),
  });
  const args = ["--head", int8, "--backbones", backbones, image];
  const missing = await detect(...args);
  assert.match(missing.error, /^Cannot open Mini-B\/16 as int8: expected .*backbone quantize/);
  assert.equal(missing.code, 1);
  assert.equal((await detect(...args, "--precision", "full")).code, 0);
});

Deno.test("what is no image has no verdict", async () => {
  await using opened = await openBackbone(backbone, { folder: backbones });
  await using detector = await openDetector(head, { backbone: opened });
  const image = await decodeImage(join(images, "a.png"));
  assert.deepEqual(await detector.detect(image), await detector.detect(join(images, "a.png")));
  const nothing = {} as unknown as RgbImage;
  await assert.rejects(detector.detect(nothing), { message: /^Cannot detect: expected .*images/ });
  for (
    const [given, found] of [
      [image, "one image; put it in [ ]"],
      [[decodeImage(join(images, "a.png"))], "a promise; write await before it"],
      [["a.png"], 'the text "a.png"; await decodeImage(path) reads a file'],
      [[image, undefined], "undefined"],
      [[{ ...image, width: 7 }], "[object Object]"],
    ] as const
  ) {
    const expected = {
      name: "UserError",
      message: /^Cannot .*: expected a list of images, found /,
    };
    const list = given as unknown as RgbImage[];
    await assert.rejects(opened.features(list), expected);
    await assert.rejects(opened.features(list), (error: Error) => {
      assert.ok(error.message.endsWith(`found ${found}`), error.message);
      return true;
    });
  }
  await assert.rejects(decodeImage("nowhere.png"), (error: Error) => {
    assert.ok(error instanceof Deno.errors.NotFound);
    assert.equal(
      error.message,
      `Cannot decode nowhere.png: expected an image at ${resolve("nowhere.png")}, found none`,
    );
    return true;
  });
});

Deno.test("a head is used on the weights that it was trained on, and only where it is of numbers", async () => {
  await using opened = await openBackbone(backbone, { folder: backbones });
  const path = join(folder, "trained.safetensors");
  const { architecture, parameters } = await loadCheckpoint(head);
  const weights = await opened.fingerprint();
  const openOn = () => openDetector(path, { backbone: opened });
  const save = (features: object, changed = parameters) =>
    saveCheckpoint(path, architecture, changed, { features: JSON.stringify(features) });
  const trained = { backbone, weights, tap: "ln2", precision: "full" };
  await save(trained);
  await using _own = await openOn();
  await save({ ...trained, weights: `${"0".repeat(64)} float32` });
  await assert.rejects(openOn(), {
    name: "UserError",
    message:
      `Cannot detect with ${path}: expected the weights of ${backbone} that it was trained ` +
      `on (SHA-256 000000000000…), found others (${weights.slice(0, 12)}…); ` +
      "name the folder of the right ones",
  });
  await save({ ...trained, tap: "block" });
  await assert.rejects(openOn(), /expected features at block, on which it was/);
  // of another precision the weights are in another file
  await save({ ...trained, weights: "0", precision: "int8" });
  await using _int8 = await openOn();
  const alpha = parameters.get("alpha")!;
  await save(
    trained,
    new Map([...parameters, ["alpha", { ...alpha, data: alpha.data.with(3, NaN) }]]),
  );
  await assert.rejects(openOn(), {
    name: "UserError",
    message: `Cannot use the head in ${path}: expected numbers in alpha, found others`,
  });
});

Deno.test("what a head says of its training is read, or named", async () => {
  const factsOf = (config: string) => checkpointFacts("a.safetensors", { config });
  assert.equal(factsOf('{"backbone":"a"}').config?.backbone, "a");
  assert.deepEqual(checkpointFacts(head, (await loadCheckpoint(head)).metadata), {});
  assert.throws(
    () => factsOf("x y"),
    /^UserError: Cannot read how the head was trained in a\.safetensors: expected JSON, found "x y"$/,
  );
  assert.throws(() => factsOf('{"backbone":7}'), /expected a text at backbone, found 7$/);
  assert.throws(() => factsOf("null"), /expected an object, found null$/);
  for (const path of ["/etc/model.safetensors", "..", "//host/share", "a\\nb"]) {
    assert.throws(
      () => factsOf(JSON.stringify({ backbone: path })),
      /expected a backbone's name at backbone, found "/,
    );
  }
});

Deno.test("an option that there is none of is refused by name, where a backbone or a detector is opened", async () => {
  await assert.rejects(
    openBackbone("Mini-B/16", { precison: "int8" } as object),
    /expected options of folder, tap, precision, .*; found precison$/,
  );
  await assert.rejects(
    openDetector("none.safetensors", { folder: "data" } as object),
    /expected options of backbone, backbones, device, threads, precision, batch, as, transform; found folder$/,
  );
});

/** What a head of version 0.1 says of itself: the head's fields beside the others, and `tokens`. */
async function earlier(path: string, weights: string, precision: string): Promise<void> {
  const { architecture, parameters } = await loadCheckpoint(head);
  await saveCheckpoint(path, architecture, parameters, {
    config: JSON.stringify({
      ...{
        trainingSet: "progan",
        classes: ["discs"],
        fraction: 1,
        backbone,
        contrastiveWeight: .1,
      },
      ...{ projectionLayers: 1, projectionDim: 8, variant: "full", batchSize: 16, epochs: 1 },
      ...{ learningRate: 1e-3, decayEpochs: [], seed: 0 },
    }),
    tokens: JSON.stringify({ backbone, weights, tap: "ln2", precision }),
  });
}

Deno.test("a head finds the backbone that it names and its precision, one of an earlier version too", async () => {
  const path = join(folder, "earlier.safetensors"), image = join(images, "a.png");
  await using full = await openBackbone(backbone, { folder: backbones });
  const verdicts = [];
  await quantizeBackbone(backbone, backbones);
  await using int8 = await openBackbone(backbone, { folder: backbones, precision: "int8" });
  for (const wanted of [full, int8]) {
    await earlier(path, await wanted.fingerprint(), wanted.precision);
    await using detector = await openDetector(path, { backbones });
    assert.equal(detector.backbone?.name, backbone);
    assert.equal(detector.backbone?.precision, wanted.precision);
    await using same = await openDetector(head, { backbone: wanted });
    const verdict = await detector.detect(image);
    assert.deepEqual(verdict, await same.detect(image));
    verdicts.push(verdict.logit);
  }
  assert.notEqual(verdicts[0], verdicts[1]);
  await earlier(path, `${"0".repeat(64)} float32`, "full");
  await assert.rejects(openDetector(path, { backbones }), /that it was trained on \(SHA-256 0000/);
});

Deno.test("of several folders the first that has the backbone is taken, else the first is named", async () => {
  const other = temporaryFolder("other ");
  await makeMiniBackbones({ root: other, seed: 1 });
  const [empty, others] = [temporaryFolder("empty "), join(other, "backbones")];
  const weightsIn = async (...folders: string[]) => {
    await using detector = await openDetector(knowing, { backbones: folders });
    return await detector.backbone!.fingerprint();
  };
  const [own, another] = [await weightsIn(backbones), await weightsIn(others)];
  assert.notEqual(own, another);
  assert.equal(await weightsIn(backbones, others), own);
  assert.equal(await weightsIn(others, backbones), another);
  assert.equal(await weightsIn(empty, others, backbones), another);
  await assert.rejects(weightsIn(empty, join(empty, "none")), (error: Error) => {
    assert.ok(error.message.includes(join(empty, "Mini-B-16")), error.message);
    return true;
  });
});

Deno.test("many images have the verdicts of each alone, in their order, problems in between", async () => {
  await using detector = await openDetector(knowing, { backbones });
  const broken = join(images, "broken.png"), none = join(images, "none.png");
  const [a, b] = [join(images, "a.png"), join(images, "below/b.jpg")];
  // more than a batch and those ahead of it; a batch of problems alone
  const paths = [
    broken,
    a,
    b,
    none,
    a,
    a,
    b,
    broken,
    b,
    a,
    ...Array(14).fill(broken),
    b,
    none,
    a,
    b,
  ];
  const alone = new Map([[a, await detector.detect(a)], [b, await detector.detect(b)]]);
  assert.ok(Math.abs(alone.get(a)!.logit - alone.get(b)!.logit) > 1e-2);
  const found = await Array.fromAsync(detector.detectAll(paths));
  assert.deepEqual(found.map(({ path }) => path), paths);
  for (const one of found) {
    const wanted = alone.get(one.path);
    if ("problem" in one) {
      assert.equal(wanted, undefined);
      assert.match(one.problem, one.path === none ? /none|not there|missing/ : /bytes that start/);
      continue;
    }
    assert.ok(Math.abs(one.logit - wanted!.logit) < 1e-5, `${one.logit} ${wanted!.logit}`);
    assert.ok(Math.abs(one.score - 1 / (1 + Math.exp(-one.logit))) < 1e-6);
    assert.equal(one.isGenerated, wanted!.isGenerated);
  }
});

/** As many paths as are read by other threads: images of several sizes, and what are none, mixed. */
async function manyPaths(): Promise<{ paths: string[]; isImage: (path: string) => boolean }> {
  const sizes = [[80, 70], [40, 90], [64, 64], [200, 65], [7, 300]] as const;
  const made = await Promise.all(sizes.map(async ([width, height]) => {
    const path = join(folder, `many ${width}.png`), { data } = noiseImage(width, height);
    await sharp(data, { raw: { width, height, channels: 3 } }).blur(1 + width / 50).toFile(path);
    return path;
  }));
  const broken = join(images, "broken.png"), none = join(images, "none.png");
  const choices = [...made, broken, ...made, none];
  const random = randomStream("many paths");
  const paths = Array.from({ length: 150 }, () => choices[random.integer(choices.length)]!);
  // a batch of problems alone
  paths.splice(40, 24, ...Array(24).fill(broken));
  return { paths, isImage: (path) => made.includes(path) };
}

Deno.test("a hundred images, which other threads read, have the verdicts of each alone", async () => {
  await using own = await openBackbone(backbone, { folder: backbones });
  const { paths, isImage } = await manyPaths();
  // with a backbone in every thread, and with one that somebody else has opened
  for (const options of [{ backbones }, { backbone: own }]) {
    await using detector = await openDetector(knowing, options);
    const alone = new Map<string, Verdict>();
    for (const path of new Set(paths.filter(isImage))) alone.set(path, await detector.detect(path));
    assert.equal(new Set([...alone.values()].map(({ logit }) => logit)).size, 5);
    assert.equal([...alone.values()].filter(({ paddedFromPx }) => paddedFromPx).length, 2);
    const found = await Array.fromAsync(detector.detectAll(paths));
    assert.deepEqual(found.map(({ path }) => path), paths);
    for (const one of found) {
      assert.equal("problem" in one, !isImage(one.path), one.path);
      if ("problem" in one) continue;
      const { logit, score, path: _, ...rest } = one;
      const { logit: wanted, score: _score, ...same } = alone.get(one.path)!;
      assert.ok(Math.abs(logit - wanted) < 1e-5, `${logit} ${wanted}`);
      assert.ok(Math.abs(score - 1 / (1 + Math.exp(-logit))) < 1e-6);
      assert.deepEqual(rest, same);
    }
  }
});

Deno.test("whole images come from other threads as they are, and the first ones before all are read", async () => {
  const { paths, isImage } = await manyPaths();
  const seen: RgbImage[] = [];
  const scorer: ImageScorer = {
    ...{ title: "sizes", reads: "whole image", imagesAtOnce: 1, steps: [] },
    view: (image) => image,
    pads: () => false,
    logits(views) {
      seen.push(...views);
      return Promise.resolve(Float32Array.from(views, ({ width }) => width));
    },
    represent: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  let asked = 0;
  function* counted() {
    for (const path of paths) {
      asked++;
      yield path;
    }
  }
  let count = 0;
  for await (const found of scoreAhead(scorer, counted(), 2)) {
    if (count++ === 0) assert.ok(asked < 10, `${asked} were asked for before the first was done`);
    if ("logit" in found) assert.equal(found.logit, found.width);
  }
  assert.equal(count, paths.length);
  const expected = paths.filter(isImage);
  assert.equal(seen.length, expected.length);
  for (const [i, view] of seen.entries()) assert.deepEqual(view, await decodeImage(expected[i]!));
});
