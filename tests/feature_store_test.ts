import assert from "node:assert/strict";
import { basename, join } from "node:path";
import fc from "fast-check";
import { UserError } from "../lib/io/errors.ts";
import { writeJson } from "../lib/io/files.ts";
import { madeOf, VERSIONS } from "../lib/tokens/made.ts";
import { encodePath, readPaths } from "../lib/tokens/paths.ts";
import { FeatureReader, MemoryBudget } from "../lib/tokens/reader.ts";
import { FeatureRows } from "../lib/tokens/rows.ts";
import { type FeatureSet, findFeatures } from "../lib/tokens/store.ts";
import { verifyFeatures } from "../lib/tokens/verify.ts";
import { FeatureWriter } from "../lib/tokens/writer.ts";
import { randomStream } from "../lib/random.ts";
import { MIXED, newSet, SMALL, writeFeatureSet } from "./feature_sets.ts";
import { temporaryFolder } from "./temporary.ts";

Deno.test("a set on disk has the documented bytes", async () => {
  const folder = temporaryFolder();
  const { key, paths } = await writeFeatureSet(folder, MIXED);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const endings = [".json", ".labels.npy", ".npy", ".paths.txt"];
  assert.deepEqual(names, endings.map((ending) => key + ending));
  assert.equal(await Deno.readTextFile(paths.paths), "a/0.png\na/1.png\nb/0.png\nb/1.png\n");
  const labels = await Deno.readFile(paths.labels);
  assert.equal(labels.length, 128 + 4);
  const header = String.fromCharCode(...labels.subarray(0, 128));
  assert.equal(
    header.trimEnd(),
    "\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }",
  );
  assert.deepEqual([...labels.subarray(128)], [0, 0, 1, 1]);
  const features = await Deno.readFile(paths.features);
  const values = new Float16Array(features.slice(128).buffer);
  assert.deepEqual([...values], Array.from({ length: 24 }, (_, i) => i));
});

Deno.test("NumPy reads features and labels, and Python the paths", async () => {
  const folder = temporaryFolder();
  const images = ["plain.png", '"quoted".png', "new\nline\u2028\u0085.png", "ä 图.png"]
    .map((path, i) => ({ path, label: i % 2 as 0 | 1 }));
  const { path } = await writeFeatureSet(folder, { ...SMALL, images });
  const code = `
import json, sys
try: import numpy as np
except ImportError: sys.exit(3)
stem = sys.argv[1]
x, y = np.load(stem + ".npy", mmap_mode="r"), np.load(stem + ".labels.npy")
lines = open(stem + ".paths.txt", encoding="utf-8", newline="\\n").read().splitlines()
paths = [json.loads(l) if l[0] == '"' else l for l in lines]
print(json.dumps([str(x.dtype), list(x.shape), float(x[3, 1, 2]), str(y.dtype), y.tolist(), paths]))`;
  const run = await new Deno.Command("python3", {
    args: ["-c", code, path.slice(0, -".npy".length)],
    env: { PYTHONIOENCODING: "utf-8" },
  }).output().catch(() => undefined);
  if (!run || run.code === 3) return console.log("no NumPy: not tried");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(run.stdout)), [
    "float16",
    [4, 2, 3],
    23,
    "uint8",
    [0, 1, 0, 1],
    images.map(({ path }) => path),
  ]);
});

Deno.test("any paths come back as they were, one a line", async () => {
  assert.equal(encodePath("a b/ä\\n.png"), "a b/ä\\n.png");
  assert.equal(encodePath('a"b.png'), 'a"b.png');
  assert.equal(encodePath('"b.png'), '"\\"b.png"');
  assert.equal(encodePath("a\tb\u0085"), '"a\\tb\\u0085"');
  assert.equal(encodePath("\ud800"), '"\\ud800"');
  const folder = temporaryFolder();
  const path = fc.string({
    unit: fc.oneof(fc.constantFrom(...'"\\\n\r\t\0\u2028\ufeff'), fc.string()),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(path, { minLength: 4, maxLength: 4 }), async (paths) => {
      const images = paths.map((path) => ({ path, label: 0 as const }));
      const set = await writeFeatureSet(folder, { ...SMALL, images });
      assert.deepEqual(await readPaths(set), paths);
    }),
    { numRuns: 30 },
  );
});

Deno.test("a flipped bit in any file of a set is noticed, and the file is named", async () => {
  const folder = temporaryFolder();
  const { key, paths } = await writeFeatureSet(folder, MIXED);
  assert.deepEqual(await verifyFeatures((await findFeatures(folder, key))!), []);
  const random = randomStream("bits");
  for (const path of [paths.features, paths.labels, paths.paths, paths.index]) {
    const whole = await Deno.readFile(path);
    for (let i = 0; i < 60; i++) {
      const bit = random.integer(whole.length * 8);
      const damaged = whole.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await Deno.writeFile(path, damaged);
      let problems: string[];
      try {
        problems = await verifyFeatures((await findFeatures(folder, key))!);
      } catch (error) {
        assert(error instanceof UserError, `bit ${bit} of ${basename(path)}: ${error}`);
        problems = [error.message];
      }
      assert.equal(problems.length, 1, `bit ${bit} of ${basename(path)}`);
      assert(problems[0]!.includes(`${path}:`), problems[0]!);
      assert.match(problems[0]!, /; delete it to have the set made again$/);
      assert.doesNotMatch(problems[0]!, /\p{Cc}/u);
    }
    await Deno.writeFile(path, whole);
  }
});

Deno.test("a set of which any file is deleted is no set", async () => {
  const folder = temporaryFolder();
  for (const name of ["features", "labels", "paths", "index"] as const) {
    const { key, paths } = await writeFeatureSet(folder, MIXED);
    await Deno.remove(paths[name]);
    assert.equal(await findFeatures(folder, key), undefined, name);
  }
});

Deno.test("what is not a set's is refused in one line that names the file", async () => {
  const folder = temporaryFolder();
  const set = await writeFeatureSet(folder, MIXED);
  const other = await writeFeatureSet(folder, { name: "other", shape: [4, 2, 3] });
  const longer = await writeFeatureSet(folder, { name: "longer", shape: [5, 2, 3] });
  const { key, paths } = set;
  const whole = await Deno.readFile(paths.index);
  const refused = async (expected: RegExp) => {
    await assert.rejects(findFeatures(folder, key), (error: Error) => {
      assert(error instanceof UserError && error.kind === "damaged");
      assert.match(error.message, expected);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  };
  await Deno.copyFile(other.paths.index, paths.index);
  await refused(new RegExp(`${key}\\.json: expected the index of .* found that of ${other.key};`));
  // what an earlier version wrote
  const { source, shape } = set.index;
  await writeJson(paths.index, { source, shape, cropsPerImage: 1, images: MIXED.images });
  await refused(/\.json: .* found that of an earlier version of this program; delete it/);
  for (const text of ["{}", "null", "[", "", "5", '{"kind": "rine-features"}']) {
    await Deno.writeTextFile(paths.index, text);
    await refused(/\.json: expected the index of feature set/);
  }
  await Deno.writeFile(paths.index, whole);
  for (const name of ["features", "labels"] as const) {
    const own = await Deno.readFile(paths[name]);
    await Deno.copyFile(longer.paths[name], paths[name]);
    await refused(/npy: expected shape \[4.* as its index says, found \[5.*; delete it/);
    await Deno.writeFile(paths[name], own);
    await Deno.remove(paths[name]);
    await Deno.mkdir(paths[name]);
    await refused(/npy: expected a whole \w+ \.npy file, found no regular file; delete it/);
    await Deno.remove(paths[name]);
    await Deno.writeFile(paths[name], own);
  }
  assert.equal((await findFeatures(folder, key))?.key, key);
});

Deno.test("labels other than 0 and 1 are not taken", async () => {
  const folder = temporaryFolder();
  const { key, paths } = await writeFeatureSet(folder, MIXED);
  const labels = await Deno.readFile(paths.labels);
  labels[129] = 2;
  await Deno.writeFile(paths.labels, labels);
  await assert.rejects(FeatureRows.open(folder, [key]), {
    name: "UserError",
    message: `Cannot read ${paths.labels}: expected 4 labels of 0 and 1, found 2 at 1; ` +
      "delete it to have the set made again",
  });
});

Deno.test("what made sets is summed up by device and versions", () => {
  const set = (date: string, device: string, rine: string) => ({
    index: { made: { date, device, versions: { rine, deno: "2" } } },
  });
  assert.deepEqual(
    madeOf([
      set("2026-03-01", "cpu", "0.2.0"),
      set("2026-01-01", "cuda", "0.2.0"),
      set("2026-02-01", "cpu", "0.2.0"),
      set("2026-04-01", "cpu", "0.3.0"),
    ]),
    [
      {
        from: "2026-01-01",
        to: "2026-01-01",
        sets: 1,
        device: "cuda",
        versions: { rine: "0.2.0", deno: "2" },
      },
      {
        from: "2026-02-01",
        to: "2026-03-01",
        sets: 2,
        device: "cpu",
        versions: { rine: "0.2.0", deno: "2" },
      },
      {
        from: "2026-04-01",
        to: "2026-04-01",
        sets: 1,
        device: "cpu",
        versions: { rine: "0.3.0", deno: "2" },
      },
    ],
  );
  assert.match(VERSIONS.rine, /^\d+\.\d+\.\d+$/);
  assert.match(VERSIONS.libvips, /^\d+\.\d+/);
});

Deno.test("a share of a set is drawn by its first image's path, as if unreadable ones were not there", async () => {
  const folder = temporaryFolder();
  const shape = [6, 1, 1] as const;
  const images = Array.from({ length: 6 }, (_, i) => ({ path: `f/${i}.png`, label: 0 as const }));
  const { key } = await writeFeatureSet(folder, { name: "share", shape, images }, undefined, [1]);
  using rows = await FeatureRows.open(folder, [key], { fraction: .5, seed: 4 });
  const { tokens } = rows.batches(6).next().value!;
  const order = randomStream(4, "fraction", "f/0.png").permutation(5);
  assert.deepEqual([...tokens], [...order.subarray(0, 3)].map((place) => [0, 2, 3, 4, 5][place]));
});

Deno.test("a set of a million images is written, found and read by its labels, without its paths", async () => {
  const folder = temporaryFolder();
  const COUNT = 1_000_000;
  const images = Array.from({ length: COUNT }, (_, i) => ({
    path: `train/class/${i % 7}/${i}.png`,
    label: (i % 3 === 0 ? 1 : 0) as 0 | 1,
  }));
  const values = Float32Array.from({ length: COUNT }, (_, i) => i % 1000);
  const set = await writeFeatureSet(
    folder,
    { name: "million", shape: [COUNT, 1, 1], images },
    values,
  );
  assert((await Deno.stat(set.paths.index)).size < 2000);
  // who trains does not open the paths
  await Deno.writeTextFile(set.paths.paths, "");
  using rows = await FeatureRows.open(folder, [set.key]);
  assert.equal(rows.count, COUNT);
  let row = 0, right = 0;
  for (const { tokens, labels, count } of rows.batches(4096)) {
    for (let i = 0; i < count; i++, row++) {
      if (tokens[i] === row % 1000 && labels[i] === (row % 3 === 0 ? 1 : 0)) right++;
    }
  }
  assert.equal(right, COUNT);
});

/** Number of files that this process has open; Deno itself reads /proc with all permissions only. */
function openFiles(): number {
  const { stdout } = new Deno.Command("ls", { args: [`/proc/${Deno.pid}/fd`] }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("\n").length;
}

Deno.test({
  name: "files are closed where a set turns out damaged or missing",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = temporaryFolder();
    const whole = await writeFeatureSet(folder, SMALL);
    const cut = await writeFeatureSet(folder, { ...SMALL, name: "cut" });
    await Deno.truncate(cut.path, (await Deno.stat(cut.path)).size - 1);
    const refused = newSet({ ...SMALL, name: "refused" });
    await Deno.mkdir(join(folder, `${refused.key}.npy.partial`));
    const longer: FeatureSet = { ...whole, index: { ...whole.index, shape: [40, 2, 3] } };
    const budget = new MemoryBudget(1000);
    const before = openFiles(), times = 20;
    assert(before > 3, `${before}`);
    for (let i = 0; i < times; i++) {
      await assert.rejects(FeatureRows.open(folder, [whole.key, cut.key]), UserError);
      await assert.rejects(FeatureRows.open(folder, [whole.key, "none"]), UserError);
      await assert.rejects(FeatureReader.open(cut), UserError);
      await assert.rejects(FeatureReader.open(longer, budget), /it ends too early$/);
      await assert.rejects(FeatureWriter.open(folder, refused, { batchRows: 1 }), UserError);
    }
    assert(openFiles() < before + times);
    using rows = await FeatureRows.open(folder, [whole.key, whole.key]);
    assert.equal(rows.count, 8);
    assert.equal(budget.take(1000), 1000, "what could not be read takes no memory");
  },
});

Deno.test("sets that are open at once share the memory for rows, and read the same without any", async () => {
  const folder = temporaryFolder();
  const set = await writeFeatureSet(folder, SMALL);
  const bytes = 4 * 6 * 2;
  const budget = new MemoryBudget(2 * bytes - 1);
  /** Whether a reader has the rows, or reads them where they no longer are. */
  const isResident = async (reader: FeatureReader) => {
    const row = new Float32Array(6);
    reader.copyRow(2, row, 0);
    assert.deepEqual([...row], [12, 13, 14, 15, 16, 17]);
    const content = await Deno.readFile(set.path);
    await Deno.writeFile(set.path, new Uint8Array(content.length));
    reader.copyRow(2, row, 0);
    await Deno.writeFile(set.path, content);
    return row[0] === 12;
  };
  const first = await FeatureReader.open(set, budget);
  {
    using second = await FeatureReader.open(set, budget);
    assert.deepEqual([await isResident(first), await isResident(second)], [true, false]);
  }
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.throws(() => first.copyRow(0, new Float32Array(6), 0), /found it closed$/);
  using third = await FeatureReader.open(set, budget);
  using fourth = await FeatureReader.open(set, budget);
  assert.deepEqual([await isResident(third), await isResident(fourth)], [true, false]);
});
