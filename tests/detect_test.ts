import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { detections, findJudge } from "../experiments/detect.ts";
import { openBackbone } from "../lib/backbone/backbone.ts";
import { makeMiniBackbones } from "../lib/backbone/mini.ts";
import { saveCheckpoint } from "../lib/head/checkpoint.ts";
import { initialParameters } from "../lib/head/architecture.ts";
import { randomStream } from "../lib/random.ts";
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
for (const [name, red] of [["a.png", 250], ["below/b.jpg", 10]] as const) {
  const background = { r: red, g: 90, b: 90 };
  await sharp({ create: { width: 80, height: 70, channels: 3, background } })
    .toFile(join(images, name));
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
      assert.equal(error.name, "RangeError");
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

Deno.test("verdicts of a mini backbone carry the notice, those of CLIP none", async () => {
  assert.match(judge.notice!, /not comparable/);
  const clip = await findJudge({ head, backbones: [backbones], device: "cpu" });
  assert.equal(clip.notice, undefined);
});
