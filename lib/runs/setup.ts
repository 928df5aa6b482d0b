/**
 * What a command or a notebook is set up with: one object, made once and handed on.
 * @module
 */
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import type { Precision } from "../backbones/backbone.ts";
import type { EngineName } from "../detectors/detector.ts";
import { resolveEngine } from "../detectors/rine/open_engine.ts";
import type { Protocol } from "../image/augment.ts";
import { refuseUnknown, UserError } from "../io/errors.ts";
import { contentKey } from "../io/files.ts";
import { defaultBatch } from "../onnx/batch.ts";
import type { Device } from "../onnx/session.ts";
import type { ThemeName } from "../report/theme.ts";
import { withOwnSets } from "./own_sets.ts";
import type { Profile } from "./profile.ts";
import { PROJECT } from "../io/project.ts";
import type { Experiments } from "./section.ts";
import type { Selection } from "./select.ts";

/** What a person chooses; what is left out is as it is by default. */
export interface SetupOptions {
  /** Name of a profile; default the first, `mini`. */
  readonly profile?: string;
  /** Folder of images and backbones; default `data`. */
  readonly data?: string;
  /** Folder of results; default `results`. */
  readonly results?: string;
  /** Folder of features; default `tokens` in the data folder. */
  readonly tokens?: string;
  /**
   * Seed of a world that is made, and of augmentation and perturbations where all heads share one
   * draw; default that of the world that is there, else 0.
   */
  readonly seed?: number;
  /** Repetitions: each draws everything anew but the world; default `seed` alone. */
  readonly seeds?: readonly number[];
  /**
   * Draws of perturbations where there is one seed; with 1, heads of all seeds share one draw of
   * augmentation and perturbations. Default the profile's, 3.
   */
  readonly draws?: number;
  /** What trains heads; default `onnx`. */
  readonly engine?: EngineName;
  /** Where graphs run; default `cpu`. */
  readonly device?: Device;
  /** What backbones compute in; default `full`. */
  readonly precision?: Precision;
  /** What the released code does, or what the paper's text says; default `released`. */
  readonly protocol?: Protocol;
  /** RINE's optimiser's, in the first epoch; default that of the profile. */
  readonly learningRate?: number;
  /** By what the best heads are chosen; default `test`, as in the paper. */
  readonly select?: Selection;
  /** How figures look; default `default`. */
  readonly theme?: ThemeName;
  /** JSON file that names sets of one's own; default none. */
  readonly datasets?: string;
  /** Leave out images that cannot be decoded, rather than stop at them; default `false`. */
  readonly skipCorrupt?: boolean;
  /** Train again what is done; default `false`. */
  readonly force?: boolean;
  /**
   * Crops that go through a backbone at once; part of no name. Default the profile's on the CPU, up to 64
   * on a GPU.
   */
  readonly batch?: number;
}

/** Every option that {@linkcode SetupOptions} has. */
const OPTIONS = [
  ...["profile", "data", "results", "tokens", "seed", "seeds", "draws", "engine", "device"],
  ...["precision", "protocol", "learningRate", "select", "theme", "datasets", "skipCorrupt"],
  ...["force", "batch"],
];

/** All that was chosen, and what follows from it. */
export interface Setup {
  /** Sections and profiles. */
  readonly experiments: Experiments;
  /** With a person's own sets, and by what the best heads are chosen. */
  readonly profile: Profile;
  /** Folder of images and backbones, as it was given. */
  readonly data: string;
  /** Folder of results, as it was given. */
  readonly results: string;
  /** Folder that the profile's images lie in, and `backbones/`. */
  readonly root: string;
  /** Folder of features. */
  readonly tokens: string;
  /** Folder of the profile's records, heads and scores. */
  readonly folder: string;
  /** Folder of tables, figures, report and best heads under these conditions. */
  readonly outputs: string;
  /** Of a world that is made, and of augmentation and perturbations where heads share one draw. */
  readonly seed: number;
  /** Of the heads, and of the images that each learns from and is tried on. */
  readonly seeds: readonly number[];
  readonly engine: Exclude<EngineName, "auto">;
  readonly device: Device;
  readonly precision: Precision;
  readonly protocol: Protocol;
  /** RINE's optimiser's, where it is not the profile's. */
  readonly learningRate?: number;
  readonly theme: ThemeName;
  readonly skipCorrupt: boolean;
  readonly force: boolean;
  /** Crops that go through a backbone at once. */
  readonly batchSize: number;
  /** Threads of this machine to use. */
  readonly cores: number;
}

/**
 * Looks up the profile and adds what follows from the options.
 * @throws {UserError} where an option or a profile is unknown, or own sets are not there
 */
export async function makeSetup(
  experiments: Experiments,
  options: SetupOptions = {},
): Promise<Setup> {
  refuseUnknown("Cannot set up", options, OPTIONS);
  const { profiles } = experiments;
  const { profile: name = Object.keys(profiles)[0]!, data = "data", results = "results" } = options;
  const known = Object.hasOwn(profiles, name) ? profiles[name]! : undefined;
  if (!known) {
    throw new UserError(
      "usage",
      `Cannot set up: expected a profile of ${Object.keys(profiles).join(", ")}; found ${name}`,
    );
  }
  const { select, datasets, device = "cpu", precision = "full", protocol = "released" } = options;
  const { learningRate = known.training.learningRate } = options;
  const { batch = defaultBatch(device, known.batchSize) } = options;
  if (!(Number.isSafeInteger(batch) && batch > 0)) {
    throw new UserError(
      "usage",
      `Cannot set up: expected a batch of 1 crop or more, found ${batch}`,
    );
  }
  if (!(Number.isFinite(learningRate) && learningRate > 0)) {
    throw new UserError(
      "usage",
      `Cannot set up: expected a learning rate above 0, found ${learningRate}`,
    );
  }
  const profile: Profile = {
    ...(datasets === undefined ? known : await withOwnSets(known, datasets)),
    ...(select === undefined ? {} : { selection: select }),
    ...(options.draws === undefined ? {} : { draws: options.draws }),
    training: { ...known.training, learningRate },
  };
  const root = join(data, profile.folder);
  const seed = options.seed ?? await profile.made?.seedOf(root) ?? 0;
  const setup: Setup = {
    experiments,
    profile,
    data,
    results,
    root,
    tokens: options.tokens ?? join(data, "tokens"),
    folder: join(results, profile.name),
    outputs: "",
    seed,
    seeds: options.seeds ?? [seed],
    engine: await resolveEngine(options.engine ?? "onnx", { device }),
    device,
    precision,
    protocol,
    ...(learningRate === known.training.learningRate ? {} : { learningRate }),
    theme: options.theme ?? "default",
    skipCorrupt: options.skipCorrupt ?? false,
    force: options.force ?? false,
    batchSize: batch,
    cores: navigator.hardwareConcurrency,
  };
  return { ...setup, outputs: join(setup.folder, outputsName(setup)) };
}

/** A condition of a setup that is not the usual one: the command line's flag and its value. */
type Condition = readonly [flag: string, value: string];

/** What numbers hang on besides profile and sections, where it is not as by default. */
function conditions(setup: Setup): Condition[] {
  const { profile, seed, seeds, engine, device, precision, protocol, skipCorrupt } = setup;
  const { profiles } = setup.experiments;
  const { selection = "test", datasets } = profile;
  const all: readonly (readonly [flag: string, value: string, normal: string])[] = [
    ["seed", `${seed}`, "0"],
    ["seeds", seeds.join(), `${seed}`],
    ["draws", `${profile.draws}`, `${profiles[profile.name]!.draws}`],
    ["engine", engine, "onnx"],
    ["device", device, "cpu"],
    ["precision", precision, "full"],
    ["protocol", protocol, "released"],
    ["learning-rate", `${setup.learningRate ?? ""}`.replace("e+", "e"), ""],
    ["select", selection, "test"],
    ["datasets", datasets === undefined ? "" : fromProject(datasets), ""],
    ["skip-corrupt", skipCorrupt ? "yes" : "", ""],
  ];
  return all.filter(([, value, normal]) => value !== normal)
    .map(([flag, value]) => [flag, value]);
}

/** Longest name of a folder of outputs; what would be longer is shortened to a hash. */
const MAX_NAME = 80;

/** Name of the folder of outputs: empty by default, else `protocol-paper+seeds-0-1-2`. */
function outputsName(setup: Setup): string {
  const name = conditions(setup).map(([flag, value]) => {
    if (flag === "skip-corrupt") return flag;
    // two files of one name are two conditions
    if (flag === "datasets") return `${flag}-${plain(basename(value))}-${contentKey([value], 4)}`;
    return `${flag}-${plain(value)}`;
  }).join("+");
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 9)}-${contentKey([name], 8)}`;
}

function plain(text: string): string {
  return text.replace(/\.json$/, "").replaceAll(/[^\w.-]+/g, "-");
}

/** What a person types to run sections under a setup's conditions; all where none is named. */
export function reproduceCommand(setup: Setup, sections: readonly string[] = []): string {
  const { experiments: { profiles }, profile, data, results, tokens, theme } = setup;
  return [
    "deno task reproduce",
    ...flag("--profile", profile.name, Object.keys(profiles)[0]!),
    ...flag("--only", sections.join(), ""),
    ...flag("--data", fromProject(data), "data"),
    ...flag("--results", fromProject(results), "results"),
    ...flag("--tokens", fromProject(tokens), fromProject(join(data, "tokens"))),
    ...conditions(setup).flatMap(([name, value]) =>
      name === "skip-corrupt" ? [`--${name}`] : flag(`--${name}`, value, "")
    ),
    ...flag("--theme", theme, "default"),
  ].join(" ");
}

function flag(name: string, value: string, normal: string): string[] {
  if (value === normal) return [];
  return [name, /^[\w.,:/\\-]+$/.test(value) ? value : `"${value}"`];
}

/** A path as the command, which runs in the project's folder, has to have it. */
function fromProject(path: string): string {
  const inside = relative(PROJECT, resolve(path));
  return inside.startsWith("..") || isAbsolute(inside) ? resolve(path) : inside || ".";
}
