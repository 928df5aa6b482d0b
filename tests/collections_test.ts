/** Sets of images as other collections have them, and as plain lists. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { mini } from "../experiments/profiles/mini.ts";
import { listImages } from "../lib/data/dataset.ts";
import { readLabelList } from "../lib/data/label_list.ts";
import { readUserSets } from "../lib/data/user_sets.ts";
import { withOwnSets } from "../lib/runs/own_sets.ts";
import { temporaryFolder } from "./temporary.ts";

/** A folder with empty files at some paths. */
async function folderOf(paths: readonly string[]): Promise<string> {
  const root = temporaryFolder();
  for (const path of paths) {
    await Deno.mkdir(join(root, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(root, path), "");
  }
  return root;
}

/** Own sets of some entries: by name their images, relative to the folder, real ones first. */
async function setsOf(root: string, entries: readonly unknown[]) {
  const file = join(root, "sets.json");
  await Deno.writeTextFile(file, JSON.stringify(entries));
  const specs = await readUserSets(file, []);
  const sets: Record<string, string[]> = {};
  for (const spec of specs) {
    sets[spec.name] = (await listImages("/", spec))
      .map(({ label, path }) => `${label} ${path.slice(root.length + 1)}`);
  }
  return { specs, sets };
}

Deno.test("GenImage: a set for each generator, the validation split of each", async () => {
  const root = await folderOf([
    "GenImage/Midjourney/imagenet_midjourney/train/ai/1.png",
    "GenImage/Midjourney/imagenet_midjourney/train/nature/1.JPEG",
    "GenImage/Midjourney/imagenet_midjourney/val/ai/2.png",
    "GenImage/Midjourney/imagenet_midjourney/val/nature/2.JPEG",
    "GenImage/stable diffusion/imagenet_ai_0419_sdv4/val/ai/3.png",
    "GenImage/stable diffusion/imagenet_ai_0419_sdv4/val/nature/3.JPEG",
  ]);
  const { specs, sets } = await setsOf(root, [
    { name: "gi", layout: "genimage", folder: "GenImage" },
    { name: "one", layout: "genimage", folder: "GenImage/Midjourney" },
  ]);
  assert.deepEqual(sets, {
    gi_Midjourney: [
      "0 GenImage/Midjourney/imagenet_midjourney/val/nature/2.JPEG",
      "1 GenImage/Midjourney/imagenet_midjourney/val/ai/2.png",
    ],
    gi_stable_diffusion: [
      "0 GenImage/stable diffusion/imagenet_ai_0419_sdv4/val/nature/3.JPEG",
      "1 GenImage/stable diffusion/imagenet_ai_0419_sdv4/val/ai/3.png",
    ],
    one: [
      "0 GenImage/Midjourney/imagenet_midjourney/val/nature/2.JPEG",
      "1 GenImage/Midjourney/imagenet_midjourney/val/ai/2.png",
    ],
  });
  assert.deepEqual(specs.map(({ title, family, fullTitle }) => [title, family, fullTitle]), [
    ["Midjourney", "GenImage", "GenImage Midjourney"],
    ["stable diffusion", "GenImage", "GenImage stable diffusion"],
    ["GenImage", "GenImage", undefined],
  ]);
  assert.match(specs[0]!.origins![0]!.published, /^GenImage/);
});

Deno.test("AIGCDetectBenchmark: a set for each generator, classes of one put together", async () => {
  const root = await folderOf([
    "test/progan/airplane/0_real/1.png",
    "test/progan/airplane/1_fake/1.png",
    "test/progan/bird/0_Real/1.png",
    "test/progan/bird/1_Fake/1.png",
    "test/Midjourney/0_real/1.png",
    "test/Midjourney/1_fake/1.png",
  ]);
  const { sets } = await setsOf(root, [{ name: "aigc", layout: "aigcdetect", folder: "." }]);
  assert.deepEqual(sets, {
    aigc_Midjourney: ["0 test/Midjourney/0_real/1.png", "1 test/Midjourney/1_fake/1.png"],
    aigc_progan: [
      "0 test/progan/airplane/0_real/1.png",
      "1 test/progan/airplane/1_fake/1.png",
      "0 test/progan/bird/0_Real/1.png",
      "1 test/progan/bird/1_Fake/1.png",
    ],
  });
});

Deno.test("Chameleon is one set; WildRF has one for each platform, its test split", async () => {
  const root = await folderOf([
    "Chameleon/test/0_real/1.jpg",
    "Chameleon/test/1_fake/1.jpg",
    ...["train", "val", "test"].flatMap((split) =>
      ["facebook", "reddit"].flatMap((platform) => [
        `WildRF/${split}/${platform}/0_real/${split}.jpg`,
        `WildRF/${split}/${platform}/1_fake/${split}.jpg`,
      ])
    ),
  ]);
  const { sets } = await setsOf(root, [
    { name: "chameleon", layout: "chameleon", folder: "Chameleon" },
    { name: "wild", layout: "wildrf", folder: "WildRF" },
  ]);
  assert.deepEqual(sets, {
    chameleon: ["0 Chameleon/test/0_real/1.jpg", "1 Chameleon/test/1_fake/1.jpg"],
    wild_facebook: [
      "0 WildRF/test/facebook/0_real/test.jpg",
      "1 WildRF/test/facebook/1_fake/test.jpg",
    ],
    wild_reddit: ["0 WildRF/test/reddit/0_real/test.jpg", "1 WildRF/test/reddit/1_fake/test.jpg"],
  });
});

Deno.test("Synthbuster: a set for each generator, alone or against real images of one's own", async () => {
  const root = await folderOf(["sb/dalle3/1.png", "sb/firefly/1.png", "raise/1.tif"]);
  const { sets } = await setsOf(root, [
    { name: "a", layout: "synthbuster", folder: "sb" },
    { name: "b", layout: "synthbuster", folder: "sb", real: "raise" },
    { name: "c", layout: "synthbuster", folder: "sb", real: "set:b_firefly" },
  ]);
  assert.deepEqual(sets, {
    a_dalle3: ["1 sb/dalle3/1.png"],
    a_firefly: ["1 sb/firefly/1.png"],
    b_dalle3: ["0 raise/1.tif", "1 sb/dalle3/1.png"],
    b_firefly: ["0 raise/1.tif", "1 sb/firefly/1.png"],
    c_dalle3: ["0 raise/1.tif", "1 sb/dalle3/1.png"],
    c_firefly: ["0 raise/1.tif", "1 sb/firefly/1.png"],
  });
});

Deno.test("an own set borrows the real images of a set of the profile, wherever the data lie", async () => {
  const root = await folderOf(["made/1.png"]);
  const file = join(root, "sets.json");
  const lender = mini.testSets[0]!;
  await Deno.writeTextFile(
    file,
    JSON.stringify([{ name: "mine", real: `set:${lender.name}`, generated: "made" }]),
  );
  const profile = await withOwnSets(mini, file);
  const { sources } = profile.testSets.at(-1)!;
  assert.deepEqual(sources, [
    ...lender.sources.filter(({ label }) => label === 0),
    { label: 1, directory: `${root}/made`, isDeep: true },
  ]);
  assert.doesNotMatch(profile.notice!, /alone/);
});

const LISTS: readonly (readonly [what: string, text: string])[] = [
  ["without headings", "a/1.jpg,real\nb/2.png,fake\n"],
  ["with headings in another order", "split,Label,File Name,PATH\nx,0,,a/1.jpg\nx,1,,b/2.png\n"],
  [
    "with a byte order mark, semicolons and Windows' lines",
    "\ufeffpath;label\r\na/1.jpg;Real\r\nb/2.png;AI\r\n",
  ],
  ["with tabs and empty lines", "\na/1.jpg\t0\n\nb/2.png\t1\n\n"],
  ["of labels before paths", "nature,a/1.jpg\nsynthetic,b/2.png"],
  ["in quotes", '"path","is_fake"\n"a/1.jpg","False"\n"b/2.png","True"\n'],
  ["that says what is real", "image,is_real\na/1.jpg,1\nb/2.png,0\n"],
  ["with Windows' paths", "a\\1.jpg,0\nb\\2.png,1\n"],
];

for (const [what, text] of LISTS) {
  Deno.test(`a list ${what} is read`, async () => {
    const root = await folderOf(["a/1.jpg", "b/2.png"]);
    await Deno.writeTextFile(join(root, "list.csv"), text);
    const { sets } = await setsOf(root, [{ name: "mine", list: "list.csv" }]);
    assert.deepEqual(sets, { mine: ["0 a/1.jpg", "1 b/2.png"] });
  });
}

const WRONG: readonly (readonly [what: string, text: string | Uint8Array, says: RegExp])[] = [
  ["that is empty", "\n", /list\.csv: expected paths and labels, found none$/],
  ["of headings alone", "path,label\n", /found headings alone$/],
  [
    "of one column",
    "a/1.jpg\nb/2.png\n",
    /expected two columns, a path and a label, found a\/1\.jpg$/,
  ],
  ["with unknown labels", "a/1.jpg,good\n", /expected headings, .*or a path and one of real, fake/],
  [
    "with an unknown label",
    "a/1.jpg,0\nb/2.png,2\n",
    /line 2 of .*list\.csv: expected the label .*found 2$/,
  ],
  [
    "without a label",
    "a/1.jpg,0\nb/2.png\n",
    /line 2 of .*expected the label real or fake, or 0 or 1, found none$/,
  ],
  [
    "that names one twice",
    "a/1.jpg,0\n./a/1.jpg,0\n",
    /line 2 of .*each image once, found \.\/a\/1\.jpg of line 1$/,
  ],
  ["that names one as both", "a/1.jpg,0\na/1.jpg,1\n", /of line 1, where it is the other kind$/],
  [
    "of images that are not there",
    "a/1.jpg,0\nx,1\ny,1\nz,1\nw,1\n",
    /for each line, found none at .*x \(line 2\), .*z \(line 4\) and 1 more$/,
  ],
  ["with half a quote", 'a/1.jpg,0\n"b/2.png,1\n', /line 2 of .*expected a pair of quotes$/],
];

for (const [what, text, says] of WRONG) {
  Deno.test(`a list ${what} is refused in one line`, async () => {
    const root = await folderOf(["a/1.jpg", "b/2.png"]);
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    await Deno.writeFile(join(root, "list.csv"), bytes);
    await assert.rejects(setsOf(root, [{ name: "mine", list: "list.csv" }]), (error: Error) => {
      assert.equal(error.name, "UserError");
      assert.match(error.message, says);
      return !error.message.includes("\n");
    });
  });
}

Deno.test("a list of two hundred thousand images is read", async () => {
  const root = temporaryFolder(), path = join(root, "list.csv");
  const lines = Array.from({ length: 200_000 }, (_, i) => `folder/${i}.png,${i % 2}`);
  await Deno.writeTextFile(path, lines.join("\n"));
  const images = await readLabelList(path);
  assert.deepEqual(images.at(-1), { path: `${root}/folder/199999.png`, label: 1, line: 200_000 });
});
