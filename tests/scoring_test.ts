import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { evaluateScores } from "../lib/metrics.ts";
import {
  BLOCKS,
  logitsOf,
  lookAt,
  PROJECTION_DIM,
  readRows,
  score,
  trainTogether,
  writeTokens,
} from "./small_training.ts";
import { temporaryFolder } from "./temporary.ts";

const CROPS = 10;
const folder = temporaryFolder("tokens_"), results = temporaryFolder("results_");

await writeTokens(folder, "train", { labels: [0, 1, 0, 1, 1, 0, 0, 1] });
await writeTokens(folder, "real", { labels: [0, 0, 0], cropsPerImage: CROPS, from: 100 });
await writeTokens(folder, "generated", { labels: [1, 1, 1, 1], cropsPerImage: CROPS, from: 200 });
/** As `real` and `generated`, without some images. */
await writeTokens(folder, "fewer real", {
  ...{ labels: [0, 0, 0], cropsPerImage: CROPS, from: 100 },
  unreadable: [1],
});
await writeTokens(folder, "fewer generated", {
  ...{ labels: [1, 1, 1, 1], cropsPerImage: CROPS, from: 200 },
  unreadable: [0, 3],
});
await writeTokens(folder, "single", { labels: [0, 1, 1, 0, 1, 0, 0], from: 300 });
await writeTokens(folder, "mixed", { labels: [0, 1, 1], cropsPerImage: CROPS, from: 400 });
const TEN = ["real", "generated"], FEWER = ["fewer real", "fewer generated"];

const trained = await trainTogether(
  [{ epochs: 2, learningRate: .3 }, { epochs: 2, contrastiveWeight: .1 }],
  { folder, train: [["train"], ["train"]], val: ["train"] },
  results,
);
const heads = [trained[0]!.head(1), trained[0]!.head(2), trained[1]!.head(2)];

const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Scores of images from a head's logits on rows, `CROPS` of them an image. */
async function scoresByHand(head: string, keys: readonly string[]): Promise<number[]> {
  const logits = [...await logitsOf(head, await readRows(folder, keys))];
  return Array.from(
    { length: logits.length / CROPS },
    (_, image) => sigmoid(mean(logits.slice(image * CROPS, (image + 1) * CROPS))),
  );
}

function assertAllClose(found: Iterable<number>, expected: readonly number[]): void {
  const list = [...found];
  assert.equal(list.length, expected.length);
  list.forEach((value, i) =>
    assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${list} ${expected}`)
  );
}

Deno.test("the score of an image with ten crops is the sigmoid of their mean logit, for every head", async () => {
  const { scores } = await score(heads, folder, { ten: TEN }, results);
  for (const [h, head] of heads.entries()) {
    assertAllClose(scores[h]!.get("ten")!, await scoresByHand(head, TEN));
  }
  const [a, b] = [0, 1].map((h) => [...scores[h]!.get("ten")!]);
  assert.notDeepEqual(a, b);
});

Deno.test("the mean of logits is not the mean of scores, nor one crop's", async () => {
  const logits = [...await logitsOf(heads[1]!, await readRows(folder, TEN))].slice(0, CROPS);
  const [right] = await scoresByHand(heads[1]!, TEN);
  assert.ok(Math.abs(mean(logits.map(sigmoid)) - right!) > 1e-5);
  assert.ok(Math.abs(sigmoid(logits[0]!) - right!) > 1e-3);
});

Deno.test("an image with ten crops counts once, with its own label", async () => {
  const { labels: mixed } = await readRows(folder, ["mixed"]);
  assert.deepEqual(mixed, [0, 1, 1].flatMap((label) => Array(CROPS).fill(label)));
  const { evaluations } = await score(heads, folder, { ten: TEN }, results);
  for (const [h, head] of heads.entries()) {
    const labels = Uint8Array.of(0, 0, 0, 1, 1, 1, 1);
    const expected = evaluateScores(labels, await scoresByHand(head, TEN));
    for (const [measure, value] of Object.entries(expected)) {
      assert.ok(Math.abs(evaluations[h]!.test["ten"]![measure]! - value!) < 1e-6, measure);
    }
  }
});

Deno.test("ten-crop rows are those of images that can be decoded, and all others as ever", async () => {
  const rows = await readRows(folder, FEWER);
  const rowsOf = (from: number, image: number) =>
    Array.from({ length: CROPS }, (_, crop) => from + image * CROPS + crop);
  const expected = [[100, 0], [100, 2], [200, 1], [200, 2]] as const;
  assert.deepEqual(rows.names, expected.flatMap(([from, image]) => rowsOf(from, image)));
  assert.deepEqual(rows.labels, expected.flatMap(([from]) => Array(CROPS).fill(from / 100 - 1)));
  const { scores } = await score(heads, folder, { fewer: FEWER, all: TEN }, results);
  for (const [h] of heads.entries()) {
    const all = [...scores[h]!.get("all")!];
    assertAllClose(scores[h]!.get("fewer")!, [0, 2, 4, 5].map((image) => all[image]!));
  }
});

Deno.test("several sets at once are scored as each alone", async () => {
  const sets = { ten: TEN, single: ["single"], fewer: FEWER };
  const { evaluations, scores } = await score(heads, folder, sets, results);
  assert.deepEqual(
    evaluations.map(({ test }) => Object.keys(test)),
    heads.map(() => Object.keys(sets)),
  );
  for (const [name, keys] of Object.entries(sets)) {
    const alone = await score(heads, folder, { [name]: keys }, results);
    for (const h of heads.keys()) {
      assert.deepEqual(scores[h]!.get(name), alone.scores[h]!.get(name));
      assert.deepEqual(evaluations[h]!.test[name], alone.evaluations[h]!.test[name]);
    }
  }
  const logits = [...await logitsOf(heads[2]!, await readRows(folder, ["single"]))];
  assertAllClose(scores[2]!.get("single")!, logits.map(sigmoid));
});

Deno.test("intervals stand beside ACC and AP where they are asked for, and are each set's own", async () => {
  const RESAMPLES = 50;
  const { evaluations: [without] } = await score(heads, folder, { ten: TEN }, results);
  assert.equal("accLow" in without!.test["ten"]!, false);
  const sets = { ten: TEN, again: TEN };
  const { evaluations, scores } = await score(heads, folder, sets, results, RESAMPLES);
  for (const [h, { test }] of evaluations.entries()) {
    for (const name of Object.keys(sets)) {
      const expected = evaluateScores(
        Uint8Array.of(0, 0, 0, 1, 1, 1, 1),
        scores[h]!.get(name)!,
        { resamples: RESAMPLES, key: [name] },
      );
      assert.deepEqual(test[name], expected);
      assert.ok("apHigh" in expected);
    }
  }
});

Deno.test("each head has the importance of its own blocks: how many features weigh it most", async () => {
  const { evaluations } = await score(heads, folder, { ten: TEN }, results);
  for (const [h, head] of heads.entries()) {
    const { alpha } = await lookAt(head);
    const counts = Array<number>(BLOCKS).fill(0);
    for (let feature = 0; feature < PROJECTION_DIM; feature++) {
      const weights = counts.map((_, block) => alpha[block * PROJECTION_DIM + feature]!);
      counts[weights.indexOf(Math.max(...weights))]! += 1;
    }
    assert.deepEqual(evaluations[h]!.blockImportance, counts);
    assert.equal(evaluations[h]!.checkpoint, head.slice(results.length + 1));
    assert.equal(evaluations[h]!.epoch, Number(/epoch(\d)/.exec(head)![1]));
  }
  assert.notDeepEqual(evaluations[0]!.blockImportance, evaluations[2]!.blockImportance);
});

/** The heads in a results folder of their own, where nothing has been scored. */
async function untried(): Promise<{ heads: readonly string[]; results: string }> {
  const results = temporaryFolder("untried_");
  await Deno.mkdir(join(results, "heads"));
  const copies = heads.map((head) => join(results, "heads", basename(head)));
  for (const [h, head] of heads.entries()) await Deno.copyFile(head, copies[h]!);
  return { heads: copies, results };
}

/** The score files of a head: tensors, and what a file written again would have otherwise. */
async function scoreFiles(results: string, head: string) {
  const folder = join(results, "scores", basename(head, ".safetensors"));
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  return new Map(
    await Promise.all(names.map(async (name) => {
      const path = join(folder, name);
      const { tensors } = await readSafetensors(path);
      const { mtime, ino } = await Deno.stat(path);
      return [path, {
        keys: [...tensors.keys()],
        bytes: await Deno.readFile(path),
        mtime,
        ino,
      }] as const;
    })),
  );
}

Deno.test("a further set costs its own scores alone: one more file with one tensor for each head", async () => {
  const { heads, results } = await untried();
  const sets = { ten: TEN, single: ["single"] };
  const first = await score(heads, folder, sets, results);
  const before = await Promise.all(heads.map((head) => scoreFiles(results, head)));
  const { evaluations, scores } = await score(
    heads,
    folder,
    { ...sets, mixed: ["mixed"] },
    results,
  );
  for (const [h, head] of heads.entries()) {
    const after = await scoreFiles(results, head);
    assert.deepEqual([before[h]!.size, after.size], [1, 2]);
    for (const [path, file] of before[h]!) assert.deepEqual(after.get(path), file);
    const [added] = [...after].filter(([path]) => !before[h]!.has(path));
    assert.deepEqual(added![1].keys, [evaluations[h]!.sets["mixed"]]);
    for (const name of Object.keys(sets)) {
      assert.deepEqual(evaluations[h]!.test[name], first.evaluations[h]!.test[name]);
    }
    assertAllClose(scores[h]!.get("mixed")!, await scoresByHand(head, ["mixed"]));
  }
});

Deno.test("those who try a head on different sets at once lose no scores", async () => {
  const { heads, results } = await untried();
  const sets = { ten: TEN, single: ["single"], mixed: ["mixed"] };
  await Promise.all(
    Object.entries(sets).map(([name, keys]) => score(heads, folder, { [name]: keys }, results)),
  );
  const before = await Promise.all(heads.map((head) => scoreFiles(results, head)));
  const { evaluations } = await score(heads, folder, sets, results);
  for (const [h, head] of heads.entries()) {
    const after = await scoreFiles(results, head);
    assert.deepEqual(after, before[h], "something was scored again");
    assert.deepEqual(
      [...after.values()].flatMap(({ keys }) => keys).sort(),
      Object.values(evaluations[h]!.sets).sort(),
    );
  }
});

Deno.test("scores whose file is damaged, another head's or of fewer images are made again", async () => {
  const { heads, results } = await untried();
  const { scores } = await score(heads, folder, { ten: TEN }, results);
  const [[path, { bytes, keys: [key] }]] = await scoreFiles(results, heads[0]!) as unknown as [
    [string, { bytes: Uint8Array<ArrayBuffer>; keys: [string] }],
  ];
  const [[other]] = await scoreFiles(results, heads[2]!) as unknown as [[string]];
  const { metadata } = await readSafetensors(path);
  const damages: [string, () => Promise<void>][] = [
    ["cut off", () => Deno.writeFile(path, bytes.subarray(0, -2))],
    ["no scores", () => Deno.writeTextFile(path, "no scores")],
    ["another head's", () => Deno.copyFile(other, path)],
    [
      "of fewer images",
      () => writeSafetensors(path, [[key, { data: Float32Array.of(.5), shape: [1] }]], metadata),
    ],
  ];
  for (const [what, damage] of damages) {
    await damage();
    const again = await score(heads, folder, { ten: TEN }, results);
    assert.deepEqual(again.scores, scores, what);
    assert.deepEqual(await Deno.readFile(path), bytes, what);
  }
});

Deno.test("rows are told of once for each head, scored now or before", async () => {
  const { heads, results } = await untried();
  const rows = 3 * CROPS;
  const of = async (some: readonly string[]) =>
    (await score(some, folder, { mixed: ["mixed"] }, results)).rows;
  assert.equal(await of(heads.slice(0, 1)), rows);
  assert.equal(await of(heads), heads.length * rows);
  assert.equal(await of(heads), heads.length * rows);
});
