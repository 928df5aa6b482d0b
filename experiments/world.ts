/**
 * Opens the world that a profile runs in: images, backbones, and what images go through.
 * @module
 */
import { join } from "node:path";
import { type Backbone, openBackbone, type Precision } from "../lib/backbone/backbone.ts";
import { makeMiniBackbones } from "../lib/backbone/mini.ts";
import { makeMiniWorld, miniSeed } from "../lib/data/mini.ts";
import { type Perturbation, PERTURBATIONS, type Perturbing } from "../lib/image/perturb.ts";
import type { Transform } from "../lib/image/transform.ts";
import type { OnProgress } from "../lib/io/progress.ts";
import type { Device } from "../lib/onnx/session.ts";
import type { World } from "../lib/run/plan.ts";
import type { Profile } from "./profiles/profile.ts";

/** How a world is opened. */
export interface OpenWorldOptions {
  /** Holds images (`DATA/mini` in the mini profile), `backbones/` and `tokens/`. */
  readonly data: string;
  /** Seed of the mini world and its backbones. */
  readonly seed: number;
  readonly device: Device;
  readonly precision: Precision;
  readonly protocol: "released" | "paper";
  readonly onProgress: OnProgress;
  /** Told that another process makes what is missing and is waited for. */
  readonly onWait?: () => void;
}

/** Where a profile's images and backbones lie. */
export function worldRoot({ name }: Profile, data: string): string {
  return name === "mini" ? join(data, "mini") : data;
}

/** The seed of the mini world in a data folder, where there is one. */
export function miniWorldSeed(data: string): Promise<number | undefined> {
  return miniSeed(join(data, "mini"));
}

/**
 * Opens a profile's world. The mini world is made where it is not there yet.
 * @throws {RangeError} where the weights of a backbone are not there
 */
export async function openWorld(profile: Profile, options: OpenWorldOptions): Promise<World> {
  const { data, seed, onProgress, onWait } = options;
  const root = worldRoot(profile, data);
  if (profile.name === "mini") {
    await makeMiniWorld({
      root,
      seed,
      onProgress: (done, total) => onProgress({ stage: "mini world", unit: "images", done, total }),
      onWait,
    });
    await makeMiniBackbones({ root, seed, onWait });
  }
  return await openMadeWorld(profile, options);
}

/**
 * Opens a profile's world as it is; nothing is made.
 * @throws {RangeError} where the weights of a backbone are not there
 */
export async function openMadeWorld(
  profile: Profile,
  { data, device, precision, protocol }: Omit<OpenWorldOptions, "onProgress" | "onWait">,
): Promise<World> {
  const root = worldRoot(profile, data);
  const folder = join(root, "backbones");
  const backbones = new Map<string, Backbone>();
  for (const name of profile.backbones) {
    backbones.set(name, await openBackbone(name, { folder, device, precision }));
  }
  const { training } = profile;
  return {
    profile: profile.name,
    root,
    backbones,
    trainingSets: profile.trainingSets,
    testSets: new Map(
      [...profile.testSets, ...profile.synthbusterSets].map((spec) => [spec.name, spec]),
    ),
    augmentations: training.augmentations,
    trainTransform: (size) => ({
      kind: "train",
      size,
      augmentation: {
        protocol,
        blurProbability: training.blurProbability,
        blurSigmaPx: training.blurSigmaPx,
        jpegProbability: training.jpegProbability,
        jpegQualities: training.jpegQualities,
        flipProbability: training.flipProbability,
      },
    }),
    viewTransform: (view, size) => viewTransform(view, size, { ...profile.perturbation, protocol }),
  };
}

function viewTransform(
  view: string,
  size: number,
  perturbing: Omit<Perturbing, "perturbation">,
): Transform {
  if (view === "center" || view === "ten") return { kind: view, size };
  if ((PERTURBATIONS as readonly string[]).includes(view)) {
    return { kind: "perturbed", size, perturbation: view as Perturbation, ...perturbing };
  }
  throw new RangeError(
    `Cannot crop images: expected center, ten, ${PERTURBATIONS.join(", ")}; found ${view}`,
  );
}
