/** The names that follow from one configuration in a world of empty files: nothing is decoded. */

import { mini } from "../experiments/profiles/mini.ts";
import { dirname, join } from "node:path";
import { Listings } from "../lib/data/listing.ts";
import type { Backbone } from "../lib/backbones/backbone.ts";
import type { DatasetSpec, Source } from "../lib/data/dataset.ts";
import { writeProgress } from "../lib/tokens/progress.ts";
import { featurePaths } from "../lib/tokens/store.ts";
import type { Augmentation } from "../lib/image/augment.ts";
import type { Perturbation, Perturbing } from "../lib/image/perturb.ts";
import type { TrainingConfig } from "../lib/detectors/detector.ts";
import type { EvaluationConfig } from "../lib/runs/config.ts";
import { planRuns } from "../lib/runs/plan.ts";
import { unknownOf, type World } from "../lib/runs/world.ts";

const SIZE = 8;

export const TRAINING: TrainingConfig = {
  detector: "rine",
  trainingSet: "own",
  classes: ["cat", "dog"],
  fraction: .5,
  backbone: "Tiny",
  head: { contrastiveWeight: .2, projectionLayers: 1, projectionDim: 8, variant: "full" },
  batchSize: 4,
  learningRate: 1e-3,
  epochs: 3,
  decayEpochs: [2],
  seed: 0,
};

export const EVALUATION: EvaluationConfig = {
  testSets: ["a", "b"],
  view: "center",
  atEpochs: [1, 3],
  bootstrap: 10,
};

const AUGMENTATION: Augmentation = {
  protocol: "released",
  blurProbability: .5,
  blurSigmaPx: [0, 3],
  jpegProbability: .5,
  jpegQualities: [30, 100],
  flipProbability: .5,
};

const PERTURBING: Omit<Perturbing, "perturbation"> = {
  probability: .5,
  resizePx: 16,
  protocol: "released",
};

const BACKBONE = { tap: "ln2", precision: "full", weights: "0123 float32", blocks: 2, width: 4 };

/** What can be told to be otherwise. */
export interface Changes {
  readonly training?: Partial<TrainingConfig>;
  readonly evaluation?: Partial<EvaluationConfig>;
  readonly backbone?: Partial<typeof BACKBONE>;
  readonly augmentation?: Partial<Augmentation>;
  readonly perturbing?: Partial<Perturbing>;
  readonly engine?: "onnx" | "tensorflow";
  /** Of augmentation and perturbations. */
  readonly seed?: number;
  readonly draws?: number;
  /** After so many epochs images are augmented as in the first again. */
  readonly augmentations?: number;
  /** Sources of sets, by their name. */
  readonly sources?: Readonly<Record<string, readonly Source[]>>;
  /** Content of images, by their path. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The names of one run, of its head, and of all tokens that it reads. */
export interface Names {
  readonly record: string;
  readonly head: string;
  /** By epoch. */
  readonly train: readonly string[];
  readonly val: string;
  readonly test: string;
  /** Of the scores of test sets. */
  readonly scores: string;
}

const SETS = ["cat", "dog"].flatMap((name) => [`train_${name}`, `val_${name}`]).concat("a", "b");

function sourcesOf(name: string): readonly Source[] {
  return [{ label: 0, directory: `${name}/0_real` }, { label: 1, directory: `${name}/1_fake` }];
}

/** Says of tokens that are planned in a folder which of their images cannot be decoded. */
export async function leaveOut(
  root: string,
  key: string,
  positions: readonly number[],
): Promise<void> {
  await writeProgress(featurePaths(join(root, "tokens"), key).progress, {
    rows: 0,
    sha256: "",
    unreadable: positions,
    made: { device: "cpu", versions: {} },
  });
}

/** Plans one run of a folder that holds nothing else, without tokens. */
export async function namesOf(root: string, changes: Changes = {}): Promise<Names> {
  for (const name of SETS) {
    for (const folder of ["0_real", "1_fake"]) {
      for (const image of ["1.png", "2.png"]) {
        const path = `${name}/${folder}/${image}`;
        await Deno.mkdir(join(root, dirname(path)), { recursive: true });
        await Deno.writeTextFile(join(root, path), changes.files?.[path] ?? "");
      }
    }
  }
  const specOf = (name: string): DatasetSpec => ({
    name,
    title: name,
    family: "test",
    sources: changes.sources?.[name] ?? sourcesOf(name),
  });
  const classOf = (name: string) => ({
    train: specOf(`train_${name}`),
    val: specOf(`val_${name}`),
  });
  const classes = { cat: classOf("cat"), dog: classOf("dog") };
  const { tap, precision, weights, blocks, width } = { ...BACKBONE, ...changes.backbone };
  const backboneOf = (name: string) =>
    ({
      ...{ name, tap, precision, device: "cpu" },
      architecture: { resolutionPx: SIZE, blocks, width },
      featureSizes: { blocks, width },
      // one that has another tap, whichever a detector asks for
      at() {
        return this;
      },
      fingerprint: () => Promise.resolve(weights),
    }) as unknown as Backbone;
  const world: World = {
    profile: "test",
    root,
    listings: new Listings(root),
    backbones: new Map(["Tiny", "Other"].map((name) => [name, backboneOf(name)])),
    trainingSets: { own: classes, other: classes },
    testSets: new Map(["a", "b"].map((name) => [name, specOf(name)])),
    backbone: (name) => {
      const found = world.backbones.get(name);
      if (!found) throw unknownOf("backbone", [...world.backbones.keys()], name);
      return Promise.resolve(found);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
    trainingView: (images, size) =>
      images === "plain" ? { transform: { kind: "center", size }, augmentations: 0 } : ({
        transform: {
          kind: "train",
          size,
          augmentation: { ...AUGMENTATION, ...changes.augmentation },
        },
        augmentations: changes.augmentations ?? 2,
      }),
    viewTransform: (view, size) =>
      view === "center" || view === "ten" ? { kind: view, size } : {
        kind: "perturbed",
        size,
        perturbation: view as Perturbation,
        ...PERTURBING,
        ...changes.perturbing,
      },
  };
  const config = {
    training: { ...TRAINING, ...changes.training },
    evaluation: { ...EVALUATION, ...changes.evaluation },
  };
  const { runs: [run] } = await planRuns([config], world, {
    engine: changes.engine ?? "onnx",
    seed: changes.seed ?? 0,
    profile: { ...mini, draws: changes.draws ?? mini.draws },
    tokens: join(root, "tokens"),
  });
  const { key, trainingKey, features, sets } = run!;
  return {
    record: key,
    head: trainingKey,
    train: features.train.map((epoch) => epoch.join()),
    val: features.val.join(),
    scores: sets.map(({ key }) => key).join(),
    test: JSON.stringify(Object.fromEntries(sets.map(({ name, features }) => [name, features]))),
  };
}
