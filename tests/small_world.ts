/** A world of one mini backbone, a few images, one class set and two test sets. */

import { join } from "node:path";
import { Listings } from "../lib/data/listing.ts";
import { EXPERIMENTS } from "../experiments/index.ts";
import { mini } from "../experiments/profiles/mini.ts";
import type { Backbone } from "../lib/backbones/backbone.ts";
import { openBackbone } from "../lib/backbones/open.ts";
import type { HeadConfig } from "../lib/detectors/detector.ts";
import type { Perturbation } from "../lib/image/perturb.ts";
import { makeMiniBackbones } from "../lib/mini/backbones.ts";
import { makeMiniWorld } from "../lib/mini/make.ts";
import type { RunConfig } from "../lib/runs/config.ts";
import { execute, type Executed, type ExecuteHooks } from "../lib/runs/execute.ts";
import type { DetectorTraining, Profile } from "../lib/runs/profile.ts";
import type { Setup } from "../lib/runs/setup.ts";
import type { World } from "../lib/runs/world.ts";

export const SMALL_BACKBONE = "Mini-B/16";

/** The mini profile without detectors that are trained on pixels: that takes a while. */
const { detectors: _, ...plain } = mini;

/** The mini profile with one backbone, one class set, two heads and two test sets. */
export const smallProfile: Profile = {
  ...plain,
  backbones: [SMALL_BACKBONE],
  classSets: mini.classSets.slice(0, 1),
  testSets: mini.testSets.slice(0, 2),
  grid: { contrastiveWeights: [.1, .2], projectionLayers: [1], projectionDims: [8] },
};

const [firstTraining] = mini.detectors!.trainings as [DetectorTraining];

/** The mini profile's training of Wang et al.'s detector, of a network that trains in a second. */
export const smallTraining: DetectorTraining = {
  ...firstTraining,
  classes: firstTraining.classes.slice(0, 1),
  recipe: {
    ...firstTraining.recipe,
    start: { kind: "random", width: 4, stages: [1, 1, 1, 1] },
    ...{ cropPx: 24, batchSize: 16, epochs: 1 },
  },
};

/** Makes the images and weights of a small world in `DATA/mini`, or finds them made. */
export async function makeSmallWorld(data: string): Promise<void> {
  const root = join(data, "mini");
  await makeMiniWorld({ root, seed: 0, scale: .04, workers: 2 });
  await makeMiniBackbones({ root, seed: 0 });
}

/** The setup of a profile whose world lies in `DATA/mini`, with results straight in a folder. */
export function smallSetup(
  data: string,
  results: string,
  changes: Partial<Setup> = {},
): Setup {
  return {
    experiments: EXPERIMENTS,
    profile: smallProfile,
    data,
    results,
    root: join(data, "mini"),
    tokens: join(data, "tokens"),
    folder: results,
    outputs: results,
    seed: 0,
    seeds: [0],
    engine: "onnx",
    device: "cpu",
    precision: "full",
    protocol: "released",
    theme: "default",
    skipCorrupt: false,
    force: false,
    batchSize: 32,
    cores: 2,
    ...changes,
  };
}

/** Opens a small world that has been made; its backbone is the caller's to dispose. */
export async function openSmallWorld(
  data: string,
): Promise<{ world: World; backbone: Backbone }> {
  const root = join(data, "mini");
  const options = { folder: join(root, "backbones"), threads: 1 };
  const backbone = await openBackbone(SMALL_BACKBONE, options);
  const world: World = {
    profile: "mini",
    root,
    listings: new Listings(root),
    backbones: new Map([[SMALL_BACKBONE, backbone]]),
    trainingSets: smallProfile.trainingSets,
    testSets: new Map(smallProfile.testSets.map((spec) => [spec.name, spec])),
    backbone: () => Promise.resolve(backbone),
    [Symbol.asyncDispose]: () => backbone[Symbol.asyncDispose](),
    trainingView: (_, size) => ({ transform: { kind: "center", size }, augmentations: 1 }),
    viewTransform: (view, size) =>
      view === "center" ? { kind: "center", size } : {
        kind: "perturbed",
        size,
        perturbation: view as Perturbation,
        ...smallProfile.perturbation,
        protocol: "released",
      },
  };
  return { world, backbone };
}

/** A run of two epochs on the small world's first class set, with fields of its head changed. */
export function smallRun(head: Partial<HeadConfig> = {}): RunConfig {
  return {
    training: {
      detector: "rine",
      trainingSet: smallProfile.trainedOn.main.name,
      classes: smallProfile.classSets[0]!.classes,
      fraction: 1,
      backbone: SMALL_BACKBONE,
      head: {
        ...{ contrastiveWeight: .2, projectionLayers: 1, projectionDim: 8, variant: "full" },
        ...head,
      },
      batchSize: 8,
      learningRate: .003,
      epochs: 2,
      decayEpochs: [],
      seed: 0,
    },
    evaluation: {
      testSets: smallProfile.testSets.map(({ name }) => name),
      view: "center",
      atEpochs: [2],
    },
  };
}

/** What is done otherwise than `executeSmall` does by itself. */
export interface SmallChanges extends ExecuteHooks {
  /** Name of the section; default `grid`. */
  readonly experiment?: string;
  readonly setup?: Partial<Setup>;
  /** What is believed of the images' files; by default they are looked at now. */
  readonly listings?: Listings;
}

/** Executes runs in a small world, as `reproduce` does. */
export async function executeSmall(
  data: string,
  configs: readonly RunConfig[],
  results: string,
  { experiment = "grid", setup, listings, ...hooks }: SmallChanges = {},
): Promise<Executed> {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const known = { ...world, ...(listings ? { listings } : {}) };
  return await execute(experiment, configs, known, smallSetup(data, results, setup), hooks);
}
