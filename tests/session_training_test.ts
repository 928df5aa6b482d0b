import assert from "node:assert/strict";
import { join } from "node:path";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import { openSession } from "../lib/session/session.ts";
import { sweepRuns } from "../lib/session/sweep.ts";
import { epochsFigure, type Training, trainingSweep } from "../lib/session/training.ts";
import { makeSmallWorld, smallProfile } from "./small_world.ts";
import { LiveCurve } from "../lib/session/live.ts";
import { saveTrainingState } from "../lib/detectors/rine/checkpoint.ts";
import { inKernel } from "./cell.ts";
import { type HeadGolden, headGoldens } from "./head_golden.ts";
import { inFolder } from "./temporary.ts";

Deno.test("a training is a sweep of one head with all that is given", () => {
  const training: Training = {
    ...{ contrastiveWeight: .3, projectionLayers: 2, projectionDim: 16, variant: "no TIE" },
    ...{ classSet: "2-class", backbone: "Own/1", epochs: 7, fraction: .5, learningRate: .01 },
    ...{ batchSize: 4, seed: 9, testSets: ["bilinear_2x"], view: "ten" },
  };
  assert.deepEqual(sweepRuns(mini, trainingSweep(mini, training, 0), [0, 1]), [{
    training: {
      detector: "rine",
      trainingSet: "zero_insertion",
      classes: mini.classSets[1]!.classes,
      fraction: .5,
      backbone: "Own/1",
      head: { contrastiveWeight: .3, projectionLayers: 2, projectionDim: 16, variant: "no TIE" },
      epochs: 7,
      decayEpochs: [6],
      batchSize: 4,
      learningRate: .01,
      seed: 9,
    },
    evaluation: { testSets: ["bilinear_2x"], view: "ten", atEpochs: [7] },
  }]);
  const [alone, ...others] = sweepRuns(mini, trainingSweep(mini, {}, 4), [0, 1]);
  assert.deepEqual(
    [alone!.training.seed, others],
    [4, []],
    "one head, of the session's first seed",
  );
});

Deno.test("what a training is given amiss is named, with what was wanted", () => {
  const says = (training: object, message: string) =>
    assert.throws(() => trainingSweep(mini, training, 0), {
      name: "UserError",
      message: `Cannot train: expected ${message}`,
    });
  says({ learningRate: 0 }, "learningRate of numbers above 0; found 0");
  says({ epochs: [5] }, "epochs of whole numbers from 1; found [5]");
  says(
    { classSet: "3-class" },
    'classSet of 1-class, 2-class, 4-class, latent_dct; found "3-class"',
  );
  says(
    { learningrate: 1 },
    "contrastiveWeight, projectionLayers, projectionDim, variant, classSet, backbone, epochs, " +
      "fraction, learningRate, batchSize, seed, testSets, view; found learningrate",
  );
  says(
    { view: "five" },
    "view, one of center, ten, alike, blur, crop, compress, noise, combined; " +
      'found "five"',
  );
  assert.throws(() => trainingSweep(mini, { testSets: ["progan"] }, 0), /; found "progan"$/);
  assert.throws(() => trainingSweep(mini, { testSets: "x" } as object, 0), /; found "x"$/);
});

Deno.test("losses and accuracy by epoch are drawn, each in a panel of its own", async () => {
  const log = { learningRate: .001, trainLoss: 8, valLoss: .5, valAcc: .75 };
  const figure = epochsFigure(mini, [{ ...log, epoch: 1 }, { ...log, epoch: 2, valLoss: .25 }]);
  assert.deepEqual(figure.rows.map(({ epoch, panel, value }) => [panel, epoch, value]), [
    ["training loss", 1, 8],
    ["training loss", 2, 8],
    ["validation loss", 1, .5],
    ["validation loss", 2, .25],
    ["validation ACC (%)", 1, 75],
    ["validation ACC (%)", 2, 75],
  ]);
  assert.equal(figure.notice, mini.notice);
  const { svg } = await renderFigure(figure);
  assert.match(svg, /^<svg/);
});

Deno.test("while a head is in training its losses are drawn in the cell, again in place", () =>
  inFolder(async (folder) => {
    const [{ architecture, options }] = await headGoldens() as [HeadGolden];
    const state = join(folder, "head.state.safetensors");
    const log = { learningRate: .001, trainLoss: 8, valLoss: .5, valAcc: .75 };
    const save = async (epochs: number) => {
      const logs = Array.from({ length: epochs }, (_, i) => ({ ...log, epoch: i + 1 }));
      const journal = JSON.stringify({ epochs: logs, trainingSeconds: 1, lossSum: 0 });
      await saveTrainingState(state, architecture, options.state, { key: "k", journal });
      await new Promise((resolve) => setTimeout(resolve, 800));
    };
    const shown = await inKernel(async () => {
      await using _curve = new LiveCurve(state, mini, "default", 20);
      await save(0);
      await save(1);
      await save(3);
      await Deno.writeTextFile(state, "damaged");
      await save(3);
      await Deno.remove(state);
    });
    const points = shown.map(({ bundle }) => {
      const spec = bundle["application/vnd.vegalite.v5+json"] as
        | { data: { values: { epoch: number }[] } }
        | undefined;
      return spec && Math.max(...spec.data.values.map(({ epoch }) => epoch));
    });
    assert.deepEqual(points, [1, 3, undefined], "the last takes the curve away");
    assert.deepEqual(shown.map(({ options }) => options.update), [false, true, true]);
    assert.equal(new Set(shown.map(({ options }) => options.display_id)).size, 1);
    await new LiveCurve(state, mini, "default", 1)[Symbol.asyncDispose]();
  }));

Deno.test("a head is trained once, has its log, and is opened as a detector", () =>
  inFolder(async (data) => {
    await makeSmallWorld(data);
    const experiments = {
      sections: EXPERIMENTS.sections,
      profiles: { mini: smallProfile },
    };
    const options = { data, results: join(data, "results") };
    await using session = await openSession(experiments, options);
    const [set] = session.testSets as [string];
    const chosen: Training = {
      learningRate: .01,
      epochs: 3,
      batchSize: 8,
      seed: 2,
      testSets: [set],
    };
    const { row, epochs, figure } = await session.train(chosen);
    assert.deepEqual(
      [row.learningRate, row.epochs, row.batchSize, row.seed, Object.keys(row.test)],
      [.01, 3, 8, 2, [set]],
    );
    assert.deepEqual(epochs.map(({ epoch }) => epoch), [1, 2, 3]);
    const last = epochs.at(-1)!;
    assert.deepEqual([last.valLoss, last.valAcc], [row.valLoss, row.valAcc]);
    assert.equal(figure.rows.length, 9);
    assert.ok(epochs[2]!.trainLoss < epochs[0]!.trainLoss, "it learns");

    const heads = join(session.folder, "heads");
    const files = () => Array.from(Deno.readDirSync(heads), ({ name }) => name);
    const [file, ...others] = files();
    assert.deepEqual(others, []);
    const { mtime } = await Deno.stat(join(heads, file!));
    const again = await session.train(chosen);
    assert.deepEqual([again.row, again.epochs], [row, epochs]);
    assert.deepEqual((await Deno.stat(join(heads, file!))).mtime, mtime, "it is trained once");
    const [kept] = await session.rows("sweep");
    assert.deepEqual(kept, row, "of another seed than the session's, and found all the same");
    assert.deepEqual((await session.training(kept!)).epochs, epochs);

    const detector = await session.detector(row);
    const { acc } = await session.evaluate(detector, set);
    assert.ok(Math.abs(acc - row.test[set]!.acc) < .02);
    await assert.rejects(session.training({ ...row }), /found a copy or something else$/);
    await assert.rejects(session.train({ epochs: 0 }), /^UserError: Cannot train: expected epochs/);
    await assert.rejects(
      session.train({ learningRate: 1e30, testSets: [set] }),
      /its loss is \S+ at step \d+, in epoch 1; try a lower learning rate/,
    );
  }));
