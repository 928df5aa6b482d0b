import assert from "node:assert/strict";
import { openOnnxEngine } from "../lib/head/onnx_engine.ts";
import { assertClose, headGoldens } from "./head_golden.ts";

const goldens = await headGoldens();
const engine = await openOnnxEngine({ threads: 1 });

// rounding alone keeps a gradient that is zero in exact arithmetic from being zero in a golden
const ROUNDING = 1e-7;

for (const golden of goldens) {
  Deno.test(`onnx: logits, z, losses and gradients equal PyTorch's on ${golden.name}`, async () => {
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

  Deno.test(`onnx: three steps equal PyTorch's Adam on ${golden.name}`, async () => {
    const trainer = await engine.trainer(golden.options);
    const losses: number[] = [];
    for (let i = 0; i < 3; i++) {
      losses.push((await trainer.step(golden.batch, golden.learningRate)).total);
    }
    assertClose(losses, golden.tensor("losses").data, 1e-4, "losses");
    const { parameters, steps } = trainer.state();
    assert.equal(steps, 3);
    for (const [name, { data }] of golden.under("adam3.")) {
      assertClose(parameters.get(name)!.data, data, 1e-3, `${name} after three steps`);
    }
    await trainer.dispose();
  });
}
