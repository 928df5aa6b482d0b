import assert from "node:assert/strict";
import { join } from "node:path";
import type { FeatureIndex } from "../lib/tokens/set_index.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import type { RunRecord } from "../lib/runs/record.ts";
import { smallCommandLine } from "./command_line.ts";
import { makeSmallWorld } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder("views_");
await makeSmallWorld(folder);
const data = join(folder, "mini"), results = join(folder, "results");

const run = (...args: string[]) =>
  smallCommandLine(
    ...["reproduce", "--profile", "paper", "--data", data, "--results", results],
    ...["--only", "epochs,perturbations,synthbuster", "--protocol", "paper", "--seed", "3"],
    ...args,
  );

async function recordsOf(section: string): Promise<RunRecord[]> {
  const path = join(results, "paper", "records", section);
  const names = Array.from(Deno.readDirSync(path), ({ name }) => name);
  return await Promise.all(
    names.map(async (name) => JSON.parse(await Deno.readTextFile(join(path, name)))),
  );
}

async function indexOf(key: string): Promise<FeatureIndex> {
  return JSON.parse(await Deno.readTextFile(join(data, "tokens", `${key}.json`)));
}

/** What the sets of features are made with, and their augmentation's or perturbation's seed and epoch. */
async function sourceOf(key: string) {
  const { transform, seed, epoch } = (await indexOf(key)).source;
  return { transform, seed, epoch };
}

Deno.test("a dry run counts ten crops, each perturbation and each augmentation once", async () => {
  const { code, out, error } = await run("--dry-run");
  assert.equal(code, 0, error);
  const counts = out.split("\n").slice(3, 7).map((line) =>
    line.split(/ {2,}/).slice(0, 6).join(" ")
  );
  // of two test sets 24 images; of the latent set 24 + 24 to learn from in two augmentations, 10 + 10
  // to validate on, and ten crops of 2 + 2; each perturbation is drawn three times
  assert.deepEqual(counts, [
    "grid 2 0 2 8 68",
    `epochs 2 0 2 2 ${20 + 20}`,
    `perturbations 15 0 0 ${15 * 4} ${15 * 24}`,
    `synthbuster 2 0 1 ${2 * 3 + 3 + 2} ${2 * 48 + 20 + 10 * 4}`,
  ]);
  const [left, whole] = ["left", "from nothing"].map((name) =>
    out.split("\n").find((line) => line.startsWith(name))!.split(/ {2,}/).filter((cell) => cell)
  );
  assert.deepEqual(left!.slice(1, 5), ["21", "5", "81", "624"]);
  assert.deepEqual(whole!.slice(1, 5), ["21", "5", "81", "624"]);
});

Deno.test("training images are augmented as the profile says, anew until augmentations come round", async () => {
  const { code, error } = await run();
  assert.equal(code, 0, error);
  const records = await recordsOf("epochs");
  assert.equal(records.length, 2);
  for (const { features: { train }, config, evaluations, epochs } of records) {
    assert.deepEqual(evaluations.map(({ epoch }) => epoch), [2, 3]);
    assert.deepEqual(config.training.decayEpochs, [2]);
    const rates = epochs.map(({ learningRate }) => Number(learningRate.toPrecision(9)));
    assert.deepEqual(rates, [3e-3, 3e-4, 3e-4]);
    assert.equal(train.length, 3);
    assert.deepEqual(train[2], train[0]);
    for (const [i, epoch] of [1, 2].entries()) {
      for (const key of train[i]!) {
        assert.deepEqual(await sourceOf(key), {
          transform: {
            kind: "train",
            size: 64,
            augmentation: {
              protocol: "paper",
              blurProbability: .25,
              blurSigmaPx: [.1, .9],
              jpegProbability: .35,
              jpegQualities: [61, 97],
              flipProbability: .45,
            },
          },
          seed: 3,
          epoch,
        });
      }
    }
  }
});

Deno.test("each perturbation is that of the protocol, on images of its own", async () => {
  const records = await recordsOf("perturbations");
  assert.deepEqual(
    records.map(({ config: { training: { seed }, evaluation: { view, draw = seed } } }) =>
      `${view} ${draw - seed}`
    ).sort(),
    PERTURBATIONS.flatMap((view) => [0, 1, 2].map((draw) => `${view} ${draw}`)).sort(),
  );
  for (const { features, config } of records) {
    for (const key of Object.values(features.test).flat()) {
      const { transform, seed } = await sourceOf(key);
      assert.equal(seed, config.evaluation.draw ?? config.training.seed);
      assert.deepEqual(transform, {
        kind: "perturbed",
        size: 64,
        perturbation: config.evaluation.view,
        probability: .55,
        resizePx: 71,
        protocol: "paper",
      });
    }
  }
});

Deno.test("the larger images are tried on ten crops, after 1, 3 and 5 epochs", async () => {
  const records = await recordsOf("synthbuster");
  assert.deepEqual(
    records.map(({ evaluations }) => evaluations.map(({ epoch }) => epoch).join()).sort(),
    ["1", "1,3,5"],
  );
  for (const { features } of records) {
    for (const key of Object.values(features.test).flat()) {
      const { source, cropsPerImage, shape, images } = await indexOf(key);
      assert.deepEqual(source.transform, { kind: "ten", size: 64 });
      assert.deepEqual([cropsPerImage, shape[0]], [10, 10 * images]);
    }
  }
});
