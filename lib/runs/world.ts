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
import type { ClassImages } from "./profile.ts";
import type { Setup } from "./setup.ts";

/** The images and backbones that configurations name. */
export interface World extends AsyncDisposable {
  /** Name of the profile, for records. */
  readonly profile: string;
  /** Data root that image paths are relative to. */
  readonly root: string;
  /** What is believed of folders and files under the root, until somebody forgets it. */
  readonly listings: Listings;
  readonly backbones: ReadonlyMap<string, Backbone>;
  /** By training set, then by class. */
  readonly trainingSets: Readonly<Record<string, Readonly<Record<string, ClassImages>>>>;
  readonly testSets: ReadonlyMap<string, DatasetSpec>;
  /** After so many epochs, training images are augmented as in the first again. */
  readonly augmentations: number;
  /** What training images go through, for a backbone of some resolution. */
  trainTransform(sizePx: number): Transform;
  /** What test images go through, by the name of a view: `center`, `ten`, a perturbation. */
  viewTransform(view: string, sizePx: number): Transform;
}

/** Who is told of a world that is being made. */
export interface MakingHooks {
  readonly onProgress?: OnProgress;
  /** Told that another process makes it and is waited for. */
  readonly onWait?: () => void;
}

/**
 * Opens a setup's world. A world that is made is made where it is not there yet.
 * @throws {UserError} of kind `missing`, where the weights of a backbone are not there
 */
export async function openWorld(setup: Setup, hooks: MakingHooks = {}): Promise<World> {
  const { profile: { made }, root, seed } = setup;
  await made?.make({ root, seed, ...hooks });
  return await openMadeWorld(setup);
}

/**
 * Opens a setup's world as it is; nothing is made.
 * @param further names of backbones besides the profile's
 * @throws {UserError} of kind `missing`, where the weights of a backbone are not there
 */
export async function openMadeWorld(
  { profile, root, device, precision, protocol }: Setup,
  further: readonly string[] = [],
): Promise<World> {
  const folder = join(root, "backbones");
  const backbones = new Map<string, Backbone>();
  for (const name of new Set([...profile.backbones, ...further])) {
    backbones.set(name, await openBackbone(name, { folder, device, precision }));
  }
  const { augmentations, batchSize: _batch, learningRate: _rate, ...augmentation } =
    profile.training;
  return {
    profile: profile.name,
    root,
    listings: new Listings(root),
    backbones,
    trainingSets: profile.trainingSets,
    testSets: new Map(
      [...profile.testSets, ...profile.synthbusterSets].map((spec) => [spec.name, spec]),
    ),
    augmentations,
    trainTransform: (size) => ({
      kind: "train",
      size,
      augmentation: { protocol, ...augmentation },
    }),
    viewTransform(view, size) {
      if (view === "center" || view === "ten") return { kind: view, size };
      if ((PERTURBATIONS as readonly string[]).includes(view)) {
        const perturbation = view as Perturbation;
        return { kind: "perturbed", size, perturbation, ...profile.perturbation, protocol };
      }
      throw new UserError(
        "usage",
        `Cannot crop images: expected center, ten, ${PERTURBATIONS.join(", ")}; found ${view}`,
      );
    },
    async [Symbol.asyncDispose]() {
      for (const backbone of backbones.values()) await backbone[Symbol.asyncDispose]();
    },
  };
}
