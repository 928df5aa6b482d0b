/**
 * The paper's protocol as data.
 *
 * Values as the released scripts have them; the README names where the paper's text differs.
 * @module
 */
import {
  ADDED_SETS,
  GAN_SETS,
  ldmSet,
  PROGAN_CLASSES,
  proganClass,
  SYNTHBUSTER_SETS,
  TEST_SETS_20,
} from "../../lib/data/catalog.ts";
import { dmidRecipe } from "../../lib/detectors/dmid.ts";
import { lgradRecipe } from "../../lib/detectors/lgrad/train.ts";
import { patchForensicsRecipe } from "../../lib/detectors/patch_forensics/train.ts";
import { clipPyramidRecipe } from "../../lib/detectors/pyramid/clip.ts";
import { resnetPyramidRecipe } from "../../lib/detectors/pyramid/resnet.ts";
import { rineWangRecipe } from "../../lib/detectors/rine_wang/detector.ts";
import { wangRecipe } from "../../lib/detectors/wang.ts";
import type { Profile } from "../../lib/runs/profile.ts";

const PROGAN = Object.fromEntries(
  PROGAN_CLASSES.map((
    name,
  ) => [name, { train: proganClass("train", name), val: proganClass("val", name) }]),
);
const LDM = { latent: { train: ldmSet("train"), val: ldmSet("valid") } };

/** The 19 sets of UFD's tables in their order: RINE's without StyleGAN2. */
const UFD_TEST_SETS = [
  ...["progan", "cyclegan", "biggan", "stylegan", "gaugan", "stargan", "deepfake", "seeingdark"],
  ...["san", "crn", "imle", "guided", "ldm_200", "ldm_200_cfg", "ldm_100", "glide_100_27"],
  ...["glide_50_27", "glide_100_10", "dalle"],
];

/** Everything the experiments run on in the paper. Paper: §4. */
export const paper: Profile = {
  name: "paper",
  folder: "",
  isComparable: true,
  batchSize: 8,
  pointImages: 2000,
  backbones: ["ViT-L/14", "ViT-B/32"],
  backboneSizes: {
    "ViT-L/14": { blocks: 24, width: 1024, length: 257 },
    "ViT-B/32": { blocks: 12, width: 768, length: 50 },
    "ViT-B/16": { blocks: 12, width: 768, length: 197 },
    // width of the embedding; products of all convolutions and of the pool by attention at 224 px
    "RN50": { blocks: 1, width: 1024, length: 50, flops: 2 * 5.79e9 },
    "ResNet-50": { blocks: 1, width: 2048, length: 49, flops: 2 * 4.09e9 },
  },
  classSets: [
    { name: "1-class", classes: ["horse"] },
    { name: "2-class", classes: ["chair", "horse"] },
    { name: "4-class", classes: ["car", "cat", "chair", "horse"] },
  ],
  trainingSets: { progan: PROGAN, ldm: LDM, both: { ...PROGAN, ...LDM } },
  trainedOn: {
    main: { name: "progan", title: "ProGAN" },
    latent: { name: "ldm", title: "latent diffusion" },
  },
  testSets: [...TEST_SETS_20, ...ADDED_SETS],
  ganSets: GAN_SETS,
  synthbusterSets: SYNTHBUSTER_SETS,
  grid: {
    contrastiveWeights: [.1, .2, .4, .8],
    projectionLayers: [1, 2, 4],
    projectionDims: [128, 256, 512, 1024],
  },
  ldmGrid: {
    contrastiveWeights: [.2, .4],
    projectionLayers: [2, 4],
    projectionDims: [512, 1024],
  },
  training: {
    batchSize: 128,
    learningRate: 1e-3,
    blurProbability: .5,
    blurSigmaPx: [0, 3],
    jpegProbability: .5,
    jpegQualities: [30, 100],
    flipProbability: .5,
    augmentations: 15,
  },
  perturbation: { probability: .5, resizePx: 256 },
  alike: { sidePx: 256, jpegQuality: 96 },
  draws: 3,
  epochs: { atEpochs: [3, 5, 10, 15], decayEpochs: [6, 11] },
  fractions: [.2, .5, .8, 1],
  // Released: UniversalFakeDetect, options/*.py, data/datasets.py, validate.py
  ufd: {
    backbone: "ViT-L/14",
    featureSpaces: [
      { backbone: "ViT-L/14", title: "CLIP ViT-L/14" },
      { backbone: "RN50", title: "CLIP RN50" },
      { backbone: "ResNet-50", title: "ImageNet ResNet-50" },
      { backbone: "ViT-B/16", title: "ImageNet ViT-B/16" },
    ],
    testSets: UFD_TEST_SETS,
    studySets: UFD_TEST_SETS,
    classes: PROGAN_CLASSES,
    // which classes are the fewer ones was not published: the first of the list
    classSets: [2, 4, 8, 20].map((count) => PROGAN_CLASSES.slice(0, count)),
    neighbours: [1, 3, 5, 9],
    probe: { batchSize: 256, learningRate: 1e-4, epochs: 100, smallestRate: 1e-6 },
    augmentation: {
      shortSidePx: 256,
      blurProbability: .5,
      blurSigmaPx: [0, 3],
      jpegProbability: .5,
      jpegQualities: [30, 100],
      flipProbability: .5,
      // the released code draws anew in each of at most 100 epochs
      augmentations: 15,
    },
    bankImages: [8000, 20_000, 80_000, 200_000],
    blocks: [1, 8, 16, 24],
    jpegQualities: [100, 90, 80, 70, 60, 50, 40, 30],
    blurSigmasPx: [0, 1, 2, 3, 4],
    sample: { most: 1000, fewer: 100, seed: 0 },
  },
  // weeks on a processor: `deno task detector train` trains them where somebody wants it
  detectors: {
    areTrained: false,
    trainings: [
      ...[.5, .1].map((probability) => ({
        detector: "wang",
        like: `wang_${probability}`,
        classes: PROGAN_CLASSES,
        recipe: wangRecipe(probability),
      })),
      {
        detector: "dmid",
        like: "dmid_progan",
        classes: PROGAN_CLASSES,
        recipe: dmidRecipe,
      },
      {
        detector: "patch_forensics",
        like: "patch_forensics",
        classes: PROGAN_CLASSES,
        recipe: patchForensicsRecipe,
      },
      {
        detector: "lgrad",
        like: "lgrad_4class",
        classes: ["car", "cat", "chair", "horse"],
        recipe: lgradRecipe,
      },
    ],
  },
  appendix: {
    // UFD's choice of an ImageNet transformer, in the same paper's comparison
    vit: { backbone: "ViT-B/16", title: "torchvision's ViT-B/16 of ImageNet" },
    // hours and days on a processor: `deno task detector train` trains one where somebody wants it
    detectors: {
      areTrained: false,
      trainings: [{
        detector: "clip_fpn",
        classes: ["car", "cat", "chair", "horse"],
        recipe: clipPyramidRecipe,
      }, {
        detector: "rn50_fpn",
        classes: ["car", "cat", "chair", "horse"],
        recipe: resnetPyramidRecipe(),
      }, {
        detector: "rine_wang",
        classes: ["car", "cat", "chair", "horse"],
        recipe: rineWangRecipe,
      }],
    },
  },
};
