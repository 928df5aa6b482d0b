import assert from "node:assert/strict";
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
      assert.ok(Math.abs(evaluations[h]!.test["ten"]![measure]! - value) < 1e-6, measure);
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
