/**
 * Plans runs: which features each configuration reads, and the names that follow from them.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { Backbone } from "../backbones/backbone.ts";
import type { DatasetSpec } from "../data/dataset.ts";
import { type FeatureRequest, nameFeatures } from "../tokens/request.ts";
import { areUnreadable, readUnreadable } from "../tokens/unreadable.ts";
import { isRandom, type Transform } from "../image/transform.ts";
import { contentKey } from "../io/files.ts";
import { detectorNamed } from "../detectors/index.ts";
import type { SkippedImages } from "./record.ts";
import { type ScoredSet, scoreKey } from "./scores.ts";
import type { Setup } from "./setup.ts";
import { unknownOf, type World } from "./world.ts";
import type { RunConfig } from "./config.ts";

/** A configuration, the features it reads, and the names that follow from both. */
export interface PlannedRun {
  /** Names the record. */
  readonly key: string;
  /** Names the trained head, which other runs may share. */
  readonly trainingKey: string;
  readonly config: RunConfig;
  /** Keys of feature sets. */
  readonly features: {
    /** By epoch, then by class and source. */
    readonly train: readonly (readonly string[])[];
    /** By class and source. */
    readonly val: readonly string[];
  };
  /** The test sets, the keys of their features, and the names of their scores. */
  readonly sets: readonly ScoredSet[];
  /** Images that are known to be left out, because they cannot be decoded. */
  readonly skippedImages?: SkippedImages;
}

/** What names of runs depend on besides configurations and features, and where features lie. */
export type Planning = Pick<Setup, "profile" | "engine" | "seed" | "tokens">;

/** Planned runs, and what makes their features. */
export interface Plan {
  readonly runs: readonly PlannedRun[];
  /** By the key of the features. */
  readonly requests: ReadonlyMap<string, FeatureRequest>;
  /** Keys of features on disk whose index is damaged: what it says is not believed. */
  readonly damaged: readonly string[];
}

/** Features that a configuration reads, before they have a name. */
interface Reads {
  readonly train: readonly (readonly string[])[];
  readonly val: readonly string[];
  /** By test set, then by source. */
  readonly test: readonly (readonly string[])[];
}

/**
 * Plans runs. Features are named, not made; equal ones are named once. Images that features on disk
 * lack because they cannot be decoded are part of the runs' names.
 * @throws {UserError} where a configuration names what the world does not have, or images are not
 * there
 */
export async function planRuns(
  configs: readonly RunConfig[],
  world: World,
  { profile: { draws }, engine, seed: imagesSeed, tokens: folder }: Planning,
): Promise<Plan> {
  const wanted = new Map<
    string,
    { request: Omit<FeatureRequest, "backbones">; backbones: Set<Backbone> }
  >();

  /** A set's sources have features of their own: real images that sets share are read once. */
  const want = (
    spec: DatasetSpec,
    transform: Transform,
    { epoch, seed }: { readonly epoch: number; readonly seed: number },
    backbone: Backbone,
  ): Promise<string[]> =>
    Promise.all(spec.sources.map(async (source) => {
      const id = JSON.stringify([source, transform, epoch, isRandom(transform) ? seed : 0]);
      const images = await world.listings.images(source, spec.name);
      // several sets may share real images
      const generator = source.label === 0 ? "real" : spec.name;
      const request = { images, generator, transform, seed, epoch };
      if (!wanted.has(id)) wanted.set(id, { request, backbones: new Set() });
      wanted.get(id)!.backbones.add(backbone);
      return id;
    }));

  const readsOf = async ({ training, evaluation }: RunConfig): Promise<Reads> => {
    assertEpochs(evaluation.atEpochs, training.epochs);
    const { reads, trainsOn, readHead } = detectorNamed(training.detector);
    readHead(training.head);
    const backbone = (await world.backbone(training.backbone)).at(reads.tap);
    const size = backbone.architecture.resolutionPx;
    const sets = lookUp(
      new Map(Object.entries(world.trainingSets)),
      training.trainingSet,
      "training set",
    );
    const images = training.classes.map((name) =>
      lookUp(new Map(Object.entries(sets)), name, "class")
    );
    const { transform, augmentations } = world.trainingView(trainsOn, size);
    const seed = draws === 1 ? imagesSeed : training.seed;
    const train = [];
    for (let index = 0; index < training.epochs; index++) {
      const epoch = augmentedEpoch(index, augmentations);
      train.push(
        (await Promise.all(
          images.map(({ train }) => want(train, transform, { epoch, seed }, backbone)),
        )).flat(),
      );
    }
    const center = world.viewTransform("center", size);
    const view = world.viewTransform(evaluation.view, size);
    const plain = { epoch: 0, seed }, drawn = { epoch: 0, seed: evaluation.draw ?? seed };
    return {
      train,
      val: (await Promise.all(images.map(({ val }) => want(val, center, plain, backbone)))).flat(),
      test: await Promise.all(
        evaluation.testSets.map((name) =>
          want(lookUp(world.testSets, name, "test set"), view, drawn, backbone)
        ),
      ),
    };
  };

  const reads: Reads[] = [];
  for (const config of configs) reads.push(await readsOf(config));

  const requests = [...wanted.values()].map(({ request, backbones }) => ({
    ...request,
    backbones: [...backbones],
  }));
  const names = await nameFeatures(requests, world.listings);
  const keys = new Map<string, string>();
  const byKey = new Map<string, FeatureRequest>();
  [...wanted.keys()].forEach((id, r) =>
    requests[r]!.backbones.forEach((backbone, b) => {
      keys.set(`${id} ${backbone.name} ${backbone.tap}`, names[r]![b]!);
      byKey.set(names[r]![b]!, requests[r]!);
    })
  );

  const { skipped, damaged } = await skippedPaths(byKey, folder, world.root);
  const runs = configs.map((config, index): PlannedRun => {
    const { training, evaluation } = config;
    const { train, val, test } = reads[index]!;
    const { tap } = detectorNamed(training.detector).reads;
    const keyOf = (id: string) => keys.get(`${id} ${training.backbone} ${tap}`)!;
    const features = { train: train.map((epoch) => epoch.map(keyOf)), val: val.map(keyOf) };
    const tested = evaluation.testSets.map((name, t) => ({ name, features: test[t]!.map(keyOf) }));
    const { skippedImages, learned, tried } = skippedOf(features, tested, skipped);
    const trainingKey = contentKey([training, features, engine, ...learned]);
    const sets = tested.map((set) => ({
      ...set,
      key: scoreKey(set.features, skippedImages?.test[set.name]),
    }));
    return {
      key: contentKey([trainingKey, evaluation, tested, ...tried]),
      trainingKey,
      config,
      features,
      sets,
      ...(skippedImages ? { skippedImages } : {}),
    };
  });
  return { runs, requests: byKey, damaged };
}

/** Paths of the images that sets on disk lack, by the sets' keys; and keys of sets that do not say. */
async function skippedPaths(
  requests: ReadonlyMap<string, FeatureRequest>,
  folder: string,
  root: string,
): Promise<{ skipped: Map<string, readonly string[]>; damaged: string[] }> {
  const skipped = new Map<string, readonly string[]>(), damaged: string[] = [];
  for (const [key, request] of requests) {
    const positions = await readUnreadable(folder, key).catch((error) => {
      if (!(error instanceof UserError && error.kind === "damaged")) throw error;
      damaged.push(key);
      return [];
    });
    // a set that lacks an image which can be decoded by now will be made again
    if (positions.length > 0 && await areUnreadable(request, positions, root)) {
      skipped.set(key, positions.map((position) => request.images[position]!.path));
    }
  }
  return { skipped, damaged };
}

/** What a run lacks, and what that adds to the names of its head and of its record. */
function skippedOf(
  { train, val }: PlannedRun["features"],
  tested: readonly { readonly name: string; readonly features: readonly string[] }[],
  skipped: ReadonlyMap<string, readonly string[]>,
) {
  const pathsOf = (keys: readonly string[]) => [
    ...new Set(keys.flatMap((key) => skipped.get(key) ?? [])),
  ];
  const learned = { train: pathsOf(train.flat()), val: pathsOf(val) };
  const tried = Object.fromEntries(
    tested.map(({ name, features }) => [name, pathsOf(features)] as const)
      .filter(([, paths]) => paths.length > 0),
  );
  const lacksTraining = learned.train.length + learned.val.length > 0;
  const lacksTests = Object.keys(tried).length > 0;
  return {
    ...(lacksTraining || lacksTests ? { skippedImages: { ...learned, test: tried } } : {}),
    learned: lacksTraining ? [learned] : [],
    tried: lacksTests ? [tried] : [],
  };
}

/** What makes the features that some of the planned runs read, each request once. */
export function requestsOf(
  runs: readonly PlannedRun[],
  requests: ReadonlyMap<string, FeatureRequest>,
): FeatureRequest[] {
  const keys = runs.flatMap(keysOf);
  return [...new Set(keys.map((key) => requests.get(key)!))];
}

/** Keys of all features that a run reads. */
export function keysOf({ features: { train, val }, sets }: PlannedRun): string[] {
  return [...train.flat(), ...val, ...sets.flatMap(({ features }) => features)];
}

function assertEpochs(atEpochs: readonly number[], epochs: number): void {
  const isRising = atEpochs.every((epoch, i) =>
    Number.isInteger(epoch) && epoch > (atEpochs[i - 1] ?? 0)
  );
  // what comes after the last one would be trained for nothing, and be in the record by chance
  if (isRising && atEpochs.at(-1) === epochs) return;
  throw new UserError(
    "usage",
    `Cannot plan a run: expected atEpochs rising to ${epochs}, found ${atEpochs.join(", ")}`,
  );
}

/**
 * The epoch whose augmentation images get in another, which counts from 0; 0 where there is none.
 * @param augmentations of each image
 */
export function augmentedEpoch(index: number, augmentations: number): number {
  return augmentations === 0 ? 0 : 1 + index % augmentations;
}

function lookUp<T>(known: ReadonlyMap<string, T>, name: string, kind: string): T {
  const found = known.get(name);
  if (found === undefined) throw unknownOf(kind, [...known.keys()], name);
  return found;
}
