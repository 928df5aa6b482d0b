import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { UserError } from "../lib/io/errors.ts";
import { exists, writeJson } from "../lib/io/files.ts";
import { type Claim, claim, ClaimLost } from "../lib/io/lock.ts";
import { FeatureRows } from "../lib/tokens/rows.ts";
import {
  featurePaths,
  findFeatures,
  halfWritten,
  keyOfFile,
  removeFeatures,
} from "../lib/tokens/store.ts";
import { readUnreadable } from "../lib/tokens/unreadable.ts";
import { FeatureWriter } from "../lib/tokens/writer.ts";
import { MIXED, newSet, unfinish, writeFeatureSet } from "./feature_sets.ts";
import { temporaryFolder } from "./temporary.ts";

Deno.test("a set killed before or after any of its last steps is whole or is made whole", async () => {
  const folder = temporaryFolder();
  const finished = await writeFeatureSet(folder, MIXED, undefined, [2]);
  const { key, paths } = finished;
  const files = new Map<string, Uint8Array>();
  for (const path of [paths.features, paths.labels, paths.paths, paths.index]) {
    files.set(path, await Deno.readFile(path));
  }
  const steps = [paths.labels, paths.paths, paths.index];
  for (let made = 0; made <= steps.length; made++) {
    await unfinish(finished, 3, files.get(paths.features)!.length);
    for (const path of steps.slice(made)) await Deno.remove(path);
    assert.equal(await findFeatures(folder, key), undefined);
    assert.deepEqual(await readUnreadable(folder, key), [2]);
    await using writer = await FeatureWriter.open(folder, newSet(MIXED), { batchRows: 1 });
    assert.equal(writer.rowsDone, 3);
    await writer.append(Float32Array.from([18, 19, 20, 21, 22, 23]));
    await writer.finish();
    const again = (await findFeatures(folder, key))!;
    assert.deepEqual(again.index.sha256, finished.index.sha256, `after ${made} steps`);
    assert.deepEqual(await Deno.readFile(paths.features), files.get(paths.features));
    assert.deepEqual(again.unreadable, [2]);
  }
  // killed between its name and the end of its progress
  await writeJson(paths.progress, { rows: 1 });
  assert.deepEqual((await findFeatures(folder, key))!.unreadable, [2]);
  assert.deepEqual(await readUnreadable(folder, key), [2]);
});

Deno.test("rows that are not known to be on disk as they were written are made again", async () => {
  const folder = temporaryFolder();
  const set = await writeFeatureSet(folder, MIXED);
  const rowsDone = async (batchRows = 1) => {
    const { paths } = set;
    const file = await Deno.readFile(paths.partial);
    const progress = await Deno.readTextFile(paths.progress);
    const { rowsDone } = await closed(FeatureWriter.open(folder, newSet(MIXED), { batchRows }));
    await Deno.writeFile(paths.partial, file);
    await Deno.writeTextFile(paths.progress, progress);
    return rowsDone;
  };
  const whole = await Deno.readFile(set.path);
  await unfinish(set, 3, whole.length);
  assert.equal(await rowsDone(), 3);
  assert.equal(await rowsDone(2), 2);
  assert.equal(await rowsDone(4), 0);
  // zeros, as a power cut may leave them
  await Deno.writeFile(set.paths.partial, whole.map((byte, i) => i < 150 ? byte : 0));
  assert.equal(await rowsDone(), 0);
  await Deno.writeFile(set.paths.partial, whole);
  assert.equal(await rowsDone(), 3);
  const text = await Deno.readTextFile(set.paths.progress);
  const changed = [
    text.replace('"rows": 3', '"rows": 2'),
    text.replace('"unreadable": []', '"unreadable": [1]'),
  ];
  for (const other of ["", "[", "null", "{}", ...changed]) {
    assert.notEqual(other, text);
    await Deno.writeTextFile(set.paths.progress, other);
    assert.equal(await rowsDone(), 0, other);
  }
});

/** What a writer says, once it is closed. */
async function closed(opening: Promise<FeatureWriter>): Promise<{ rowsDone: number }> {
  await using writer = await opening;
  return { rowsDone: writer.rowsDone };
}

Deno.test("rows of another version or device are not gone on with", async () => {
  const folder = temporaryFolder();
  const set = await writeFeatureSet(folder, MIXED);
  const whole = await Deno.readFile(set.path);
  await unfinish(set, 3, whole.length);
  const other = { ...newSet(MIXED), device: "cuda" };
  assert.equal((await closed(FeatureWriter.open(folder, other, { batchRows: 1 }))).rowsDone, 0);
});

Deno.test("a writer that is closed early keeps what it has", async () => {
  const folder = temporaryFolder();
  const set = newSet(MIXED);
  {
    await using writer = await FeatureWriter.open(folder, set, { batchRows: 1 });
    await writer.append(Float32Array.from({ length: 12 }, (_, i) => i), [1]);
  }
  await using writer = await FeatureWriter.open(folder, set, { batchRows: 1 });
  assert.equal(writer.rowsDone, 2);
  assert.deepEqual(writer.unreadable, [1]);
  await removeFeatures(folder, set.key);
  assert.deepEqual([...Deno.readDirSync(folder)], []);
});

Deno.test("of images with ten crops only whole batches are kept, and what cannot be decoded of them alone", async () => {
  const folder = temporaryFolder();
  const transform = { kind: "ten", size: 8 } as const;
  const images = Array.from({ length: 4 }, (_, i) => ({ path: `${i}.png`, label: 0 as const }));
  const set = newSet({ name: "ten", shape: [40, 2, 3], images, source: { transform } });
  {
    await using writer = await FeatureWriter.open(folder, set, { batchRows: 20 });
    await writer.append(new Float32Array(20 * 6), [1]);
    await writer.append(new Float32Array(10 * 6), [2]);
  }
  await using writer = await FeatureWriter.open(folder, set, { batchRows: 20 });
  assert.equal(writer.rowsDone, 20);
  assert.deepEqual(writer.unreadable, [1]);
});

Deno.test("rows are put on disk for good as often as asked for", async () => {
  const folder = temporaryFolder();
  const set = newSet(MIXED);
  const options = { batchRows: 1, saveIntervalMs: 0 };
  await using writer = await FeatureWriter.open(folder, set, options);
  await writer.append(new Float32Array(6));
  await writer.append(new Float32Array(6));
  // as a killed process leaves them, seen by another
  const copy = temporaryFolder();
  for await (const { name } of Deno.readDir(folder)) {
    await Deno.copyFile(join(folder, name), join(copy, name));
  }
  assert.equal((await closed(FeatureWriter.open(copy, set, { batchRows: 1 }))).rowsDone, 2);
});

Deno.test("features that are no numbers in float16 are refused, and name image and backbone", async () => {
  const folder = temporaryFolder();
  await using writer = await FeatureWriter.open(folder, newSet(MIXED), { batchRows: 1 });
  const values = new Float32Array(12);
  for (const bad of [NaN, Infinity, 70_000]) {
    values[8] = bad;
    await assert.rejects(writer.append(values), {
      name: "UserError",
      message: /^Cannot keep the features of a\/1\.png: expected float16 numbers from Tiny/,
    });
  }
  await writer.append(values, [1]);
  assert.deepEqual(writer.unreadable, [1]);
});

Deno.test("a row that holds what is no number is named by its file", async () => {
  const folder = temporaryFolder();
  const first = await writeFeatureSet(folder, MIXED);
  const second = await writeFeatureSet(folder, { ...MIXED, name: "second" }, undefined, [0]);
  using rows = await FeatureRows.open(folder, [first.key, second.key]);
  assert.equal(rows.count, 7);
  assert.equal(rows.notFinite(), undefined);
  rows[Symbol.dispose]();
  const bytes = await Deno.readFile(second.path);
  new DataView(bytes.buffer).setUint16(128 + 2 * (2 * 6 + 1), 0x7e00, true);
  await Deno.writeFile(second.path, bytes);
  using damaged = await FeatureRows.open(folder, [first.key, second.key]);
  assert.equal(
    damaged.notFinite(),
    `${second.path} holds what is no number in row 2; delete it to have the set made again`,
  );
});

Deno.test("what the disk refuses names the file", async () => {
  const folder = temporaryFolder();
  const set = newSet(MIXED);
  const partial = join(folder, `${set.key}.npy.partial`);
  await Deno.mkdir(partial);
  await assert.rejects(FeatureWriter.open(folder, set, { batchRows: 1 }), (error: Error) => {
    assert(error instanceof UserError && error.kind === "disk", String(error));
    assert(error.message.startsWith(`Cannot write ${partial}: `), error.message);
    return true;
  });
});

Deno.test("a set has its name only when all that belongs beside it is there", async () => {
  for (const name of ["labels", "paths", "index"] as const) {
    const folder = temporaryFolder();
    const set = newSet(MIXED);
    const paths = featurePaths(folder, set.key);
    await using writer = await FeatureWriter.open(folder, set, { batchRows: 1 });
    await writer.append(new Float32Array(24));
    await Deno.mkdir(paths[name]);
    await assert.rejects(writer.finish(), (error: Error) => {
      assert(error instanceof UserError && error.kind === "disk", String(error));
      assert(error.message.startsWith(`Cannot write ${paths[name]}: `), error.message);
      return true;
    });
    assert.equal(await findFeatures(folder, set.key), undefined);
    assert.equal(await exists(paths.features), false, name);
  }
});

Deno.test("what is left of a set is no set while it is written again", async () => {
  const folder = temporaryFolder();
  const { key, paths } = await writeFeatureSet(folder, MIXED);
  const labels = await Deno.readFile(paths.labels);
  await Deno.remove(paths.labels);
  await using _ = await FeatureWriter.open(folder, newSet(MIXED), { batchRows: 1 });
  // the new set's labels come before its features
  await Deno.writeFile(paths.labels, labels);
  assert.equal(await findFeatures(folder, key), undefined);
});

Deno.test("half-written files are known by the set that they are of, and others are left alone", async () => {
  const folder = temporaryFolder();
  const { key } = newSet(MIXED);
  const tmp = `${crypto.randomUUID()}.tmp`;
  for (const name of [`${key}.json.${tmp}`, `${key}.paths.txt.${tmp}`, `mine.${tmp}`, "mine.npy"]) {
    await Deno.writeTextFile(join(folder, name), "");
  }
  const found = await halfWritten(folder);
  assert.deepEqual([...found.keys()], [key]);
  assert.equal(found.get(key)!.length, 2);
  for (const ending of ["npy", "npy.partial", "labels.npy", "paths.txt", "json", "lock"]) {
    assert.equal(keyOfFile(`${key}.${ending}`), key);
  }
  for (const name of ["mine.npy", `${key}.txt`, `${key}x.npy`, "0.npy"]) {
    assert.equal(keyOfFile(name), undefined);
  }
});

Deno.test("one claims work, others pass it by or wait, and nobody finds it claimed when it is done", async () => {
  const path = join(temporaryFolder(), "0123456789abcdef.lock");
  const first = (await claim(path, false))!;
  assert.equal(await claim(path, false), undefined);
  const told = Promise.withResolvers<void>();
  const waiting = claim(path, true, told.resolve);
  await told.promise;
  await first[Symbol.asyncDispose]();
  // a third and the one who waited come at the same time: one of them has it
  const third = await claim(path, false);
  let hasWaited = false;
  const second = waiting.then((claimed) => {
    hasWaited = true;
    return claimed!;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(hasWaited, third === undefined);
  await third?.[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  assert.deepEqual(Array.from(Deno.readDirSync(dirname(path))), []);
});

/** A claim as it is where its process was not heard from, and another has taken it over. */
function claimOf(holds: { isHeld: boolean }, mayHaveAnother: boolean): Claim {
  return {
    mayHaveAnother,
    get isLost() {
      return !holds.isHeld;
    },
    isHeld: () => Promise.resolve(holds.isHeld),
    assertHeld: () => holds.isHeld ? Promise.resolve() : Promise.reject(new ClaimLost()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("what a process writes after it was thought dead changes nothing of who has gone on", async () => {
  const rows = Array.from(
    { length: 4 },
    (_, row) => Float32Array.from({ length: 6 }, (_, i) => 6 * row + i),
  );
  const whole = await writeFeatureSet(temporaryFolder(), MIXED);
  const expected = await Deno.readFile(whole.path);
  // whether it hears of it in time, or at no time
  for (const hears of [true, false]) {
    const folder = temporaryFolder(),
      { key, paths } = { ...whole, paths: featurePaths(folder, whole.key) };
    const holds = { isHeld: true };
    const options = { batchRows: 1, saveIntervalMs: 0 };
    const first = await FeatureWriter.open(folder, newSet(MIXED), {
      ...options,
      claim: claimOf(holds, false),
    });
    await first.append(rows[0]!);
    await first.append(rows[1]!);
    // suspended here, and taken over
    await using second = await FeatureWriter.open(folder, newSet(MIXED), {
      ...options,
      claim: claimOf({ isHeld: true }, true),
    });
    assert.equal(second.rowsDone, 2);
    await second.append(rows[2]!);
    if (hears) holds.isHeld = false;
    // on another device the last bits are others
    const other = rows[2]!.map((value) => value + 1);
    if (hears) await assert.rejects(first.append(other), ClaimLost);
    else await first.append(other);
    if (!hears) await first.append(rows[3]!);
    await assert.rejects(first.finish(), ClaimLost);
    await first[Symbol.asyncDispose]();
    assert.equal(await exists(paths.features), false);
    await second.append(rows[3]!);
    await second.finish();
    assert.deepEqual(await Deno.readFile(paths.features), expected);
    const set = (await findFeatures(folder, key))!;
    assert.deepEqual(set.index.sha256, whole.index.sha256);
    assert.equal(Array.from(Deno.readDirSync(folder)).length, 4);
  }
});
