import assert from "node:assert/strict";
import { explainView } from "../lib/detectors/explanation.ts";
import type { ImageScorer } from "../lib/detectors/image_scorer.ts";
import { withoutBlock } from "../lib/detectors/rine/checkpoint.ts";
import rine from "../lib/detectors/rine/detector.ts";
import { checkpointPath } from "../lib/detectors/detector.ts";
import { saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import { openEngine } from "../lib/detectors/rine/open_engine.ts";
import type { RgbImage } from "../lib/image/image.ts";
import { tensor } from "../lib/io/tensor.ts";
import { renderFigure } from "../lib/report/write/render.ts";
import { headGoldens } from "./head_golden.ts";
import { noiseImage } from "./image_samples.ts";
import { inFolder } from "./temporary.ts";

/** Rows of [before, size, after] without one of the middle. */
function without(data: Float32Array, before: number, size: number, after: number, one: number) {
  return Float32Array.from({ length: before * (size - 1) * after }, (_, i) => {
    const inner = i % after, middle = Math.floor(i / after) % (size - 1);
    const outer = Math.floor(i / after / (size - 1));
    return data[(outer * size + middle + Number(middle >= one)) * after + inner]!;
  });
}

Deno.test("leaving a block out is the head of the other blocks", async () => {
  const golden = (await headGoldens()).find(({ architecture }) =>
    architecture.ablation === "none"
  )!;
  const { architecture, batch, options: { state: { parameters } } } = golden;
  const { blocks, width, projectionDim } = architecture;
  const engine = await openEngine("onnx");
  await inFolder(async (folder) => {
    const path = `${folder}/${checkpointPath("head", 1)}`;
    await saveCheckpoint(path, architecture, parameters, {});
    const scorer = await rine.open(path, { engine: "onnx" });
    const found = await scorer.withoutBlocks!(batch.tokens, batch.count);
    assert.equal(found.length, blocks);
    for (let block = 0; block < blocks; block++) {
      const fewer = { ...architecture, blocks: blocks - 1 };
      const alpha = without(parameters.get("alpha")!.data, 1, blocks, projectionDim, block);
      const predictor = await engine.predictor(
        fewer,
        new Map([...parameters, ["alpha", tensor(alpha, [1, blocks - 1, projectionDim])]]),
      );
      const tokens = without(batch.tokens, batch.count, blocks, width, block);
      const { logits } = await predictor.predict(tokens, batch.count);
      await predictor.dispose();
      logits.forEach((logit, i) =>
        assert.ok(Math.abs(logit - found[block]![i]!) < 1e-5, `${block}`)
      );
    }
    const all = await scorer.logits(batch.tokens, batch.count);
    assert.ok(found.some((logits) => Math.abs(logits[0]! - all[0]!) > 1e-3), "blocks matter");
    await scorer.dispose();
  });
  assert.deepEqual(
    parameters.get("alpha")!.data,
    golden.options.state.parameters.get("alpha")!.data,
  );
  assert.notDeepEqual(withoutBlock(parameters, 0).get("alpha"), parameters.get("alpha"));
  await engine.dispose();
});

Deno.test("a head that weighs no blocks has none to leave out", async () => {
  for (const { architecture, options } of await headGoldens()) {
    await inFolder(async (folder) => {
      const path = `${folder}/${checkpointPath("head", 1)}`;
      await saveCheckpoint(path, architecture, options.state.parameters, {});
      const scorer = await rine.open(path, { engine: "onnx" });
      assert.equal(scorer.withoutBlocks !== undefined, architecture.ablation === "none");
      await scorer.dispose();
    });
  }
});

/** Red of one place, in what is read of an image: its logit is known. */
function redAt(x: number, y: number, seen: RgbImage[] = []): ImageScorer {
  return {
    title: "red",
    reads: "one pixel",
    imagesAtOnce: 3,
    steps: [],
    view: (image) => image,
    pads: () => false,
    logits(views) {
      seen.push(...views);
      return Promise.resolve(
        Float32Array.from(views, ({ width, data }) => data[3 * (y * width + x)]!),
      );
    },
    represent: () => Promise.resolve(undefined),
    withoutBlocks: () => Promise.resolve([Float32Array.of(3), Float32Array.of(-1)]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("what a part adds is what the logit loses where it is covered", async () => {
  const view = noiseImage(10, 7);
  const before = view.data.slice();
  const seen: RgbImage[] = [];
  const logit = view.data[3 * (5 * 10 + 7)]!;
  const mean = Math.round(
    view.data.filter((_, i) => i % 3 === 0).reduce((sum, value) => sum + value, 0) / 70,
  );
  const found = await explainView(redAt(7, 5, seen), view, { score: 1, logit }, { cells: 4 });
  // 7 of 10 columns lies in [5, 8), 5 of 7 rows in [5, 7)
  const expected = Array.from(
    { length: 4 },
    (_, row) =>
      Array.from({ length: 4 }, (_, column) => row === 3 && column === 2 ? logit - mean : 0),
  );
  assert.deepEqual(found.occlusion, expected);
  assert.deepEqual(view.data, before, "the image is left as it was");
  assert.equal(seen.length, 16);
  const covered = seen.map(({ data }) => data.filter((value, i) => value !== before[i]).length);
  assert.ok(covered.every((count) => count > 0 && count <= 3 * 6), "one part at a time");
  assert.deepEqual(found.blocks, [logit - 3, logit + 1]);
});

Deno.test("an explanation draws bars and a map, with the sign in words", async () => {
  const view = noiseImage(8, 8);
  const { figures } = await explainView(redAt(1, 1), view, { score: .9, logit: 2 }, { cells: 2 });
  assert.deepEqual(figures.map(({ id }) => id), ["explained_blocks", "explained_parts"]);
  assert.deepEqual(figures[0]!.rows, [
    { block: 1, contribution: -1, speaksFor: "real" },
    { block: 2, contribution: 3, speaksFor: "generated" },
  ]);
  assert.match(figures[0]!.caption, /^Score 0\.90, logit 2\.00\./);
  const strengths = figures[1]!.rows.map(({ strength }) => Number(strength));
  assert.deepEqual([Math.max(...strengths), strengths.length], [1, 4]);
  for (const figure of figures) {
    const { svg, pdf } = await renderFigure(figure);
    assert.match(svg, /^<svg/);
    assert.equal(new TextDecoder().decode(pdf.slice(0, 5)), "%PDF-");
  }
  const { withoutBlocks: _, ...noBlocks } = redAt(1, 1);
  const plain = await explainView(noBlocks, view, { score: .9, logit: 2 }, { cells: 1 });
  assert.deepEqual([plain.blocks, plain.figures.length], [undefined, 1]);
});

Deno.test("options of an explanation that are amiss are named", async () => {
  const explain = (options: object) =>
    explainView(redAt(0, 0), noiseImage(8, 6), { score: .5, logit: 0 }, options);
  await assert.rejects(explain({ cells: 7 }), /from 1 to 6; found 7$/);
  await assert.rejects(explain({ cells: .5 }), /found 0.5$/);
  await assert.rejects(explain({ cell: 2 }), /^UserError: Cannot explain a verdict: .*found cell$/);
});
