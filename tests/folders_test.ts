/** Folders as people have them: hidden ones, links, folders in folders. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { imagesIn } from "../lib/data/image_folder.ts";
import { lookAtImage, lookBuffer } from "../lib/data/image_file.ts";
import { listSource } from "../lib/data/dataset.ts";
import { foundInstead } from "../lib/doctor/instead.ts";
import { readUserSets } from "../lib/data/user_sets.ts";
import { decodeImage } from "../lib/image/image.ts";
import { encodedPng } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

/** A folder with small images at some paths. */
async function folderOf(paths: readonly string[]): Promise<string> {
  const root = temporaryFolder();
  for (const path of paths) {
    await Deno.mkdir(join(root, path, ".."), { recursive: true });
    await Deno.writeFile(join(root, path), encodedPng(4, 3, path));
  }
  return root;
}

Deno.test("hidden and system folders are passed over, in folders of photos and in own sets alike", async () => {
  const root = await folderOf([
    "x.png",
    "more/y.png",
    "._x.png",
    ".ipynb_checkpoints/x.png",
    "__MACOSX/x.png",
    ".thumbnails/x.png",
    ".Trash-1000/files/x.png",
    "more/@eaDir/y.png/SYNOPHOTO_THUMB_M.jpg",
  ]);
  assert.deepEqual(await imagesIn(root), ["more/y.png", "x.png"]);
  const { paths } = await listSource("/", { label: 0, directory: root, isDeep: true }, "own");
  assert.deepEqual(paths, [`${root}/more/y.png`, `${root}/x.png`]);
});

Deno.test("linked folders are read once, and one that leads in a circle is no way without an end", async () => {
  const root = await folderOf(["photos/a.png", "photos/in/c.png", "elsewhere/b.png"]);
  await Deno.symlink("../elsewhere", join(root, "photos/more"));
  await Deno.symlink("../elsewhere", join(root, "photos/other"));
  await Deno.symlink(".", join(root, "photos/loop"));
  await Deno.symlink("in", join(root, "photos/again"));
  await Deno.symlink("../photos", join(root, "elsewhere/back"));
  await Deno.symlink("gone", join(root, "photos/nowhere"));
  const expected = ["a.png", "in/c.png", "more/b.png"];
  assert.deepEqual(await imagesIn(join(root, "photos")), expected);
  const directory = `${root}/photos`;
  const { paths } = await listSource("/", { label: 1, directory, isDeep: true }, "own");
  assert.deepEqual(paths, expected.map((path) => `${directory}/${path}`));
});

Deno.test("folders in an own set's folders are read, and a byte order mark before its list", async () => {
  const root = await folderOf(["real/x.png", "real/more/y.png", "fake/x.png"]);
  const file = join(root, "sets.json");
  const list = JSON.stringify([{ name: "mine", real: "real", generated: "fake" }]);
  await Deno.writeTextFile(file, `\ufeff${list}`);
  const [mine] = await readUserSets(file, []);
  const { paths } = await listSource("/", mine!.sources[0]!, "mine");
  assert.deepEqual(paths, [`${root}/real/more/y.png`, `${root}/real/x.png`]);
});

Deno.test("a pipe and a folder with an image's name are named, and never waited for", async () => {
  const root = await folderOf(["photos/a.png"]);
  const pipe = join(root, "photos/pipe.png");
  const { success } = await new Deno.Command("mkfifo", { args: [pipe] }).output();
  assert(success);
  assert.deepEqual(await imagesIn(join(root, "photos")), ["a.png", "pipe.png"]);
  const found = "something that is not a file";
  assert.equal((await lookAtImage(pipe, lookBuffer())).problem, found);
  await assert.rejects(decodeImage(pipe), new RegExp(found));
  assert.equal((await lookAtImage(join(root, "photos"), lookBuffer())).problem, found);
});

Deno.test("where images are missing, the doctor says what lies there instead and what to do", async () => {
  const root = await folderOf([
    "test/biggan/0_Real/x.png",
    "test/stylegan/0_real/x.png",
    "test/cyclegan/apple/1_fake/sub/x.png",
  ]);
  const instead = (directory: string) => foundInstead(root, { label: 0, directory });
  assert.equal(
    await instead("test/biggan/0_real"),
    `0_Real lies in ${root}/test/biggan, where 0_real is expected; rename it`,
  );
  assert.equal(
    await instead("test/stylegan/*/0_real"),
    `0_real lies in ${root}/test/stylegan, where a folder for each class is expected; move it ` +
      `into one: ${root}/test/stylegan/all/0_real`,
  );
  assert.equal(
    await instead("test/cyclegan/*/1_fake"),
    `${root}/test/cyclegan/apple/1_fake holds the folder sub; move its images up`,
  );
  assert.equal(await instead("test/gaugan/0_real"), undefined);
  assert.equal(await foundInstead("/nowhere", { label: 1, directory: "test" }), undefined);
});
