import assert from "node:assert/strict";
import { join } from "node:path";
import featureSpace, { drawnSets } from "../experiments/rine/feature_space.ts";
import { featurePoints } from "../lib/report/paper/feature_points.ts";
import { paper } from "../experiments/profiles/paper.ts";
import { initialParameters } from "../lib/detectors/rine/architecture.ts";
import { saveCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import type { HeadEngine } from "../lib/detectors/rine/engine.ts";
import { randomStream } from "../lib/random.ts";
import { projectFeatures } from "../lib/report/tsne.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { writeFeatureSet } from "./feature_sets.ts";
import { temporaryFolder } from "./temporary.ts";

/** Features in two clouds far apart. */
function clouds(count: number, width: number): Float32Array {
  const random = randomStream("clouds");
  return Float32Array.from(
    { length: count * width },
    (_, i) => random.normal() + (Math.floor(i / width) % 2 === 0 ? 6 : -6),
  );
}

Deno.test("projectFeatures() keeps two clouds apart, and equal seeds give equal points", () => {
  const count = 120, features = clouds(count, 8);
  const points = projectFeatures(features, count, { perplexity: 15, iterations: 300 });
  assert.equal(points.length, 2 * count);
  let nearestOfOwn = 0;
  for (let i = 0; i < count; i++) {
    let nearest = -1, least = Infinity;
    for (let j = 0; j < count; j++) {
      const distance = Math.hypot(
        points[2 * i]! - points[2 * j]!,
        points[2 * i + 1]! - points[2 * j + 1]!,
      );
      if (j !== i && distance < least) [nearest, least] = [j, distance];
    }
    if (nearest % 2 === i % 2) nearestOfOwn++;
  }
  assert.equal(nearestOfOwn, count);
  assert.deepEqual(projectFeatures(features, count, { perplexity: 15, iterations: 300 }), points);
  const other = projectFeatures(features, count, { perplexity: 15, iterations: 300, seed: 1 });
  assert.notDeepEqual(other, points);
});

Deno.test("projectFeatures() refuses rows that do not fit, and too few of them", () => {
  assert.throws(() => projectFeatures(new Float32Array(10), 3), {
    name: "UserError",
    message: "Cannot project features: expected rows of 3 images, found 10 numbers",
  });
  assert.throws(() => projectFeatures(new Float32Array(80), 40, { perplexity: 30 }), {
    name: "UserError",
    message: "Cannot project features: expected at least 90 images, found 40",
  });
});

Deno.test("drawnSets() are the seven GANs and the eight sets of diffusion models", () => {
  const names = drawnSets(paper).map(({ name }) => name);
  assert.equal(names.length, 15);
  assert.ok(names.includes("gaugan") && names.includes("dalle") && !names.includes("san"));
});

Deno.test("featurePoints() draws equally many images of each set in both spaces, and keeps them for the head", async () => {
  const folder = temporaryFolder();
  const blocks = 2, width = 4, images = 50;
  const architecture = {
    blocks,
    width,
    projectionLayers: 1,
    projectionDim: 3,
    ablation: "none" as const,
  };
  const profile = { ...paper, name: "mini" as const };
  try {
    const test: Record<string, string[]> = {};
    for (const { name } of drawnSets(profile)) {
      // The first block's token is 0, the last block's the number of the row.
      const values = Float32Array.from(
        { length: images * blocks * width },
        (_, i) => Math.floor(i / width) % 2 === 0 ? 0 : Math.floor(i / (width * blocks)),
      );
      const set = await writeFeatureSet(join(folder, "tokens"), {
        name,
        shape: [images, blocks, width],
        images: Array.from({ length: images }, (_, i) => ({
          path: `${name}/${i}.png`,
          label: i % 2 as 0 | 1,
        })),
      }, values);
      test[name] = [set.key];
    }
    await saveCheckpoint(
      join(folder, "head.safetensors"),
      architecture,
      initialParameters(architecture, randomStream(0)),
    );
    let predicted = 0;
    const engine = {
      predictor: () =>
        Promise.resolve({
          predict(tokens: Float32Array, count: number) {
            predicted += count;
            assert.equal(tokens.length, count * blocks * width);
            const z = Float32Array.from(
              { length: count * 3 },
              (_, i) => tokens[Math.floor(i / 3) * blocks * width + width]! * (i % 3),
            );
            return Promise.resolve({ logits: new Float32Array(count), z });
          },
          dispose: () => Promise.resolve(),
        }),
    } as unknown as HeadEngine;
    const record = {
      key: "k",
      config: { training: { backbone: "ViT-L/14" } },
      tokens: { test },
      evaluations: [{ checkpoint: "head.safetensors" }],
    } as unknown as RunRecord;
    const source = { record, folder, tokensFolder: join(folder, "tokens"), engine };

    const points = await featurePoints(profile, source);
    assert.equal(points.length, 2 * 600);
    assert.equal(predicted, 600);
    for (const detector of ["RINE", "ViT-L/14"]) {
      const own = points.filter((point) => point.detector === detector);
      const counts = drawnSets(profile).map(({ name }) =>
        own.filter(({ generator }) => generator === name).length
      );
      assert.deepEqual(counts, counts.map(() => 40));
      assert.ok(own.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)));
    }
    assert.deepEqual(
      points.slice(0, 600).map(({ label }) => label),
      points.slice(600).map(({ label }) => label),
    );
    assert.deepEqual(await featurePoints(profile, source), points);
    assert.equal(predicted, 600, "points on disk were made again");
    await featurePoints(profile, { ...source, record: { ...record, key: "another head's" } });
    assert.equal(predicted, 1200, "another head's points were shown");

    const { figures } = featureSpace.report(profile, [], { points });
    assert.equal(figures[0]!.rows.length, points.length);
    assert.deepEqual([...new Set(figures[0]!.rows.map(({ kind }) => kind))].sort(), [
      "GAN",
      "diffusion",
      "real",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
