import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { examineProfile } from "../lib/doctor/profile.ts";
import { formatReport } from "../lib/doctor/text.ts";
import { profileSets, sectionNeeds } from "../lib/doctor/needs.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { makeSetup } from "../lib/runs/setup.ts";
import type { DatasetSpec } from "../lib/data/dataset.ts";
import { examine, type SetToExamine } from "../lib/doctor/examine.ts";
import type { Role } from "../lib/doctor/duplicates.ts";
import { lookAtImage, lookBuffer, tryDecode } from "../lib/data/image_file.ts";
import { randomStream } from "../lib/random.ts";
import { concat, noiseImage, pngFile, waveImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const CROP_PX = 32;

async function withRoot(use: (root: string) => Promise<void>): Promise<void> {
  const root = temporaryFolder();
  try {
    await use(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function write(root: string, files: Readonly<Record<string, Uint8Array | string>>) {
  for (const [path, content] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(root, path)), { recursive: true });
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(join(root, path), bytes);
  }
}

type Format = "png" | "jpeg" | "webp";

async function encoded(format: Format, width = 40, height = 40, seed: number | string = 0) {
  const { data } = noiseImage(width, height, seed);
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  return new Uint8Array(await image[format]().toBuffer());
}

function set(
  name: string,
  role: Role = "test",
  group?: string,
  expected?: DatasetSpec["expected"],
): SetToExamine {
  return {
    spec: {
      name,
      title: name,
      family: "test",
      sources: [
        { label: 0, directory: `${name}/0_real` },
        { label: 1, directory: `${name}/1_fake` },
      ],
      ...(expected ? { expected } : {}),
    },
    role,
    ...(group ? { group } : {}),
  };
}

async function examineOne(root: string, which: SetToExamine, deep = false) {
  const { sets: [report] } = await examine([which], { root, cropPx: CROP_PX, deep });
  return report!;
}

Deno.test("counts, formats, sizes and small images are told by label", () =>
  withRoot(async (root) => {
    await write(root, {
      "own/0_real/a.png": await encoded("png", 40, 40, 1),
      "own/0_real/b.png": await encoded("png", 40, 40, 2),
      "own/0_real/small.jpg": await encoded("jpeg", 40, 31),
      "own/0_real/notes.txt": "",
      "own/1_fake/a.png": await encoded("webp", 64, 48),
    });
    const report = await examineOne(root, set("own", "test", undefined, { real: 4, generated: 1 }));
    assert.deepEqual(report.problems, []);
    assert.deepEqual(report.real, {
      found: 3,
      expected: 4,
      unreadable: [],
      passedOver: ["own/0_real/notes.txt"],
      tooSmall: 1,
      formats: { png: 2, jpeg: 1 },
      sizes: [{ width: 40, height: 40, count: 2 }, { width: 40, height: 31, count: 1 }],
      distinctSizes: 2,
    });
    assert.deepEqual(report.generated.formats, { webp: 1 }, "by content, whatever the name");
  }));

Deno.test("a set whose real images are JPEG and generated ones PNG is called what it is", () =>
  withRoot(async (root) => {
    for (let i = 0; i < 4; i++) {
      await write(root, {
        [`trap/0_real/${i}.jpg`]: await encoded("jpeg", 40, 40, i),
        [`trap/1_fake/${i}.png`]: await encoded("png", 40, 40, i),
        [`fair/0_real/${i}`]: "",
        [`fair/0_real/${i}.png`]: await encoded(i % 2 ? "png" : "jpeg", 40 + i, 40, i),
        [`fair/1_fake/${i}.png`]: await encoded(i % 2 ? "jpeg" : "png", 40 + i, 40, i + 9),
      });
    }
    assert.deepEqual((await examineOne(root, set("trap"))).biases, [{
      kind: "formats",
      text: "real images are JPEG (100 %), generated ones PNG (100 %)",
    }]);
    assert.deepEqual((await examineOne(root, set("fair"))).biases, []);
  }));

Deno.test("sizes that part real from generated images are named, sizes that only vary are not", () =>
  withRoot(async (root) => {
    for (let i = 0; i < 6; i++) {
      await write(root, {
        [`fixed/0_real/${i}.png`]: await encoded("png", 40 + 7 * i, 50, i),
        [`fixed/1_fake/${i}.png`]: await encoded("png", 64, 64, i),
        [`apart/0_real/${i}.png`]: await encoded("png", 40 + i, 90, i),
        [`apart/1_fake/${i}.png`]: await encoded("png", 60 + i, 90, i + 9),
        [`mixed/0_real/${i}.png`]: await encoded("png", 40 + 4 * i, 90, i),
        [`mixed/1_fake/${i}.png`]: await encoded("png", 42 + 4 * i, 90, i + 9),
      });
    }
    assert.deepEqual((await examineOne(root, set("fixed"))).biases, [{
      kind: "sizes",
      text: "real images are 40 × 50 (17 %) and 5 other sizes, generated ones 64 × 64 (100 %)",
    }]);
    assert.deepEqual((await examineOne(root, set("apart"))).biases.map(({ kind }) => kind), [
      "sizes",
    ]);
    assert.deepEqual((await examineOne(root, set("mixed"))).biases, []);
  }));

Deno.test("a set is missing by source, and what is there of it is still looked at", () =>
  withRoot(async (root) => {
    await write(root, { "own/0_real/a.png": await encoded("png"), "empty/0_real/x.txt": "" });
    const half = await examineOne(root, set("own"));
    assert.deepEqual(half.problems, [
      `Cannot use own: expected a folder at ${root}/own/1_fake, found none`,
    ]);
    assert.equal(half.real.found, 1);
    assert.equal((await examineOne(root, set("empty"))).problems.length, 2);
  }));

/** A PNG whose header says how large it is, and nothing else. */
function claim(width: number, height: number): Uint8Array {
  const file = pngFile({ width: 1, bits: 8, type: "rgb", rows: [[0, 0, 0]] });
  const view = new DataView(file.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return file;
}

Deno.test("what cannot be decoded is told with what was found, without decoding the rest", () =>
  withRoot(async (root) => {
    const [png, jpeg, webp] = await Promise.all(
      (["png", "jpeg", "webp"] as const).map((format) => encoded(format, 90, 90)),
    ) as [Uint8Array, Uint8Array, Uint8Array];
    const spoiltInside = png.map((byte, i) => i > 500 && i < 900 ? byte ^ 0x55 : byte);
    const files: Record<string, readonly [Uint8Array | string, RegExp]> = {
      "cut.jpg": [jpeg.subarray(0, 3000), /^a damaged JPEG/],
      "cut.png": [png.subarray(0, png.length / 2), /^a damaged PNG/],
      "cut.webp": [webp.subarray(0, webp.length / 2), /^a damaged WEBP/],
      "empty.png": ["", /^0 bytes$/],
      "gif.png": ["GIF89a----------", /^a GIF image cut off in its header$/],
      "huge.png": [claim(60_000, 60_000), /^60000 × 60000 pixels; at most/],
      "old.bmp": ["BM" + "-".repeat(30), /^a BMP image cut off in its header$/],
      "text.png": ["this is not an image", /^bytes that start with 74 68 69 73$/],
    };
    await write(root, {
      "own/0_real/a.png": png,
      "own/0_real/trailing.jpg": concat([jpeg, new Uint8Array(30)]),
      "own/1_fake/inside.png": spoiltInside,
    });
    for (const [name, [content]] of Object.entries(files)) {
      await write(root, { [`own/1_fake/${name}`]: content });
    }
    await Deno.symlink("nowhere", join(root, "own/1_fake/zz.png"));
    const { real, generated } = await examineOne(root, set("own"));
    assert.deepEqual(real.unreadable, [], "bytes after a JPEG's end are nothing bad");
    assert.deepEqual(generated.unreadable.map(({ path }) => path), [
      ...Object.keys(files).map((name) => `own/1_fake/${name}`),
      "own/1_fake/zz.png",
    ]);
    Object.values(files).forEach(([, found], i) =>
      assert.match(generated.unreadable[i]!.found, found)
    );
    assert.equal(generated.unreadable.at(-1)!.found, "none");
    const deep = await examineOne(root, set("own"), true);
    assert.deepEqual(
      deep.generated.unreadable.filter(({ path }) => path.includes("inside")).length,
      1,
      "damage between a good start and a good end shows only in decoding",
    );
  }));

Deno.test("a JPEG whose metadata is longer than what is read first is looked at all the same", () =>
  withRoot(async (root) => {
    const jpeg = await encoded("jpeg", 50, 60);
    const segment = new Uint8Array(60_002);
    segment.set([0xff, 0xe2, 60_000 >> 8, 60_000 & 255]);
    const path = join(root, "long.jpg");
    await Deno.writeFile(
      path,
      concat([jpeg.subarray(0, 2), segment, segment, segment, jpeg.subarray(2)]),
    );
    const { header, endsWell } = await lookAtImage(path, lookBuffer());
    assert.deepEqual([header!.width, header!.height, endsWell], [50, 60, true]);
  }));

Deno.test("2,000 mutated files: what the first and last bytes condemn, decoding condemns too", () =>
  withRoot(async (root) => {
    const { data } = waveImage(96, 64);
    const image = () => sharp(data, { raw: { width: 96, height: 64, channels: 3 } });
    const originals = await Promise.all([
      image().jpeg().toBuffer(),
      image().png().toBuffer(),
      image().webp().toBuffer(),
      image().png({ palette: true }).toBuffer(),
    ]);
    await Deno.mkdir(join(root, "own/0_real"), { recursive: true });
    await Deno.mkdir(join(root, "own/1_fake"), { recursive: true });
    for (let i = 0; i < 2000; i++) {
      const random = randomStream("doctor's mutation", i);
      let bytes = Uint8Array.from(originals[i % originals.length]!);
      for (let change = random.integer(6); change >= 0; change--) {
        bytes[random.integer(random.chance(.5) ? 60 : bytes.length)] = random.integer(256);
      }
      if (random.chance(.3)) bytes = bytes.slice(0, random.integer(bytes.length));
      await Deno.writeFile(join(root, `own/${i % 2}_${i % 2 ? "fake" : "real"}/${i}.png`), bytes);
    }
    const shallow = await examineOne(root, set("own"));
    const deep = await examineOne(root, set("own"), true);
    const condemned = ({ real, generated }: typeof deep) =>
      new Set([...real.unreadable, ...generated.unreadable].map(({ path }) => path));
    const byDecoding = condemned(deep);
    for (const path of condemned(shallow)) assert(byDecoding.has(path), path);
    for (const { path, found } of [...deep.real.unreadable, ...deep.generated.unreadable]) {
      assert(!found.includes("\n"), found);
      assert("problem" in await tryDecode(join(root, path)));
    }
    assert(byDecoding.size > 200 && byDecoding.size < 1900, `${byDecoding.size} condemned`);
  }));

Deno.test("images that training and test sets share are found by content, whatever their names", () =>
  withRoot(async (root) => {
    const shared = await encoded("png", 40, 40, "shared");
    const other = await encoded("png", 40, 40, "other");
    const alike = pngFile({ width: 1, bits: 8, type: "rgb", rows: [[1, 2, 3]] });
    await write(root, {
      "horse/0_real/1.png": shared,
      "horse/0_real/2.png": await encoded("png", 40, 40, 2),
      "horse/1_fake/1.png": await encoded("png", 40, 40, 3),
      "val/0_real/renamed.png": shared,
      "val/1_fake/1.png": await encoded("png", 40, 40, 4),
      "ldmval/0_real/1.png": shared,
      "ldmval/1_fake/1.png": other,
      "san/0_real/x.png": shared,
      "san/0_real/y.png": alike,
      "san/1_fake/x.png": alike,
      "dalle/0_real/1.png": await encoded("png", 40, 40, 5),
      "dalle/1_fake/1.png": other,
    });
    const { duplicates } = await examine([
      set("horse", "train", "progan"),
      set("val", "val", "progan"),
      set("ldmval", "val", "ldm"),
      set("san"),
      set("dalle"),
    ], { root, cropPx: CROP_PX });
    const found = duplicates.map(({ kind, sets, count, examples }) =>
      `${kind} ${sets} ${count} ${examples[0]}`
    ).sort();
    assert.deepEqual(found, [
      "label san,san 1 san/0_real/y.png,san/1_fake/x.png",
      "leak horse,san 1 horse/0_real/1.png,san/0_real/x.png",
      "leak horse,val 1 horse/0_real/1.png,val/0_real/renamed.png",
      "leak ldmval,dalle 1 ldmval/1_fake/1.png,dalle/1_fake/1.png",
      "leak ldmval,san 1 ldmval/0_real/1.png,san/0_real/x.png",
      "leak val,san 1 val/0_real/renamed.png,san/0_real/x.png",
    ]);
  }));

Deno.test("images of one size that differ early are told apart without being read whole", () =>
  withRoot(async (root) => {
    for (const [i, path] of ["a/0_real", "a/1_fake", "b/0_real", "b/1_fake"].entries()) {
      const chunks = [["tEXt", Uint8Array.of(i, 0, 0, 0)]] as const;
      const file = pngFile({
        width: 40,
        bits: 8,
        type: "rgb",
        rows: [new Array(120).fill(7)],
        chunks,
      });
      await write(root, { [`${path}/1.png`]: file });
    }
    const stages: string[] = [];
    await examine([set("a", "train", "progan"), set("b")], {
      root,
      cropPx: CROP_PX,
      onProgress: ({ stage }) => stages.push(stage),
    });
    assert(stages.includes("images") && !stages.includes("duplicates"));
  }));

Deno.test("shared images are counted as by comparing every file with every other", () =>
  withRoot(async (root) => {
    const contents = await Promise.all([0, 1, 2].map((seed) => encoded("png", 40, 40, seed)));
    const roles: Record<string, Role> = { a: "train", b: "val", c: "test" };
    let round = 0;
    const file = fc.record({
      set: fc.constantFrom("a", "b", "c"),
      label: fc.constantFrom(0, 1),
      content: fc.nat({ max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(file, { maxLength: 12 }), async (files) => {
        const folder = join(root, `round${round++}`);
        for (const name of Object.keys(roles)) {
          for (const label of ["0_real", "1_fake"]) {
            await Deno.mkdir(join(folder, name, label), { recursive: true });
          }
        }
        for (const [i, { set, label, content }] of files.entries()) {
          const path = `${set}/${label}_${label ? "fake" : "real"}/${i}.png`;
          await Deno.writeFile(join(folder, path), contents[content]!);
        }
        const { duplicates } = await examine(
          Object.entries(roles).map(([name, role]) => set(name, role, "progan")),
          { root: folder, cropPx: CROP_PX },
        );
        for (const [first, second] of ["ab", "ac", "bc"] as const) {
          const expected = files.filter((file) =>
            file.set === second &&
            files.some((other) =>
              other.set === first && other.content === file.content && other.label === file.label
            )
          ).length;
          const counted = duplicates.filter(({ kind, sets: [a, b] }) =>
            kind === "leak" && a === first && b === second
          ).reduce((sum, { count }) => sum + count, 0);
          assert.equal(counted, expected);
        }
      }),
      { numRuns: 30 },
    );
  }));

/** Examines what a data folder holds of a profile. */
async function examineFolder(profile: string, data: string, only: readonly string[] = []) {
  return await examineProfile(await makeSetup(EXPERIMENTS, { profile, data }), {
    only,
    deep: false,
  });
}

Deno.test("every section of the paper needs both backbones, its classes and its test sets", () => {
  const needs = sectionNeeds(EXPERIMENTS.sections, paper);
  const grid = needs.get("grid")!;
  assert.deepEqual([...grid.backbones].sort(), ["ViT-B/32", "ViT-L/14"]);
  assert.equal(grid.sets.size, 2 * 4 + 20);
  assert.equal(grid.tenCropSets.size, 0);
  const synthbuster = needs.get("synthbuster")!;
  assert.equal(synthbuster.sets.size, 2 * 4 + 20 + 2 + 9);
  assert.equal(synthbuster.tenCropSets.size, 9);
  for (const { name: section, paper: of } of EXPERIMENTS.sections) {
    if (of === "ufd") continue;
    for (const name of grid.sets) assert(needs.get(section)!.sets.has(name), section);
  }
  const ufd = needs.get("ufd_classifiers")!;
  assert.deepEqual([...ufd.backbones], ["ViT-L/14"]);
  // all classes, and the test sets without StyleGAN2
  assert.equal(ufd.sets.size, 40 + 19);
  assert.equal(needs.get("ufd_feature_spaces")!.backbones.size, 4);
  assert.equal(profileSets(paper).length, 40 + 2 + 20 + 9);
});

Deno.test("of an empty folder nothing can run, and each missing set is said once with its origin", () =>
  withRoot(async (root) => {
    const report = await examineFolder("paper", root);
    assert.equal(report.canRun, false);
    assert(report.sections.every(({ canRun }) => !canRun));
    assert.equal(report.missing.length, 71);
    const text = formatReport(report);
    for (const { name } of report.missing) assert.match(text, new RegExp(`[ ,]${name}(,|\n)`));
    const said = (words: string) =>
      text.split("\n").filter((line) => line.startsWith(`    ${words}: `))
        .flatMap((line) => line.split(": ")[1]!.split(", ")).sort();
    const missing = (isNeeded: boolean) =>
      report.missing.filter((set) => set.isNeeded === isNeeded).map(({ name }) => name).sort();
    assert.deepEqual(said("needed"), missing(true));
    // RINE is trained on four of ProGAN's 20 classes, UFD on all
    assert.deepEqual(missing(false), []);
    assert.match(text, /CNNDetection[^]*UniversalFakeDetect[^]*Zenodo/);
    for (const name of ["ViT-L-14", "ViT-B-32", "RN50", "ResNet-50", "ViT-B-16"]) {
      assert.match(text, new RegExp(`${name}.model.safetensors, found none`));
    }
  }));

Deno.test("with some sections asked for, only their sets are looked at", () =>
  withRoot(async (root) => {
    const report = await examineFolder("paper", root, ["grid"]);
    assert.equal(report.sets.length, 28);
    assert.deepEqual(report.sections.map(({ name }) => name), ["grid"]);
    assert(report.missing.every(({ isNeeded }) => isNeeded));
  }));

Deno.test("images that cannot be decoded, or are too small for ten crops, keep a section from running", () =>
  withRoot(async (root) => {
    const small = await encoded("png", 40, 40);
    for (const { spec } of profileSets(mini)) {
      for (const source of spec.sources) {
        if ("list" in source) continue;
        const folder = source.directory.replace("*", "discs");
        await write(join(root, "mini"), { [`${folder}/1.png`]: small });
      }
    }
    for (const split of ["train", "valid"]) {
      const folder = `latent_diffusion_trainingset/${split}`;
      await write(join(root, "mini"), {
        [`${folder}/real_lsun.txt`]: "discs_1.png",
        [`${folder}/real_coco.txt`]: "1.png",
      });
    }
    await write(join(root, "mini"), {
      "manifest.json": JSON.stringify({
        kind: "rine-mini",
        ...{ version: 6, seed: 0, scale: 1, files: {} },
      }),
      "coco/train2014/COCO_train2014_1.png": small,
      "train/discs/1_fake/1.png": "not an image",
    });
    const report = await examineFolder("mini", root);
    const problems = new Map(report.sections.map(({ name, problems }) => [name, problems]));
    assert.deepEqual(problems.get("grid"), [
      `needs ${mini.backbones.join(", ")}`,
      "stops at 1 images that cannot be decoded, without --skip-corrupt",
    ]);
    assert.match(problems.get("synthbuster")!.at(-1)!, /^needs 224 px for ten crops in large_/);
    assert.match(formatReport(report), /train_discs: 1 images cannot be decoded, the first train/);
  }));

const ROOT = resolve(import.meta.dirname!, "..");

/** Runs the task as it stands in `deno.json`, with its permissions and no others. */
async function doctor(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "doctor", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("deno task doctor ends with 1 where something asked for cannot run, and with 0 where all can", () =>
  withRoot(async (root) => {
    const nothing = await doctor("--data", root, "--json");
    assert.equal(nothing.code, 1);
    assert.equal(JSON.parse(nothing.out).canRun, false);
    const mini = await doctor("--data", root, "--profile", "mini");
    assert.equal(mini.code, 0, mini.error);
    assert.match(mini.out, /^No mini world in .* yet: `deno task reproduce` makes it/);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(root)), [], "it writes nothing");
  }));

Deno.test("doctor looks at the profile whose images are there", () =>
  withRoot(async (root) => {
    const profileOf = async () => JSON.parse((await doctor("--data", root, "--json")).out).profile;
    assert.equal(await profileOf(), "paper", "where nothing is");
    await Deno.mkdir(join(root, "mini"));
    assert.equal(await profileOf(), "mini");
    await Deno.mkdir(join(root, "test"));
    assert.equal(await profileOf(), "paper", "images that somebody has brought come first");
  }));
