import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { examineProfile } from "../lib/doctor/profile.ts";
import { formatReport } from "../lib/doctor/text.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { examine, type SetToExamine } from "../lib/doctor/examine.ts";
import { miniFileName, miniFolders, miniLists } from "../lib/mini/layout.ts";
import { encodedPng } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

async function write(root: string, path: string, content: Uint8Array | string): Promise<void> {
  await Deno.mkdir(dirname(join(root, path)), { recursive: true });
  if (typeof content === "string") await Deno.writeTextFile(join(root, path), content);
  else await Deno.writeFile(join(root, path), content);
}

function set(name: string, role: SetToExamine["role"], group?: string): SetToExamine {
  const sources = [
    { label: 0, directory: `${name}/0_real` },
    { label: 1, directory: `${name}/1_fake` },
  ] as const;
  return {
    spec: { name, title: name, family: "test", sources },
    role,
    ...(group === undefined ? {} : { group }),
  };
}

Deno.test("images are too small whose shorter side is less than a crop's, of either label", async () => {
  const root = temporaryFolder();
  for (const [i, [width, height]] of [[32, 32], [31, 90], [90, 31], [33, 32]].entries()) {
    await write(root, `own/1_fake/${i}.png`, encodedPng(width!, height!, i));
  }
  await write(root, "own/0_real/a.png", encodedPng(32, 40, 9));
  const { sets: [report] } = await examine([set("own", "test")], { root, cropPx: 32 });
  assert.deepEqual([report!.real.tooSmall, report!.generated.tooSmall], [0, 2]);
});

Deno.test("a report names the five most frequent sizes, and counts the others", async () => {
  const root = temporaryFolder();
  const widths = [40, 41, 42, 43, 44, 45, 45, 46, 46, 46];
  for (const [i, width] of widths.entries()) {
    await write(root, `own/0_real/${i}.png`, encodedPng(width, 40, i));
  }
  await write(root, "own/1_fake/a.png", encodedPng(46, 40, 99));
  const { sets: [report] } = await examine([set("own", "test")], { root, cropPx: 32 });
  const { sizes, distinctSizes } = report!.real;
  assert.equal(distinctSizes, 7);
  assert.deepEqual(
    sizes.map(({ width, count }) => [width, count]),
    [[46, 3], [45, 2], [40, 1], [41, 1], [42, 1]],
  );
});

/** The mini world's folders with one image in each: generated ones for ten crops of `largePx`. */
async function writeMiniWorld(root: string, largePx: (path: string) => number): Promise<void> {
  for (const folder of miniFolders(.004)) {
    const isLarge = /^(RAISEpng|synthbuster)/.test(folder.path);
    for (let i = 0; i < folder.count; i++) {
      const path = `${folder.path}/${miniFileName(folder, i)}`;
      const side = isLarge ? largePx(folder.path) : 76;
      await write(root, path, encodedPng(side, side, path));
    }
  }
  for (const { path, lines } of miniLists(.004)) await write(root, path, lines.join("\n") + "\n");
  await write(
    root,
    "manifest.json",
    JSON.stringify({ kind: "rine-mini", version: 6, seed: 0, scale: 1, files: {} }),
  );
}

Deno.test("generated images that are too small for ten crops keep that section from running, by name", async () => {
  const root = temporaryFolder();
  const cropPx = 224; // of backbones that are not there
  await writeMiniWorld(
    join(root, "mini"),
    (path) => path.endsWith("latent_dct_wide") ? cropPx - 1 : cropPx,
  );
  const report = await examineProfile(
    {
      ...{ experiments: EXPERIMENTS, profile: mini, root: join(root, "mini") },
      ...{ data: root, results: join(root, "results"), tokens: join(root, "tokens") },
    },
    { only: [], deep: false },
  );
  const problems = report.sections.find(({ name }) => name === "synthbuster")!.problems;
  assert.equal(problems.at(-1), "needs 224 px for ten crops in large_latent_dct_wide");
  assert.match(
    formatReport(report),
    /large_latent_dct_wide: 2 images are smaller than a crop of 224 px/,
  );
});

/** More than is hashed when a file is looked at. */
const LONG = 40_000;

Deno.test("files of one size and one beginning are duplicates only where they are equal to the end", async () => {
  const root = temporaryFolder();
  // a PNG is read no further than its end; what comes after it is content all the same
  const image = encodedPng(4, 4, "long");
  const padded = (last: number) => {
    const bytes = new Uint8Array(LONG);
    bytes.set(image);
    bytes[LONG - 1] = last;
    return bytes;
  };
  await write(root, "a/0_real/1.png", padded(1));
  await write(root, "a/1_fake/1.png", encodedPng(5, 5, 1));
  await write(root, "b/0_real/1.png", padded(2));
  await write(root, "b/0_real/2.png", padded(1));
  await write(root, "b/1_fake/1.png", encodedPng(5, 5, 2));
  const { duplicates, files } = await examine(
    [set("a", "train", "progan"), set("b", "test")],
    { root, cropPx: 4 },
  );
  assert.deepEqual(duplicates, [{
    kind: "leak",
    sets: ["a", "b"],
    count: 1,
    examples: [["a/0_real/1.png", "b/0_real/2.png"]],
  }]);
  assert.equal(files, 5);
});

Deno.test("of many duplicates three are named and all are counted", async () => {
  const root = temporaryFolder();
  for (let i = 0; i < 5; i++) {
    await write(root, `a/0_real/${i}.png`, encodedPng(4, 4, i));
    await write(root, `b/0_real/other${i}.png`, encodedPng(4, 4, i));
  }
  for (const name of ["a", "b"]) await write(root, `${name}/1_fake/1.png`, encodedPng(5, 5, name));
  const { duplicates: [found] } = await examine(
    [set("a", "train", "progan"), set("b", "val", "progan")],
    { root, cropPx: 4 },
  );
  assert.deepEqual([found!.count, found!.examples.length], [5, 3]);
});

/** Biases of a set of small images: how many of which format, or of which width, each label has. */
async function biasesOf(
  real: readonly (readonly [count: number, format: "png" | "webp", width: number])[],
  generated: typeof real,
): Promise<readonly { kind: string; text: string }[]> {
  const root = temporaryFolder();
  for (const [folder, rows] of Object.entries({ "0_real": real, "1_fake": generated })) {
    for (const [row, [count, format, width]] of rows.entries()) {
      const png = encodedPng(width, 40, 0);
      const bytes = format === "png" ? png : new Uint8Array(await sharp(png).webp().toBuffer());
      for (let i = 0; i < count; i++) await write(root, `own/${folder}/${row}_${i}.png`, bytes);
    }
  }
  const { sets: [report] } = await examine([set("own", "test")], { root, cropPx: 8 });
  return report!.biases;
}

Deno.test("formats may differ by a fifth of the images without a word, and no more", async () => {
  assert.deepEqual(await biasesOf([[5, "png", 40]], [[4, "png", 40], [1, "webp", 40]]), []);
  assert.deepEqual(await biasesOf([[5, "png", 40]], [[3, "png", 40], [2, "webp", 40]]), [{
    kind: "formats",
    text: "real images are PNG (100 %), generated ones PNG (60 %), WEBP (40 %)",
  }]);
});

Deno.test("sizes may differ by half of the images without a word, and no more", async () => {
  assert.deepEqual(await biasesOf([[4, "png", 40]], [[2, "png", 40], [2, "png", 41]]), []);
  assert.deepEqual(await biasesOf([[4, "png", 40]], [[1, "png", 40], [3, "png", 41]]), [{
    kind: "sizes",
    text: "real images are 40 × 40 (100 %), generated ones 41 × 40 (75 %) and 1 other sizes",
  }]);
});

Deno.test("a share below one in a hundred is told as that, one in a hundred as 1 %", async () => {
  const texts = [];
  for (const others of [99, 100]) {
    const [bias] = await biasesOf([[1, "webp", 40], [others, "png", 40]], [[1, "webp", 40]]);
    texts.push(bias!.text);
  }
  assert.deepEqual(texts, [
    "real images are PNG (99 %), WEBP (1 %), generated ones WEBP (100 %)",
    "real images are PNG (99 %), WEBP (under 1 %), generated ones WEBP (100 %)",
  ]);
});
