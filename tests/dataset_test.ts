import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import {
  ldmSet,
  PROGAN_CLASSES,
  proganClass,
  SYNTHBUSTER_SETS,
  TEST_SETS_20,
  testSetOf,
} from "../lib/data/catalog.ts";
import { type DatasetSpec, isImageName, listImages, listSource } from "../lib/data/dataset.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const ALL_SETS = [
  ...PROGAN_CLASSES.flatMap((name) => [proganClass("train", name), proganClass("val", name)]),
  ...TEST_SETS_20,
  ...SYNTHBUSTER_SETS,
  ldmSet("train"),
  ldmSet("valid"),
];

async function withRoot(use: (root: string) => Promise<void>): Promise<void> {
  const root = temporaryFolder("tree ü ");
  try {
    await use(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const pixels = noiseImage(8, 6);
const png = new Uint8Array(
  await sharp(pixels.data, { raw: { width: 8, height: 6, channels: 3 } }).png().toBuffer(),
);

/** Writes files: images where no text is given. */
async function write(root: string, files: Readonly<Record<string, string | Uint8Array>>) {
  for (const [path, content] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(root, path)), { recursive: true });
    await Deno.writeFile(
      join(root, path),
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  }
}

function plain(name: string, real: string, generated: string): DatasetSpec {
  return {
    name,
    title: name,
    family: "test",
    sources: [{ label: 0, directory: real }, { label: 1, directory: generated }],
  };
}

async function pathsOf(root: string, spec: DatasetSpec): Promise<string[]> {
  return (await listImages(root, spec)).map(({ path, label }) => `${label} ${path}`);
}

/** The whole data root of the paper with a few images in each folder, every layout in it. */
async function writePaperTree(root: string): Promise<void> {
  for (const { sources } of ALL_SETS) {
    for (const source of sources) {
      if ("list" in source) continue;
      for (const level of source.directory.includes("*") ? ["horse", "zebra"] : [""]) {
        const folder = source.directory.replace("*", level);
        await write(root, { [`${folder}/a.png`]: png, [`${folder}/b.png`]: png });
      }
    }
  }
  for (const split of ["train", "valid"] as const) {
    await write(root, {
      [`latent_diffusion_trainingset/${split}/real_lsun.txt`]: "horse_a.png\ncat_b.png\n",
      [`latent_diffusion_trainingset/${split}/real_coco.txt`]: "000001.jpg\n000002.jpg\n",
    });
  }
  await write(root, {
    "coco/train2014/COCO_train2014_000001.jpg": png,
    "coco/val2014/COCO_val2014_000002.jpg": png,
  });
}

Deno.test("every set of the paper is found in the released layout", () =>
  withRoot(async (root) => {
    await writePaperTree(root);
    for (const spec of ALL_SETS) {
      const entries = await listImages(root, spec);
      const counts = [0, 1].map((label) => entries.filter((entry) => entry.label === label).length);
      const classes = spec.sources.some((s) => "directory" in s && s.directory.includes("*"));
      const isLdm = spec.name.startsWith("ldm_") && "list" in spec.sources[0]!;
      assert.deepEqual(counts, isLdm || classes ? [4, 4] : [2, 2], spec.name);
      assert(entries.every(({ generator }) => generator === spec.name));
      for (const { path } of entries) assert((await Deno.stat(join(root, path))).isFile, path);
    }
  }));

Deno.test("the catalog says of every set what is expected, where it is to be had and on what terms", () => {
  assert.equal(ALL_SETS.length, 20 + 20 + 20 + 9 + 2);
  assert.equal(new Set(ALL_SETS.map(({ name }) => name)).size, ALL_SETS.length);
  for (const { name, title, family, expected, origins } of ALL_SETS) {
    assert(title !== "" && family !== "", name);
    assert(expected!.real > 0 && expected!.generated > 0, name);
    assert(origins!.length > 0, name);
    for (const { published, licence } of origins!) assert(published && licence, name);
  }
});

Deno.test("the paper's test sets are to be had from CNNDetection, those under diffusion_datasets from UFD", () => {
  for (const { name, sources, origins } of TEST_SETS_20) {
    const isDiffusion = JSON.stringify(sources).includes("test/diffusion_datasets/");
    const whose = isDiffusion ? /^UniversalFakeDetect / : /^CNNDetection /;
    assert.match(origins![0]!.published, whose, name);
  }
});

Deno.test("a set added to the catalog counts in no mean, is of no kind, and says where it is from", () => {
  const origin = { published: "somebody", licence: "none" };
  const line = {
    name: "x",
    title: "X",
    family: "X",
    real: 2,
    generated: 3,
    layout: "laion",
  } as const;
  assert.deepEqual(testSetOf({ ...line, isAdded: true, origin }), {
    name: "x",
    title: "X",
    family: "X",
    sources: [
      { label: 0, directory: "test/diffusion_datasets/laion/0_real" },
      { label: 1, directory: "test/diffusion_datasets/x/1_fake" },
    ],
    expected: { real: 2, generated: 3 },
    isOwn: true,
    origins: [origin],
  });
});

Deno.test("sets with a class level take in every class, stray files beside the classes none", () =>
  withRoot(async (root) => {
    await write(root, {
      "test/cyclegan/horse/0_real/1.png": png,
      "test/cyclegan/horse/1_fake/1.png": png,
      "test/cyclegan/apple tree/0_real/1.png": png,
      "test/cyclegan/apple tree/1_fake/2.png": png,
      "test/cyclegan/readme.txt": "",
      "test/cyclegan/.ipynb_checkpoints/x.png": png,
      "test/cyclegan/__MACOSX/x.png": png,
    });
    assert.deepEqual(await pathsOf(root, TEST_SETS_20.find(({ name }) => name === "cyclegan")!), [
      "0 test/cyclegan/apple tree/0_real/1.png",
      "0 test/cyclegan/horse/0_real/1.png",
      "1 test/cyclegan/apple tree/1_fake/2.png",
      "1 test/cyclegan/horse/1_fake/1.png",
    ]);
  }));

Deno.test("files that are not images by name are passed over and named", () =>
  withRoot(async (root) => {
    await write(root, {
      "real/1.png": png,
      "synthbuster/1.png": png,
      "synthbuster/prompts.txt": "a horse",
      "synthbuster/generate.py": "print()",
      "synthbuster/png": "no extension",
      "synthbuster/.DS_Store": "",
      "synthbuster/._1.png": "a resource fork",
      "synthbuster/folder.png/inner.png": png,
    });
    const listing = await listSource(root, { label: 1, directory: "synthbuster" }, "own");
    assert.deepEqual(listing, {
      paths: ["synthbuster/1.png"],
      passedOver: ["synthbuster/generate.py", "synthbuster/png", "synthbuster/prompts.txt"],
    });
  }));

Deno.test("images of formats that are not decoded are listed, to be refused by name later", () => {
  for (const name of ["a.PNG", "b.JPeG", "c d.webp", "ä.gif", "x.tar.tiff", "n.heic"]) {
    assert(isImageName(name), name);
  }
  for (const name of ["png", ".png", "._a.png", "a.png.txt", "a.", "Thumbs.db"]) {
    assert(!isImageName(name), name);
  }
});

Deno.test("names with spaces and letters of any script are listed as they are", () =>
  withRoot(async (root) => {
    const names = ["a b.png", "größe.png", "馬.png", "ﬁ–1.jpg", "🐴.webp", "%20#?.png", "'\".png"];
    for (const name of names) {
      await write(root, { [`r eal/${name}`]: png, [`fäke/${name}`]: png });
    }
    const found = await listImages(root, plain("own", "r eal", "fäke"));
    const sorted = names.toSorted((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(found.map(({ path }) => path), [
      ...sorted.map((name) => `r eal/${name}`),
      ...sorted.map((name) => `fäke/${name}`),
    ]);
    for (const { path } of found) assert((await Deno.stat(join(root, path))).isFile);
  }));

Deno.test("the order of images does not depend on the order in which files were written", () =>
  withRoot(async (root) => {
    const names = ["b", "a", "A", "10", "9", "é", "z"];
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(names, { minLength: names.length }), async (order) => {
        const folder = `round${round++}`;
        for (const name of order) {
          await write(root, { [`${folder}/0/${name}.png`]: png, [`${folder}/1/${name}.png`]: png });
        }
        const found = await listImages(root, plain("own", `${folder}/0`, `${folder}/1`));
        const sorted = names.map((name) => `${name}.png`).sort();
        assert.deepEqual(found.map(({ path }) => path.split("/")[2]), [...sorted, ...sorted]);
      }),
      { numRuns: 12 },
    );
  }));

Deno.test("equal names in different folders are different images", () =>
  withRoot(async (root) => {
    await write(root, {
      "a/0_real/1.png": png,
      "a/1_fake/1.png": png,
      "b/0_real/1.png": png,
      "b/1_fake/1.png": png,
    });
    const paths = await pathsOf(root, plain("own", "*/0_real", "*/1_fake"));
    assert.equal(new Set(paths).size, 4);
  }));

Deno.test("links count as what they lead to; an image whose link leads nowhere is still listed", () =>
  withRoot(async (root) => {
    await write(root, {
      "store/1.png": png,
      "store/class/0_real/2.png": png,
      "own/1_fake/a.png": png,
    });
    await Deno.mkdir(join(root, "own/0_real"), { recursive: true });
    const link = (target: string, path: string) => Deno.symlink(target, join(root, path));
    await link(join(root, "store/1.png"), "own/0_real/to file.png");
    await link(join(root, "store"), "own/0_real/to folder.png");
    await link(join(root, "gone.png"), "own/0_real/to nothing.png");
    await link("in a circle.png", "own/0_real/in a circle.png");
    await link(join(root, "gone.txt"), "own/0_real/to nothing.txt");
    assert.deepEqual(await pathsOf(root, plain("own", "own/0_real", "own/1_fake")), [
      "0 own/0_real/in a circle.png",
      "0 own/0_real/to file.png",
      "0 own/0_real/to nothing.png",
      "1 own/1_fake/a.png",
    ]);

    await Deno.mkdir(join(root, "classes"));
    await link(join(root, "store/class"), "classes/linked");
    await link(join(root, "own"), "linked own");
    assert.deepEqual(await pathsOf(root, plain("own", "classes/*/0_real", "linked own/1_fake")), [
      "0 classes/linked/0_real/2.png",
      "1 linked own/1_fake/a.png",
    ]);

    await link(join(root, "gone"), "classes/gone");
    await assert.rejects(listImages(root, plain("own", "classes/*/0_real", "own/1_fake")), {
      name: "UserError",
      message: `Cannot use own: expected a folder at ${root}/classes/gone/0_real, found none`,
    });
  }));

Deno.test("folders may be absolute", () =>
  withRoot((root) =>
    withRoot(async (elsewhere) => {
      await write(root, { "real/1.png": png });
      await write(elsewhere, { "fake/1.png": png });
      const paths = await pathsOf(root, plain("own", "real", `${elsewhere}/fake`));
      assert.deepEqual(paths, ["0 real/1.png", `1 ${elsewhere}/fake/1.png`]);
    })
  ));

Deno.test("lists of real images name LSUN's by class and COCO's in whichever of two folders they are", () =>
  withRoot(async (root) => {
    const folder = "latent_diffusion_trainingset/train";
    await write(root, {
      [`${folder}/real_lsun.txt`]: "\ufeffhorse_2.png\r\n\r\ncat_1.png\n  dog_1_2.png  ",
      [`${folder}/real_coco.txt`]: "000000000009.jpg\n000000000042.jpg\n000000000099.jpg\n",
      [`${folder}/stray.csv`]: "",
      [`${folder}/bedroom/1.png`]: png,
      "train/horse/0_real/2.png": png,
      "train/cat/0_real/1.png": png,
      "train/dog/0_real/1_2.png": png,
      "coco/train2014/COCO_train2014_000000000009.jpg": png,
      "coco/val2014/COCO_val2014_000000000042.jpg": png,
    });
    assert.deepEqual(await pathsOf(root, ldmSet("train")), [
      "0 train/cat/0_real/1.png",
      "0 train/dog/0_real/1_2.png",
      "0 train/horse/0_real/2.png",
      "0 coco/train2014/COCO_train2014_000000000009.jpg",
      "0 coco/val2014/COCO_val2014_000000000042.jpg",
      "0 coco/val2014/COCO_val2014_000000000099.jpg",
      `1 ${folder}/bedroom/1.png`,
    ]);
  }));

Deno.test("what a list needs and the disk has not is named in one line", () =>
  withRoot(async (root) => {
    const spec = ldmSet("train");
    const folder = `${root}/latent_diffusion_trainingset/train`;
    const rejects = (message: string) =>
      assert.rejects(listImages(root, spec), { name: "UserError", message });
    await rejects(
      `Cannot use ldm_train: expected a list at ${folder}/real_lsun.txt, found none`,
    );
    await write(folder, { "real_lsun.txt": "horse_1.png\nunicorn_1.png" });
    await write(root, { "train/horse/0_real/1.png": png });
    await rejects(
      `Cannot use ldm_train: expected a folder at ${root}/train/unicorn/0_real, found none`,
    );
    await write(folder, { "real_lsun.txt": "horse1.png" });
    await rejects(
      "Cannot use ldm_train: expected class_name.png in latent_diffusion_trainingset/train/real_lsun.txt, found horse1.png",
    );
    await write(folder, { "real_lsun.txt": "" });
    await rejects(
      `Cannot use ldm_train: expected real images in ${folder}/real_lsun.txt, found none`,
    );
    await write(folder, { "real_lsun.txt": "horse_1.png", "real_coco.txt": "1.jpg" });
    await rejects(
      `Cannot use ldm_train: expected a folder at ${root}/coco/train2014, found none`,
    );
  }));

Deno.test("a folder that is missing, empty or no folder is named in one line", () =>
  withRoot(async (root) => {
    await write(root, { "real/1.png": png, "empty/note.txt": "", "file": "" });
    const rejects = (generated: string, message: string) =>
      assert.rejects(listImages(root, plain("own", "real", generated)), {
        name: "UserError",
        message: `Cannot use own: ${message}`,
      });
    await rejects("gone", `expected a folder at ${root}/gone, found none`);
    await rejects("gone/*", `expected a folder at ${root}/gone, found none`);
    await rejects("file", `expected a folder at ${root}/file, found a file`);
    await rejects("empty", `expected generated images in ${root}/empty, found none`);
  }));

/** Lists a folder as a user who is not the super-user, who may read everything. */
async function listAsUser(root: string, folder: string): Promise<string> {
  const module = JSON.stringify(import.meta.resolve("../lib/data/dataset.ts"));
  const program = `
    const { listImages } = await import(${module});
    const spec = { name: "own", sources: [{ label: 1, directory: Deno.args[1] }] };
    const done = await listImages(Deno.args[0], spec).catch((error) => error);
    console.log(Array.isArray(done) ? done.length : \`\${done.name} \${done.message}\`);
  `;
  const cache = temporaryFolder();
  await Deno.chmod(cache, 0o777);
  const nobody = 65534;
  try {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", program, root, folder],
      env: { DENO_DIR: cache },
      ...(Deno.uid() === 0 ? { uid: nobody, gid: nobody } : {}),
    }).output();
    return new TextDecoder().decode(stdout).trim();
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

/** Why the next test cannot be run here, if it cannot. */
async function noOtherUser(): Promise<string | undefined> {
  if (Deno.build.os === "windows") return "Windows has no such permissions";
  const root = temporaryFolder();
  await Deno.chmod(root, 0o755);
  await write(root, { "open/1.png": png });
  const listed = await listAsUser(root, "open").catch(String);
  await Deno.remove(root, { recursive: true });
  if (listed !== "1") return "no user but the super-user can run Deno on this checkout";
}

const reason = await noOtherUser();

Deno.test({
  name: `a folder that may not be read is named in one line${
    reason ? ` (skipped: ${reason})` : ""
  }`,
  ignore: reason !== undefined,
  fn: () =>
    withRoot(async (root) => {
      await write(root, { "locked/1.png": png });
      await Deno.chmod(root, 0o755);
      await Deno.chmod(join(root, "locked"), 0o000);
      assert.equal(
        await listAsUser(root, "locked"),
        `UserError Cannot use own: expected a folder at ${root}/locked, found one that may not be read`,
      );
      await Deno.chmod(join(root, "locked"), 0o755);
    }),
});
