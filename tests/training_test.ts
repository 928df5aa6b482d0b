import assert from "node:assert/strict";
import { VARIANTS } from "../lib/detectors/rine/head.ts";
import {
  CONFIG,
  logitsOf,
  lookAt,
  readRows,
  type Step,
  type Trained,
  trainTogether,
  writeTokens,
} from "./small_training.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("tokens_");
/** Rows of one epoch's two sets: 10 and 7. */
const COUNTS = [10, 7] as const;
const COUNT = COUNTS[0] + COUNTS[1];
/** Steps of an epoch. */
const STEPS = Math.ceil(COUNT / CONFIG.batchSize);
/** What the rows of the second augmentation are named from. */
const SECOND = 40;
const SOURCE = { backbone: "Tiny", weights: "0123 float32", tap: "block", precision: "int8" };

const alternating = (count: number) => Array.from({ length: count }, (_, i) => (i % 2) as 0 | 1);
for (const [augmentation, from] of [["first", 0], ["second", SECOND]] as const) {
  await writeTokens(folder, `${augmentation}0`, {
    labels: alternating(COUNTS[0]),
    from,
    images: "part0",
  });
  await writeTokens(folder, `${augmentation}1`, {
    labels: alternating(COUNTS[1]),
    from: from + COUNTS[0],
    images: "part1",
  });
}
await writeTokens(folder, "val0", { labels: [0, 1, 1], from: 80, source: SOURCE });
await writeTokens(folder, "val1", { labels: [1, 0], from: 83, source: SOURCE });
const first = ["first0", "first1"], second = ["second0", "second1"], val = ["val0", "val1"];
const ONE = { folder, train: [first], val };
const FOUR = { folder, train: [first, second, first, second], val };

const inEpochs = (steps: readonly Step[]) =>
  Array.from({ length: steps.length / STEPS }, (_, e) => steps.slice(e * STEPS, (e + 1) * STEPS));
const rowsOf = (steps: readonly Step[]) => steps.flatMap(({ rows }) => rows);
const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);

function assertClose(found: number, expected: number, tolerance: number, what = ""): void {
  assert.ok(Math.abs(found - expected) <= tolerance, `${what} ${found} where ${expected} is right`);
}

for (const engine of ["onnx", "tensorflow"] as const) {
  Deno.test(`${engine}: the learning rate falls tenfold at the start of each decay epoch, in steps and log`, async () => {
    const changes = { epochs: 4, decayEpochs: [2, 4], learningRate: .02 };
    const results = temporaryFolder("decay_");
    const [head] = await trainTogether([changes], FOUR, results, engine);
    const expected = [.02, .002, .002, .0002];
    assert.equal(head!.steps.length, 4 * STEPS);
    inEpochs(head!.steps).forEach((steps, e) => {
      for (const { rate } of steps) assertClose(rate, expected[e]!, 1e-12, `epoch ${e + 1}`);
      assertClose(head!.epochs[e]!.learningRate, expected[e]!, 1e-12);
      assert.equal(head!.epochs[e]!.epoch, e + 1);
    });
  });
}

Deno.test("each variant has its architecture and its loss, and only one trains without contrast", async () => {
  const heads = await trainTogether(
    VARIANTS.map((variant) => ({ variant, contrastiveWeight: .7 })),
    ONE,
    temporaryFolder("variants_"),
  );
  const found = heads.map(({ options: { architecture, contrastiveWeight, dropout } }, v) => [
    VARIANTS[v],
    architecture.ablation,
    contrastiveWeight,
    dropout,
  ]);
  assert.deepEqual(found, [
    ["full", "none", .7, true],
    ["no contrastive loss", "none", 0, true],
    ["no TIE", "tie", .7, true],
    ["no intermediate", "intermediate", .7, true],
  ]);
  for (const [v, head] of heads.entries()) {
    const { architecture } = await lookAt(head.head(1));
    assert.equal(architecture.ablation, found[v]![1]);
  }
  const losses = heads.map(({ steps }) => steps[0]!.loss);
  assert.equal(new Set(losses).size, VARIANTS.length, `${losses}`);
  const [without] = await trainTogether(
    [{ contrastiveWeight: 0 }],
    ONE,
    temporaryFolder("without_"),
  );
  assert.deepEqual(heads[1]!.steps, without!.steps, "it is the head of ξ = 0");
});

Deno.test("validation loss and accuracy are those of the kept head's own logits", async () => {
  const many = [...val, "first1", ...second];
  const [head] = await trainTogether(
    [{ epochs: 4, learningRate: .05, projectionDim: 16 }],
    { ...FOUR, val: many },
    temporaryFolder("validation_"),
  );
  const rows = await readRows(folder, many);
  assert.deepEqual(rows.names.slice(0, 6), [80, 81, 82, 83, 84, COUNTS[0]]);
  let near = 0;
  for (const { epoch, valLoss, valAcc } of head!.epochs) {
    const logits = [...await logitsOf(head!.head(epoch), rows)];
    const right = logits.filter((logit, i) =>
      (1 / (1 + Math.exp(-logit)) > .5) === !!rows.labels[i]
    );
    const losses = logits.map((logit, i) =>
      -Math.log(1 / (1 + Math.exp(rows.labels[i] === 1 ? -logit : logit)))
    );
    assertClose(valLoss, losses.reduce((sum, loss) => sum + loss) / losses.length, 1e-6);
    assert.equal(valAcc, right.length / logits.length);
    near += logits.filter((logit) => logit > 0 && logit < .5).length;
  }
  assert.ok(near > 0, "logits show where the threshold is");
});

Deno.test("training loss is the mean over an epoch's batches, and begins anew with each epoch", async () => {
  const [head] = await trainTogether([{ epochs: 4 }], FOUR, temporaryFolder("loss_"));
  inEpochs(head!.steps).forEach((steps, e) => {
    const mean = steps.reduce((sum, { loss }) => sum + loss, 0) / STEPS;
    assertClose(head!.epochs[e]!.trainLoss, mean, 1e-9, `epoch ${e + 1}`);
  });
});

Deno.test("an epoch takes every image once, the last batch is what is left, and labels are theirs", async () => {
  const [head] = await trainTogether([{}], ONE, temporaryFolder("batches_"));
  const { steps } = head!;
  assert.deepEqual(steps.map(({ rows }) => rows.length), [4, 4, 4, 4, 1]);
  assert.deepEqual(sorted(rowsOf(steps)), Array.from({ length: COUNT }, (_, i) => i));
  for (const { rows, labels } of steps) {
    const expected = rows.map((row) => (row < COUNTS[0] ? row : row - COUNTS[0]) % 2);
    assert.deepEqual(labels, expected);
  }
});

Deno.test("the order of images is another in every epoch and of every seed", async () => {
  const same = { folder, train: [first, first, first], val };
  const orders: string[] = [];
  for (const seed of [0, 1]) {
    const [head] = await trainTogether(
      [{ epochs: 3, seed }],
      same,
      temporaryFolder("order_"),
    );
    orders.push(...inEpochs(head!.steps).map((steps) => rowsOf(steps).join()));
  }
  assert.equal(new Set(orders).size, 6);
  assert.ok(!orders.includes(Array.from({ length: COUNT }, (_, i) => i).join()));
});

Deno.test("each epoch reads its own augmentation", async () => {
  const [head] = await trainTogether([{ epochs: 4 }], FOUR, temporaryFolder("epochs_"));
  inEpochs(head!.steps).forEach((steps, e) => {
    const from = e % 2 === 0 ? 0 : SECOND;
    assert.deepEqual(sorted(rowsOf(steps)), Array.from({ length: COUNT }, (_, i) => from + i));
  });
});

Deno.test("heads trained together are those trained alone", async () => {
  const changes = [
    { epochs: 4, decayEpochs: [2] },
    { epochs: 4, projectionDim: 5, contrastiveWeight: .1 },
    { epochs: 4, learningRate: 1e-3, variant: "no TIE" as const },
  ];
  const together = await trainTogether(changes, FOUR, temporaryFolder("together_"));
  for (const [h, change] of changes.entries()) {
    const [alone] = await trainTogether([change], FOUR, temporaryFolder("alone_"));
    assert.deepEqual(together[h]!.steps, alone!.steps);
    assert.deepEqual(together[h]!.epochs, alone!.epochs);
  }
});

Deno.test("parameters, order and dropout are of the seed", async () => {
  const [zero, again, one] = await Promise.all(
    [0, 0, 1].map(async (seed) =>
      (await trainTogether([{ seed }], ONE, temporaryFolder("seed_")))[0]!
    ),
  );
  assert.deepEqual(again!.steps, zero!.steps);
  const alphaOf = ({ options }: Trained) => options.state.parameters.get("alpha")!.data;
  assert.notDeepEqual(alphaOf(one!), alphaOf(zero!));
  assert.notDeepEqual(one!.options.dropoutKey, zero!.options.dropoutKey);
  assert.deepEqual(again!.options.dropoutKey, zero!.options.dropoutKey);
});

Deno.test("a share of the images is drawn from each set by the seed, and a larger one holds the smaller", async () => {
  const drawn = async (fraction: number, seed: number, keys = first) =>
    (await readRows(folder, keys, fraction, seed)).names;
  const counts = [.1, .3, .5, .8, 1].map((share) =>
    COUNTS.map((count) => Math.round(count * share)).reduce((a, b) => a + b)
  );
  for (const seed of [0, 1]) {
    let smaller: readonly number[] = [];
    for (const [i, share] of [.1, .3, .5, .8, 1].entries()) {
      const larger = await drawn(share, seed);
      assert.equal(larger.length, counts[i]);
      assert.ok(smaller.every((row) => larger.includes(row)), `${smaller} in ${larger}`);
      assert.equal(larger.filter((row) => row < COUNTS[0]).length, Math.round(COUNTS[0] * share));
      smaller = larger;
    }
  }
  const [zero, one] = [await drawn(.5, 0), await drawn(.5, 1)];
  assert.notDeepEqual(sorted(one), sorted(zero));
  assert.notDeepEqual(sorted(zero), Array.from(zero, (_, i) => i));
});

Deno.test("a training on a share reads the same images in every epoch, those of its seed", async () => {
  const both = { folder, train: [first, second], val };
  const images = await Promise.all([0, 1].map(async (seed) => {
    const change = { epochs: 2, fraction: .5, seed };
    const [head] = await trainTogether([change], both, temporaryFolder("share_"));
    const half = head!.steps.length / 2;
    const [a, b] = [head!.steps.slice(0, half), head!.steps.slice(half)].map(rowsOf);
    assert.deepEqual(sorted(a!), sorted(b!).map((row) => row - SECOND));
    assert.deepEqual(sorted(a!), sorted((await readRows(folder, first, .5, seed)).names));
    return sorted(a!).join();
  }));
  assert.notEqual(images[0], images[1]);
});

Deno.test("a head says how it was trained, what of, and on the tokens of which weights", async () => {
  const [head] = await trainTogether([{ epochs: 4 }], FOUR, temporaryFolder("says_"));
  for (const epoch of [1, 4]) {
    const { metadata } = await lookAt(head!.head(epoch));
    assert.deepEqual(JSON.parse(metadata["features"]!), SOURCE);
    assert.deepEqual(JSON.parse(metadata["config"]!), { ...CONFIG, epochs: 4 });
    const { epochs } = JSON.parse(metadata["training"]!);
    assert.deepEqual(epochs, head!.epochs.slice(0, epoch));
  }
});

Deno.test("of a head that a later epoch's last step made no numbers, that step is named", async () => {
  const spoilt = temporaryFolder("spoilt_");
  await assert.rejects(
    trainTogether([{ epochs: 4 }], FOUR, spoilt, "onnx", 2 * STEPS),
    { message: /its loss is NaN at step 10, in epoch 2; try a lower learning rate$/ },
  );
});
