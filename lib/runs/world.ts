/**
 * The world that a profile runs in: images, backbones, and what images go through.
 * @module
 */
import { join } from "node:path";
import type { Backbone } from "../backbones/backbone.ts";
import { openBackbone } from "../backbones/open.ts";
import type { DatasetSpec } from "../data/dataset.ts";
import { Listings } from "../data/listing.ts";
import { type Perturbation, PERTURBATIONS } from "../image/perturb.ts";
import type { Transform } from "../image/transform.ts";
import { UserError } from "../io/errors.ts";
import type { OnProgress } from "../io/progress.ts";
import type { TrainingImages } from "../detectors/detector.ts";
import type { Protocol } from "../image/augment.ts";
import type { ClassImages, Profile } from "./profile.ts";
import type { Setup } from "./setup.ts";

/** What training images go through, and how often that is another. */
export interface TrainingView {
  readonly transform: Transform;
  /** After so many epochs, images are augmented as in the first again; 0 where they never are. */
  readonly augmentations: number;
}

/** The images and backbones that configurations name. */
export interface World extends AsyncDisposable {
  /** Name of the profile, for records. */
  readonly profile: string;
  /** Data root that image paths are relative to. */
  readonly root: string;
  /** What is believed of folders and files under the root, until somebody forgets it. */
  readonly listings: Listings;
  /** Those that are open. */
  readonly backbones: ReadonlyMap<string, Backbone>;
  /**
   * Opens a backbone of the profile, or finds it open.
   * @throws {UserError} of kind `missing`, where its weights are not there; of kind `usage`, where
   * the profile has none of that name
   */
  backbone(name: string): Promise<Backbone>;
  /** By training set, then by class. */
  readonly trainingSets: Readonly<Record<string, Readonly<Record<string, ClassImages>>>>;
  readonly testSets: ReadonlyMap<string, DatasetSpec>;
  /** What training images go through, for a backbone of some resolution. */
  trainingView(images: TrainingImages, sizePx: number): TrainingView;
  /**
   * What test images go through, by the name of a view: `center`, `ten`, a perturbation, `alike`,
   * `jpeg 90`, `blur 1.5`.
   */
  viewTransform(view: string, sizePx: number): Transform;
}

/** Who is told of a world that is being made. */
export interface MakingHooks {
  readonly onProgress?: OnProgress;
  /** Told that another process makes it and is waited for. */
  readonly onWait?: () => void;
  /** Told, in a line for people, of a file that is damaged and is made again. */
  readonly onDamage?: ((line: string) => void) | undefined;
}

/**
 * Opens a setup's world. A world that is made is made where it is not there yet.
 * @throws {UserError} of kind `missing`, where the weights of a backbone are not there
 */
export async function openWorld(setup: Setup, hooks: MakingHooks = {}): Promise<World> {
  const { profile: { made }, root, seed } = setup;
  const sizes = await made?.make({ root, seed, ...hooks });
  return await openMadeWorld(setup, [], sizes);
}

/**
 * Opens a setup's world as it is; nothing is made.
 * @param further names of backbones besides the profile's
 * @param sizes of images that have just been looked at, in bytes, by path
 * @throws {UserError} of kind `missing`, where the weights of a backbone are not there
 */
export async function openMadeWorld(
  { profile, root, device, precision, protocol }: Setup,
  further: readonly string[] = [],
  sizes?: ReadonlyMap<string, number>,
): Promise<World> {
  const folder = join(root, "backbones");
  const backbones = new Map<string, Backbone>();
  const open = (name: string) => openBackbone(name, { folder, device, precision });
  for (const name of new Set([...profile.backbones, ...further])) {
    backbones.set(name, await open(name));
  }
  const names = backboneNames(profile, further);
  return {
    profile: profile.name,
    root,
    listings: new Listings(root, sizes),
    backbones,
    trainingSets: profile.trainingSets,
    testSets: new Map(
      [...profile.testSets, ...profile.synthbusterSets].map((spec) => [spec.name, spec]),
    ),
    async backbone(name) {
      const known = backbones.get(name);
      if (known) return known;
      if (!names.includes(name)) throw unknownOf("backbone", names, name);
      const opened = await open(name);
      // somebody else may have opened it meanwhile
      const first = backbones.get(name);
      if (first) await opened[Symbol.asyncDispose]();
      else backbones.set(name, opened);
      return first ?? opened;
    },
    trainingView: (images, size) => trainingView(profile, protocol, images, size),
    viewTransform(view, size) {
      if (view === "center" || view === "ten") return { kind: view, size };
      if ((PERTURBATIONS as readonly string[]).includes(view)) {
        const perturbation = view as Perturbation;
        return { kind: "perturbed", size, perturbation, ...profile.perturbation, protocol };
      }
      if (view === ALIKE_VIEW) return { kind: "alike", size, ...profile.alike };
      const degraded = degradedView(view, size);
      if (degraded) return degraded;
      throw new UserError(
        "usage",
        `Cannot crop images: expected center, ten, ${PERTURBATIONS.join(", ")}, ` +
          `${ALIKE_VIEW}, ` +
          `${jpegView(90)} or ${blurView(1.5)} with other numbers; found ${view}`,
      );
    },
    async [Symbol.asyncDispose]() {
      for (const backbone of backbones.values()) await backbone[Symbol.asyncDispose]();
    },
  };
}

/** Names of all backbones of a profile, and some more, each once. */
export function backboneNames(
  { backbones, ufd, appendix }: Pick<Profile, "backbones" | "ufd" | "appendix">,
  further: readonly string[] = [],
): readonly string[] {
  const spaces = ufd?.featureSpaces.map(({ backbone }) => backbone) ?? [];
  const others = appendix ? [appendix.vit.backbone] : [];
  return [...new Set([...backbones, ...further, ...spaces, ...others])];
}

/** Why a name is none of those that there are. */
export function unknownOf(kind: string, known: readonly string[], found: string): UserError {
  return new UserError(
    "usage",
    `Cannot plan runs: expected a ${kind} of ${known.join(", ")}; found ${found}`,
  );
}

/** Augmentations of each training image before they come round; 0 where images are as they are. */
export function augmentationsOf(
  { training, ufd }: Pick<Profile, "training" | "ufd">,
  images: TrainingImages,
): number {
  if (images === "plain") return 0;
  return images === "rine" ? training.augmentations : ufd?.augmentation.augmentations ?? 0;
}

function trainingView(
  profile: Profile,
  protocol: Protocol,
  images: TrainingImages,
  size: number,
): TrainingView {
  const { name, training, ufd } = profile;
  const rounds = augmentationsOf(profile, images);
  if (images === "plain") {
    return { transform: { kind: "center", size }, augmentations: rounds };
  }
  if (images === "rine") {
    const { augmentations: _rounds, batchSize: _batch, learningRate: _rate, ...augmentation } =
      training;
    return {
      transform: { kind: "train", size, augmentation: { protocol, ...augmentation } },
      augmentations: rounds,
    };
  }
  if (!ufd) {
    throw new UserError("usage", `Cannot train UFD's probe: the ${name} profile has no UFD recipe`);
  }
  const { augmentations: _rounds, shortSidePx, ...augmentation } = ufd.augmentation;
  return {
    // any quality of the range, as RINE's text has it and UFD's code does
    transform: {
      kind: "train",
      size,
      augmentation: { protocol: "paper", ...augmentation },
      shortSidePx,
    },
    augmentations: rounds,
  };
}

/** Name of the view of images that are all of one size and one format. */
export const ALIKE_VIEW = "alike";

/** Name of the view of images compressed by JPEG before they are cropped. */
export function jpegView(quality: number): string {
  return `jpeg ${quality}`;
}

/** Name of the view of images blurred before they are cropped. */
export function blurView(sigmaPx: number): string {
  return `blur ${sigmaPx}`;
}

function degradedView(view: string, size: number): Transform | undefined {
  const [, kind, text] = /^(jpeg|blur) (\d+(?:\.\d+)?)$/.exec(view) ?? [];
  const value = Number(text);
  if (kind === "jpeg" && Number.isInteger(value) && value >= 1 && value <= 100) {
    return { kind: "degraded", size, jpegQuality: value };
  }
  return kind === "blur" ? { kind: "degraded", size, blurSigmaPx: value } : undefined;
}
