import assert from "node:assert/strict";
import { NEIGHBOURS } from "../lib/detectors/ufd/neighbours_head.ts";
import { UFD_RECIPE } from "../lib/detectors/ufd/probe_head.ts";
import { type Changes, EVALUATION, leaveOut, type Names, namesOf, TRAINING } from "./small_plan.ts";
import { temporaryFolder } from "./temporary.ts";

const root = temporaryFolder("keys_");

/** What a change is held to name anew; all else keeps its name. */
type Renamed = readonly (keyof Names)[];

const RECORD: Renamed = ["record"];
const HEAD: Renamed = ["record", "head"];
const LEARNED: Renamed = ["record", "head", "train"];
const TRAINED: Renamed = ["record", "head", "train", "val"];
const TRIED: Renamed = ["record", "scores", "test"];
const ALL: Renamed = ["record", "head", "train", "val", "scores", "test"];

async function assertRenames(change: Changes, renamed: Renamed, base: Changes = {}): Promise<void> {
  const merged: Changes = {
    ...base,
    ...change,
    evaluation: { ...base.evaluation, ...change.evaluation },
  };
  const [before, after] = [await namesOf(root, base), await namesOf(root, merged)];
  assertRenamed(before, after, renamed, JSON.stringify(change));
}

function assertRenamed(before: Names, after: Names, renamed: Renamed, change: string): void {
  const names = Object.keys(before) as (keyof Names)[];
  const differing = names.filter((name) => `${before[name]}` !== `${after[name]}`);
  assert.deepEqual(differing, names.filter((name) => renamed.includes(name)), change);
}

const training: Record<Exclude<keyof typeof TRAINING, "detector">, readonly [Changes, Renamed]> = {
  trainingSet: [{ training: { trainingSet: "other" } }, HEAD],
  classes: [{ training: { classes: ["dog", "cat"] } }, TRAINED],
  fraction: [{ training: { fraction: .6 } }, HEAD],
  backbone: [{ training: { backbone: "Other" } }, HEAD],
  head: [{ training: { head: { ...TRAINING.head, contrastiveWeight: .3 } } }, HEAD],
  batchSize: [{ training: { batchSize: 5 } }, HEAD],
  learningRate: [{ training: { learningRate: 2e-3 } }, HEAD],
  epochs: [{ training: { epochs: 4 }, evaluation: { atEpochs: [1, 4] } }, LEARNED],
  decayEpochs: [{ training: { decayEpochs: [3] } }, HEAD],
  seed: [{ training: { seed: 1 } }, LEARNED],
};

for (const [field, [change, renamed]] of Object.entries(training)) {
  Deno.test(
    `another ${field} of a training is another head${
      renamed.includes("train") ? "" : " on the same tokens"
    }`,
    () => assertRenames(change, renamed),
  );
}

Deno.test("every field of a detector's own is another head on the same tokens", async () => {
  for (
    const change of [
      { contrastiveWeight: .3 },
      { projectionLayers: 2 },
      { projectionDim: 9 },
      { variant: "no contrastive loss" },
    ]
  ) await assertRenames({ training: { head: { ...TRAINING.head, ...change } } }, HEAD);
});

Deno.test("the order of a configuration's fields names nothing", async () => {
  const { head, ...rest } = TRAINING;
  const turned = Object.fromEntries(Object.entries(head).reverse()) as typeof head;
  await assertRenames({ training: { head: turned } }, []);
  const { record } = await namesOf(root);
  const whole = Object.fromEntries(Object.entries({ head, ...rest }).reverse());
  assert.equal((await namesOf(root, { training: whole })).record, record);
});

Deno.test("a detector or a head of a detector that there is none of is refused by name", async () => {
  await assert.rejects(
    namesOf(root, { training: { detector: "none" } }),
    /one of rine, ufd_probe, ufd_neighbours, ufd_block_neighbours; found none/,
  );
  const head = { ...TRAINING.head, dropout: .5 };
  await assert.rejects(namesOf(root, { training: { head } }), /found dropout/);
});

Deno.test("fewer classes are another head on fewer tokens", async () => {
  await assertRenames({ training: { classes: ["cat"] } }, TRAINED);
});

Deno.test("where a head is tried names the record and leaves the head its name", async () => {
  const changes: Record<keyof typeof EVALUATION, readonly [Changes, Renamed]> = {
    testSets: [{ evaluation: { testSets: ["a"] } }, TRIED],
    view: [{ evaluation: { view: "blur" } }, TRIED],
    draw: [{ evaluation: { draw: 1 } }, RECORD],
    atEpochs: [{ evaluation: { atEpochs: [2, 3] } }, RECORD],
    bootstrap: [{ evaluation: { bootstrap: 11 } }, RECORD],
    sample: [{ evaluation: { sample: { most: 5, fewer: 2, seed: 0 } } }, RECORD],
  };
  for (const [change, renamed] of Object.values(changes)) await assertRenames(change, renamed);
  await assertRenames({ evaluation: { testSets: ["b", "a"] } }, TRIED);
  await assertRenames({ evaluation: { view: "ten" } }, TRIED);
  await assertRenames({ evaluation: { view: "noise" } }, TRIED, { evaluation: { view: "blur" } });
});

Deno.test("another engine trains other heads on the same tokens", () =>
  assertRenames({ engine: "tensorflow" }, HEAD));

Deno.test("weights, tap and precision of a backbone name all tokens", async () => {
  for (const backbone of [{ weights: "4567 float32" }, { tap: "block" }, { precision: "int8" }]) {
    await assertRenames({ backbone }, ALL);
  }
});

Deno.test("the seed of a head names what is drawn for it: augmented and perturbed images", async () => {
  const change: Changes = { training: { seed: 1 } };
  await assertRenames(change, LEARNED, { evaluation: { view: "ten" } });
  await assertRenames(change, [...LEARNED, "scores", "test"], { evaluation: { view: "noise" } });
  // the world's own seed then names nothing
  await assertRenames({ seed: 1 }, [], { evaluation: { view: "noise" } });
});

Deno.test("where heads share one draw, the world's seed names it and a head's own the head alone", async () => {
  const noise: Changes = { draws: 1, evaluation: { view: "noise" } };
  await assertRenames({ training: { seed: 1 } }, HEAD, noise);
  await assertRenames({ seed: 1 }, LEARNED, { draws: 1, evaluation: { view: "ten" } });
  await assertRenames({ seed: 1 }, [...LEARNED, "scores", "test"], noise);
  // the first of several draws is the shared one
  await assertRenames({ draws: 1 }, [], { evaluation: { view: "noise" } });
});

Deno.test("another draw of a view is other perturbed images for the same head", async () => {
  await assertRenames({ evaluation: { draw: 1 } }, TRIED, { evaluation: { view: "noise" } });
});

Deno.test("every field of the augmentation names the tokens that are learned from", async () => {
  for (
    const augmentation of [
      { protocol: "paper" },
      { blurProbability: .4 },
      { blurSigmaPx: [0, 2] },
      { jpegProbability: .4 },
      { jpegQualities: [30, 99] },
      { flipProbability: .4 },
    ] as const
  ) await assertRenames({ augmentation }, LEARNED);
});

Deno.test("neighbours are learned from plain images, with the tokens of a test of the same images", async () => {
  const base: Changes = {
    training: { detector: "ufd_neighbours", head: NEIGHBOURS, epochs: 1, decayEpochs: [] },
    evaluation: { testSets: ["a"], atEpochs: [1] },
    sources: { a: [{ label: 0, directory: "train_cat/0_real" }] },
    backbone: { tap: "embedding" },
  };
  const augmentation = { jpegQualities: [30, 99], flipProbability: .4 } as const;
  await assertRenames({ augmentation }, [], base);
  await assertRenames({ augmentations: 1, seed: 1, draws: 1 }, [], base);
  const { train: [train], test } = await namesOf(root, base);
  assert.equal(train!.split(",")[0], (JSON.parse(test) as { a: string[] }).a[0]);
  const probe = { ...base.training, detector: "ufd_probe", head: UFD_RECIPE };
  await assertRenames({ augmentation }, LEARNED, { ...base, training: probe });
});

Deno.test("every field of a perturbation names the tokens of the images that are tried", async () => {
  const base: Changes = { evaluation: { view: "blur" } };
  for (
    const perturbing of [{ protocol: "paper" }, { probability: .4 }, { resizePx: 17 }] as const
  ) await assertRenames({ perturbing }, TRIED, base);
});

Deno.test("path, label and size of an image name its tokens", async () => {
  const sources = (real: string, generated: string) =>
    [{ label: 0, directory: real }, { label: 1, directory: generated }] as const;
  const swapped = sources("a/1_fake", "a/0_real");
  await assertRenames({ sources: { a: swapped } }, TRIED);
  await assertRenames({ sources: { train_cat: swapped } }, LEARNED);
  await assertRenames({ sources: { val_cat: swapped } }, [...HEAD, "val"]);
  const relabelled = [{ label: 1, directory: "a/0_real" }, {
    label: 0,
    directory: "a/1_fake",
  }] as const;
  await assertRenames({ sources: { a: relabelled } }, TRIED);
  await assertRenames({ files: { "a/0_real/1.png": "longer" } }, TRIED);
  await assertRenames({ files: { "train_dog/1_fake/2.png": "longer" } }, LEARNED);
});

Deno.test("the same images of the other label have other tokens", async () => {
  const of = async (label: 0 | 1) => {
    const sources = { a: [{ label, directory: "a/0_real" }] };
    const { test } = await namesOf(root, { sources, evaluation: { testSets: ["a"] } });
    return test;
  };
  assert.notEqual(await of(0), await of(1));
});

Deno.test("augmentations come round again after as many epochs as there are", async () => {
  const rounds = async (augmentations: number) => {
    const { train } = await namesOf(root, {
      training: { epochs: 5 },
      evaluation: { atEpochs: [5] },
      augmentations,
    });
    return train.map((epoch) => 1 + train.indexOf(epoch));
  };
  assert.deepEqual(await rounds(1), [1, 1, 1, 1, 1]);
  assert.deepEqual(await rounds(2), [1, 2, 1, 2, 1]);
  assert.deepEqual(await rounds(3), [1, 2, 3, 1, 2]);
  assert.deepEqual(await rounds(9), [1, 2, 3, 4, 5]);
});

Deno.test("validation has the tokens that a test of the same images on centre crops has", async () => {
  const same = { sources: { a: [{ label: 0, directory: "val_cat/0_real" }] } } as const;
  const one = { ...same, training: { classes: ["cat"] }, evaluation: { testSets: ["a"] } };
  const { val, test } = await namesOf(root, one);
  assert.equal(val.split(",")[0], (JSON.parse(test) as { a: string[] }).a[0]);
  const ten = await namesOf(root, { ...one, evaluation: { testSets: ["a"], view: "ten" } });
  assert.equal(ten.val, val);
});

Deno.test("images that are left out name the head that lacks them, and the record that is tried without", async () => {
  const before = await namesOf(root);
  const tried = (JSON.parse(before.test) as Record<string, string[]>)["b"]!;
  const found: Names[] = [];
  for (
    const [keys, renamed] of [
      [before.train[0]!.split(","), HEAD],
      [before.val.split(","), HEAD],
      [tried, ["record", "scores"]],
    ] as const
  ) {
    const folder = temporaryFolder("left_out_");
    assert.deepEqual(await namesOf(folder), before, "names hang on where the folder lies");
    for (const positions of [[0], [1]]) {
      await leaveOut(folder, keys.at(-1)!, positions);
      const after = await namesOf(folder);
      assertRenamed(before, after, renamed, `${renamed} without ${positions}`);
      found.push(after);
    }
  }
  assert.equal(new Set(found.map(({ record }) => record)).size, found.length);
});
