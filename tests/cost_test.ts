import assert from "node:assert/strict";
import { mini } from "../experiments/profiles/mini.ts";
import { parameterCount } from "../lib/detectors/rine/architecture.ts";
import { NEIGHBOURS } from "../lib/detectors/ufd/neighbours_head.ts";
import type { RunConfig } from "../lib/runs/config.ts";
import { type Cost, Costing, type ImageCounts } from "../lib/runs/cost.ts";
import type { RunStatus } from "../lib/runs/status.ts";

/** Images of every source. */
const IMAGES = 10;
const BACKBONE = "Mini-B/16", SIZES = mini.backboneSizes[BACKBONE]!;
const name = mini.classSets[0]!.classes[0]!;
const trainingSet = mini.trainedOn.main.name;
const { train, val } = mini.trainingSets[trainingSet]![name]!;
const tested = mini.testSets[0]!;

function run(view = "center"): RunConfig {
  return {
    training: {
      detector: "rine",
      trainingSet,
      classes: [name],
      fraction: .5,
      backbone: BACKBONE,
      head: { contrastiveWeight: .2, projectionLayers: 1, projectionDim: 8, variant: "full" },
      batchSize: 4,
      learningRate: 1e-3,
      epochs: 2,
      decayEpochs: [],
      seed: 0,
    },
    evaluation: { testSets: [tested.name], view, atEpochs: [1, 2] },
  };
}

const [trained, validated, tried] = [train, val, tested].map(({ sources }) => sources.length);
const imageCounts = { of: () => Promise.resolve(IMAGES) } as unknown as ImageCounts;
const keysOf = (what: string, count: number) => Array.from({ length: count }, (_, i) => what + i);

/** A run of nearest neighbours in a bank of so many images. */
function search(k: number, bankImages: number | null): RunConfig {
  const { training, evaluation } = run();
  const head = { ...NEIGHBOURS, k, bankImages };
  return {
    training: { ...training, detector: "ufd_neighbours", head, epochs: 1 },
    evaluation: { ...evaluation, atEpochs: [1] },
  };
}

/** What a run costs where some sets of features are there, and perhaps its head. */
function costOf(
  config: RunConfig,
  hasFeatures: (key: string) => boolean = () => false,
  isTrained = false,
): Promise<Cost> {
  const features = {
    train: ["first", "second"].map((epoch) => keysOf(epoch, trained!)),
    val: keysOf("val", validated!),
  };
  const sets = [{ name: tested.name, key: "", features: keysOf("test", tried!) }];
  const status: RunStatus = { config, key: "", trainingKey: "", features, sets, isTrained };
  const there = {
    runs: [status],
    hasFeatures: (key: string) => Promise.resolve(hasFeatures(key)),
  };
  return new Costing(mini, imageCounts).costOf([config], there);
}

const PARAMETERS = parameterCount({
  ...SIZES,
  projectionLayers: 1,
  projectionDim: 8,
  ablation: "none",
});
const { blocks, width, length } = SIZES;
/** Of an image through the backbone, and of its features once through the head. */
const IMAGE_FLOPS = blocks * (24 * length * width ** 2 + 4 * length ** 2 * width);
const ROW_FLOPS = PARAMETERS * (blocks + 1);

Deno.test("a run from nothing costs its features, its steps and its trials", async () => {
  for (const [view, crops] of [["center", 1], ["ten", 10]] as const) {
    const made = IMAGES * (2 * trained! + validated! + crops * tried!);
    const learned = 2 * .5 * IMAGES * trained!, scored = 2 * crops * IMAGES * tried!;
    assert.deepEqual(await costOf(run(view)), {
      heads: 1,
      steps: Math.ceil(learned / 4),
      featureSets: 2 * trained! + validated! + tried!,
      crops: made,
      flops: made * IMAGE_FLOPS + (3 * learned + scored) * ROW_FLOPS,
      bytes: 2 * made * blocks * width + 2 * 4 * PARAMETERS,
    });
  }
});

Deno.test("features that are there cost nothing, each epoch's its own", async () => {
  for (const epoch of ["first", "second"]) {
    const { featureSets, crops, heads } = await costOf(run(), (key) => key.startsWith(epoch));
    assert.deepEqual([featureSets, crops, heads], [
      trained! + validated! + tried!,
      IMAGES * (trained! + validated! + tried!),
      1,
    ]);
  }
  const { featureSets } = await costOf(run(), (key) => key === "second0" || key === "test1");
  assert.equal(featureSets, 2 * trained! + validated! + tried! - 2);
});

Deno.test("a head that is there is only tried", async () => {
  assert.deepEqual(await costOf(run(), () => true, true), {
    ...{ heads: 0, steps: 0, featureSets: 0, crops: 0, bytes: 0 },
    flops: 2 * IMAGES * tried! * ROW_FLOPS,
  });
  // not what it has learned from: that may have been dropped
  const { featureSets } = await costOf(run(), (key) => /^(test|val)/.test(key), true);
  assert.equal(featureSets, 0);
});

Deno.test("a bank of neighbours costs its rows on disk and the search of them, not steps", async () => {
  const made = IMAGES * (trained! + validated! + tried!);
  const queries = IMAGES * (validated! + tried!);
  // half of the training images, as the run says
  for (const [images, rows] of [[null, .5 * IMAGES * trained!], [6, 6]] as const) {
    const costing = new Costing(mini, imageCounts);
    assert.deepEqual(await costing.costOf([search(1, images)]), {
      ...{ heads: 1, steps: 0, featureSets: trained! + validated! + tried!, crops: made },
      flops: made * IMAGE_FLOPS + queries * 2 * rows * width,
      bytes: 2 * made * width + 2 * rows * width,
    });
    const none = { heads: 1, steps: 0, featureSets: 0, crops: 0, flops: 0, bytes: 0 };
    assert.deepEqual(await costing.costOf([search(9, images)]), none, "one search is for every k");
    const other = await costing.costOf([search(1, 4)]);
    assert.deepEqual([other.flops, other.bytes], [queries * 2 * 4 * width, 2 * 4 * width]);
  }
  assert.deepEqual(await costOf(search(1, null), () => true, true), {
    ...{ heads: 0, steps: 0, featureSets: 0, crops: 0, bytes: 0 },
    flops: IMAGES * tried! * 2 * .5 * IMAGES * trained! * width,
  });
});

Deno.test("a bank of one block has that block alone, though features of all are made for it", async () => {
  const { training, evaluation } = search(1, 6);
  const head = { ...training.head, block: 1 };
  const config = { training: { ...training, detector: "ufd_block_neighbours", head }, evaluation };
  const { bytes, flops } = await new Costing(mini, imageCounts).costOf([config]);
  const made = IMAGES * (trained! + validated! + tried!);
  const queries = IMAGES * (validated! + tried!);
  assert.equal(bytes, 2 * made * blocks * width + 2 * 6 * width);
  assert.equal(flops, made * IMAGE_FLOPS + queries * 2 * 6 * width);
});
