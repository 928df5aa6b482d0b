/**
 * Detectors on pixels that are trained on a profile's images: named by all that they hang on, trained
 * once, and found again.
 * @module
 */
import { join } from "node:path";
import { weightsPath } from "../backbones/open.ts";
import { hashWeights } from "../backbones/network.ts";
import type { LabelledImage } from "../data/dataset.ts";
import type { FailedHead, TrainedHead } from "../detectors/detector.ts";
import { importedDiscriminator } from "../detectors/lgrad/checkpoint.ts";
import { pixelDetectorNamed } from "../detectors/index.ts";
import {
  type PixelTraining,
  type PixelTrainingContext,
  trainedPath,
  trainingLockPath,
  trainingStatePath,
} from "../detectors/pixel_training.ts";
import { trainedTransforms } from "../detectors/trained_transforms.ts";
import { detectorPath } from "../detectors/import.ts";
import { describePixels } from "../image/pixels.ts";
import { UserError } from "../io/errors.ts";
import { contentKey, exists, removeIfThere } from "../io/files.ts";
import { verifySafetensors } from "../io/safetensors.ts";
import { withLock } from "../io/lock.ts";
import type { WorkHooks } from "./extraction.ts";
import type { DetectorTraining } from "./profile.ts";
import type { ReadyDetector } from "./released_scores.ts";
import type { Setup } from "./setup.ts";
import type { World } from "./world.ts";

/** Counts what a trained detector hangs on besides images, recipe and seed. */
const VERSION = 1;

/** What runs a training: here, or on another thread. */
export type TrainingRunner = (
  detector: string,
  training: PixelTraining,
  context: PixelTrainingContext,
) => Promise<TrainedHead | FailedHead>;

const inThisThread: TrainingRunner = (detector, training, context) =>
  pixelDetectorNamed(detector).train!(training, context);

/** A detector that is trained here, before it is. */
export interface PlannedDetector {
  /** Name of the detector: `wang`. */
  readonly detector: string;
  /** What is trained on what. */
  readonly training: PixelTraining;
  /** The detector that it starts from, where that is trained here too. */
  readonly first?: PlannedDetector;
  /** As what scores lists of images once it is trained. */
  readonly ready: ReadyDetector;
}

/**
 * Plans the training of a detector; nothing is trained.
 * @throws {UserError} where the images or a backbone to start from are not there, or the detector cannot
 * be trained
 */
export async function planDetector(
  { detector, like, classes, recipe }: DetectorTraining,
  seed: number,
  world: World,
  setup: Setup,
): Promise<PlannedDetector> {
  const { root, listings, trainingSets } = world;
  const { profile: { trainedOn }, folder } = setup;
  const kind = pixelDetectorNamed(detector, "Cannot train a detector");
  const sets = trainingSets[trainedOn.main.name] ?? {};
  const unknown = classes.find((name) => !Object.hasOwn(sets, name));
  if (unknown !== undefined) {
    throw new UserError(
      "usage",
      `Cannot train ${kind.title}: expected classes of ${Object.keys(sets).join(", ")}; found ` +
        unknown,
    );
  }
  const lists: string[] = [];
  const imagesOf = async (part: "train" | "val") => {
    const images: LabelledImage[] = [];
    for (const name of classes) {
      for (const source of sets[name]![part].sources) {
        const list = await listings.images(source, sets[name]![part].name);
        lists.push((await listings.look(list)).key);
        for (const image of list) images.push(image);
      }
    }
    return images;
  };
  const train = await imagesOf("train"), val = await imagesOf("val");
  const { start } = recipe;
  const beginning = start.kind === "detector"
    ? await detectorThere(start.name, kind.title, seed, world, setup)
    : undefined;
  const weights = start.kind === "backbone"
    ? await hashWeights(await weightsThere(start.name, root, kind.title))
    : beginning?.key ?? null;
  const besides = recipe.discriminator?.kind === "imported"
    ? [await hashWeights(await importedDiscriminator(join(root, "detectors")))]
    : [];
  const key = contentKey(["detector", VERSION, detector, recipe, weights, seed, lists, ...besides]);
  const { original } = trainedTransforms(kind, recipe);
  const released = kind.released.find(({ name }) => name === like);
  return {
    detector,
    ...(beginning?.planned ? { first: beginning.planned } : {}),
    training: {
      ...{ key, recipe, seed, root, train, val },
      ...(beginning ? { from: beginning.path } : {}),
      trainedOn: { images: trainedOn.main.title, classes: classes.join(", "), seed },
    },
    ready: {
      name: `${detector}_trained`,
      title: released?.title ?? kind.title,
      ...(released?.row ? { row: released.row } : {}),
      trainedOn: classes,
      reads: `${describePixels(original)} (original)`,
      path: join(folder, trainedPath(key)),
      transform: "original",
      key,
    },
  };
}

/** A detector that another starts from, and all that it is named by. */
interface Beginning {
  readonly path: string;
  readonly key: string;
  /** How it is trained; absent where it was imported. */
  readonly planned?: PlannedDetector;
}

/** The imported detector of that name, else the one that the profile trains, by the same seed. */
async function detectorThere(
  name: string,
  title: string,
  seed: number,
  world: World,
  setup: Setup,
): Promise<Beginning> {
  const imported = detectorPath(join(world.root, "detectors"), name);
  if (await exists(imported)) return { path: imported, key: await hashWeights(imported) };
  const { trainings = [], areTrained = false } = setup.profile.detectors ?? {};
  const choice = trainings.find((one) => (one.like ?? one.detector) === name);
  const planned = choice && await planDetector(choice, seed, world, setup);
  const { path, key } = planned?.ready ?? {};
  if (planned && path && key && (areTrained || await exists(path))) return { path, key, planned };
  throw new UserError(
    "missing",
    `Cannot train ${title}: expected the detector ${name} that it starts from in ${imported}, found ` +
      `none; \`deno task detector import FILE --as wang --name ${name}\` brings it there` +
      (choice ? `, \`deno task detector train ${name}\` trains it` : ""),
  );
}

async function weightsThere(name: string, root: string, title: string): Promise<string> {
  const path = weightsPath(join(root, "backbones"), name);
  if (await exists(path)) return path;
  throw new UserError(
    "missing",
    `Cannot train ${title}: expected the weights of ${name} that it starts from in ${path}, found ` +
      `none; \`deno task backbone import FILE --name ${name}\` brings them there`,
  );
}

/**
 * Trains a detector, or finds it trained. Killed at any moment, the next call goes on from what was put
 * on disk before; a second process waits, and then finds it.
 * @param run runs it, where it is not there; default in this thread
 * @returns what training said, or why it came to nothing
 * @throws {UserError} where an image cannot be decoded, or the disk is full
 */
export async function trainDetector(
  planned: PlannedDetector,
  setup: Setup,
  hooks: WorkHooks = {},
  run?: TrainingRunner,
): Promise<TrainedHead | FailedHead> {
  const train = () => trainClaimed(planned, setup, hooks, run);
  return await withLock(trainingClaim(planned, setup), train, hooks.onWait);
}

/** File of the claim on a detector in training. */
export function trainingClaim({ training }: PlannedDetector, { folder }: Setup): string {
  return join(folder, trainingLockPath(training.key));
}

/** As {@linkcode trainDetector}, for who has claimed it. */
export async function trainClaimed(
  { detector: name, training, first, ready: { title, path } }: PlannedDetector,
  setup: Setup,
  hooks: WorkHooks = {},
  run: TrainingRunner = inThisThread,
): Promise<TrainedHead | FailedHead> {
  const { profile: { made }, root, seed, folder, device, cores, force } = setup;
  const { onProgress, onDamage } = hooks;
  if (first && (force || !await exists(path))) {
    const found = await trainDetector(first, { ...setup, force: false }, hooks, run);
    if ("problem" in found) return found;
  }
  const { key, recipe, train, val } = training;
  const detector = pixelDetectorNamed(name, "Cannot train a detector");
  if (!detector.train) {
    throw new UserError("usage", `Cannot train ${title}: it cannot be trained here`);
  }
  const state = join(folder, trainingStatePath(key));
  if (force) { for (const file of [path, state]) await removeIfThere(file); }
  for (const file of [path, state]) await forgetDamaged(file, onDamage);
  const isThere = await exists(path);
  if (!isThere) {
    const images = [...new Set([...train, ...val].map(({ path }) => path))];
    await made?.mend({ root, seed, images, onDamage });
  }
  return await (isThere ? inThisThread : run)(name, training, {
    compute: { engine: "onnx", device },
    folder,
    backbones: join(root, "backbones"),
    detectors: join(root, "detectors"),
    onPrepared: (done, total) =>
      onProgress?.({ stage: `preparing images for ${title}`, unit: "images", done, total }),
    workers: cores,
    onImages: (_images, { epoch, learned }) =>
      onProgress?.({
        stage: `training ${title}, epoch ${epoch} of ${
          recipe.schedule.kind === "steps" ? "" : "at most "
        }${recipe.epochs}`,
        ...{ unit: "images", done: learned, total: train.length },
      }),
  });
}

/** Removes a file that is not as it was written, and says so. */
async function forgetDamaged(path: string, onDamage: WorkHooks["onDamage"]): Promise<void> {
  if (!await exists(path)) return;
  try {
    await verifySafetensors(path);
  } catch (error) {
    if (!(error instanceof UserError && error.kind === "damaged")) throw error;
    onDamage?.(`${error.message}; the detector is trained again`);
    await removeIfThere(path);
  }
}
