/**
 * What notebooks know of experiments: rows and reports of what has been run, sweeps of the reader's
 * own, and detectors made of the best heads.
 * @module
 */
import { join, resolve } from "node:path";
import type { Precision } from "../lib/backbone/backbone.ts";
import { type Label, listImages } from "../lib/data/dataset.ts";
import type { MiniManifest } from "../lib/data/mini.ts";
import type { EngineName } from "../lib/head/open_engine.ts";
import { decodeImage } from "../lib/image/image.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import { applyTransform } from "../lib/image/transform.ts";
import { readJson } from "../lib/io/files.ts";
import type { OnProgress } from "../lib/io/progress.ts";
import { type CaptionedImage, CellProgress, inOneLine, isNotebook } from "../lib/notebook.ts";
import type { Device } from "../lib/onnx/session.ts";
import { RecordStore } from "../lib/results/record.ts";
import type { RunRow } from "../lib/results/run.ts";
import { type Detector, openDetector, verdictText } from "../lib/run/detect.ts";
import { execute } from "../lib/run/execute.ts";
import type { World } from "../lib/run/plan.ts";
import type { SectionReport } from "./experiment.ts";
import { findSection, FinishedRuns, reproduceCommand } from "./finished.ts";
import { bestHeads } from "./heads.ts";
import { averagedRows } from "./own_sets.ts";
import type { Profile } from "./profiles/profile.ts";
import { ProgressDisplay } from "./progress_bar.ts";
import { publishedReport, type ReportedSection } from "./published.ts";
import { BATCH_SIZE, extrasOf, PROFILES } from "./reproduce.ts";
import { type Sweep, sweepRuns } from "./sweep.ts";
import { openWorld } from "./world.ts";

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
}

type Settings = Required<Omit<SessionOptions, "profile">>;

/** An image of a test set. */
export interface Example extends CaptionedImage {
  /** Path relative to the session's `root`, or absolute. */
  readonly path: string;
  /** 0 real, 1 generated. */
  readonly label: Label;
}

const PROJECT = resolve(import.meta.dirname!, "..");

/** A profile's world and results, for a notebook. Open it with {@linkcode openSession}. */
export class Session {
  /** The paper's protocol as data, at the session's scale. */
  readonly profile: Profile;
  /** Folder that paths of images are relative to. */
  readonly root: string;
  /** Folder of the profile's records, tables, figures and heads. */
  readonly folder: string;
  readonly #world: World;
  readonly #settings: Settings;
  readonly #tokensFolder: string;
  readonly #finished: FinishedRuns;
  #published: Promise<ReportedSection[]> | undefined;

  /** Use {@linkcode openSession}. */
  constructor(profile: Profile, world: World, settings: Settings) {
    this.profile = profile;
    this.root = world.root;
    this.folder = join(settings.results, profile.name);
    this.#world = world;
    this.#settings = settings;
    this.#tokensFolder = join(settings.data, "tokens");
    this.#finished = new FinishedRuns(profile, world, {
      ...settings,
      folder: this.folder,
      tokensFolder: this.#tokensFolder,
    });
  }

  /**
   * Rows of a section: one for each evaluated head.
   * @param name as on the command line: `grid`
   * @throws {RangeError} where there is no such section, or it has not been run, with what runs it
   */
  rows(name: string): Promise<readonly RunRow[]> {
    return inOneLine(async () =>
      (await this.#finished.section(name)).rows.filter(({ experiment }) => experiment === name)
    );
  }

  /**
   * Tables and figures of a section.
   * @param where which rows they are made of; by default all
   * @throws {RangeError} as {@linkcode Session.rows}
   */
  report(name: string, where: (row: RunRow) => boolean = () => true): Promise<SectionReport> {
    return inOneLine(async () => {
      const experiment = findSection(name);
      const { rows } = await this.#finished.section(name);
      const extras = await extrasOf(experiment, this.profile, {
        records: (await this.#finished.section("grid")).records,
        folder: this.folder,
        tokensFolder: this.#tokensFolder,
        engine: this.#settings.engine,
      });
      return experiment.report(this.profile, rows.filter(where), extras);
    });
  }

  /** Tables and figures of the same section, made of the numbers that the authors published. */
  published(name: string): Promise<SectionReport> {
    return inOneLine(async () => {
      const known = findSection(name).name;
      const sections = await (this.#published ??= publishedReport());
      return sections.find(({ experiment }) => experiment.name === known)!.report;
    });
  }

  /**
   * Trains and tries heads of the reader's choice; what has been done before is reused.
   * @returns their rows
   * @throws {RangeError} where a value is out of range, or a name is not the profile's
   */
  sweep(values: Sweep): Promise<readonly RunRow[]> {
    return inOneLine(async () => {
      const { seeds, seed, engine, device } = this.#settings;
      const { rows } = await showingProgress((onProgress) =>
        execute("sweep", sweepRuns(this.profile, values, seeds), this.#world, {
          store: new RecordStore(this.folder),
          tokensFolder: this.#tokensFolder,
          engine,
          device,
          seed,
          batchSize: BATCH_SIZE[this.profile.name],
          cores: navigator.hardwareConcurrency,
          force: false,
          onProgress,
        })
      );
      return averagedRows(this.profile, rows);
    });
  }

  /**
   * The grid's best head of a class set, on its backbone.
   * @param classSet `1-class`, `2-class`, …; default that of most classes
   * @throws {RangeError} where the grid has not been run, or there is no such class set
   */
  detector(classSet: string = this.profile.classSets.at(-1)!.name): Promise<Detector> {
    return inOneLine(async () => {
      const { rows, records } = await this.#finished.section("grid");
      const heads = bestHeads(this.profile, rows);
      const best = heads.find(({ name }) => name === classSet)?.rows[0];
      if (!best) {
        const names = heads.map(({ name }) => name).join(", ");
        throw new RangeError(
          `Cannot open a detector: expected a class set of ${names}; found ${classSet}`,
        );
      }
      const { checkpoint } = records[rows.indexOf(best)]!.evaluations[0]!;
      const backbone = this.#world.backbones.get(best.backbone)!;
      return await openDetector(backbone, join(this.folder, checkpoint));
    });
  }

  /**
   * Images of a test set, the real ones first.
   * @param perLabel how many real and how many generated ones
   * @throws {RangeError} where there is no such test set, or its images are not there
   */
  examples(testSet: string, perLabel = 1): Promise<Example[]> {
    return inOneLine(async () => {
      const spec = this.#world.testSets.get(testSet);
      if (!spec) {
        const names = [...this.#world.testSets.keys()].join(", ");
        throw new RangeError(`Cannot list images: expected one of ${names}; found ${testSet}`);
      }
      const images = await listImages(this.root, spec);
      const chosen = ([0, 1] as const).flatMap((label) =>
        images.filter((image) => image.label === label).slice(0, perLabel)
      );
      return await Promise.all(chosen.map(async ({ path, label }) => ({
        path,
        label,
        image: await decodeImage(resolve(this.root, path)),
        caption: label === 0 ? "real" : `generated by ${spec.title}`,
      })));
    });
  }

  /**
   * An image as a detector sees it after each perturbation of §5.6, and what it then says.
   * @returns the image itself first, then the perturbations in the order of Table 5
   */
  perturbed({ image, path }: Example, detector: Detector): Promise<CaptionedImage[]> {
    return inOneLine(async () => {
      const size = detector.backbone.architecture.resolutionPx;
      const key = { seed: this.#settings.seed, epoch: 0, path };
      const views = await Promise.all(["center", ...PERTURBATIONS].map(async (view) => {
        const transform = this.#world.viewTransform(view, size);
        const always = "probability" in transform ? { ...transform, probability: 1 } : transform;
        const [data] = await applyTransform(image, always, key);
        return { view, image: { width: size, height: size, data: data! } };
      }));
      const verdicts = await detector.detect(views.map(({ image }) => image));
      return views.map(({ view, image }, i) => ({
        image,
        caption: `${view === "center" ? "as it is" : view}: ${verdictText(verdicts[i]!)}`,
      }));
    });
  }
}

/**
 * Opens a profile's world and results. Nothing is made: what is not there yet is asked for.
 * @throws {RangeError} where there is no such profile, no mini world, or no backbone, with what makes
 * it
 */
export function openSession(options: SessionOptions = {}): Promise<Session> {
  return inOneLine(async () => {
    const { profile: name = "mini", data = join(PROJECT, "data"), ...rest } = options;
    const profile = PROFILES[name];
    if (!profile) {
      throw new RangeError(
        `Cannot open a session: expected a profile of ${
          Object.keys(PROFILES).join(", ")
        }; found ${name}`,
      );
    }
    const seed = options.seed ?? (name === "mini" ? await miniSeed(profile, data) : 0);
    const settings: Settings = {
      data,
      results: join(PROJECT, "results"),
      seed,
      seeds: [seed],
      engine: "onnx",
      device: "cpu",
      precision: "full",
      protocol: "released",
      ...rest,
    };
    const world = await showingProgress((onProgress) =>
      openWorld(profile, { ...settings, onProgress })
    );
    return new Session(profile, world, settings);
  });
}

/** The seed of the mini world that is there. */
async function miniSeed(profile: Profile, data: string): Promise<number> {
  const folder = join(data, "mini");
  const manifest = await readJson<MiniManifest>(join(folder, "manifest.json"));
  if (manifest) return manifest.seed;
  throw new RangeError(
    `Cannot open the mini profile: expected its images in ${folder}, found none; ` +
      `run \`${reproduceCommand(profile)}\` first`,
  );
}

async function showingProgress<T>(work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  if (isNotebook()) {
    await using progress = new CellProgress();
    return await work(progress.onProgress);
  }
  using display = new ProgressDisplay();
  return await work(display.onProgress);
}
