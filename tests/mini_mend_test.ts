import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { examineIntegrity } from "../lib/doctor/integrity.ts";
import { makeMiniWorld, miniSeed } from "../lib/mini/make.ts";
import { damagedMiniFiles, mendMiniImages } from "../lib/mini/mend.ts";
import { temporaryFolder } from "./temporary.ts";

const made = temporaryFolder("mini_mend_");
const SMALL = { root: made, seed: 0, scale: .004 };
const { folders } = await makeMiniWorld(SMALL);

const IMAGE = "train/discs/0_real/00000.png";
const LIST = "latent_diffusion_trainingset/train/real_coco.txt";
const whole = new Map(
  await Promise.all(
    [IMAGE, LIST].map(async (path) => [path, await Deno.readFile(join(made, path))] as const),
  ),
);

/** A file's bytes with one bit changed. */
function flipped(bytes: Uint8Array, at = bytes.length >> 1): Uint8Array {
  const changed = bytes.slice();
  changed[at]! ^= 1;
  return changed;
}

/** Makes the world again, and gives what was told meanwhile. */
async function makeAgain(): Promise<string[]> {
  const lines: string[] = [];
  await makeMiniWorld({ ...SMALL, onDamage: (line) => lines.push(line) });
  return lines;
}

const isWhole = async (path: string) =>
  assert.deepEqual(await Deno.readFile(join(made, path)), whole.get(path));

Deno.test("an image of the mini world that is gone, cut off or empty is made again, and that is said", async () => {
  assert.equal(folders["train/discs/0_real"], 2);
  const path = join(made, IMAGE);
  for (const size of [undefined, 0, 100]) {
    if (size === undefined) await Deno.remove(path);
    else await Deno.truncate(path, size);
    const lines = await makeAgain();
    assert.deepEqual(lines, [
      `Cannot use ${path}: expected the mini world's as it was made, found it gone or of another ` +
      "size; it is made again",
    ]);
    await isWhole(IMAGE);
    assert.deepEqual(await makeAgain(), []);
  }
});

Deno.test("a flipped bit in an image is found before the image is read, in a list whenever", async () => {
  await Deno.writeFile(join(made, IMAGE), flipped(whole.get(IMAGE)!));
  const lines: string[] = [];
  await mendMiniImages(
    made,
    [IMAGE, "train/discs/0_real/00001.jpg", "/of/mine.png"],
    (line) => lines.push(line),
  );
  assert.deepEqual(lines, [
    `Cannot use ${
      join(made, IMAGE)
    }: expected the image that was made, found another; it is made again`,
  ]);
  await isWhole(IMAGE);

  await Deno.writeFile(join(made, LIST), flipped(whole.get(LIST)!));
  assert.equal((await makeAgain()).length, 1);
  await isWhole(LIST);
});

Deno.test("every damaged file of a mini world is named, and none is taken for whole by making others", async () => {
  assert.deepEqual((await damagedMiniFiles(made)).damaged, []);
  const other = join(made, "val/stars/1_fake/00000.png");
  await Deno.writeFile(join(made, IMAGE), flipped(whole.get(IMAGE)!));
  await Deno.remove(other);
  assert.equal((await damagedMiniFiles(made)).damaged.length, 2);
  // `doctor --deep` says the same
  const data = temporaryFolder("deep_"), none = join(data, "none");
  await Deno.symlink(made, join(data, "mini"));
  const folders = { experiments: EXPERIMENTS, data, results: none, tokens: none };
  const { damaged } = await examineIntegrity(folders);
  for (const path of [IMAGE, "val/stars/1_fake/00000.png"]) {
    assert.ok(damaged.some((line) => line.includes(join(data, "mini", path))), damaged.join("\n"));
  }
  assert.equal((await makeAgain()).length, 1);
  const [line, ...others] = (await damagedMiniFiles(made)).damaged;
  assert.ok(line?.startsWith(`Cannot use ${join(made, IMAGE)}: `));
  assert.deepEqual(others, []);
  await mendMiniImages(made, [IMAGE]);
  assert.deepEqual((await damagedMiniFiles(made)).damaged, []);
});

Deno.test("a flipped bit in a mini world's list of files stops with a line that names it", async () => {
  const path = join(made, "manifest.json"), bytes = await Deno.readFile(path);
  for (let at = 3; at < bytes.length; at += 997) {
    await Deno.writeFile(path, flipped(bytes, at));
    assert.equal(await miniSeed(made), undefined);
    await assert.rejects(makeMiniWorld(SMALL), (error: Error) => {
      assert.ok(error.message.startsWith(`Cannot use ${path}: `), error.message);
      assert.match(error.message, /; delete .* to have it made again$/);
      return true;
    });
  }
  await Deno.writeFile(path, bytes);
  assert.deepEqual(await makeAgain(), []);
});

Deno.test("a mini world from before there were checks gets them, and nothing is made again", async () => {
  const path = join(made, "manifest.json");
  const { checks, seal: _, ...old } = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify(old, null, 2) + "\n");
  const { mtime } = await Deno.stat(join(made, IMAGE));
  assert.deepEqual(await makeAgain(), []);
  assert.deepEqual((await Deno.stat(join(made, IMAGE))).mtime, mtime);
  assert.deepEqual(JSON.parse(await Deno.readTextFile(path)).checks, checks);
});
