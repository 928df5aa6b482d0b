/**
 * Scores of detectors, image by image: those that runs kept, and those that nobody has asked for yet.
 * @module
 */
import { resolve } from "node:path";
import { type DatasetSpec, type ImageEntry, type Label, listImages } from "../data/dataset.ts";
import { imagesIn } from "../data/image_folder.ts";
import { detectorNamed } from "../detectors/index.ts";
import { Detector } from "../detectors/verdict.ts";
import { UserError } from "../io/errors.ts";
import { contentKey } from "../io/files.ts";
import { lookAtAll } from "../io/look.ts";
import { evaluateScores, type SetScores } from "../metrics.ts";
import type { ImageScore, Tried } from "../runs/kept_scores.ts";
import { keptScores } from "../runs/kept_scores.ts";
import { scoreKey, tryHeads } from "../runs/scores.ts";
import { scoresInPieces, scoresOf } from "../runs/scores_in_pieces.ts";
import type { Setup } from "../runs/setup.ts";
import type { World } from "../runs/world.ts";
import { testSetNamed } from "./examples.ts";
import type { OpenedWorld } from "./opened.ts";
import { showingProgress } from "./progress.ts";
import { runAndKeep } from "./swept.ts";

/** Anything that scores images: a detector of this project, or one of the reader's own. */
export interface Judge {
  /**
   * Scores images, in their order.
   * @param paths of image files
   */
  detectAll(paths: readonly string[]): AsyncIterable<
    | { readonly path: string; readonly score: number }
    | { readonly path: string; readonly problem: string }
  >;
}

/** What the validation images are called where a test set may be named. */
export const VALIDATION = "validation";

/** A reader's own images, by folder; relative paths to the folder that the program runs in. */
export interface OwnFolders {
  /** Folder of real images, with those below it. */
  readonly real?: string;
  /** Folder of generated images, with those below it. */
  readonly generated?: string;
}

/** The images that a detector looks at, by one name. */
interface Looked {
  readonly name: string;
  readonly images: readonly Pick<ImageEntry, "path" | "label">[];
}

/** What a reader's own images are called where a test set may be named. */
const OWN = "own";

/**
 * Tries a detector on the images of a test set.
 * @throws {UserError} where an image cannot be decoded and is not to be left out
 */
export async function evaluateDetector(
  detector: Judge,
  spec: DatasetSpec,
  world: World,
  setup: Setup,
): Promise<SetScores> {
  const found = await judged(detector, await imagesOf(spec, world), spec.name, world, setup);
  return evaluateScores(
    Uint8Array.from(found, ({ label }) => label),
    found.map(({ score }) => score),
  );
}

/** Scores of a detector that is no head of a run: it looks at the images now. */
export async function judgedScores(
  detector: Judge,
  sets: readonly string[],
  { world, setup }: OpenedWorld,
): Promise<ImageScore[]> {
  const scores: ImageScore[] = [];
  for (const set of sets) {
    for (const spec of specsOf(set, world, setup)) {
      scores.push(...await judged(detector, await imagesOf(spec, world), set, world, setup));
    }
  }
  return scores;
}

/**
 * Scores of a reader's own images.
 * @throws {UserError} where there is no such folder, or no image in it
 */
export async function ownScores(
  detector: Judge,
  folders: OwnFolders,
  { world, setup }: OpenedWorld,
): Promise<ImageScore[]> {
  const given = Object.entries(folders).filter(([, folder]) => folder !== undefined);
  const wrong = given.find(([name, folder]) =>
    !["real", "generated"].includes(name) || typeof folder !== "string"
  );
  if (wrong || given.length === 0) {
    throw new UserError(
      "usage",
      "Cannot score images: expected names of test sets, or folders as { real, generated }; found " +
        (wrong ? `${wrong[0]}: ${wrong[1]}` : "none"),
    );
  }
  const images = await Promise.all(given.map(async ([name, folder]) => {
    const root = resolve(folder);
    const label: Label = name === "real" ? 0 : 1;
    return (await imagesIn(root)).map((path) => ({ path: resolve(root, path), label }));
  }));
  return await judged(detector, { name: OWN, images: images.flat() }, OWN, world, setup);
}

async function imagesOf(spec: DatasetSpec, { root }: World): Promise<Looked> {
  return { name: spec.name, images: await listImages(root, spec) };
}

/** A test set; or of each class that the main training set has, its validation images. */
function specsOf(set: string, world: World, { profile }: Setup): DatasetSpec[] {
  if (set !== VALIDATION || world.testSets.has(set)) return [testSetNamed(world, set)];
  const classes = world.trainingSets[profile.trainedOn.main.name] ?? {};
  return Object.values(classes).map(({ val }) => val);
}

/** Scores images, or finds the scores that a detector of this project gave them before. */
async function judged(
  detector: Judge,
  { name, images }: Looked,
  set: string,
  { root }: World,
  { skipCorrupt, folder }: Setup,
): Promise<ImageScore[]> {
  let scores: Float32Array = new Float32Array();
  await showingProgress(async (onProgress) => {
    let done = 0;
    const onImages = (count: number) =>
      onProgress({ stage: name, unit: "images", done: done += count, total: images.length });
    onImages(0);
    const corrupt = (path: string, problem: string) =>
      `Cannot decode ${path}: ${problem}; openSession({ skipCorrupt: true }) leaves it out`;
    const look = (some: readonly { readonly path: string }[]) =>
      scoresOf(
        detector.detectAll(some.map(({ path }) => resolve(root, path))),
        some.length,
        skipCorrupt ? undefined : corrupt,
        onImages,
      );
    if (!(detector instanceof Detector)) {
      // nobody knows whether it will say the same again
      scores = await look(images);
      return;
    }
    scores = await scoresInPieces(images, {
      ...{ folder, skipCorrupt, onImages, list: await nameOfFiles(images, root) },
      own: `detector-${await detector.identity()}`,
      about: { detector: detector.title, reads: detector.reads },
    }, look);
  });
  return images.map(({ path, label }, i) => ({
    ...{ path, set, label },
    generator: label === 0 ? "real" : name,
    score: scores[i]!,
  })).filter(({ score }) => !Number.isNaN(score));
}

/** Names images by their files as they are now: a reader may put others in their place between two cells. */
async function nameOfFiles(
  images: readonly { readonly path: string; readonly label: Label }[],
  root: string,
): Promise<string> {
  const files: (Deno.FileInfo | Error)[] = [];
  await lookAtAll(images, ({ path }) => resolve(root, path), (found, i) => files[i] = found);
  return contentKey(
    images.values().map(({ path, label }, i) => {
      // one that is gone is said when it is looked at
      const file = files[i]!,
        here = file instanceof Error ? [] : [file.size, file.mtime?.getTime()];
      return [path, label, ...here];
    }),
  );
}

/**
 * Scores of a run's head, those that it kept, and what it lacks: a test set that it was not tried on is
 * scored as a sweep does, its validation images from the features that it was validated on. Both are
 * kept.
 * @throws {UserError} where there is no such test set, or features or scores are not on disk
 */
export async function triedScores(
  tried: Tried,
  sets: readonly string[],
  opened: OpenedWorld,
): Promise<ImageScore[]> {
  const { record, epoch } = tried;
  const { training, evaluation } = record.config;
  const { sets: known } = record.evaluations.find((evaluation) => evaluation.epoch === epoch)!;
  const isValidation = (set: string) => set === VALIDATION && !opened.world.testSets.has(set);
  const lacking = sets.filter((set) => !isValidation(set) && !Object.hasOwn(known, set));
  for (const set of lacking) testSetNamed(opened.world, set);
  const [further] = lacking.length === 0 ? [] : await runAndKeep(opened, [
    { training, evaluation: { ...evaluation, testSets: lacking } },
  ]);
  const scores: ImageScore[] = [];
  for (const set of sets) {
    const of = isValidation(set)
      ? await validated(tried, opened.setup)
      : Object.hasOwn(known, set)
      ? tried
      : { record: further!, epoch };
    scores.push(...await keptScores(of, set, opened.setup));
  }
  return scores;
}

/** A run as if it had been tried on its validation images; their scores are kept by now. */
async function validated({ record, epoch }: Tried, setup: Setup): Promise<Tried> {
  const features = record.features.val;
  const key = scoreKey(features, record.skippedImages?.val);
  const { detector } = record.config.training;
  const { folder, tokens: featuresFolder, engine, device } = setup;
  const { evaluations: [evaluation] } = await tryHeads(
    [{ key: record.trainingKey, detector: detectorNamed(detector), epoch }],
    [{ name: VALIDATION, features, key }],
    { bootstrap: undefined, featuresFolder, folder, compute: { engine, device }, onRows() {} },
  );
  return {
    record: {
      ...record,
      features: { ...record.features, test: { [VALIDATION]: features } },
      evaluations: [evaluation!],
    },
    epoch,
  };
}
