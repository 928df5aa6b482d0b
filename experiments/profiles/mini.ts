/**
 * The paper in miniature: the same protocol on images and backbones that the project makes itself.
 *
 * Its numbers say nothing about RINE on real images; they show that the whole pipeline works.
 * @module
 */
import {
  MINI_CLASSES,
  MINI_LATENT_TRAINING_SET,
  MINI_SYNTHBUSTER_SETS,
  MINI_TEST_SETS,
  MINI_TRAINING_SETS,
} from "../../lib/mini/sets.ts";
import { MINI_BACKBONE_SIZES, MINI_WORLD } from "../../lib/mini/world.ts";
import { dmidRecipe } from "../../lib/detectors/dmid.ts";
import { lgradRecipe } from "../../lib/detectors/lgrad/train.ts";
import { patchForensicsRecipe } from "../../lib/detectors/patch_forensics/train.ts";
import { clipPyramidRecipe } from "../../lib/detectors/pyramid/clip.ts";
import { resnetPyramidRecipe } from "../../lib/detectors/pyramid/resnet.ts";
import { rineWangRecipe } from "../../lib/detectors/rine_wang/detector.ts";
import { wangRecipe } from "../../lib/detectors/wang.ts";
import type { Variation } from "../../lib/image/variation.ts";
import type { Profile } from "../../lib/runs/profile.ts";

const [first, second, third, fourth] = MINI_CLASSES;

/** Blur and compression that leave something of images so small. */
const GENTLE = { blurSigmaPx: [0, 1], jpegQualities: [60, 100] } as const;

const { resizedCrop, colours, hole, noise } = dmidRecipe.variation!;

/** DMID's, of fewer images: there are few to learn from. */
const SELDOM: Variation = {
  resizedCrop: { ...resizedCrop, probability: .1, sizePx: 76 },
  colours: { ...colours, probability: .2 },
  greyProbability: .1,
  hole: { ...hole, probability: .1, sizePx: 12 },
  noise: { ...noise, probability: .1 },
  turnProbability: 1,
};

/** Everything the experiments run on in the mini profile. */
export const mini: Profile = {
  name: "mini",
  folder: "mini",
  made: MINI_WORLD,
  isComparable: false,
  batchSize: 64,
  pointImages: 600,
  notice: "Mini profile: simulated images and backbones, not comparable with the paper",
  backbones: ["Mini-L/8", "Mini-B/16"],
  backboneSizes: MINI_BACKBONE_SIZES,
  classSets: [
    { name: "1-class", classes: [first] },
    { name: "2-class", classes: [second, first] },
    { name: "4-class", classes: [third, fourth, second, first] },
  ],
  trainingSets: {
    zero_insertion: MINI_TRAINING_SETS,
    latent_dct: { latent: MINI_LATENT_TRAINING_SET },
    both: { ...MINI_TRAINING_SETS, latent: MINI_LATENT_TRAINING_SET },
  },
  trainedOn: {
    main: { name: "zero_insertion", title: "zero insertion" },
    latent: { name: "latent_dct", title: "latent DCT" },
  },
  testSets: MINI_TEST_SETS,
  ganSets: MINI_TEST_SETS.filter(({ kind }) => kind === "gan").map(({ name }) => name),
  synthbusterSets: MINI_SYNTHBUSTER_SETS,
  grid: {
    contrastiveWeights: [.1, .2, .4, .8],
    projectionLayers: [1, 2, 4],
    projectionDims: [16, 32, 64, 128],
  },
  ldmGrid: { contrastiveWeights: [.2, .4], projectionLayers: [2, 4], projectionDims: [64, 128] },
  training: {
    batchSize: 16,
    learningRate: 3e-3,
    blurProbability: .2,
    blurSigmaPx: [0, 1],
    jpegProbability: .2,
    jpegQualities: [60, 100],
    flipProbability: .5,
    augmentations: 5,
  },
  perturbation: { probability: .5, resizePx: 73 },
  alike: { sidePx: 76, jpegQuality: 96 },
  draws: 3,
  epochs: { atEpochs: [3, 5, 10, 15], decayEpochs: [6, 11] },
  fractions: [.2, .5, .8, 1],
  ufd: {
    backbone: "Mini-L/8",
    featureSpaces: [
      { backbone: "Mini-L/8", title: "Mini-L/8" },
      { backbone: "Mini-B/16", title: "Mini-B/16" },
      { backbone: "Mini-L/8 random", title: "Mini-L/8, random" },
      { backbone: "Mini-B/16 random", title: "Mini-B/16, random" },
    ],
    testSets: MINI_TEST_SETS.map(({ name }) => name),
    studySets: [
      ...["zero_insertion_k3", "zero_insertion_k5", "checkerboard_deconv", "bilinear_2x"],
      ...["iterative_denoising", "latent_dct_fine", "two_stage_grainy", "palette_tokens"],
    ],
    classes: [second, first],
    classSets: [[first], [second, first], [third, fourth, second, first]],
    neighbours: [1, 3, 5, 9],
    probe: { batchSize: 64, learningRate: 1e-2, epochs: 20, smallestRate: 1e-4 },
    augmentation: {
      shortSidePx: 76,
      blurProbability: .2,
      blurSigmaPx: [0, 1],
      jpegProbability: .2,
      jpegQualities: [60, 100],
      flipProbability: .5,
      augmentations: 1,
    },
    bankImages: [50, 200, 1000],
    blocks: [1, 3, 6, 8],
    jpegQualities: [90, 50],
    blurSigmasPx: [.5, 1],
    sample: { most: 100, fewer: 50, seed: 0 },
  },
  detectors: {
    areTrained: true,
    trainings: [
      {
        detector: "wang",
        classes: [third, fourth, second, first],
        recipe: {
          ...wangRecipe(.1),
          start: { kind: "random", width: 8, stages: [1, 1, 1, 1] },
          shortSidePx: 76,
          cropPx: 40,
          augmentation: { ...wangRecipe(.1).augmentation, ...GENTLE },
          learningRate: 3e-3,
          epochs: 4,
        },
      },
      {
        detector: "dmid",
        classes: [second, first],
        recipe: {
          ...dmidRecipe,
          start: { kind: "random", width: 4, stages: [1, 1, 1, 1] },
          cropPx: 24,
          variation: SELDOM,
          augmentation: {
            ...dmidRecipe.augmentation,
            ...GENTLE,
            blurProbability: .2,
            jpegProbability: .2,
          },
          learningRate: 3e-3,
          epochs: 3,
        },
      },
      {
        detector: "patch_forensics",
        classes: [second, first],
        recipe: {
          ...patchForensicsRecipe,
          start: { kind: "xception", channels: [8, 16, 32, 64] },
          shortSidePx: 76,
          cropPx: 40,
          learningRate: 3e-3,
          epochs: 4,
        },
      },
      {
        detector: "lgrad",
        classes: [second, first],
        recipe: {
          ...lgradRecipe,
          start: { kind: "random", width: 8, stages: [1, 1, 1, 1] },
          discriminator: { kind: "drawn", sizePx: 64, channels: 4, seed: 0 },
          cropPx: 40,
          batchSize: 32,
          learningRate: 3e-3,
          epochs: 4,
          schedule: { kind: "steps", everyEpochs: 2, factor: .5 },
        },
      },
    ],
  },
  appendix: {
    // a network that knows less of images than the one that stands for CLIP
    vit: {
      backbone: "Mini-B/16",
      title: "Mini-B/16, which stands for ImageNet's ViT",
    },
    detectors: {
      areTrained: true,
      trainings: [{
        detector: "clip_fpn",
        // fewer than the others': each image goes through the backbone
        classes: [second, first],
        recipe: {
          ...clipPyramidRecipe,
          start: { kind: "backbone", name: "Mini-L/8" },
          cropPx: 64,
          augmentation: { ...clipPyramidRecipe.augmentation, ...GENTLE },
          batchSize: 32,
          learningRate: 3e-3,
          network: { blocks: [2, 4, 6, 8], channels: 16 },
        },
      }, {
        detector: "rn50_fpn",
        classes: [third, fourth, second, first],
        recipe: {
          ...resnetPyramidRecipe(16),
          shortSidePx: 76,
          cropPx: 40,
          augmentation: { ...wangRecipe(.1).augmentation, ...GENTLE },
          start: { kind: "random", width: 8, stages: [1, 1, 1, 1] },
          batchSize: 32,
          learningRate: 3e-3,
          epochs: 2,
        },
      }, {
        detector: "rine_wang",
        classes: [third, fourth, second, first],
        recipe: {
          ...rineWangRecipe,
          start: { kind: "detector", name: "wang" },
          cropPx: 40,
          augmentation: { ...rineWangRecipe.augmentation, ...GENTLE },
          batchSize: 16,
          learningRate: 3e-3,
          network: { ...rineWangRecipe.network, projectionDim: 64 },
        },
      }],
    },
  },
};
