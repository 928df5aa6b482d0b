import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import sharp from "sharp";
import { type DatasetSpec, listImages } from "../lib/data/dataset.ts";
import { makeMiniWorld, type MiniWorldOptions } from "../lib/mini/make.ts";
import {
  MINI_CLASSES,
  MINI_LATENT_TRAINING_SET,
  MINI_SYNTHBUSTER_SETS,
  MINI_TEST_SETS,
  MINI_TRAINING_SETS,
} from "../lib/mini/sets.ts";
import { miniFileName, miniFolders, miniJpegQuality } from "../lib/mini/layout.ts";
import { inFolder } from "./temporary.ts";

/** Two images in every folder. */
const SCALE = .004;

/** SHA-256 of every file under a folder, by path. */
async function hashes(root: string, folder = "."): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    const path = join(folder, name);
    if (isDirectory) Object.assign(found, await hashes(root, path));
    else {
      found[path] = createHash("sha256").update(await Deno.readFile(join(root, path))).digest(
        "hex",
      );
    }
  }
  return found;
}

/** Every set whose images lie in folders. */
const FOLDER_SETS: readonly DatasetSpec[] = [
  ...Object.values(MINI_TRAINING_SETS).flatMap(({ train, val }) => [train, val]),
  ...MINI_TEST_SETS,
  ...MINI_SYNTHBUSTER_SETS,
];

Deno.test("the mini world has the same bytes whatever the number of workers", async () => {
  await inFolder(async (root) => {
    const one = { root: join(root, "one"), seed: 3, scale: SCALE, workers: 1 };
    const three = { root: join(root, "three"), seed: 3, scale: SCALE, workers: 3 };
    for (const options of [one, three]) await makeMiniWorld(options);
    assert.deepEqual(await hashes(one.root), await hashes(three.root));
  });
});

Deno.test("a mini world whose making was killed goes on where it was", async () => {
  await inFolder(async (root) => {
    const whole = { root: join(root, "whole"), seed: 0, scale: SCALE };
    const killed = { root: join(root, "killed"), seed: 0, scale: SCALE };
    await makeMiniWorld(whole);
    await killWhileMaking(killed);
    await assert.rejects(Deno.stat(join(killed.root, "manifest.json")), Deno.errors.NotFound);
    const kept = await hashes(killed.root);
    const temporary = `00000.png.${crypto.randomUUID()}.tmp`;
    await Deno.writeTextFile(join(killed.root, "train/discs/0_real", temporary), "cut o");

    const progress: number[] = [];
    await makeMiniWorld({ ...killed, onProgress: (done) => progress.push(done) });
    assert.ok(progress[0]! > 0, "nothing was kept");
    assert.ok(progress[0]! <= Object.keys(kept).length);
    assert.deepEqual(await hashes(killed.root), await hashes(whole.root));
  });
});

/** Starts making a world in another process and kills that once some images are there. */
async function killWhileMaking(options: MiniWorldOptions): Promise<void> {
  const module = new URL("../lib/mini/make.ts", import.meta.url).href;
  const code = `import { makeMiniWorld } from ${JSON.stringify(module)};
    const options = ${JSON.stringify(options)};
    await makeMiniWorld({ ...options, onProgress: (done) => console.log(done) });`;
  const permissions = ["read", "write", "env", "sys", "ffi"].map((name) => `--allow-${name}`);
  const config = new URL("../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--config", config, ...permissions, "--ext=ts", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  let said = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += chunk;
    if (said.split("\n").some((line) => Number(line) > 8)) break;
  }
  child.kill("SIGKILL");
  await child.status;
}

Deno.test("a finished mini world is found, another one is replaced, and nothing else is touched", async () => {
  await inFolder(async (root) => {
    const first = await makeMiniWorld({ root, seed: 0, scale: SCALE });
    const path = join(root, "train/discs/0_real/00000.png");
    const before = await Deno.stat(path), pixels = await Deno.readFile(path);
    assert.deepEqual(
      await makeMiniWorld({
        root,
        seed: 0,
        scale: SCALE,
        onProgress: () => assert.fail("made anew"),
      }),
      first,
    );
    assert.deepEqual((await Deno.stat(path)).mtime, before.mtime);

    await Deno.writeTextFile(join(root, "notes.txt"), "mine");
    const second = await makeMiniWorld({ root, seed: 1, scale: SCALE });
    assert.equal(second.seed, 1);
    assert.notDeepEqual(await Deno.readFile(path), pixels);
    assert.equal(await Deno.readTextFile(join(root, "notes.txt")), "mine");
  });
});

Deno.test("a mini world is not made over somebody's own images", async () => {
  await inFolder(async (root) => {
    await Deno.mkdir(join(root, "train/horse"), { recursive: true });
    await assert.rejects(
      makeMiniWorld({ root, seed: 0, scale: SCALE }),
      (error: Error) => error instanceof UserError && error.message.includes(join(root, "train")),
    );
    assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name), ["train"]);
  });
});

Deno.test("a mini world's scale is in (0, 1]", async () => {
  for (const scale of [0, -1, 1.5, NaN]) {
    await assert.rejects(makeMiniWorld({ root: "nowhere", seed: 0, scale }), UserError);
  }
});

Deno.test("every set of the mini world finds the images that its folders declare", async () => {
  await inFolder(async (root) => {
    const { folders } = await makeMiniWorld({ root, seed: 0, scale: .01 });
    assert.equal(MINI_TEST_SETS.length, 20);
    assert.equal(MINI_SYNTHBUSTER_SETS.length, 9);
    for (const spec of FOLDER_SETS) {
      const images = await listImages(root, spec);
      for (const { path } of images) {
        const { format, width } = await sharp(join(root, path)).metadata();
        assert.equal(format, path.endsWith(".png") ? "png" : "jpeg");
        assert.ok(width! >= 64 + 8, `${path} leaves no room for a random crop`);
      }
      const counts = [0, 1].map((label) => images.filter((image) => image.label === label).length);
      assert.ok(counts[0]! >= 2 && counts[1]! >= 2, `${spec.name}: ${counts}`);
    }
    const listed = Object.entries(folders).reduce((sum, [, count]) => sum + count, 0);
    const images = Object.keys(await hashes(root)).filter((path) => /\.(png|jpg)$/.test(path));
    assert.equal(images.length, listed);
  });
});

Deno.test("the latent set's lists name real images as the released code resolves them", async () => {
  await inFolder(async (root) => {
    await makeMiniWorld({ root, seed: 0, scale: .02 });
    const used: string[] = [];
    for (const spec of [MINI_LATENT_TRAINING_SET.train, MINI_LATENT_TRAINING_SET.val]) {
      const images = await listImages(root, spec);
      const png = [0, 0], all = [0, 0];
      for (const { path, label } of images) {
        assert.ok((await Deno.stat(join(root, path))).isFile);
        all[label]! += 1;
        if (path.endsWith(".png")) png[label]! += 1;
        if (label === 0) used.push(path);
      }
      assert.equal(all[0], all[1]);
      assert.equal(png[0], png[1]);
    }
    assert.ok(used.some((path) => path.startsWith("coco/val2014/COCO_val2014_")));
    assert.equal(new Set(used).size, used.length, "training and validation share images");
  });
});

Deno.test("real and generated images of a set do not differ by format or JPEG quality", () => {
  const byPath = new Map(miniFolders(1).map((folder) => [folder.path, folder]));
  const foldersOf = (directory: string) =>
    directory.includes("*")
      ? [...byPath.values()].filter(({ path }) =>
        new RegExp(`^${directory.replace("*", "[^/]+")}$`).test(path)
      )
      : [byPath.get(directory)!];
  const qualities: number[][] = [[], []];
  for (const spec of FOLDER_SETS) {
    const shares = spec.sources.map((source) => {
      assert.ok("directory" in source);
      const names = foldersOf(source.directory).flatMap((folder) =>
        Array.from({ length: folder.count }, (_, i) => `${folder.path}/${miniFileName(folder, i)}`)
      );
      const jpegs = names.filter((name) => name.endsWith(".jpg"));
      qualities[source.label]!.push(...jpegs.map((name) => miniJpegQuality(0, name)));
      return [names.length, jpegs.length];
    });
    assert.deepEqual(shares[0], shares[1], spec.name);
  }
  const [real, generated] = qualities.map((values) =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  );
  assert.ok(qualities[0]!.length > 1000);
  assert.ok(Math.abs(real! - generated!) < .5, `${real} and ${generated}`);
});

Deno.test("the mini world has the paper's shape", () => {
  const families = new Set(MINI_TEST_SETS.map(({ family }) => family));
  assert.equal(MINI_TEST_SETS.filter(({ family }) => family === "GAN-like").length, 7);
  assert.equal(families.size, 6);
  assert.deepEqual(Object.keys(MINI_TRAINING_SETS), [...MINI_CLASSES]);
  const names = [...MINI_TEST_SETS, ...MINI_SYNTHBUSTER_SETS].map(({ name }) => name);
  assert.equal(new Set(names).size, 29);
});
