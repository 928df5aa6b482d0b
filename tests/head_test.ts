import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ABLATIONS,
  type HeadArchitecture,
  initialParameters,
  parameterCount,
  type Parameters,
  parameterShapes,
  trainedParameters,
} from "../lib/detectors/rine/architecture.ts";
import { DropoutMasks } from "../lib/detectors/rine/dropout.ts";
import {
  initialState,
  type TokenBatch,
  type TrainerOptions,
  type TrainingState,
} from "../lib/detectors/rine/engine.ts";
import { openOnnxEngine } from "../lib/detectors/rine/onnx/engine.ts";
import { openTensorflowEngine } from "../lib/detectors/rine/tensorflow/engine.ts";
import { hasNativeTensorflow } from "../lib/detectors/rine/tensorflow/library.ts";
import { tensor } from "../lib/io/tensor.ts";
import { randomStream } from "../lib/random.ts";
import { EXPECTED_GOLDENS, GOLDENS } from "./goldens.ts";
import { assertClose, headGoldens, stateOf } from "./head_golden.ts";
import { referenceLoss, valuesOf } from "./head_reference.ts";

const goldens = await headGoldens();
const native = await hasNativeTensorflow();
const engines = [
  await openOnnxEngine({ threads: 1 }),
  await openTensorflowEngine({ threads: 1 }, "javascript"),
  ...(native ? [await openTensorflowEngine({ threads: 1 }, "native")] : []),
];
if (!native) {
  const name = "tensorflow's native library runs the head (skipped: it is not installed, " +
    "`deno task tensorflow install` builds it)";
  Deno.test({ name, ignore: true, fn() {} });
}

Deno.test("no golden is missing, of heads, of backbones, of images and of measures", () => {
  const found = [...Deno.readDirSync(GOLDENS)].map(({ name }) => name);
  const missing = EXPECTED_GOLDENS.filter((name) => !found.includes(name));
  assert.deepEqual(missing, [], `missing in ${GOLDENS}`);
});

// rounding alone keeps a gradient that is zero in exact arithmetic from being zero in a golden
const ROUNDING = 1e-6;

const small: HeadArchitecture = {
  blocks: 3,
  width: 10,
  projectionLayers: 2,
  projectionDim: 6,
  ablation: "none",
};

function randomBatch(
  { blocks, width }: HeadArchitecture,
  labels: readonly number[],
  seed = 0,
): TokenBatch {
  const random = randomStream("batch", seed), count = labels.length;
  const tokens = Float32Array.from({ length: count * blocks * width }, () => random.normal());
  return { tokens, labels: Uint8Array.from(labels), count };
}

function trainerOptions(architecture: HeadArchitecture, seed = 0): TrainerOptions {
  return {
    architecture,
    contrastiveWeight: 0.4,
    dropout: true,
    dropoutKey: ["dropout", seed],
    state: initialState(architecture, randomStream("state", seed)),
  };
}

/** Replaces values of some parameters. */
function withValues(
  { parameters, ...rest }: TrainingState,
  changes: Record<string, (value: number) => number>,
): TrainingState {
  const changed = [...parameters].map(([name, { data, shape }]) => {
    const change = changes[name];
    return [name, tensor(change ? data.map(change) : data, shape)] as const;
  });
  return { ...rest, parameters: new Map(changed) };
}

for (const engine of engines) {
  for (const golden of goldens) {
    Deno.test(`${engine.backend}: losses and gradients equal PyTorch's on ${golden.name}`, async () => {
      const found = await engine.gradients(golden.options, golden.batch);
      assertClose(found.logits, golden.tensor("logits").data, 2e-4, "logits");
      assertClose(found.z, golden.tensor("z").data, 2e-4, "z");
      assertClose([found.loss.bce], golden.tensor("bce").data, 1e-4, "bce");
      assertClose([found.loss.supcon], golden.tensor("supcon").data, 1e-4, "supcon");
      for (const [name, { data }] of golden.under("grad.")) {
        const gradient = found.gradients.get(name)?.data;
        if (gradient) assertClose(gradient, data, 2e-4, `gradient of ${name}`);
        else assert(data.every((value) => Math.abs(value) < ROUNDING), `no gradient of ${name}`);
      }
    });

    Deno.test(`${engine.backend}: three steps equal PyTorch's Adam on ${golden.name}`, async () => {
      const trainer = await engine.trainer(golden.options);
      const losses: number[] = [];
      for (let i = 0; i < 3; i++) {
        losses.push((await trainer.step(golden.batch, golden.learningRate)).total);
      }
      assertClose(losses, golden.tensor("losses").data, 1e-4, "losses");
      const { parameters, steps } = trainer.state();
      assert.equal(steps, 3);
      const { architecture, options } = golden;
      for (const [name, { data }] of parameters) {
        const start = options.state.parameters.get(name)!.data;
        if (!trainedParameters(architecture).includes(name)) {
          assert.deepEqual(data, start, `${name}, which has no gradient`);
          continue;
        }
        const expected = golden.tensor(`adam3.${name}`).data;
        const gradient = golden.tensor(`grad.${name}`).data;
        const largest = (values: Float32Array) =>
          values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        const limit = 1e-3 * largest(expected), rounding = 1e-4 * largest(gradient);
        // Adam divides a gradient by its size: what is rounding alone moves as far as any other; and
        // a ReLU whose input is zero but for rounding may open or not
        const apart = data.filter((value, i) =>
          Math.abs(gradient[i]!) > rounding && !(Math.abs(value - expected[i]!) <= limit)
        );
        assert(apart.length <= data.length / 100, `${apart.length} values of ${name} are apart`);
      }
      await trainer.dispose();
    });

    Deno.test(`${engine.backend}: predictions equal PyTorch's on ${golden.name}`, async () => {
      const { architecture, options, batch } = golden;
      const predictor = await engine.predictor(architecture, options.state.parameters);
      const { logits, z } = await predictor.predict(batch.tokens, batch.count);
      assertClose(logits, golden.tensor("logits").data, 2e-4, "logits");
      assertClose(z, golden.tensor("z").data, 2e-4, "z");
      await predictor.dispose();
    });
  }

  const cases: [string, readonly number[], Record<string, (value: number) => number>][] = [
    ["both classes", [0, 1, 1, 0, 1], {}],
    ["one class only", [1, 1, 1, 1], {}],
    ["a single positive", [0, 0, 1, 0], {}],
    ["a batch of one image", [1], {}],
    ["logits of 1e4, half of them wrong", [0, 1, 1, 0], { "head.6.bias": () => 1e4 }],
    ["logits of -1e4, half of them wrong", [0, 1, 1, 0], { "head.6.bias": () => -1e4 }],
    ["z all zero", [0, 1, 1, 0], { "proj2.4.bias": () => -100 }],
  ];
  for (const [what, labels, changes] of cases) {
    for (const dropout of [false, true]) {
      const name =
        `${engine.backend}: gradients are those of finite differences: ${what}, dropout ${
          dropout ? "on" : "off"
        }`;
      Deno.test(name, () => checkGradients(small, labels, changes, dropout));
    }
  }
  for (const ablation of ABLATIONS) {
    Deno.test(`${engine.backend}: gradients are those of finite differences: ablation ${ablation}`, () =>
      checkGradients({ ...small, ablation, projectionLayers: 1 }, [0, 1, 1, 0], {}, true));
  }

  Deno.test(`${engine.backend}: gradients are those of finite differences: one block`, () =>
    checkGradients({ ...small, blocks: 1 }, [0, 1, 1, 0], {}, true));

  const checkGradients = async (
    architecture: HeadArchitecture,
    labels: readonly number[],
    changes: Record<string, (value: number) => number>,
    dropout: boolean,
  ) => {
    const plain = trainerOptions(architecture);
    const options = { ...plain, dropout, state: withValues(plain.state, changes) };
    const batch = randomBatch(architecture, labels);
    const { loss, gradients } = await engine.gradients(options, batch);
    const values = valuesOf(options.state.parameters);
    const drawn = new DropoutMasks(architecture);
    const masks = drawn.draw(options.dropoutKey, 0, batch.count);
    const byName = new Map(drawn.layers.map(({ name }, i) => [name, masks[i]!]));
    const reference = (values: Map<string, Float64Array>) =>
      referenceLoss(architecture, values, batch, 0.4, dropout ? byName : undefined);
    const expected = reference(values);
    assertClose([loss.bce], [expected.bce], 1e-5, "bce");
    assertClose([loss.supcon], [expected.supcon], 1e-5, "supcon");
    assertClose([loss.total], [expected.total], 1e-5, "total");
    for (const [name, { data }] of gradients) {
      const value = values.get(name)!;
      const numeric = value.map((at, i) => {
        const h = 1e-6 * Math.max(1, Math.abs(at));
        const [up, down] = [at + h, at - h].map((moved) => {
          value[i] = moved;
          return reference(values).total;
        });
        value[i] = at;
        return (up! - down!) / (2 * h);
      });
      // differences of a loss of 1e4 hold no more digits
      const largest = Math.max(...numeric.map(Math.abs), 1e-3, 1e-6 * expected.total);
      assertClose([...data, largest], [...numeric, largest], 1e-3, `gradient of ${name}`);
    }
  };

  Deno.test(`${engine.backend}: training stays finite on every edge case`, async () => {
    for (const [what, labels, changes] of cases) {
      const plain = trainerOptions(small);
      const trainer = await engine.trainer({ ...plain, state: withValues(plain.state, changes) });
      const { total } = await trainer.step(randomBatch(small, labels), 1e-3);
      assert(Number.isFinite(total), what);
      const { parameters, firstMoment, secondMoment } = trainer.state();
      for (const part of [parameters, firstMoment, secondMoment]) {
        for (const [name, { data }] of part) {
          assert(data.every(Number.isFinite), `${what}: ${name}`);
        }
      }
      await trainer.dispose();
    }
  });

  Deno.test(`${engine.backend}: a step is Adam on the gradients, in parameters of any size`, async () => {
    const large = { ...small, width: 1000, projectionDim: 140 };
    const options = trainerOptions(large);
    const trainer = await engine.trainer(options);
    for (let step = 1; step <= 2; step++) {
      const batch = randomBatch(large, [0, 1, 1, 0, 1], step);
      const before = trainer.state();
      const { loss, gradients } = await engine.gradients({ ...options, state: before }, batch);
      assertClose([(await trainer.step(batch, 1e-2)).total], [loss.total], 1e-6, "loss");
      const after = trainer.state();
      for (const [name, { data: gradient }] of gradients) {
        const first = before.firstMoment.get(name)!.data.map((m, i) =>
          0.9 * m + 0.1 * gradient[i]!
        );
        const second = before.secondMoment.get(name)!.data.map((v, i) =>
          0.999 * v + 0.001 * gradient[i]! ** 2
        );
        const moved = before.parameters.get(name)!.data.map((p, i) => {
          const mean = first[i]! / (1 - 0.9 ** step), square = second[i]! / (1 - 0.999 ** step);
          return p - 1e-2 * mean / (Math.sqrt(square) + 1e-8);
        });
        assertClose(after.firstMoment.get(name)!.data, first, 1e-5, `first moment of ${name}`);
        assertClose(after.secondMoment.get(name)!.data, second, 1e-5, `second moment of ${name}`);
        assertClose(after.parameters.get(name)!.data, moved, 1e-4, name);
      }
    }
    await trainer.dispose();
  });

  Deno.test(`${engine.backend}: heads come and go beside others of their architecture`, async () => {
    const batch = randomBatch(small, [0, 1, 1]);
    const open = async (architecture: HeadArchitecture) => {
      const trainer = await engine.trainer(trainerOptions(architecture));
      const { total } = await trainer.step(batch, 1e-3);
      await trainer.dispose();
      await trainer.dispose();
      return total;
    };
    const stays = await engine.trainer(trainerOptions(small));
    const others = [small, { ...small, projectionDim: 5 }, { ...small, projectionLayers: 1 }];
    const alone = [];
    for (const architecture of others) alone.push(await open(architecture));
    assert.deepEqual(await Promise.all(others.map(open)), alone);
    assert.equal((await stays.step(batch, 1e-3)).total, alone[0]);
    await stays.dispose();
  });

  Deno.test(`${engine.backend}: a run resumed from state() equals an uninterrupted one`, async () => {
    const batches = [0, 1, 2, 3].map((seed) => randomBatch(small, [0, 1, 1, 0, 1], seed));
    const options = trainerOptions(small);
    const whole = await engine.trainer(options);
    for (const batch of batches) await whole.step(batch, 1e-2);
    const first = await engine.trainer(options);
    for (const batch of batches.slice(0, 2)) await first.step(batch, 1e-2);
    const second = await engine.trainer({ ...options, state: first.state() });
    for (const batch of batches.slice(2)) await second.step(batch, 1e-2);
    assert.deepEqual(second.state(), whole.state());
    for (const trainer of [whole, first, second]) await trainer.dispose();
  });

  Deno.test(`${engine.backend}: heads that step side by side train as they do alone`, async () => {
    const batches = [0, 1, 2].map((seed) => randomBatch(small, [0, 1, 1, 0], seed));
    const train = async (seeds: readonly number[]) => {
      const trainers = await Promise.all(
        seeds.map((s) => engine.trainer(trainerOptions(small, s))),
      );
      for (const batch of batches) {
        await Promise.all(trainers.map((trainer) => trainer.step(batch, 1e-2)));
      }
      const states = trainers.map((trainer) => trainer.state());
      await Promise.all(trainers.map((trainer) => trainer.dispose()));
      return states;
    };
    const [together, alone] = [await train([1, 2, 3]), [1, 2, 3].map((seed) => train([seed]))];
    assert.deepEqual(together, (await Promise.all(alone)).flat());
  });

  Deno.test(`${engine.backend}: state() is a copy that later steps leave alone`, async () => {
    const options = trainerOptions(small);
    const trainer = await engine.trainer(options);
    const before = trainer.state();
    assert.deepEqual(before, options.state);
    await trainer.step(randomBatch(small, [0, 1]), 1e-2);
    assert.deepEqual(before, options.state);
    assert.notDeepEqual(trainer.state(), options.state);
    await trainer.dispose();
  });

  Deno.test(`${engine.backend}: without TIE, or with tokens of one block, alpha stays`, async () => {
    const changes: Partial<HeadArchitecture>[] = [
      { ablation: "tie" },
      { ablation: "intermediate" },
      { blocks: 1 },
    ];
    for (const change of changes) {
      const architecture = { ...small, ...change };
      const options = trainerOptions(architecture);
      const trainer = await engine.trainer(options);
      await trainer.step(randomBatch(architecture, [0, 1, 0]), 1e-2);
      const { parameters } = trainer.state();
      assert.deepEqual(parameters.get("alpha"), options.state.parameters.get("alpha"));
      assert.notDeepEqual(
        parameters.get("head.0.bias"),
        options.state.parameters.get("head.0.bias"),
      );
      await trainer.dispose();
    }
  });

  Deno.test(`${engine.backend}: TIE weights sum to 1: with equal tokens in all blocks alpha is no matter`, async () => {
    const parameters = initialParameters(small, randomStream(0));
    const { blocks, width } = small;
    const token = randomBatch({ ...small, blocks: 1 }, [0]).tokens;
    const tokens = Float32Array.from({ length: blocks * width }, (_, i) => token[i % width]!);
    const predict = async (parameters: Parameters) => {
      const predictor = await engine.predictor(small, parameters);
      const { z } = await predictor.predict(tokens, 1);
      await predictor.dispose();
      return z;
    };
    const expected = await predict(parameters);
    const alpha = fc.array(fc.float({ min: -30, max: 30, noNaN: true }), {
      minLength: blocks * small.projectionDim,
      maxLength: blocks * small.projectionDim,
    });
    await fc.assert(
      fc.asyncProperty(alpha, async (values) => {
        const shape = [1, blocks, small.projectionDim];
        const changed = new Map(parameters).set("alpha", tensor(Float32Array.from(values), shape));
        assertClose(await predict(changed), expected, 1e-5, "z");
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  Deno.test(`${engine.backend}: what does not fit the architecture is refused`, async () => {
    const options = trainerOptions(small);
    const other = initialState({ ...small, projectionDim: 4 }, randomStream(0));
    await assert.rejects(engine.trainer({ ...options, state: other }), {
      name: "UserError",
      message: "Cannot train head: expected alpha [1, 3, 6], found [1, 3, 4]",
    });
    const trainer = await engine.trainer(options);
    const batch = randomBatch(small, [0, 1]);
    const steps: [Partial<TokenBatch>, string, string][] = [
      [{ count: 3 }, "UserError", "expected tokens [3, 3, 10], found 60 values"],
      [{ labels: new Uint8Array(3) }, "UserError", "expected 2 labels, found 3"],
      [{ count: 0, tokens: new Float32Array() }, "UserError", "expected images, found 0"],
    ];
    for (const [change, name, message] of steps) {
      await assert.rejects(trainer.step({ ...batch, ...change }, 1e-3), {
        name,
        message: `Cannot run head: ${message}`,
      });
    }
    assert.deepEqual(trainer.state(), options.state);
    await trainer.dispose();
  });
}

Deno.test("all engines train alike, dropout included", async () => {
  const options = trainerOptions(small);
  const [expected, ...others] = await Promise.all(engines.map(async (engine) => {
    const trainer = await engine.trainer(options);
    const losses: number[] = [];
    for (let seed = 0; seed < 5; seed++) {
      const batch = randomBatch(small, [0, 1, 1, 0, 1, 0], seed);
      losses.push((await trainer.step(batch, 1e-2)).total);
    }
    await trainer.dispose();
    return losses;
  }));
  // Adam divides a gradient that is rounding noise by itself, hence no finer
  for (const losses of others) assertClose(losses, expected!, 1e-3, "losses");
});

Deno.test("parameterShapes() are those of the released checkpoints", () => {
  for (const { architecture, under } of goldens) {
    const expected = [...under("param.")].map(([name, { shape }]) => [name, shape]);
    assert.deepEqual([...parameterShapes(architecture)], expected);
    const values = [...under("param.").values()].reduce((sum, { data }) => sum + data.length, 0);
    assert.equal(parameterCount(architecture), values);
  }
});

Deno.test("initialParameters() draws alpha from N(0, 1) and layers within ±1/√inputs", () => {
  const architecture = { ...small, width: 400, projectionDim: 100, blocks: 100 };
  const parameters = initialParameters(architecture, randomStream(3));
  const deviation = (name: string) => {
    const { data } = parameters.get(name)!;
    return Math.sqrt(data.reduce((sum, value) => sum + value ** 2, 0) / data.length);
  };
  assert(Math.abs(deviation("alpha") - 1) < 0.03);
  const layers: [string, number][] = [["proj1.1", 400], ["proj2.4", 100], ["head.6", 100]];
  for (const [name, inputs] of layers) {
    for (const part of [`${name}.weight`, `${name}.bias`]) {
      const { data } = parameters.get(part)!;
      assert(data.every((value) => Math.abs(value) <= 1 / Math.sqrt(inputs)), part);
    }
  }
  const uniform = 1 / Math.sqrt(3 * 400);
  assert(Math.abs(deviation("proj1.1.weight") / uniform - 1) < 0.03);
  assert.deepEqual(initialParameters(architecture, randomStream(3)), parameters);
});

Deno.test("dropout keeps half of the values, by key and step alone", () => {
  const architecture = { ...small, width: 100 };
  const draw = (key: string, step: number) =>
    new DropoutMasks(architecture).draw([key], step, 50).map((mask) => mask.slice());
  const masks = draw("a", 0);
  assert(masks.every((mask) => mask.every((value) => value === 0 || value === 1)));
  const kept = masks[0]!.reduce((sum, value) => sum + value, 0) / masks[0]!.length;
  // four standard deviations of the mean of 15 000 fair coins
  assert(Math.abs(kept - 0.5) < 0.0164, `${kept}`);
  assert.deepEqual(draw("a", 0), masks);
  assert.notDeepEqual(draw("a", 1), masks);
  assert.notDeepEqual(draw("b", 0), masks);
  const used = new DropoutMasks(architecture);
  used.draw(["c"], 5, 60);
  assert.deepEqual(used.draw(["a"], 0, 50), masks);
});

Deno.test("dropout leaves the mean of what it drops", async () => {
  const engine = engines[0]!;
  const architecture: HeadArchitecture = { ...small, projectionLayers: 1, projectionDim: 64 };
  const plain = trainerOptions(architecture);
  // positive weights: no ReLU cuts, so that the head is linear and dropout keeps its mean
  const state = stateOf(
    architecture,
    new Map(
      [...plain.state.parameters].map(([name, { data, shape }]) => [
        name,
        tensor(name === "alpha" ? data : data.map(Math.abs), shape),
      ]),
    ),
  );
  const { tokens, labels, count } = randomBatch(architecture, new Array(200).fill(1));
  const batch = { tokens: tokens.fill(1), labels, count };
  const mean = async (dropout: boolean) => {
    const { logits } = await engine.gradients({ ...plain, dropout, state }, batch);
    return logits.reduce((sum, value) => sum + value, 0) / count;
  };
  const [dropped, whole] = [await mean(true), await mean(false)];
  assert(Math.abs(dropped / whole - 1) < 0.05, `${dropped} against ${whole}`);
});
