/** Folders as people have them: hidden ones, links, folders in folders. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { imagesIn } from "../lib/data/image_folder.ts";
import { lookAtImage, lookBuffer } from "../lib/data/image_file.ts";
import { holdsImages, listSource } from "../lib/data/dataset.ts";
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

Deno.test("whether a folder holds an image is known with the first, in folders and linked folders too", async () => {
  const root = await folderOf([
    ...["a", "b", "c", "d"].map((name) => `many/${name}.png`),
    ...[".hidden/x.png", "deep/in/x.png", "class/.x/x.png", "class/cat/x.png", "none/.x.png"],
  ]);
  await Deno.symlink("../deep", join(root, "none/more"));
  const holds = (directory: string, isDeep = true) =>
    holdsImages("/", { label: 0, directory: `${root}/${directory}`, isDeep }, "own");
  const { readDir } = Deno;
  let entries = 0;
  Deno.readDir = async function* (path) {
    for await (const entry of readDir(path)) {
      entries++;
      yield entry;
    }
  };
  try {
    assert.equal(await holds("many"), true);
    assert.equal(entries, 1);
  } finally {
    Deno.readDir = readDir;
  }
  assert.equal(await holds("deep"), true);
  assert.equal(await holds("deep", false), false);
  assert.equal(await holds("none"), true);
  assert.equal(await holds("none/more"), true);
  assert.equal(await holds("class"), true);
  assert.equal(await holds("class/*", false), true);
  assert.equal(await holds("class/.x"), true, "it was named");
  await Deno.remove(join(root, "none/more"));
  assert.equal(await holds("none"), false);
  await assert.rejects(holds("nowhere"), /^UserError: Cannot use own: expected a folder at /);
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

Deno.test("where images are missing, the doctor says what lies there instead and what to type", async () => {
  const root = await folderOf([
    "test/biggan/0_Real/x.png",
    "test/stylegan/0_real/x.png",
    "test/cyclegan/apple/1_fake/sub/x.png",
    "test/stargan/real/x.png",
    "test/gaugan/photos/x.png",
    "test/mj/nature/x.png",
    "test/mj/ai/x.png",
  ]);
  const instead = (directory: string) => foundInstead(root, { label: 0, directory });
  const test = `${root}/test`;
  assert.equal(
    await instead("test/biggan/0_real"),
    `0_Real lies in ${test}/biggan, where 0_real is expected: ` +
      `\`mv ${test}/biggan/0_Real ${test}/biggan/0_real\``,
  );
  assert.equal(
    await instead("test/stylegan/*/0_real"),
    `0_real lies in ${test}/stylegan, where a folder for each class is expected: ` +
      `\`mkdir -p ${test}/stylegan/all && mv ${test}/stylegan/0_real ${test}/stylegan/all/0_real\``,
  );
  assert.equal(
    await instead("test/cyclegan/*/1_fake"),
    `${test}/cyclegan/apple/1_fake holds the folder sub: ` +
      `\`mv ${test}/cyclegan/apple/1_fake/sub/* ${test}/cyclegan/apple/1_fake\``,
  );
  assert.equal(
    await instead("test/stargan/0_real"),
    `real lies in ${test}/stargan, where 0_real is expected: ` +
      `\`mv ${test}/stargan/real ${test}/stargan/0_real\``,
  );
  assert.equal(
    await instead("test/gaugan/0_real"),
    `photos lie in ${test}/gaugan, where 0_real is expected`,
  );
  assert.equal(
    await instead("test/mj/1_fake"),
    `ai, nature lie in ${test}/mj, as in GenImage: an entry of own sets with "layout": "genimage" ` +
      `and "folder": "${test}/mj" reads them`,
  );
  assert.equal(await instead("test/san/0_real"), undefined);
  assert.equal(await foundInstead("/nowhere", { label: 1, directory: "test" }), undefined);
});

Deno.test("links that are not followed and classes without images are named", async () => {
  const root = await folderOf([
    "photos/a.png",
    "test/cat/1_fake/x.png",
    "test/dog/1_fake/notes.txt",
  ]);
  await Deno.symlink(".", join(root, "photos/loop"));
  await Deno.symlink("b", join(root, "photos/b"));
  await Deno.symlink("gone", join(root, "photos/more"));
  const lines: string[] = [];
  assert.deepEqual(await imagesIn(join(root, "photos"), (line) => lines.push(line)), ["a.png"]);
  const notes = [
    `${root}/photos/b is a link that leads nowhere or in a circle`,
    `${root}/photos/loop leads to ${root}/photos, which is read already`,
    `${root}/photos/more is a link that leads nowhere or in a circle`,
  ];
  assert.deepEqual(lines.sort(), notes);
  const source = { label: 1, directory: `${root}/photos`, isDeep: true } as const;
  assert.deepEqual((await listSource("/", source, "own")).notes?.toSorted(), notes);
  assert.deepEqual(
    (await listSource(root, { label: 1, directory: "test/*/1_fake" }, "own")).notes,
    [
      `${root}/test/dog/1_fake holds no image, and folders beside it do`,
    ],
  );
});

Deno.test("a name that is not UTF-8 is listed and refused by name", async () => {
  const root = await folderOf(["photos/a.png"]);
  const named = new Deno.Command("sh", {
    args: ["-c", "cp a.png \"$(printf 'caf\\351.png')\" && mkdir \"$(printf 'd\\351r')\""],
    cwd: join(root, "photos"),
  });
  if (!(await named.output()).success) return; // file systems that have none
  const says = /found a name that is not UTF-8; rename it$/;
  await assert.rejects(imagesIn(join(root, "photos")), says);
  await Deno.remove(join(root, "photos"), { recursive: true }).catch(() => {});
  const path = join(root, "caf\ufffd.png");
  assert.match((await lookAtImage(path, lookBuffer())).problem!, /^a name that is not UTF-8/);
  await assert.rejects(decodeImage(path), says);
});

Deno.test("lists and sets that Windows' shells write as UTF-16 are read", async () => {
  const root = await folderOf(["real/x.png", "fake/x.png"]);
  const file = join(root, "sets.json");
  const wide = (text: string) =>
    new Uint8Array(Uint16Array.from(`\ufeff${text}`, (c) => c.charCodeAt(0)).buffer);
  await Deno.writeFile(
    file,
    wide(JSON.stringify([{ name: "mine", list: "list.csv" }])),
  );
  await Deno.writeFile(
    join(root, "list.csv"),
    wide("path,label\r\nreal/x.png,real\r\nfake/x.png,fake\r\n"),
  );
  const [mine] = await readUserSets(file, []);
  assert.equal(mine!.sources.length, 2);
});
