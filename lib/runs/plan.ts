/**
 * Plans runs: which tokens each configuration reads, and the names that follow from them.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { Backbone } from "../backbones/backbone.ts";
import { type DatasetSpec, type ImageEntry, listImages } from "../data/dataset.ts";
import { type FeatureRequest, nameFeatures } from "../tokens/request.ts";
import { areUnreadable, readUnreadable } from "../tokens/unreadable.ts";
import type { Transform } from "../image/transform.ts";
import { contentKey } from "../io/files.ts";
import type { SkippedImages } from "./record.ts";
import type { RunConfig } from "./config.ts";

/** The images and backbones that configurations name. */
export interface World {
  /** Name of the profile, for records. */
  readonly profile: string;
  /** Data root that image paths are relative to. */
  readonly root: string;
  readonly backbones: ReadonlyMap<string, Backbone>;
  /** By training set, then by class. */
  readonly trainingSets: Readonly<
    Record<string, Readonly<Record<string, { train: DatasetSpec; val: DatasetSpec }>>>
  >;
  readonly testSets: ReadonlyMap<string, DatasetSpec>;
  /** After so many epochs, training images are augmented as in the first again. */
  readonly augmentations: number;
  /** What training images go through, for a backbone of some resolution. */
  trainTransform(sizePx: number): Transform;
  /** What test images go through, by the name of a view: `center`, `ten`, a perturbation. */
  viewTransform(view: string, sizePx: number): Transform;
}

/** A configuration, the tokens it reads, and the names that follow from both. */
export interface PlannedRun {
  /** Names the record. */
  readonly key: string;
  /** Names the trained head, which other runs may share. */
  readonly trainingKey: string;
  readonly config: RunConfig;
  /** Keys of token sets. */
  readonly tokens: {
    /** By epoch, then by class and source. */
    readonly train: readonly (readonly string[])[];
    /** By class and source. */
    readonly val: readonly string[];
  };
  /** Keys of each test set's tokens, by name, then by source. */
  readonly testTokens: Readonly<Record<string, readonly string[]>>;
  /** Images that are known to be left out, because they cannot be decoded. */
  readonly skippedImages?: SkippedImages;
}

/** What names of runs depend on besides configuration and tokens. */
export interface PlanOptions {
  readonly engine: string;
  /** Seed of the augmentation of training images and of perturbations. */
  readonly seed: number;
  /** Folder of token sets, some of which may be there already. */
  readonly tokensFolder: string;
}

/** Planned runs, and what makes their tokens. */
export interface Plan {
  readonly runs: readonly PlannedRun[];
  /** By the key of the tokens. */
  readonly requests: ReadonlyMap<string, FeatureRequest>;
}

/** Tokens that a configuration reads, before they have a name. */
interface Reads {
  readonly train: readonly (readonly string[])[];
  readonly val: readonly string[];
  /** By test set, then by source. */
  readonly test: readonly (readonly string[])[];
}

/**
 * Plans runs. Tokens are named, not made; equal tokens are named once. Images that tokens on disk lack
 * because they cannot be decoded are part of the runs' names.
 * @throws {UserError} where a configuration names what the world does not have, or images are not
 * there
 */
export async function planRuns(
  configs: readonly RunConfig[],
  world: World,
  { engine, seed, tokensFolder }: PlanOptions,
): Promise<Plan> {
  const lists = new Map<string, Promise<readonly ImageEntry[]>>();
  const wanted = new Map<
    string,
    { request: Omit<FeatureRequest, "backbones">; backbones: Set<Backbone> }
  >();

  /** A set's sources have tokens of their own: real images that sets share are read once. */
  const want = (
    spec: DatasetSpec,
    transform: Transform,
    epoch: number,
    backbone: Backbone,
  ): Promise<string[]> =>
    Promise.all(spec.sources.map(async (source) => {
      const id = JSON.stringify([source, transform, epoch]);
      const listId = JSON.stringify(source);
      let list = lists.get(listId);
      if (!list) {
        list = listImages(world.root, { ...spec, sources: [source] });
        lists.set(listId, list);
      }
      const images = await list;
      if (!wanted.has(id)) {
        // several sets may share real images
        const generator = source.label === 0 ? "real" : spec.name;
        wanted.set(id, {
          request: { images, generator, transform, seed, epoch },
          backbones: new Set(),
        });
      }
      wanted.get(id)!.backbones.add(backbone);
      return id;
    }));

  const readsOf = async ({ training, evaluation }: RunConfig): Promise<Reads> => {
    assertEpochs(evaluation.atEpochs, training.epochs);
    const backbone = lookUp(world.backbones, training.backbone, "backbone");
    const size = backbone.architecture.resolutionPx;
    const sets = lookUp(
      new Map(Object.entries(world.trainingSets)),
      training.trainingSet,
      "training set",
    );
    const images = training.classes.map((name) =>
      lookUp(new Map(Object.entries(sets)), name, "class")
    );
    const train = [];
    for (let index = 0; index < training.epochs; index++) {
      const epoch = 1 + index % world.augmentations;
      train.push(
        (await Promise.all(
          images.map(({ train }) => want(train, world.trainTransform(size), epoch, backbone)),
        )).flat(),
      );
    }
    const center = world.viewTransform("center", size);
    const view = world.viewTransform(evaluation.view, size);
    return {
      train,
      val: (await Promise.all(images.map(({ val }) => want(val, center, 0, backbone)))).flat(),
      test: await Promise.all(
        evaluation.testSets.map((name) =>
          want(lookUp(world.testSets, name, "test set"), view, 0, backbone)
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
  const names = await nameFeatures(requests, world.root);
  const keys = new Map<string, string>();
  const byKey = new Map<string, FeatureRequest>();
  [...wanted.keys()].forEach((id, r) =>
    requests[r]!.backbones.forEach((backbone, b) => {
      keys.set(`${id} ${backbone.name}`, names[r]![b]!);
      byKey.set(names[r]![b]!, requests[r]!);
    })
  );

  const skipped = await skippedPaths(byKey, tokensFolder, world.root);
  const runs = configs.map((config, index): PlannedRun => {
    const { train, val, test } = reads[index]!;
    const keyOf = (id: string) => keys.get(`${id} ${config.training.backbone}`)!;
    const tokens = { train: train.map((epoch) => epoch.map(keyOf)), val: val.map(keyOf) };
    const testTokens = Object.fromEntries(
      config.evaluation.testSets.map((name, t) => [name, test[t]!.map(keyOf)]),
    );
    const { skippedImages, learned, tried } = skippedOf(tokens, testTokens, skipped);
    const trainingKey = contentKey([config.training, tokens, engine, ...learned]);
    return {
      key: contentKey([trainingKey, config.evaluation, testTokens, ...tried]),
      trainingKey,
      config,
      tokens,
      testTokens,
      ...(skippedImages ? { skippedImages } : {}),
    };
  });
  return { runs, requests: byKey };
}

/** Paths of the images that sets on disk lack, by the sets' keys. */
async function skippedPaths(
  requests: ReadonlyMap<string, FeatureRequest>,
  folder: string,
  root: string,
): Promise<Map<string, readonly string[]>> {
  const skipped = new Map<string, readonly string[]>();
  for (const [key, { images }] of requests) {
    const positions = await readUnreadable(folder, key);
    // a set that lacks an image which can be decoded by now will be made again
    if (positions.length > 0 && await areUnreadable(images, positions, root)) {
      skipped.set(key, positions.map((position) => images[position]!.path));
    }
  }
  return skipped;
}

/** What a run lacks, and what that adds to the names of its head and of its record. */
function skippedOf(
  { train, val }: PlannedRun["tokens"],
  testTokens: PlannedRun["testTokens"],
  skipped: ReadonlyMap<string, readonly string[]>,
) {
  const pathsOf = (keys: readonly string[]) => [
    ...new Set(keys.flatMap((key) => skipped.get(key) ?? [])),
  ];
  const learned = { train: pathsOf(train.flat()), val: pathsOf(val) };
  const tried = Object.fromEntries(
    Object.entries(testTokens)
      .map(([name, keys]) => [name, pathsOf(keys)] as const)
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

/** What makes the tokens that some of the planned runs read, each request once. */
export function requestsOf(
  runs: readonly PlannedRun[],
  requests: ReadonlyMap<string, FeatureRequest>,
): FeatureRequest[] {
  const keys = runs.flatMap(({ tokens, testTokens }) => [
    ...tokens.train.flat(),
    ...tokens.val,
    ...Object.values(testTokens).flat(),
  ]);
  return [...new Set(keys.map((key) => requests.get(key)!))];
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

function lookUp<T>(known: ReadonlyMap<string, T>, name: string, kind: string): T {
  const found = known.get(name);
  if (found === undefined) {
    throw new UserError(
      "usage",
      `Cannot plan runs: expected a ${kind} of ${[...known.keys()].join(", ")}; found ${name}`,
    );
  }
  return found;
}
