import assert from "node:assert/strict";
import { join } from "node:path";
import type { Scorer } from "../lib/detectors/detector.ts";
import { detectorNamed } from "../lib/detectors/index.ts";
import { afterEpoch, dropped, FIRST_PHASE } from "../lib/detectors/ufd/early_stopping.ts";
import { neighbourScores } from "../lib/detectors/ufd/neighbours.ts";
import { type Reading, READINGS } from "../lib/detectors/ufd/neighbours_head.ts";
import { ProbeTrainer } from "../lib/detectors/ufd/probe_step.ts";
import { Searcher, SLAB_ROWS, slabsOf } from "../lib/detectors/ufd/search.ts";
import { readPytorchFile } from "../lib/io/pytorch_file.ts";
import { readSafetensors } from "../lib/io/safetensors.ts";
import { writeSafetensors } from "../lib/io/safetensors_writer.ts";
import { tensor } from "../lib/io/tensor.ts";
import { evaluateScores, oracleScores } from "../lib/metrics.ts";
import { randomStream } from "../lib/random.ts";
import { scoresOf } from "../lib/runs/scores.ts";
import { GOLDENS } from "./goldens.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("ufd_");
const { tensors: golden, metadata } = await readSafetensors(join(GOLDENS, "ufd.safetensors"));
const values = (name: string) => golden.get(name)!.data;
const sizeOf = (name: string) => Number(metadata[name]);

function close(found: number, expected: number, tolerance: number, what: string) {
  assert.ok(Math.abs(found - expected) <= tolerance, `${what}: ${found} is not ${expected}`);
}

Deno.test("a .pth from before PyTorch 1.6 holds what safetensors do: views, halves, bytes, a scalar", async () => {
  const found = await readPytorchFile(join(GOLDENS, "legacy_mixed.pth"));
  const { tensors, metadata } = await readSafetensors(join(GOLDENS, "legacy_mixed.safetensors"));
  assert.equal(tensors.size, Number(metadata["entries"]));
  for (const [name, expected] of tensors) {
    assert.deepEqual(found.get(`state_dict.${name}`), expected, name);
  }
  const inside = [...found.keys()].filter((name) => name.startsWith("state_dict."));
  assert.equal(inside.length, tensors.size);
});

Deno.test("AdamW's steps on the linear layer come to PyTorch's losses and parameters", async () => {
  const [dim, samples, batch] = [sizeOf("dim"), sizeOf("samples"), sizeOf("batch")];
  const features = values("probe.features"), labels = Uint8Array.from(values("probe.labels"));
  const zero = () => new Float32Array(dim + 1);
  const trainer = await ProbeTrainer.open(
    {
      beta1: sizeOf("beta1"),
      beta2: sizeOf("beta2"),
      epsilon: sizeOf("eps"),
      weightDecay: sizeOf("weightDecay"),
    },
    {
      parameters: Float32Array.of(...values("probe.weight"), ...values("probe.bias")),
      firstMoment: zero(),
      secondMoment: zero(),
      steps: 0,
    },
    { threads: 1 },
  );
  for (let step = 0; step < sizeOf("steps"); step++) {
    const start = step % Math.ceil(samples / batch) * batch;
    const end = Math.min(start + batch, samples);
    const loss = await trainer.step(
      features.subarray(start * dim, end * dim),
      labels.subarray(start, end),
      sizeOf("learningRate"),
    );
    const expected = values("probe.losses")[step]!;
    close(loss, expected, 1e-5 * expected, `loss of step ${step}`);
  }
  const { parameters } = trainer.state;
  const after = [...values("probe.weight_after"), ...values("probe.bias_after")];
  after.forEach((value, i) => close(parameters[i]!, value, 1e-6, `parameter ${i}`));
  await trainer.dispose();
});

Deno.test("AdamW's weight decay and ε are those of its definition, worked out by hand", async () => {
  const adam = { beta1: .5, beta2: .75, epsilon: .25, weightDecay: .5 };
  const state = {
    parameters: Float32Array.of(2, -1, 0),
    firstMoment: new Float32Array(3),
    secondMoment: new Float32Array(3),
    steps: 0,
  };
  const trainer = await ProbeTrainer.open(adam, state, { threads: 1 });
  // logits 2 · 1 − 1 · 2 + 0 = 0 and 2 · 0 − 1 · 0 + 0 = 0
  const features = Float32Array.of(1, 2, 0, 0), rate = .1;
  close(await trainer.step(features, Uint8Array.of(0, 0), rate), Math.LN2, 1e-6, "loss");
  // the gradient is the mean of (σ(0) − 0) x; one step's corrections leave g and g²
  const gradient = [.25, .5, .5];
  state.parameters.forEach((value, i) => {
    const g = gradient[i]!;
    const expected = value * (1 - rate * .5) - rate * g / (g + .25);
    close(trainer.state.parameters[i]!, expected, 1e-6, `parameter ${i}`);
  });
  await trainer.dispose();
});

interface Schedule {
  readonly patience: number;
  readonly delta_first: number;
  readonly delta_later: number;
  readonly learning_rate: number;
  readonly min_learning_rate: number;
  readonly sequences: Readonly<
    Record<string, {
      readonly accuracies: readonly number[];
      readonly stopped_early: boolean;
      readonly last_epoch: number;
      readonly learning_rate: readonly number[];
      readonly learning_rate_at_end: number;
      readonly best_written_after_epoch: readonly number[];
    }>
  >;
}

Deno.test("rates fall, the best is written and training ends where the released scripts do", async () => {
  const schedule: Schedule = JSON.parse(
    await Deno.readTextFile(join(GOLDENS, "ufd_schedule.json")),
  );
  const stopping = {
    patience: schedule.patience,
    deltaFirst: schedule.delta_first,
    deltaLater: schedule.delta_later,
    smallestRate: schedule.min_learning_rate,
  };
  for (const [name, expected] of Object.entries(schedule.sequences)) {
    const rates: number[] = [], written: number[] = [];
    let phase = FIRST_PHASE;
    for (const [epoch, accuracy] of expected.accuracies.entries()) {
      if (phase.stopped) break;
      rates.push(dropped(schedule.learning_rate, phase.drops));
      phase = afterEpoch(phase, accuracy, schedule.learning_rate, stopping);
      if (phase.gained) written.push(epoch);
    }
    assert.deepEqual(
      {
        stopped_early: phase.stopped,
        last_epoch: rates.length - 1,
        learning_rate: rates,
        learning_rate_at_end: dropped(schedule.learning_rate, phase.drops),
        best_written_after_epoch: written,
      },
      (({ accuracies: _, ...rest }) => rest)(expected),
      name,
    );
  }
});

Deno.test("after the first phase a gain is another, and each phase has its own best", () => {
  const stopping = { patience: 1, deltaFirst: .125, deltaLater: .25, smallestRate: .001 };
  let phase = FIRST_PHASE;
  // by .125 it gains at first only
  const gains = [.25, .375, .375, .125, .25, .125, .375].map((accuracy) => {
    phase = afterEpoch(phase, accuracy, 1, stopping);
    return [phase.gained, phase.drops];
  });
  assert.deepEqual(gains, [
    [true, 0],
    [true, 0],
    [false, 1],
    [true, 1],
    [false, 2],
    [true, 2],
    [true, 2],
  ]);
});

/** Opens a bank that lies in a file by itself. */
async function openBank(
  real: Float32Array,
  fake: Float32Array,
  width: number,
  reading: Reading,
  k: number,
): Promise<Scorer> {
  const path = join(folder, `${crypto.randomUUID()}.safetensors`);
  await writeSafetensors(path, [
    ["bank.real", tensor(real, [real.length / width, width])],
    ["bank.fake", tensor(fake, [fake.length / width, width])],
    ["neighbours.k", tensor(Float32Array.of(k), [1])],
  ], { reading });
  return await detectorNamed("ufd_neighbours").open(path, { engine: "onnx", threads: 1 });
}

const nnK: readonly number[] = JSON.parse(metadata["nnK"]!);
const nnMetrics: Readonly<Record<string, { acc: number; ap: number }>> = JSON.parse(
  metadata["nnMetrics"]!,
);

/** Scores in [0, 1] of the same order, and the same ties. */
function ranks(scores: Float64Array): number[] {
  const order = [...new Set(scores)].sort((a, b) => a - b);
  return Array.from(scores, (score) => order.indexOf(score) / order.length);
}

for (const reading of READINGS) {
  for (const k of nnK) {
    Deno.test(`nearest neighbours, ${reading} of ${k}, are scikit-learn's: scores, decisions, acc, ap`, async () => {
      const name = `${reading}_${k}`, dim = sizeOf("nnDim"), count = sizeOf("nnQueries");
      const decided = [...values(`nn.${name}.decisions`)];
      const labels = Uint8Array.from(values("nn.labels"));
      const scorer = await openBank(values("nn.real"), values("nn.fake"), dim, reading, k);
      const logits = await scorer.logits(values("nn.queries"), count);
      const probabilities = scoresOf(logits, 1);
      assert.deepEqual(Array.from(probabilities, (score) => Number(score > .5)), decided);
      close(evaluateScores(labels, probabilities).acc, nnMetrics[name]!.acc, 1e-9, "acc");
      await scorer.dispose();

      const searcher = await Searcher.open(dim, { threads: 1 });
      const nearest = (bank: string) =>
        searcher.nearest(slabsOf(values(bank), dim), values("nn.queries"), k);
      const found = { real: await nearest("nn.real"), fake: await nearest("nn.fake") };
      await searcher.dispose();
      const scores = neighbourScores(found, count, reading, k);
      values(`nn.${name}.scores`).forEach((expected, i) => {
        close(scores[i]!, expected, 1e-5, `score of ${i}`);
        close(reading === "vote" ? probabilities[i]! : logits[i]!, expected, 1e-5, `logit of ${i}`);
        if (reading === "vote") assert.equal(Math.fround(scores[i]!), expected, `votes of ${i}`);
      });
      // in float64, as scikit-learn had them: what differs in the last digit is no tie
      close(evaluateScores(labels, ranks(scores)).ap!, nnMetrics[name]!.ap, 1e-9, "ap");
    });
  }
}

/** 1 − cosine of two rows in float64; 1 where one is of zeros. */
function distance(a: Float32Array, b: Float32Array): number {
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const norm = Math.sqrt(dot(a, a) * dot(b, b));
  return norm === 0 ? 1 : 1 - dot(a, b) / norm;
}

Deno.test("the nearest of both banks are as near as those that scikit-learn finds, of the same kinds", async () => {
  const dim = sizeOf("nnDim"), queries = values("nn.queries");
  const row = (rows: Float32Array, i: number) => rows.subarray(i * dim, (i + 1) * dim);
  const reals = sizeOf("nnReal"), [real, fake] = [values("nn.real"), values("nn.fake")];
  const searcher = await Searcher.open(dim, { threads: 1 });
  const k = Math.max(...nnK);
  const found = {
    real: await searcher.nearest(slabsOf(real, dim), queries, k),
    fake: await searcher.nearest(slabsOf(fake, dim), queries, k),
  };
  for (let query = 0; query < sizeOf("nnQueries"); query++) {
    const both = [["real", found.real], ["fake", found.fake]] as const;
    const near = both.flatMap(([kind, { distances, k }]) =>
      Array.from(distances.subarray(query * k, (query + 1) * k), (at) => ({ kind, at }))
    ).sort((a, b) => a.at - b.at); // stable: real first
    values(`nn.nearest_${k}`).subarray(query * k, (query + 1) * k).forEach((place, i) => {
      const other = place < reals ? row(real, place) : row(fake, place - reals);
      close(near[i]!.at, distance(row(queries, query), other), 1e-6, `distance ${i} of ${query}`);
      const { kind, at } = near[i]!;
      // rounding decides between copies of one image in both banks
      if (near.some((other) => other.kind !== kind && Math.abs(other.at - at) < 1e-9)) return;
      assert.equal(kind, place < reals ? "real" : "fake", `kind ${i} of ${query}`);
    });
  }
  await searcher.dispose();
});

Deno.test("ties are real, whatever their length; a query of zeros is as far from all; zeros are 1 away", async () => {
  const width = 4;
  const shared = [1, 2, 0, -1];
  const scaled = shared.map((value) => value * 4);
  const real = Float32Array.of(...[0, 0, 0, 0], ...[1, 0, 0, 0], ...scaled);
  const fake = Float32Array.of(...shared, ...[0, 1, 0, 0], ...[0, 0, 0, 0]);
  const queries = Float32Array.of(
    ...shared, // in both banks
    ...[0, 0, 0, 0],
    ...[0, 1, 0, 0], // generated
    ...[1, 0, 0, 0], // real
    ...[0, 0, -1, 0], // a right angle to all, and so as far as zeros are
  );
  for (const [k, reading] of [[1, "mean"], [1, "vote"]] as const) {
    const scorer = await openBank(real, fake, width, reading, k);
    const decisions = Array.from(await scorer.logits(queries, 5), (logit) => logit > 0);
    assert.deepEqual(decisions, [false, false, true, false, false], reading);
    await scorer.dispose();
  }
  const scorer = await openBank(real, fake, width, "mean", 3);
  const [, zeros, generated] = await scorer.logits(queries, 5);
  assert.equal(zeros, 0);
  // distances: real 1 − 2/√6, 1, 1; generated 1 − 2/√6, 0, 1
  close(generated!, 1 / 3, 1e-6, "difference of means");
  await scorer.dispose();
});

Deno.test("what is nearer by less than a score can show is still decided by it", async () => {
  const query = Float32Array.of(1, 0);
  // 1 − cosine of about 2e-9 and 4.5e-9: the same product in float32
  const near = Float32Array.of(1, 2 ** -14), far = Float32Array.of(1, 1.5 * 2 ** -14);
  for (const [real, fake, isGenerated] of [[near, far, false], [far, near, true]] as const) {
    const scorer = await openBank(real, fake, 2, "mean", 1);
    const logits = await scorer.logits(query, 1);
    assert.equal(scoresOf(logits, 1)[0]! > .5, isGenerated);
    await scorer.dispose();
  }
  // and so is which of a bank is the nearest
  const searcher = await Searcher.open(2, { threads: 1 });
  const bank = Float32Array.of(...far, ...far, ...near);
  const { places } = await searcher.nearest(slabsOf(bank, 2), query, 2);
  assert.deepEqual([...places], [2, 0]);
  await searcher.dispose();
});

Deno.test("over several slabs the nearest are those of a search by hand, the first of those as near", async () => {
  const width = 6, count = 2 * SLAB_ROWS + 100, queries = 40, k = 5;
  const random = randomStream("slabs");
  // 4 entries of ±1, so that the same few cosines come again and again and are exact
  const rows = (count: number) => {
    const data = new Float32Array(count * width);
    for (let row = 0; row < count; row++) {
      for (const place of random.permutation(width).subarray(0, 4)) {
        data[row * width + place] = random.chance(.5) ? 1 : -1;
      }
    }
    return data;
  };
  const bank = rows(count), asked = rows(queries);
  // the one nearest of the first query lies in the last slab
  bank.set(asked.subarray(0, width).map((value) => value * 2), (count - 1) * width);
  for (let row = 0; row < count - 1; row++) {
    const own = bank.subarray(row * width, (row + 1) * width);
    if (distance(own, asked.subarray(0, width)) === 0) own[own.indexOf(0)] = 3;
  }
  const searcher = await Searcher.open(width, { threads: 1 });
  const found = await searcher.nearest(slabsOf(bank, width), asked, k);
  for (let query = 0; query < queries; query++) {
    const own = asked.subarray(query * width, (query + 1) * width);
    const expected = Array.from({ length: count }, (_, place) => ({
      place,
      at: distance(own, bank.subarray(place * width, (place + 1) * width)),
    })).sort((a, b) => a.at - b.at || a.place - b.place).slice(0, k);
    expected.forEach(({ at }, i) => close(found.distances[query * k + i]!, at, 1e-7, `${query}`));
    if (query === 0) assert.equal(found.places[0], count - 1);
    // where what follows is farther, or the ties begin at the first of the bank
    else {
      assert.deepEqual(
        [...found.places.subarray(query * k, (query + 1) * k)],
        expected.map(({ place }) => place),
      );
    }
  }
  await searcher.dispose();
});

Deno.test("the threshold that suits a set best is the released script's, with what it comes to", async () => {
  interface Oracle {
    readonly labels: number[];
    readonly scores: number[];
    readonly threshold: number;
    readonly ap: number;
    readonly acc_half: number;
    readonly acc_oracle: number;
    readonly real_acc_oracle: number;
    readonly fake_acc_oracle: number;
    readonly acc_at_or_above: number;
  }
  const cases: Record<string, Oracle> = JSON.parse(
    await Deno.readTextFile(join(GOLDENS, "ufd_oracle.json")),
  );
  for (const [name, expected] of Object.entries(cases)) {
    const labels = Uint8Array.from(expected.labels);
    const found = oracleScores(labels, expected.scores);
    const pairs = [
      [found.threshold, expected.threshold],
      [found.acc, expected.acc_oracle],
      [found.accReal, expected.real_acc_oracle],
      [found.accGenerated, expected.fake_acc_oracle],
      [found.accAtOrAbove, expected.acc_at_or_above],
      [evaluateScores(labels, expected.scores).ap, expected.ap],
      [evaluateScores(labels, expected.scores).acc, expected.acc_half],
    ];
    pairs.forEach(([found, expected], i) => close(found!, expected!, 1e-9, `${name} ${i}`));
  }
});

Deno.test("of thresholds as good as one another the last image's is taken, in the images' order", () => {
  const labels = Uint8Array.of(1, 0, 1, 0, 1, 0);
  // at or above .2, .6 and .8, four of six are right
  assert.equal(oracleScores(labels, [.8, .7, .6, .1, .2, .3]).threshold, .2);
  assert.equal(oracleScores(labels, [.8, .7, .2, .1, .6, .3]).threshold, .6);
});

Deno.test("where labels touch at one score it is the threshold, above which half of them lie", () => {
  const found = oracleScores(Uint8Array.of(0, 1, 0, 1), [.5, .75, .5, .5]);
  assert.deepEqual(found, {
    threshold: .5,
    acc: .75,
    accReal: 1,
    accGenerated: .5,
    accAtOrAbove: .5,
  });
  // the middle, where there is one
  assert.equal(oracleScores(Uint8Array.of(0, 1), [.25, .75]).threshold, .5);
});
