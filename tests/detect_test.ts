import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { detections, findJudge } from "../lib/cli/detect.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import { makeMiniBackbones } from "../lib/mini/backbones.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  saveCheckpoint,
} from "../lib/detectors/rine/checkpoint.ts";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { randomStream } from "../lib/random.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { trainedConfig } from "../lib/detectors/rine/train.ts";
import { decodeImage, type RgbImage } from "../lib/image/image.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("detect ");
await makeMiniBackbones({ root: folder, seed: 0 });
const backbone = "Mini-B/16", backbones = join(folder, "backbones");
const head = join(folder, "head.safetensors"), knowing = join(folder, "knowing.safetensors");
{
  await using opened = await openBackbone(backbone, { folder: backbones });
  const { blocks, width } = opened.architecture;
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
const judge = await findJudge({ backbone, backbones: [backbones], head, device: "cpu" });
const images = join(folder, "images");
await Deno.mkdir(join(images, "below"), { recursive: true });
for (const [name, blur] of [["a.png", 1], ["below/b.jpg", 3]] as const) {
  const { width, height, data } = noiseImage(80, 70);
  await sharp(data, { raw: { width, height, channels: 3 } }).blur(blur).toFile(join(images, name));
}
await Deno.writeTextFile(join(images, "broken.png"), "this is no image, but a line of text");

Deno.test("each image of a folder has a verdict or what is wrong with it", async () => {
  const found = await Array.fromAsync(detections([images, join(images, "a.png")], judge));
  const names = ["a.png", "below/b.jpg", "broken.png", "a.png"];
  assert.deepEqual(found.map(({ path }) => path), names.map((name) => join(images, name)));
  const [a, b, broken, again] = found;
  assert.ok("score" in a! && "score" in b! && "problem" in broken!);
  assert.equal(a.isGenerated, a.score > .5);
  assert.notEqual(a.score, b.score);
  assert.match(broken.problem, /bytes that start with/);
  assert.deepEqual(again, a);
});

Deno.test("a path that is not there, and a folder without images, are named", async () => {
  const refused = (path: string, says: RegExp) =>
    assert.rejects(Array.fromAsync(detections([path], judge)), (error: Error) => {
      assert.equal(error.name, "UserError");
      assert.match(error.message, says);
      return true;
    });
  await refused(
    join(folder, "none.png"),
    /expected an image or a folder at .*none.png, found none/,
  );
  await refused(backbones, /expected some in .*backbones, found none/);
});

Deno.test("a head brings its backbone, from the folder that has it; a released one means CLIP's", async () => {
  const folders = [join(folder, "none"), backbones], device = "cpu";
  const own = await findJudge({ head: knowing, backbones: folders, device });
  assert.deepEqual([own.backbone, own.folder], [backbone, backbones]);
  const released = await findJudge({ head, backbones: folders, device });
  assert.deepEqual([released.backbone, released.folder], ["ViT-L/14", folders[0]]);
  const given = await findJudge({ head: knowing, backbone: "X", backbones: folders, device });
  assert.equal(given.backbone, "X");
});

Deno.test("what is no image has no verdict", async () => {
  await using opened = await openBackbone(backbone, { folder: backbones });
  await using detector = await openDetector(opened, head);
  const image = await decodeImage(join(images, "a.png"));
  assert.equal((await detector.detect([image])).length, 1);
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
    for (const call of [() => detector.detect(list), () => opened.features(list)]) {
      await assert.rejects(call(), expected);
      await assert.rejects(call(), (error: Error) => error.message.endsWith(`found ${found}`));
    }
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
  const save = (tokens: object, changed = parameters) =>
    saveCheckpoint(path, architecture, changed, { tokens: JSON.stringify(tokens) });
  const trained = { backbone, weights, tap: "ln2", precision: "full" };
  await save(trained);
  await using _own = await openDetector(opened, path);
  await save({ ...trained, weights: `${"0".repeat(64)} float32` });
  await assert.rejects(openDetector(opened, path), {
    name: "UserError",
    message:
      `Cannot detect with ${path}: expected the weights of ${backbone} that it was trained ` +
      `on (SHA-256 000000000000…), found others (${weights.slice(0, 12)}…); ` +
      "name the folder of the right ones",
  });
  await save({ ...trained, tap: "block" });
  await assert.rejects(openDetector(opened, path), /expected tokens at block, on which it was/);
  // of another precision the weights are in another file
  await save({ ...trained, weights: "0", precision: "int8" });
  await using _int8 = await openDetector(opened, path);
  const alpha = parameters.get("alpha")!;
  await save(
    trained,
    new Map([...parameters, ["alpha", { ...alpha, data: alpha.data.with(3, NaN) }]]),
  );
  await assert.rejects(openDetector(opened, path), {
    name: "UserError",
    message: `Cannot detect with ${path}: expected numbers in alpha, found others`,
  });
});

Deno.test("what a head says of its training is read, or named", async () => {
  const metadata = (config: string) => ({ ...{} as Checkpoint, metadata: { config } });
  assert.equal(trainedConfig(metadata('{"backbone":"a"}'))?.backbone, "a");
  assert.equal(trainedConfig(await loadCheckpoint(head)), undefined);
  assert.throws(() => trainedConfig(metadata("x y")), /^UserError: Cannot read how a head was/);
  assert.throws(
    () => trainedConfig(metadata('{"backbone":7}')),
    /its backbone by name, found \{"b/,
  );
  assert.throws(() => trainedConfig(metadata("null")), /its backbone by name, found null$/);
});

Deno.test("verdicts of a mini backbone carry the notice, those of CLIP none", async () => {
  assert.match(judge.notice!, /not comparable/);
  const clip = await findJudge({ head, backbones: [backbones], device: "cpu" });
  assert.equal(clip.notice, undefined);
});
