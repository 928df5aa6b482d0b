import assert from "node:assert/strict";
import type { HeadArchitecture } from "../lib/head/architecture.ts";
import { initialState } from "../lib/head/engine.ts";
import { ENGINES, openEngine } from "../lib/head/open_engine.ts";
import { openTensorflowEngine } from "../lib/head/tensorflow_engine.ts";
import { installTensorflow } from "../lib/head/tensorflow_install.ts";
import {
  hasNativeTensorflow,
  loadTensorflow,
  TENSORFLOW_LIBRARIES,
} from "../lib/head/tensorflow_library.ts";
import { randomStream } from "../lib/random.ts";
import { temporaryFolder } from "./temporary.ts";

const native = await hasNativeTensorflow();

Deno.test("every engine says what really runs", async () => {
  for (const name of ENGINES) {
    const engine = await openEngine(name, { device: "cpu", threads: 1 });
    assert.match(engine.backend, /^(onnxruntime|tensorflow) \d+\.\d+\.\d+ cpu|^javascript /);
    if (name !== "auto") assert.equal(engine.name, name);
    await engine.dispose();
  }
});

Deno.test("auto takes tensorflow where its native library sees a GPU, else onnx", async () => {
  const engine = await openEngine("auto", { threads: 1 });
  const seen = native && (await openTensorflowEngine({ threads: 1 })).backend.includes("cuda");
  assert.equal(engine.name, seen ? "tensorflow" : "onnx");
  await engine.dispose();
});

Deno.test("a device that an engine does not have is refused with what to do", async () => {
  await assert.rejects(openEngine("tensorflow", { device: "webgpu" }), {
    name: "RangeError",
    message: "Cannot run tensorflow on webgpu: expected --device cpu or cuda",
  });
  if (native && (await openTensorflowEngine()).backend.includes("cuda")) return;
  await assert.rejects(openEngine("tensorflow", { device: "cuda" }), {
    name: "RangeError",
    message: native ? /it finds no GPU/ : /run `deno task tensorflow install`$/,
  });
});

Deno.test({
  name: "a folder without TensorFlow is refused with what was looked for",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = temporaryFolder();
    await Deno.writeTextFile(`${folder}/libtensorflow_cc.so.2`, "");
    await assert.rejects(installTensorflow({ library: folder }), {
      name: "RangeError",
      message: /^Cannot (find TensorFlow in .*: expected libtensorflow_cc|run g\+\+: )/,
    });
    await Deno.remove(folder, { recursive: true });
  },
});

for (const library of native ? TENSORFLOW_LIBRARIES : ["javascript"] as const) {
  Deno.test(`tensorflow, ${library}: heads free every tensor that they made`, async () => {
    const { tf } = await loadTensorflow(library);
    const engine = await openTensorflowEngine({}, library);
    const before = tf.memory().numTensors;
    const architecture: HeadArchitecture = {
      blocks: 3,
      width: 4,
      projectionLayers: 1,
      projectionDim: 5,
      ablation: "none",
    };
    const state = initialState(architecture, randomStream(0));
    const options = { architecture, contrastiveWeight: 1, dropout: true, dropoutKey: [], state };
    const batch = { tokens: new Float32Array(24).fill(1), labels: Uint8Array.of(0, 1), count: 2 };
    const trainer = await engine.trainer(options);
    const opened = tf.memory().numTensors;
    for (let step = 0; step < 3; step++) await trainer.step(batch, 1e-3);
    trainer.state();
    await engine.gradients(options, batch);
    assert.equal(tf.memory().numTensors, opened);
    const predictor = await engine.predictor(architecture, state.parameters);
    await predictor.predict(batch.tokens, 2);
    await predictor.dispose();
    await trainer.dispose();
    assert.equal(tf.memory().numTensors, before);
  });
}
