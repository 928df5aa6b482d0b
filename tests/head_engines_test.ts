import assert from "node:assert/strict";
import { InferenceSession } from "onnxruntime-node";
import type { HeadArchitecture } from "../lib/detectors/rine/architecture.ts";
import { initialState, type TrainerOptions } from "../lib/detectors/rine/engine.ts";
import { ENGINES } from "../lib/detectors/detector.ts";
import { holdEngine, openEngine } from "../lib/detectors/rine/open_engine.ts";
import { openOnnxEngine } from "../lib/detectors/rine/onnx/engine.ts";
import { openTensorflowEngine } from "../lib/detectors/rine/tensorflow/engine.ts";
import { installTensorflow } from "../lib/detectors/rine/tensorflow/install.ts";
import {
  hasNativeTensorflow,
  loadTensorflow,
  TENSORFLOW_LIBRARIES,
} from "../lib/detectors/rine/tensorflow/library.ts";
import { randomStream } from "../lib/random.ts";
import { temporaryFolder } from "./temporary.ts";

const native = await hasNativeTensorflow();
const seesGpu = native && (await openTensorflowEngine({ threads: 1 })).backend.includes("cuda");

Deno.test("every engine says what really runs", async () => {
  for (const name of ENGINES) {
    const engine = await openEngine(name, { device: "cpu", threads: 1 });
    assert.match(engine.backend, /^(onnxruntime|tensorflow) \d+\.\d+\.\d+ cpu|^javascript /);
    if (name !== "auto") assert.equal(engine.name, name);
    await engine.dispose();
  }
});

Deno.test("an engine is shared by those who ask for the same, and by no others", async () => {
  const wanted = [
    { engine: "onnx" },
    { engine: "onnx", device: "cpu" },
    { engine: "onnx", threads: 1 },
    { engine: "tensorflow" },
  ] as const;
  const held = await Promise.all([...wanted, ...wanted].map((options) => holdEngine(options)));
  const engines = held.map(({ engine }) => engine);
  assert.equal(new Set(engines).size, wanted.length);
  assert.deepEqual(engines.map((one) => engines.indexOf(one)), [0, 1, 2, 3, 0, 1, 2, 3]);
  for (const { release } of held) await release();
});

Deno.test("auto takes tensorflow where its native library sees a GPU, else onnx", async () => {
  const engine = await openEngine("auto", { threads: 1 });
  assert.equal(engine.name, seesGpu ? "tensorflow" : "onnx");
  await engine.dispose();
});

Deno.test("a device that an engine does not have is refused with what to do", async () => {
  await assert.rejects(openEngine("tensorflow", { device: "webgpu" }), {
    name: "UserError",
    message: "Cannot run tensorflow on webgpu: expected --device cpu or cuda",
  });
});

Deno.test({
  name: `tensorflow refuses a GPU that is not there${
    seesGpu ? " (skipped: there is one)" : ""
  }, with what to do`,
  ignore: seesGpu,
  fn: () =>
    assert.rejects(openEngine("tensorflow", { device: "cuda" }), {
      name: "UserError",
      message: native ? /it finds no GPU/ : /run `deno task tensorflow install`$/,
    }),
});

Deno.test({
  name: "a folder without TensorFlow is refused with what was looked for",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = temporaryFolder();
    await Deno.writeTextFile(`${folder}/libtensorflow_cc.so.2`, "");
    await assert.rejects(installTensorflow({ library: folder }), {
      name: "UserError",
      message: /^Cannot (find TensorFlow in .*: expected libtensorflow_cc|run g\+\+: )/,
    });
    await Deno.remove(folder, { recursive: true });
  },
});

const tiny: HeadArchitecture = {
  blocks: 3,
  width: 4,
  projectionLayers: 1,
  projectionDim: 5,
  ablation: "none",
};
const batch = { tokens: new Float32Array(24).fill(1), labels: Uint8Array.of(0, 1), count: 2 };

function trainerOptions(architecture = tiny): TrainerOptions {
  const state = initialState(architecture, randomStream(0));
  return { architecture, contrastiveWeight: 1, dropout: true, dropoutKey: [], state };
}

/** Does something while ONNX Runtime's sessions are opened by another function. */
async function withSessions(
  open: (create: typeof InferenceSession.create) => typeof InferenceSession.create,
  action: () => Promise<void>,
): Promise<void> {
  const { create } = InferenceSession;
  InferenceSession.create = open(create);
  try {
    await action();
  } finally {
    InferenceSession.create = create;
  }
}

Deno.test("onnx: a session that failed to open is opened again by the next head", async () => {
  const engine = await openOnnxEngine({ threads: 1 });
  await withSessions(() => () => Promise.reject(new Error("out of memory")), async () => {
    await assert.rejects(engine.trainer(trainerOptions()), /out of memory/);
    await assert.rejects(engine.predictor(tiny, trainerOptions().state.parameters));
    await assert.rejects(engine.gradients(trainerOptions(), batch));
  });
  const trainer = await engine.trainer(trainerOptions());
  assert((await trainer.step(batch, 1e-3)).total > 0);
  await engine.gradients(trainerOptions(), batch);
  await engine.dispose();
});

Deno.test("onnx: gradients that fail let go of their session", async () => {
  const engine = await openOnnxEngine({ threads: 1 });
  let open = 0;
  const failing = (create: typeof InferenceSession.create) => async (...model: unknown[]) => {
    const session = await create(...model as Parameters<typeof create>);
    const release = session.release.bind(session);
    open++;
    session.run = () => Promise.reject(new Error("out of memory"));
    session.release = () => {
      open--;
      return release();
    };
    return session;
  };
  await withSessions((create) => failing(create) as typeof create, async () => {
    await assert.rejects(engine.gradients(trainerOptions(), batch), /out of memory/);
    assert.equal(open, 1);
    const other = trainerOptions({ ...tiny, projectionDim: 6 });
    await assert.rejects(engine.gradients(other, batch), /out of memory/);
    assert.equal(open, 1, "the first one was closed when another was needed");
  });
  await engine.dispose();
  assert.equal(open, 0);
});

for (const library of native ? TENSORFLOW_LIBRARIES : ["javascript"] as const) {
  Deno.test(`tensorflow, ${library}: heads free every tensor that they made`, async () => {
    const { tf } = await loadTensorflow(library);
    const engine = await openTensorflowEngine({}, library);
    const before = tf.memory().numTensors;
    const options = trainerOptions();
    const trainer = await engine.trainer(options);
    const opened = tf.memory().numTensors;
    for (let step = 0; step < 3; step++) await trainer.step(batch, 1e-3);
    trainer.state();
    await engine.gradients(options, batch);
    assert.equal(tf.memory().numTensors, opened);
    const predictor = await engine.predictor(tiny, options.state.parameters);
    await predictor.predict(batch.tokens, 2);
    await predictor.dispose();
    await trainer.dispose();
    assert.equal(tf.memory().numTensors, before);
  });
}

for (const name of ["onnx", "tensorflow"] as const) {
  Deno.test(`${name}: each step is made at its own rate, whatever the rate of the one before`, async () => {
    const engine = await openEngine(name, { threads: 1 });
    /** How far a parameter goes in the last of some steps, and the state before it. */
    const lastMove = async (rates: readonly number[], options = trainerOptions()) => {
      const trainer = await engine.trainer(options);
      for (const rate of rates.slice(0, -1)) await trainer.step(batch, rate);
      const before = trainer.state();
      await trainer.step(batch, rates.at(-1)!);
      const after = trainer.state().parameters.get("head.6.bias")!.data[0]!;
      await trainer.dispose();
      return { before, move: after - before.parameters.get("head.6.bias")!.data[0]! };
    };
    const { before, move } = await lastMove([1e-2, 1e-2]);
    assert.ok(Math.abs(move) > 1e-3);
    for (const [rate, share] of [[1e-3, .1], [3e-2, 3], [0, 0]] as const) {
      const { move: other } = await lastMove([1e-2, rate]);
      assert.ok(Math.abs(other - share * move) < 1e-6, `${other} at ${rate}, ${move} at 0.01`);
    }
    // what has been resumed has no rate before
    const resumed = await lastMove([1e-3], { ...trainerOptions(), state: before });
    assert.ok(Math.abs(resumed.move - .1 * move) < 1e-6);
    await engine.dispose();
  });
}
