import assert from "node:assert/strict";
import { mini } from "../experiments/profiles/mini.ts";
import { paper } from "../experiments/profiles/paper.ts";
import {
  ldmSet,
  PROGAN_CLASSES,
  proganClass,
  SYNTHBUSTER_SETS,
  TEST_SETS_20,
} from "../lib/data/catalog.ts";

Deno.test("the paper profile has the numbers of the released scripts", () => {
  const { grid, ldmGrid, training, perturbation, epochs, fractions, backbones, classSets } = paper;
  assert.deepEqual(backbones, ["ViT-L/14", "ViT-B/32"]);
  assert.deepEqual(classSets, [
    { name: "1-class", classes: ["horse"] },
    { name: "2-class", classes: ["chair", "horse"] },
    { name: "4-class", classes: ["car", "cat", "chair", "horse"] },
  ]);
  assert.deepEqual(grid, {
    contrastiveWeights: [0.1, 0.2, 0.4, 0.8],
    projectionLayers: [1, 2, 4],
    projectionDims: [128, 256, 512, 1024],
  });
  const { contrastiveWeights, projectionLayers, projectionDims } = grid;
  assert.equal(
    backbones.length * classSets.length * contrastiveWeights.length * projectionLayers.length *
      projectionDims.length,
    288,
  );
  assert.deepEqual(ldmGrid, {
    contrastiveWeights: [0.2, 0.4],
    projectionLayers: [2, 4],
    projectionDims: [512, 1024],
  });
  assert.deepEqual(training, {
    batchSize: 128,
    learningRate: 0.001,
    blurProbability: 0.5,
    blurSigmaPx: [0, 3],
    jpegProbability: 0.5,
    jpegQualities: [30, 100],
    flipProbability: 0.5,
    augmentations: 15,
  });
  assert.deepEqual(perturbation, { probability: 0.5, resizePx: 256 });
  assert.deepEqual(epochs, { atEpochs: [3, 5, 10, 15], decayEpochs: [6, 11] });
  assert.deepEqual(fractions, [0.2, 0.5, 0.8, 1]);
  assert.deepEqual(
    paper.ganSets,
    ["progan", "stylegan", "stylegan2", "biggan", "cyclegan", "stargan", "gaugan"],
  );
  assert.deepEqual([paper.trainedOn.main.name, paper.trainedOn.latent.name], ["progan", "ldm"]);
  // 224 px in patches of 14 and of 32 px, and the class token
  assert.deepEqual(paper.backboneSizes, {
    "ViT-L/14": { blocks: 24, width: 1024, length: 16 ** 2 + 1 },
    "ViT-B/32": { blocks: 12, width: 768, length: 7 ** 2 + 1 },
    "ViT-B/16": { blocks: 12, width: 768, length: 14 ** 2 + 1 },
    "RN50": { blocks: 1, width: 1024, length: 50, flops: 11.58e9 },
    "ResNet-50": { blocks: 1, width: 2048, length: 49, flops: 8.18e9 },
  });
  const ufd = paper.ufd!;
  assert.deepEqual(ufd.neighbours, [1, 3, 5, 9]);
  assert.deepEqual(ufd.probe, {
    batchSize: 256,
    learningRate: 1e-4,
    epochs: 100,
    smallestRate: 1e-6,
  });
  assert.deepEqual(ufd.augmentation, {
    shortSidePx: 256,
    blurProbability: 0.5,
    blurSigmaPx: [0, 3],
    jpegProbability: 0.5,
    jpegQualities: [30, 100],
    flipProbability: 0.5,
    augmentations: 15,
  });
  assert.deepEqual(ufd.sample, { most: 1000, fewer: 100, seed: 0 });
  assert.deepEqual(ufd.bankImages, [8000, 20_000, 80_000, 200_000]);
  assert.deepEqual(ufd.classSets.map(({ length }) => length), [2, 4, 8, 20]);
  assert.deepEqual(ufd.classSets.at(-1), ufd.classes);
  assert.equal(ufd.testSets.length, 19);
  assert.deepEqual(
    paper.testSets.map(({ name }) => name).filter((name) => !ufd.testSets.includes(name)),
    ["stylegan2", ...paper.testSets.slice(20).map(({ name }) => name)],
  );
  assert.deepEqual(
    ufd.featureSpaces.map(({ backbone }) => backbone),
    ["ViT-L/14", "RN50", "ResNet-50", "ViT-B/16"],
  );
  assert.deepEqual([paper.pointImages, paper.batchSize, paper.folder], [2000, 8, ""]);
  assert.equal(paper.isComparable, true);
  assert.equal(paper.notice, undefined, "its numbers are comparable with the paper's");
  assert.equal(paper.selection, undefined, "the best are those on the test sets, as released");
});

Deno.test("the mini profile is the paper's protocol in small", () => {
  const { grid, ldmGrid, training, perturbation, epochs, fractions, backbones, classSets } = mini;
  assert.deepEqual(backbones, ["Mini-L/8", "Mini-B/16"]);
  assert.deepEqual(classSets, [
    { name: "1-class", classes: ["discs"] },
    { name: "2-class", classes: ["squares", "discs"] },
    { name: "4-class", classes: ["triangles", "stars", "squares", "discs"] },
  ]);
  assert.deepEqual(grid, {
    contrastiveWeights: [0.1, 0.2, 0.4, 0.8],
    projectionLayers: [1, 2, 4],
    projectionDims: [16, 32, 64, 128],
  });
  assert.deepEqual(ldmGrid, {
    contrastiveWeights: [0.2, 0.4],
    projectionLayers: [2, 4],
    projectionDims: [64, 128],
  });
  assert.deepEqual(training, {
    batchSize: 16,
    learningRate: 0.003,
    blurProbability: 0.2,
    blurSigmaPx: [0, 1],
    jpegProbability: 0.2,
    jpegQualities: [60, 100],
    flipProbability: 0.5,
    augmentations: 5,
  });
  assert.deepEqual(perturbation, { probability: 0.5, resizePx: 73 });
  assert.deepEqual(epochs, { atEpochs: [3, 5, 10, 15], decayEpochs: [6, 11] });
  assert.deepEqual(fractions, [0.2, 0.5, 0.8, 1]);
  assert.deepEqual([mini.pointImages, mini.batchSize, mini.folder], [600, 64, "mini"]);
  assert.equal(mini.isComparable, false);
  assert.equal(mini.ganSets.length, 7);
  assert.match(mini.notice!, /not comparable with the paper/);
});

/** Images of both labels in each test set, as published. */
const TEST_IMAGES: Readonly<Record<string, number>> = {
  progan: 8000,
  stylegan: 11_982,
  stylegan2: 15_976,
  biggan: 4000,
  cyclegan: 2642,
  stargan: 3998,
  gaugan: 10_000,
  deepfake: 5405,
  seeingdark: 360,
  san: 438,
  crn: 12_764,
  imle: 12_764,
  guided: 2000,
  ldm_200: 2000,
  ldm_200_cfg: 2000,
  ldm_100: 2000,
  glide_100_27: 2000,
  glide_50_27: 2000,
  glide_100_10: 2000,
  dalle: 2000,
};

Deno.test("the catalog expects as many images as are published, and its sets in the paper's order", () => {
  const counts = TEST_SETS_20.map(({ name, expected }) => [
    name,
    expected!.real + expected!.generated,
  ]);
  assert.deepEqual(counts, Object.entries(TEST_IMAGES));
  for (const { name, expected } of TEST_SETS_20) {
    const { real, generated } = expected!;
    // the one set of unequal halves: 2707 real frames, 2698 generated
    assert.equal(real - generated, name === "deepfake" ? 9 : 0, name);
  }
  assert.equal(SYNTHBUSTER_SETS.length, 9);
  for (const { expected } of SYNTHBUSTER_SETS) {
    assert.deepEqual(expected, { real: 1000, generated: 1000 });
  }
  assert.equal(PROGAN_CLASSES.length, 20);
  for (const name of PROGAN_CLASSES) {
    assert.deepEqual(proganClass("train", name).expected, { real: 18_000, generated: 18_000 });
    assert.deepEqual(proganClass("val", name).expected, { real: 200, generated: 200 });
  }
  assert.deepEqual(ldmSet("train").expected, { real: 180_000, generated: 180_000 });
  assert.deepEqual(ldmSet("valid").expected, { real: 20_000, generated: 20_000 });
});

Deno.test("test sets lie where the released layout has them, real images shared among diffusion's", () => {
  const folders = (name: string) =>
    TEST_SETS_20.find((set) => set.name === name)!.sources.map((source) =>
      "directory" in source ? `${source.label} ${source.directory}` : source.list
    );
  const byClass = ["progan", "stylegan", "stylegan2", "cyclegan"];
  for (const { name } of TEST_SETS_20.slice(0, 12)) {
    const folder = byClass.includes(name) ? `test/${name}/*` : `test/${name}`;
    assert.deepEqual(folders(name), [`0 ${folder}/0_real`, `1 ${folder}/1_fake`]);
  }
  for (const { name } of TEST_SETS_20.slice(12)) {
    const reals = name === "guided" ? "imagenet" : "laion";
    assert.deepEqual(folders(name), [
      `0 test/diffusion_datasets/${reals}/0_real`,
      `1 test/diffusion_datasets/${name}/1_fake`,
    ]);
  }
});

Deno.test("costs of the mini profile are reckoned with its backbones' sizes, class token included", () => {
  assert.deepEqual(mini.backboneSizes, {
    "Mini-L/8": { blocks: 8, width: 128, length: 8 * 8 + 1 },
    "Mini-B/16": { blocks: 4, width: 128, length: 4 * 4 + 1 },
    "Mini-L/8 random": { blocks: 8, width: 128, length: 8 * 8 + 1 },
    "Mini-B/16 random": { blocks: 4, width: 128, length: 4 * 4 + 1 },
  });
});
