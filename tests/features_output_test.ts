import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import sharp from "sharp";
import { writeFeatures } from "../lib/cli/features.ts";
import { placeFeatures } from "../lib/cli/features_output.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

/** A folder of images of one colour, of a size of its own for each. */
async function pictures(...names: string[]): Promise<string> {
  const folder = temporaryFolder("pictures_");
  for (const [i, name] of names.entries()) {
    const background = { r: 90 * i, g: 9, b: 9 };
    await sharp({ create: { width: 40 + i, height: 40, channels: 3, background } })
      .png().toFile(join(folder, name));
  }
  return folder;
}

/** Writes tokens of a small backbone; returns what is said at the end. */
async function features(images: string, out: string, batch?: number): Promise<string> {
  const { error } = console;
  console.error = () => {};
  try {
    return await writeFeatures({
      ...{ images, out, backbone: join(GOLDENS, "clip_hf.safetensors"), backbones: "none" },
      ...{ transform: "center", device: "cpu", precision: "full", skipCorrupt: false },
      ...(batch === undefined ? {} : { batch }),
    });
  } finally {
    console.error = error;
  }
}

const hash = (path: string) => createHash("sha256").update(Deno.readFileSync(path)).digest("hex");

/** Makes sure that the two files are there, whole, of one run, and nothing else of it. */
function assertPair(out: string, images: readonly string[]): void {
  const description = JSON.parse(Deno.readTextFileSync(`${out}.json`));
  assert.deepEqual(description.images, images);
  assert.equal(description.shape[0], images.length);
  assert.match(description.key, /^[0-9a-f]{16}$/);
  assert.equal(description.sha256, hash(out));
  assert.throws(() => Deno.statSync(`${out}.unfinished`), Deno.errors.NotFound);
}

const two = await pictures("a.png", "b.png");
const three = await pictures("a.png", "b.png", "c.png");

Deno.test("features are described in a file of the tokens' name, and no other file is touched", async () => {
  const folder = temporaryFolder(), out = join(folder, "photos.npy");
  const own = join(folder, "photos.json");
  await Deno.writeTextFile(own, "labels of mine");
  assert.match(await features(two, out), /photos\.npy: float16 \[2, \d+, \d+\] of 2 images$/);
  assertPair(out, ["a.png", "b.png"]);
  assert.equal(await Deno.readTextFile(own), "labels of mine");
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  assert.deepEqual(names, ["photos.json", "photos.npy", "photos.npy.json"]);
});

Deno.test("features replace what they wrote, and are found where nothing has changed", async () => {
  const out = join(temporaryFolder(), "photos.npy");
  await features(two, out);
  await features(three, out);
  assertPair(out, ["a.png", "b.png", "c.png"]);
  const { mtime } = await Deno.stat(out), before = hash(out);
  await features(three, out);
  assert.deepEqual((await Deno.stat(out)).mtime, mtime);
  assert.equal(hash(out), before);
});

Deno.test("features hang on how many images go through at once by their last digits, their name not", async () => {
  const folder = temporaryFolder();
  const made = [];
  for (const batch of [1, 2, undefined]) {
    const out = join(folder, `${batch}.npy`);
    await features(three, out, batch);
    const { key, shape } = JSON.parse(await Deno.readTextFile(`${out}.json`));
    const bytes = await Deno.readFile(out), count = shape[0] * shape[1] * shape[2];
    made.push({ key, values: new Float16Array(bytes.buffer.slice(bytes.length - 2 * count)) });
  }
  for (const { key, values } of made) {
    assert.equal(key, made[0]!.key);
    const most = Math.max(...made[0]!.values.map((value, i) => Math.abs(value - values[i]!)));
    assert.ok(most <= 2e-3, `${most} apart`);
  }
  assert.ok(new Set(made[0]!.values).size > 20);
});

Deno.test("features refuse, in one line, to replace a file of another origin", async () => {
  const folder = temporaryFolder(), out = join(folder, "photos.npy");
  const refuses = async (found: string) => {
    const before = [...Deno.readDirSync(folder)].map((
      { name },
    ) => [name, hash(join(folder, name))]);
    await assert.rejects(features(two, out), {
      name: "UserError",
      message: `Cannot write ${out}: expected no file there but what this command wrote, found ` +
        `${found}; choose another --out, or move that file`,
    });
    const after = [...Deno.readDirSync(folder)].map(({ name }) => [name, hash(join(folder, name))]);
    assert.deepEqual(after, before);
  };
  await Deno.writeTextFile(out, "tokens of mine");
  await refuses(out);
  await Deno.remove(out);
  for (const text of ["{}", "[]", "not JSON", '{"kind": "other", "key": "", "shape": []}']) {
    await Deno.writeTextFile(`${out}.json`, text);
    await refuses(`${out}.json`);
  }
  await Deno.remove(`${out}.json`);
  await features(three, out);
  await Deno.writeTextFile(out, "tokens of mine, put beside a description of theirs");
  await refuses(out);
});

Deno.test("a file that has come there while features were made is not replaced", async () => {
  const folder = temporaryFolder(), out = join(folder, "photos.npy");
  await features(two, out);
  const { kind: _kind, sha256: _sha256, ...description } = JSON.parse(
    await Deno.readTextFile(`${out}.json`),
  );
  const made = join(folder, "made.npy");
  await Deno.rename(out, made);
  await Deno.writeTextFile(out, "tokens of mine");
  await assert.rejects(
    placeFeatures(out, made, description),
    /expected no file there but what this/,
  );
  assert.equal(await Deno.readTextFile(out), "tokens of mine");
});

/** Stops a call at its n-th change of a name in the folder it writes to; returns whether there was one. */
async function stopAtChange(n: number, images: string, out: string): Promise<boolean> {
  const { rename, remove } = Deno;
  let changes = 0, isStopped = false;
  const guarded = <A extends unknown[]>(change: (...args: A) => Promise<void>) => (...args: A) => {
    const isInside = `${args.at(-1)}`.startsWith(join(`${out}.unfinished`, "/"));
    // a killed process cleans nothing up
    if (isStopped || !isInside && changes++ === n) {
      isStopped = true;
      return Promise.reject(new Error("killed"));
    }
    return change(...args);
  };
  Deno.rename = guarded(rename);
  Deno.remove = guarded(remove);
  try {
    await features(images, out).catch(() => {});
  } finally {
    Object.assign(Deno, { rename, remove });
  }
  return isStopped;
}

Deno.test("features killed anywhere leave no two files of different runs, and end the same when called again", async () => {
  const before = join(temporaryFolder(), "photos.npy");
  await features(two, before);
  let stops = 0, apart = 0;
  while (true) {
    const out = join(temporaryFolder(), "photos.npy");
    for (const end of ["", ".json"]) await Deno.copyFile(before + end, out + end);
    if (!await stopAtChange(stops, three, out)) break;
    stops++;
    const names = [...Deno.readDirSync(join(out, ".."))].map(({ name }) => name);
    if (names.includes("photos.npy")) {
      assert.equal(JSON.parse(Deno.readTextFileSync(`${out}.json`)).sha256, hash(out));
    } else apart++;
    await features(three, out);
    assertPair(out, ["a.png", "b.png", "c.png"]);
  }
  assert.ok(stops >= 4, `${stops} changes`);
  assert.ok(apart > 0, "never stopped between the two files");
});

Deno.test("of several calls at once for one file, each ends well", async () => {
  const out = join(temporaryFolder(), "photos.npy");
  const said = await Promise.all([two, three, two, two].map((images) => features(images, out)));
  for (const line of said) assert.match(line, /float16/);
  const { images } = JSON.parse(Deno.readTextFileSync(`${out}.json`));
  assertPair(out, images);
});
