/**
 * Opens the world that a profile runs in: images, backbones, and what images go through.
 * @module
 */
import { join } from "node:path";
import { type Backbone, openBackbone } from "../lib/backbone/backbone.ts";
import { makeMiniBackbones } from "../lib/backbone/mini.ts";
import { makeMiniWorld } from "../lib/data/mini.ts";
import { type Perturbation, PERTURBATIONS, type Perturbing } from "../lib/image/perturb.ts";
import type { Transform } from "../lib/image/transform.ts";
import { exists } from "../lib/io/files.ts";
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
  readonly protocol: "released" | "paper";
  readonly onProgress: OnProgress;
}

/**
 * Opens a profile's world. The mini world is made where it is not there yet.
 * @throws {RangeError} where the weights of a backbone are not there
 */
export async function openWorld(profile: Profile, options: OpenWorldOptions): Promise<World> {
  const { data, seed, device, protocol, onProgress } = options;
  const isMini = profile.name === "mini";
  const root = isMini ? join(data, "mini") : data;
  if (isMini) {
    await makeMiniWorld({
      root,
      seed,
      onProgress: (done, total) => onProgress({ stage: "mini world", unit: "images", done, total }),
    });
    await makeMiniBackbones({ root, seed });
  }
  const backbones = new Map<string, Backbone>();
  for (const name of profile.backbones) {
    const path = backbonePath(root, name);
    if (!await exists(path)) {
      throw new RangeError(
        `Cannot open ${name}: expected its weights at ${path}, found none; put the Hugging Face checkpoint's model.safetensors there`,
      );
    }
    backbones.set(name, await openBackbone(path, { name, device }));
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

/** Where a backbone's weights lie: `ROOT/backbones/ViT-L-14/model.safetensors`. */
export function backbonePath(root: string, name: string): string {
  return join(root, "backbones", name.replace("/", "-"), "model.safetensors");
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
