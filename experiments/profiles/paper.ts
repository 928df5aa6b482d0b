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
import type { Profile } from "../../lib/runs/profile.ts";

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
  },
  classSets: [
    { name: "1-class", classes: ["horse"] },
    { name: "2-class", classes: ["chair", "horse"] },
    { name: "4-class", classes: ["car", "cat", "chair", "horse"] },
  ],
  trainingSets: {
    progan: Object.fromEntries(
      PROGAN_CLASSES.map((
        name,
      ) => [name, { train: proganClass("train", name), val: proganClass("val", name) }]),
    ),
    ldm: { latent: { train: ldmSet("train"), val: ldmSet("valid") } },
  },
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
  epochs: { atEpochs: [3, 5, 10, 15], decayEpochs: [6, 11] },
  fractions: [.2, .5, .8, 1],
};
