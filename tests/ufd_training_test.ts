import assert from "node:assert/strict";
import { join } from "node:path";
import { convertCheckpoint, describeCheckpoint } from "../lib/cli/checkpoint.ts";
import { checkpointFacts } from "../lib/detectors/checkpoint_file.ts";
import {
  checkpointPath,
  type EpochLog,
  type HeadConfig,
  statePath,
  type TrainingConfig,
} from "../lib/detectors/detector.ts";
import { detectorNamed, detectorOf } from "../lib/detectors/index.ts";
import { NEIGHBOURS } from "../lib/detectors/ufd/neighbours_head.ts";
import { loadLinearProbe, probeLogits } from "../lib/detectors/ufd/probe.ts";
import { UFD_RECIPE } from "../lib/detectors/ufd/probe_head.ts";
import { openDetector } from "../lib/detectors/verdict.ts";
import { exists } from "../lib/io/files.ts";
import { readPytorchFile, writePytorchFile } from "../lib/io/pytorch_file.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { tensor } from "../lib/io/tensor.ts";
import { randomStream } from "../lib/random.ts";
import type { RunConfig } from "../lib/runs/config.ts";
import { rowsOf, type RunRecord } from "../lib/runs/record.ts";
import { FeatureRows } from "../lib/tokens/rows.ts";
import { commandLine } from "./command_line.ts";
import { writeFeatureSet } from "./feature_sets.ts";
import { executeSmall, makeSmallWorld, SMALL_BACKBONE, smallProfile } from "./small_world.ts";
import { noiseImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const WIDTH = 8, folder = temporaryFolder("ufd_features_");
const random = randomStream("ufd");

/** Writes features of real and generated images, which differ a little; gives the set's key. */
async function writeSet(name: string, labels: readonly (0 | 1)[]): Promise<string> {
  const values = Float32Array.from(
    { length: labels.length * WIDTH },
    (_, i) => random.normal() + (i % WIDTH === 0 ? labels[Math.floor(i / WIDTH)]! : 0),
  );
  const images = labels.map((label, i) => ({ path: `${name}${i}.png`, label }));
  const shape = [labels.length, 1, WIDTH] as const;
  const source = { tap: "embedding" };
  return (await writeFeatureSet(folder, { name, shape, images, source }, values)).key;
}

const mixed = (count: number) =>
  Array.from({ length: count }, (_, i) => Number(i % 3 > 0) as 0 | 1);
const sets = [await writeSet("a", mixed(40)), await writeSet("b", mixed(23))];
const val = [await writeSet("val", mixed(30))];

const TRAINING: Omit<TrainingConfig, "detector" | "head"> = {
  trainingSet: "own",
  classes: ["thing"],
  fraction: 1,
  backbone: "Tiny",
  batchSize: 8,
  learningRate: .01,
  epochs: 6,
  decayEpochs: [],
  seed: 3,
};

/** Trains heads of a detector that differ in what their configuration's `head` says. */
async function train(
  detector: string,
  heads: readonly HeadConfig[],
  results: string,
  { keep = [6], onRows = () => {}, ...changes }:
    & Partial<TrainingConfig>
    & { keep?: readonly number[]; onRows?: () => void } = {},
) {
  const config = { ...TRAINING, detector, ...changes };
  return await detectorNamed(detector).train!(
    heads.map((head, h) => ({ key: `head${h}`, config: { ...config, head }, keepEpochs: keep })),
    { folder, train: Array.from({ length: config.epochs }, () => sets), val },
    { compute: { engine: "onnx", threads: 1 }, folder: results, onRows, saveIntervalMs: 0 },
  );
}

const bytes = (results: string, head: number, epoch: number) =>
  readSafetensors(join(results, checkpointPath(`head${head}`, epoch)));

const epochsOf = ([trained]: Awaited<ReturnType<typeof train>>): readonly EpochLog[] => {
  assert.ok(trained && "epochs" in trained);
  return trained.epochs;
};

Deno.test("a probe's steps are those of the recipe on the seed's order, worked out by hand", async () => {
  const results = temporaryFolder("probe_");
  const [first] = epochsOf(
    await train("ufd_probe", [UFD_RECIPE], results, { epochs: 1, keep: [1] }),
  );
  const rows: { x: Float32Array; label: number }[] = [];
  for (const key of sets) {
    const { data } = await npy(key);
    const labels = mixed(data.length / WIDTH);
    labels.forEach((label, i) => rows.push({ x: data.slice(i * WIDTH, (i + 1) * WIDTH), label }));
  }
  const start = randomStream(TRAINING.seed, "parameters");
  const p = Array.from({ length: WIDTH }, () => .02 * start.normal());
  p.push(start.uniform(-1 / Math.sqrt(WIDTH), 1 / Math.sqrt(WIDTH)));
  const m = p.map(() => 0), v = p.map(() => 0), losses: number[] = [];
  const order = randomStream(TRAINING.seed, "order", 1).permutation(rows.length);
  for (let at = 0, t = 1; at < rows.length; at += 8, t++) {
    const batch = Array.from(order.subarray(at, at + 8), (row) => rows[row]!);
    const gradient = p.map(() => 0);
    let loss = 0;
    for (const { x, label } of batch) {
      const inputs = [...x, 1];
      const logit = inputs.reduce((sum, value, i) => sum + value * p[i]!, 0);
      const chance = 1 / (1 + Math.exp(-logit));
      loss -= Math.log(label === 1 ? chance : 1 - chance) / batch.length;
      inputs.forEach((value, i) => gradient[i]! += (chance - label) * value / batch.length);
    }
    losses.push(loss);
    gradient.forEach((g, i) => {
      m[i] = .9 * m[i]! + .1 * g;
      v[i] = .999 * v[i]! + .001 * g * g;
      p[i]! -= .01 * (m[i]! / (1 - .9 ** t)) / (Math.sqrt(v[i]! / (1 - .999 ** t)) + 1e-8);
    });
  }
  const { tensors } = await bytes(results, 0, 1);
  [...tensors.get("weight")!.data, ...tensors.get("bias")!.data]
    .forEach((found, i) => assert.ok(Math.abs(found - p[i]!) < 1e-5, `${i}: ${found} ${p[i]}`));
  const mean = losses.reduce((sum, loss) => sum + loss) / losses.length;
  assert.ok(Math.abs(first!.trainLoss - mean) < 1e-5);
});

/** The values of a set's file. */
async function npy(key: string): Promise<{ data: Float32Array }> {
  const file = await Deno.readFile(join(folder, `${key}.npy`));
  return { data: Float32Array.from(new Float16Array(file.slice(128).buffer)) };
}

Deno.test("an interrupted probe ends with the bytes of an uninterrupted one, alone or beside others", async () => {
  const heads = [UFD_RECIPE, { ...UFD_RECIPE, weightDecay: .1, keep: "best" as const }];
  const whole = temporaryFolder("whole_"), broken = temporaryFolder("broken_");
  const alone = temporaryFolder("alone_");
  const keep = [2, 6];
  await train("ufd_probe", heads, whole, { keep });
  let rows = 0;
  await assert.rejects(
    train("ufd_probe", heads, broken, {
      keep,
      onRows: () => {
        if (++rows === 53) throw new Error("killed");
      },
    }),
    /killed/,
  );
  assert.ok(await exists(join(broken, statePath("head0"))));
  const state = join(broken, statePath("head0"));
  const saved = await Deno.readFile(state);
  const { tensors, metadata } = await readSafetensors(state);
  const { phase: _, ...journal } = JSON.parse(metadata["journal"]!);
  for (
    const [other, says] of [
      [
        { journal: JSON.stringify(journal) },
        /journal in .*: expected a value at phase, found none; delete/,
      ],
      [{ journal: "{}" }, /journal in .*: expected a value at epochs, found none; delete/],
      [{ journal: "[" }, /journal in .*: expected JSON, found .*; delete/],
      [{ steps: "many" }, /steps in .*: expected .*number, found .*; delete/],
    ] as const
  ) {
    await writeSafetensors(state, tensors, { ...metadata, ...other });
    await assert.rejects(train("ufd_probe", heads, broken, { keep }), says);
  }
  await Deno.writeFile(state, saved);
  const before = rows;
  await train("ufd_probe", heads, broken, { keep, onRows: () => rows++ });
  // 8 steps an epoch, 6 epochs, 2 heads: what was made is not made again, but for one step at most
  assert.ok(rows - before <= 2 * 48 - 50, `${rows - before} steps`);
  await train("ufd_probe", heads.slice(1), alone, { keep });
  for (const epoch of keep) {
    const [a, b] = [await bytes(whole, 0, epoch), await bytes(whole, 1, epoch)];
    assert.notDeepEqual(a.tensors, b.tensors);
    assert.deepEqual((await bytes(broken, 0, epoch)).tensors, a.tensors);
    assert.deepEqual((await bytes(broken, 1, epoch)).tensors, b.tensors);
    assert.deepEqual((await bytes(alone, 0, epoch)).tensors, b.tensors);
  }
  assert.ok(!await exists(join(broken, statePath("head0"))));
});

Deno.test("a probe that stops is kept for every later epoch, with the rates of its phases", async () => {
  const results = temporaryFolder("stop_");
  const head = { ...UFD_RECIPE, patience: 1, deltaFirst: .2, deltaLater: .2, smallestRate: 5e-4 };
  const logs = epochsOf(
    await train("ufd_probe", [head], results, { epochs: 40, keep: [1, 3, 20, 40] }),
  );
  // each phase is its first epoch and those that gain a fifth of all images, until one does not
  assert.ok(logs.length < 12, `${logs.length}`);
  assert.deepEqual([...new Set(logs.map(({ learningRate }) => learningRate))], [.01, .01 / 10]);
  const last = await bytes(results, 0, 40);
  assert.deepEqual(last.tensors, (await bytes(results, 0, 20)).tensors);
  assert.notDeepEqual(last.tensors, (await bytes(results, 0, 1)).tensors);
  assert.equal(JSON.parse(last.metadata["training"]!).epochs.length, logs.length);
});

Deno.test("the last weights are kept, or those of the last gain", async () => {
  const results = temporaryFolder("keep_"), keep = [1, 2, 3, 4, 5, 6];
  // nothing gains so much but a phase's first epoch: a phase is epochs 1 to 3, the next begins at 4
  const head = { ...UFD_RECIPE, patience: 2, deltaFirst: 1, deltaLater: 1, smallestRate: 0 };
  const [ofLast, ofBest] = await train("ufd_probe", [head, { ...head, keep: "best" }], results, {
    keep,
  });
  const kept = async (h: number) =>
    await Promise.all(keep.map(async (epoch) => {
      const { tensors } = await bytes(results, h, epoch);
      return tensors.get("weight")!.data.join();
    }));
  const last = await kept(0), best = await kept(1);
  assert.equal(new Set(last).size, 6);
  assert.deepEqual(best, [1, 1, 1, 4, 4, 4].map((epoch) => last[epoch - 1]));
  const keptOf = (trained: typeof ofLast) =>
    epochsOf([trained!]).map(({ epoch, keptEpoch = epoch }) => keptEpoch);
  assert.deepEqual([keptOf(ofLast), keptOf(ofBest)], [keep, [1, 1, 1, 4, 4, 4]]);
});

Deno.test("heads with a field that is unknown, missing or out of range are refused by its name", () => {
  const probe = detectorNamed("ufd_probe"), neighbours = detectorNamed("ufd_neighbours");
  for (
    const [field, value] of [
      ["initialDeviation", 0],
      ["beta1", 1],
      ["beta2", -1],
      ["epsilon", 0],
      ["weightDecay", -1],
      ["patience", 0],
      ["deltaFirst", 2],
      ["deltaLater", "x"],
      ["smallestRate", -1],
      ["keep", "first"],
      ["rate", 1],
    ] as const
  ) {
    assert.throws(() => probe.readHead({ ...UFD_RECIPE, [field]: value }), new RegExp(field));
  }
  for (
    const [field, value] of [
      ["reading", "median"],
      ["k", 0],
      ["k", 1.5],
      ["bankImages", 3],
      ["bankImages", 0],
      ["bankSeed", -1],
      ["size", 1],
    ] as const
  ) {
    assert.throws(() => neighbours.readHead({ ...NEIGHBOURS, [field]: value }), new RegExp(field));
  }
  assert.throws(() => probe.readHead({}), /initialDeviation/);
  assert.equal(probe.describeHead(UFD_RECIPE), "linear");
  assert.equal(neighbours.describeHead({ ...NEIGHBOURS, k: 9 }), "k 9, mean");
});

Deno.test("a bank holds the features as they are, once for all heads; a larger one holds a smaller", async () => {
  const results = temporaryFolder("bank_");
  const sizes = [null, null, 10, 20];
  const heads = sizes.map((bankImages, i) => ({ ...NEIGHBOURS, k: 1 + i % 2, bankImages }));
  await train("ufd_neighbours", heads, results, { epochs: 1, keep: [1] });
  const banks = await Promise.all(heads.map(async (_, h) => {
    const { metadata } = await bytes(results, h, 1);
    return await readSafetensors(join(results, "heads", metadata["bank"]!));
  }));
  const bankRows = (bank: number, kind: string) => {
    const { data, shape } = banks[bank]!.tensors.get(`bank.${kind}`)!;
    return Array.from(
      { length: shape[0]! },
      (_, i) => data.slice(i * WIDTH, (i + 1) * WIDTH).join(),
    );
  };
  const all = (await Promise.all(sets.map(npy)))
    .flatMap(({ data }) =>
      mixed(data.length / WIDTH)
        .map((label, i) => ({ label, row: data.slice(i * WIDTH, (i + 1) * WIDTH).join() }))
    );
  for (const [label, kind] of ["real", "fake"].entries()) {
    const own = all.filter((image) => image.label === label).map(({ row }) => row);
    assert.deepEqual(bankRows(0, kind), own);
    assert.deepEqual([bankRows(2, kind).length, bankRows(3, kind).length], [5, 10]);
    assert.ok(bankRows(2, kind).every((row) => bankRows(3, kind).includes(row)));
    assert.deepEqual(bankRows(3, kind), own.filter((row) => bankRows(3, kind).includes(row)));
  }
  assert.equal(banks[0]!.metadata["fingerprint"], banks[1]!.metadata["fingerprint"]);
  const names = Array.from(Deno.readDirSync(join(results, "heads")), ({ name }) => name);
  assert.equal(names.filter((name) => name.startsWith("bank-")).length, 3, names.join());
  assert.ok(!names.some((name) => name.endsWith(".lock")), names.join());
  const other = temporaryFolder("other_");
  await assert.rejects(
    train("ufd_neighbours", [{ ...NEIGHBOURS, bankImages: 60 }], other, { epochs: 1, keep: [1] }),
    /expected 30 real images to draw from, found 22/,
  );
  await assert.rejects(
    train("ufd_neighbours", [NEIGHBOURS], other, { epochs: 2, keep: [2] }),
    /expected 1 epoch, found 2/,
  );
});

Deno.test("the linear layer of a whole training is opened and written out; another network's end is not", async () => {
  const at = (name: string) => join(folder, name);
  const layer = [tensor(Float32Array.of(1, -2, 3), [1, 3]), tensor(Float32Array.of(.5), [1])];
  const conv = tensor(Float32Array.of(1, 2, 3, 4), [2, 2]);
  await writePytorchFile(at("fc.pth"), [["weight", layer[0]!], ["bias", layer[1]!]]);
  await writePytorchFile(at("whole.pth"), [
    ["model.model.visual.conv1.weight", conv],
    ["model.fc.weight", layer[0]!],
    ["model.fc.bias", layer[1]!],
    ["optimizer.state.0.exp_avg", conv],
  ]);
  await writePytorchFile(at("wang.pth"), [
    ["model.conv1.weight", conv],
    ["model.fc.weight", layer[0]!],
    ["model.fc.bias", layer[1]!],
  ]);
  for (const name of ["fc.pth", "whole.pth"]) {
    const { kind: detector } = await detectorOf(at(name));
    assert.equal(detector.name, "ufd_probe");
    assert.deepEqual(await detector.sizesOf(at(name)), { blocks: 1, width: 3 });
    const scorer = await detector.open(at(name), { engine: "onnx" });
    const logits = await scorer.logits(Float32Array.of(1, 1, 1, 0, 2, 1), 2);
    assert.deepEqual([...logits], [2.5, -.5]);
    const { code, error } = await commandLine("checkpoint", "convert", at(name), at("own.pth"));
    assert.equal(code, 0, error);
    assert.deepEqual(
      await readPytorchFile(at("own.pth")),
      new Map([["weight", layer[0]], ["bias", layer[1]]]),
    );
  }
  await assert.rejects(detectorOf(at("wang.pth")), /expected a checkpoint of RINE, UFD linear/);
  await writeSafetensors(at("nan.safetensors"), [
    ["weight", tensor(Float32Array.of(1, NaN), [1, 2])],
    ["bias", layer[1]!],
  ]);
  await assert.rejects(
    detectorNamed("ufd_probe").open(at("nan.safetensors"), { engine: "onnx" }),
    /nan\.safetensors: expected .*, found NaN in it/,
  );
});

const data = temporaryFolder("ufd_world_");
await makeSmallWorld(data);

const smallRun = (
  detector: string,
  head: HeadConfig,
  training: Partial<TrainingConfig>,
): RunConfig => ({
  training: {
    ...TRAINING,
    detector,
    head,
    trainingSet: smallProfile.trainedOn.main.name,
    classes: smallProfile.classSets[0]!.classes,
    backbone: SMALL_BACKBONE,
    ...training,
  },
  evaluation: {
    testSets: smallProfile.testSets.slice(0, 1).map(({ name }) => name),
    view: "center",
    atEpochs: [training.epochs!],
  },
});

Deno.test("both are trained, tried above chance, opened, described and used from the command line", async () => {
  const results = temporaryFolder("ufd_results_");
  const probe = { ...UFD_RECIPE, patience: 2, smallestRate: 1e-3 };
  const configs = [
    smallRun("ufd_probe", probe, { epochs: 60, learningRate: .02 }),
    ...[1, 3].flatMap((k) =>
      (["mean", "vote"] as const).map((reading) =>
        smallRun("ufd_neighbours", { ...NEIGHBOURS, reading, k }, { epochs: 1 })
      )
    ),
  ];
  const { rows, records } = await executeSmall(data, configs, results);
  for (const { detector, test, valAcc } of rows) {
    const [scores] = Object.values(test);
    assert.ok(scores!.acc > .6 && scores!.ap! > .6, `${detector}: ${JSON.stringify(scores)}`);
    assert.ok(valAcc > .55, `${detector}: ${valAcc}`);
  }
  assert.deepEqual(rows.map(({ parameterCount }) => parameterCount), [65, 0, 0, 0, 0]);
  // of two readings of the nearest one the decisions are the same, and only one has scores between
  const accs = rows.slice(1).map(({ test }) => Object.values(test)[0]!.acc);
  assert.equal(accs[0], accs[1]);
  assert.ok(records[0]!.epochs.length < 60, "it did not stop");
  const picture = noiseImage(70, 70);
  for (const [i, { evaluations, config: { training } }] of records.entries()) {
    const head = join(results, evaluations[0]!.checkpoint);
    const { metadata } = await readSafetensors(head);
    assert.deepEqual(checkpointFacts(head, metadata).config, training);
    await using detector = await openDetector(head, {
      backbones: join(data, "mini/backbones"),
    });
    assert.equal(detector.title, i === 0 ? "UFD linear probe" : "UFD nearest neighbours");
    assert.equal(detector.backbone?.tap, "embedding");
    const { score } = await detector.detect(picture);
    assert.ok(score >= 0 && score <= 1);
    const shown = await describeCheckpoint(head);
    assert.match(shown, i === 0 ? /linear layer\n {2}features +64\n/ : /neighbours \(k\) +[13]\n/);
  }
  const head = join(results, "fc_weights.pth");
  await convertCheckpoint(join(results, records[0]!.evaluations[0]!.checkpoint), head);
  const image = join(data, "mini", await firstPng(join(data, "mini")));
  const { code, out, error } = await commandLine(
    ...["detect", "--head", head, "--backbone", SMALL_BACKBONE],
    ...["--backbones", join(data, "mini/backbones"), image],
  );
  assert.equal(code, 0, error);
  assert.match(out, /: (real|generated) \(score \d\.\d\d\)$/);
});

Deno.test("a row has the validation of the weights that are kept, not of the last epoch", async () => {
  const log = (epoch: number, valAcc: number, keptEpoch?: number): EpochLog => {
    const kept = keptEpoch === undefined ? {} : { keptEpoch };
    return { epoch, learningRate: .01, trainLoss: 1, valLoss: 1 - valAcc, valAcc, ...kept };
  };
  const record = {
    config: { training: {}, evaluation: {} },
    timings: {},
    epochs: [log(1, .5), log(2, .875), log(3, .75, 2), log(4, .625, 2)],
    evaluations: [1, 2, 3, 4, 20].map((epoch) => ({ epoch, test: {} })),
  } as unknown as RunRecord;
  const shown = rowsOf(record).map(({ valAcc, valLoss }) => [valAcc, valLoss]);
  const best = [.875, .125];
  assert.deepEqual(shown, [[.5, .5], best, best, best, best]);

  // in a run: what the weights on disk come to on the validation images
  const results = temporaryFolder("kept_");
  const head = { ...UFD_RECIPE, patience: 9, deltaFirst: 1, keep: "best" as const };
  const config = smallRun("ufd_probe", head, { epochs: 4, learningRate: .02 });
  const { rows: [row], records: [made] } = await executeSmall(data, [config], results);
  const path = join(results, made!.evaluations[0]!.checkpoint);
  using rows = await FeatureRows.open(join(data, "tokens"), made!.features.val);
  const probe = await loadLinearProbe(path);
  let correct = 0;
  for (const { tokens, labels } of rows.batches(rows.count)) {
    probeLogits(probe, tokens)
      .forEach((logit, i) => correct += Number((logit > 0) === (labels[i] === 1)));
  }
  assert.equal(row!.valAcc, correct / rows.count);
  const [first, ...later] = made!.epochs;
  assert.equal(row!.valLoss, first!.valLoss, "nothing gains but the first epoch");
  assert.deepEqual(later.map(({ keptEpoch }) => keptEpoch), [1, 1, 1]);
  assert.notEqual(later.at(-1)!.valLoss, first!.valLoss);
});

Deno.test("heads copied to the folder above find their bank, alone they say that it is not there", async () => {
  const results = temporaryFolder("copied_");
  await train("ufd_neighbours", [NEIGHBOURS], results, { epochs: 1, keep: [1] });
  const head = join(results, checkpointPath("head0", 1));
  await Deno.copyFile(head, join(results, "best.safetensors"));
  const detector = detectorNamed("ufd_neighbours");
  const sizes = { blocks: 1, width: WIDTH };
  assert.deepEqual(await detector.sizesOf(join(results, "best.safetensors")), sizes);
  const alone = join(temporaryFolder("alone_"), "best.safetensors");
  await Deno.copyFile(head, alone);
  await assert.rejects(
    detector.sizesOf(alone),
    /expected its bank bank-\w+\.safetensors beside it/,
  );
  const { metadata } = await readSafetensors(head);
  const other = await writeBankOf(metadata["bank"]!);
  await Deno.copyFile(head, join(other, "best.safetensors"));
  await assert.rejects(detector.sizesOf(join(other, "best.safetensors")), /found bank none of it/);
});

/** A folder with a bank that says of itself to be another than its name says. */
async function writeBankOf(name: string): Promise<string> {
  const folder = temporaryFolder("other_");
  const one = tensor(new Float32Array(WIDTH).fill(1), [1, WIDTH]);
  await writeSafetensors(join(folder, name), [["bank.real", one], ["bank.fake", one]], {
    fingerprint: "none of it",
  });
  return folder;
}

Deno.test("readings and k that share a bank score each batch anew", async () => {
  const results = temporaryFolder("shared_");
  const heads = [1, 5, 3].map((k) => ({ ...NEIGHBOURS, k }));
  await train("ufd_neighbours", heads, results, { epochs: 1, keep: [1] });
  const detector = detectorNamed("ufd_neighbours");
  const open = (h: number) =>
    detector.open(join(results, checkpointPath(`head${h}`, 1)), { engine: "onnx", threads: 1 });
  const buffer = new Float32Array(4 * WIDTH),
    batches = [0, 1].map((batch) => {
      const random = randomStream("batch", batch);
      return Float32Array.from(buffer, () => random.normal());
    });
  const alone: number[][] = [];
  for (const h of heads.keys()) {
    for (const batch of batches) {
      const scorer = await open(h);
      alone.push([...await scorer.logits(batch, 4)]);
      await scorer.dispose();
    }
  }
  const scorers = await Promise.all(heads.map((_, h) => open(h)));
  for (const [b, batch] of batches.entries()) {
    buffer.set(batch);
    for (const [h, scorer] of scorers.entries()) {
      assert.deepEqual([...await scorer.logits(buffer, 4)], alone[2 * h + b]);
    }
  }
  for (const scorer of scorers) await scorer.dispose();
  assert.equal(new Set(alone.map(String)).size, 6);
  // one who comes later looks at more of what was asked before
  const first = await open(0);
  await first.logits(batches[0]!, 4);
  const later = await open(1);
  assert.deepEqual([...await later.logits(batches[0]!, 4)], alone[2]);
  for (const scorer of [first, later]) await scorer.dispose();
});

/** Some image of a folder. */
async function firstPng(root: string, inside = ""): Promise<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(root, inside))) {
    if (name.endsWith(".png")) return join(inside, name);
    if (isDirectory) {
      const found = await firstPng(root, join(inside, name));
      if (found) return found;
    }
  }
  return "";
}
