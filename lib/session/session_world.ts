/**
 * The world that a notebook looks at: where it lies, and how it is opened without making it.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join } from "node:path";
import { openBackbone } from "../backbones/open.ts";
import type { Precision } from "../backbones/backbone.ts";
import type { EngineName } from "../detectors/rine/open_engine.ts";
import type { OnProgress } from "../io/progress.ts";
import { CellProgress, isNotebook, show } from "./show.ts";
import type { Device } from "../onnx/session.ts";
import type { World } from "../runs/plan.ts";
import type { Selection } from "../runs/select.ts";
import { PROJECT, reproduceCommand } from "../runs/setup.ts";
import type { Profile } from "../runs/profile.ts";
import { ProgressDisplay } from "../io/progress_bar.ts";
import { miniWorldSeed, openWorld, worldRoot } from "../runs/world.ts";

/** What a session is opened on. Results are found where `reproduce` was run with the same. */
export interface SessionOptions {
  /** Default `mini`. */
  readonly profile?: "mini" | "paper";
  /** Folder of images, backbones and tokens; default the project's `data`. */
  readonly data?: string;
  /** Folder of results; default the project's `results`. */
  readonly results?: string;
  /** Seed of augmentation and perturbations; default that of the mini world, else 0. */
  readonly seed?: number;
  /** Seeds of the heads; default `seed` alone. */
  readonly seeds?: readonly number[];
  /** Default `onnx`. */
  readonly engine?: Exclude<EngineName, "auto">;
  /** Default `cpu`. */
  readonly device?: Device;
  /** Default `full`. */
  readonly precision?: Precision;
  /** Default `released`. */
  readonly protocol?: "released" | "paper";
  /** By what the best heads are chosen; default `test`. */
  readonly select?: Selection;
  /** Leave out images that cannot be decoded; default `false`. */
  readonly skipCorrupt?: boolean;
  /** JSON file that names sets of the reader's own; default none. */
  readonly datasets?: string;
}

/** Options with what stands for those that are left out; seeds follow from the world. */
export function withDefaults(options: SessionOptions): SessionOptions & {
  readonly data: string;
  readonly results: string;
  readonly engine: EngineName;
  readonly device: Device;
} {
  return {
    data: join(PROJECT, "data"),
    results: join(PROJECT, "results"),
    engine: "onnx",
    device: "cpu",
    ...options,
  };
}

/** A world, and the seed that it was made from. */
export interface SeededWorld {
  readonly world: World;
  /** Of augmentation and perturbations. */
  readonly seed: number;
}

/**
 * Opens a profile's world where it is there.
 * @throws {UserError} where there is no mini world, one of another seed, or no backbone, with what
 * makes it
 */
export async function openSeededWorld(
  profile: Profile,
  options: SessionOptions,
): Promise<SeededWorld> {
  const { data, device, precision = "full", protocol = "released" } = withDefaults(options);
  const seed = profile.name === "mini" ? await miniSeed(profile, data, options) : options.seed ?? 0;
  const world = await showingProgress((onProgress) =>
    openWorld(profile, { data, seed, device, precision, protocol, onProgress })
  );
  return { world, seed };
}

/**
 * A world with imported backbones besides its own.
 * @throws {UserError} where one has not been imported, with what does it
 */
export async function withBackbones(
  world: World,
  names: readonly string[],
  options: SessionOptions,
): Promise<World> {
  const missing = names.filter((name) => !world.backbones.has(name));
  if (missing.length === 0) return world;
  const { device, precision = "full" } = withDefaults(options);
  const folder = join(world.root, "backbones");
  const backbones = new Map(world.backbones);
  for (const name of missing) {
    backbones.set(name, await openBackbone(name, { folder, device, precision }));
  }
  return { ...world, backbones };
}

/** The seed of the mini world that is there; opening one of another would make it anew. */
async function miniSeed(profile: Profile, data: string, options: SessionOptions): Promise<number> {
  const { seed: wanted } = options;
  const seed = await miniWorldSeed(data);
  if (seed !== undefined && (wanted ?? seed) === seed) return seed;
  throw new UserError(
    "missing",
    `Cannot open the mini profile: expected its images in ${worldRoot(profile, data)}, found ${
      seed === undefined ? "none" : `those of seed ${seed}`
    }; run \`${reproduceCommand(profile, options)}\` first`,
  );
}

/** Does long work and shows its progress, in the cell or on the terminal. */
export async function showingProgress<T>(
  work: (onProgress: OnProgress, onWait: () => void) => Promise<T>,
): Promise<T> {
  const waits = "Another process works in the same folder; waiting for it";
  if (isNotebook()) {
    await using progress = new CellProgress();
    return await work(progress.onProgress, () => void show(waits));
  }
  using display = new ProgressDisplay();
  return await work(display.onProgress, () => display.say(waits));
}
