/**
 * What notebooks know of experiments: rows and reports of what has been run, sweeps of the reader's
 * own, and detectors made of the best heads.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { join, resolve } from "node:path";
import { type Label, listImages } from "../data/dataset.ts";
import { decodeImage } from "../image/image.ts";
import { PERTURBATIONS } from "../image/perturb.ts";
import { applyTransform } from "../image/transform.ts";
import { type CaptionedImage, inOneLine } from "./show.ts";
import { RecordStore } from "../runs/record.ts";
import type { RunRow } from "../runs/config.ts";
import { type Detector, openDetector, verdictText } from "../detectors/open.ts";
import { execute } from "../runs/execute.ts";
import { reproduceCommand } from "../runs/setup.ts";
import type { SectionReport } from "../runs/section.ts";
import {
  bestRecords,
  findSection,
  FinishedRuns,
  type FinishedSection,
  frozen,
} from "../runs/finished.ts";
import { averagedRows, withOwnSets } from "../runs/own_sets.ts";
import type { Profile } from "../runs/profile.ts";
import { underConditions } from "../report/paper/captions.ts";
import { publishedReport, type ReportedSection } from "../report/paper/published.ts";
import { extrasOf } from "../report/paper/report.ts";
import { BATCH_SIZE, PROFILES } from "../cli/reproduce.ts";
import {
  openSeededWorld,
  type SeededWorld,
  type SessionOptions,
  showingProgress,
  withBackbones,
  withDefaults,
} from "./session_world.ts";
import { type Sweep, sweepRuns } from "./sweep.ts";

/** An image of a test set. */
export interface Example extends CaptionedImage {
  /** Path of its file. */
  readonly file: string;
  /** Path by which random choices for it are named: relative to the data root, where it lies there. */
  readonly path: string;
  /** 0 real, 1 generated. */
  readonly label: Label;
}

/** A session whose world is there. */
interface Opened extends SeededWorld {
  readonly seeds: readonly number[];
  readonly finished: FinishedRuns;
}

/**
 * A profile's world and results, for a notebook. Make it with {@linkcode openSession}. The world is
 * opened where it is first asked for, so that every cell that needs it says what is missing.
 */
export class Session {
  /** The paper's protocol as data, at the session's scale. */
  readonly profile: Profile;
  /** Folder of the profile's records, tables, figures and heads. */
  readonly folder: string;
  readonly #options: ReturnType<typeof withDefaults>;
  readonly #tokensFolder: string;
  readonly #openWorld: () => Promise<SeededWorld>;
  #opened: Promise<Opened> | undefined;
  #published: Promise<ReportedSection[]> | undefined;

  /** Use {@linkcode openSession}. */
  constructor(profile: Profile, options: SessionOptions, openWorld: () => Promise<SeededWorld>) {
    this.profile = profile;
    this.#options = withDefaults(options);
    this.folder = join(this.#options.results, profile.name);
    this.#tokensFolder = join(this.#options.data, "tokens");
    this.#openWorld = openWorld;
  }

  /**
   * Rows of a section: one for each evaluated head.
   * @param name as on the command line: `grid`
   * @throws {UserError} where there is no such section, or it has not been run, with what runs it
   */
  rows(name: string): Promise<readonly RunRow[]> {
    return inOneLine(async () =>
      (await this.#finished(name)).rows.filter(({ experiment }) => experiment === name)
    );
  }

  /**
   * Tables and figures of a section.
   * @param where which rows they are made of; by default all
   * @throws {UserError} as {@linkcode Session.rows}
   */
  report(name: string, where: (row: RunRow) => boolean = () => true): Promise<SectionReport> {
    return inOneLine(async () => {
      const experiment = findSection(name);
      const { rows } = await this.#finished(name);
      const chosen = rows.filter(where);
      if (rows.length > 0 && chosen.length === 0) {
        throw new UserError(
          "usage",
          `Cannot show ${name}: expected rows that meet the condition, found 0 of ${rows.length}; ` +
            `a row has ${Object.keys(rows[0]!).join(", ")}`,
        );
      }
      const extras = await extrasOf(experiment, this.profile, {
        records: (await this.#finished("grid")).records,
        folder: this.folder,
        tokensFolder: this.#tokensFolder,
        engine: this.#options.engine,
        makePoints: true,
      });
      return underConditions(
        experiment.report(this.profile, chosen, extras),
        this.#options,
      );
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
   * Trains and tries heads of the reader's choice; what has been done before is reused. Backbones may
   * be any that have been imported into the folder of the profile's.
   * @returns their rows
   * @throws {UserError} where a value is out of range, a name is not the profile's, or a backbone has
   * not been imported
   */
  sweep(values: Sweep): Promise<readonly RunRow[]> {
    return inOneLine(async () => {
      const opened = await this.#open();
      const { seed, seeds } = opened;
      const runs = sweepRuns(this.profile, values, seeds);
      const world = await withBackbones(opened.world, values.backbones ?? [], this.#options);
      this.#opened = Promise.resolve({ ...opened, world });
      const { rows } = await showingProgress((onProgress, onWait) =>
        execute("sweep", runs, world, {
          store: new RecordStore(this.folder),
          tokensFolder: this.#tokensFolder,
          engine: this.#options.engine,
          device: this.#options.device,
          seed,
          batchSize: BATCH_SIZE[this.profile.name],
          cores: navigator.hardwareConcurrency,
          force: false,
          skipCorrupt: this.#options.skipCorrupt ?? false,
          onProgress,
          onWait,
        })
      );
      return averagedRows(this.profile, rows).map(frozen);
    });
  }

  /**
   * The grid's best head of a class set, on its backbone.
   * @param classSet `1-class`, `2-class`, …; default that of most classes
   * @throws {UserError} where the grid has not been run, or there is no such class set
   */
  detector(classSet: string = this.profile.classSets.at(-1)!.name): Promise<Detector> {
    return inOneLine(async () => {
      const { world } = await this.#open();
      const heads = bestRecords(this.profile, (await this.#finished("grid")).records);
      const best = heads.find(({ name }) => name === classSet)?.records[0];
      if (!best) {
        const names = heads.map(({ name }) => name).join(", ");
        throw new UserError(
          "usage",
          `Cannot open a detector: expected a class set of ${names}; found ${classSet}`,
        );
      }
      const { checkpoint } = best.evaluations[0]!;
      const backbone = world.backbones.get(best.config.training.backbone)!;
      return await openDetector(backbone, join(this.folder, checkpoint));
    });
  }

  /**
   * Images of a test set, the real ones first.
   * @param perLabel how many real and how many generated ones
   * @throws {UserError} where there is no such test set, or its images are not there
   */
  examples(testSet: string, perLabel = 1): Promise<Example[]> {
    return inOneLine(async () => {
      const { world } = await this.#open();
      const spec = world.testSets.get(testSet);
      if (!spec) {
        const names = [...world.testSets.keys()].join(", ");
        throw new UserError(
          "usage",
          `Cannot list images: expected one of ${names}; found ${testSet}`,
        );
      }
      const images = await listImages(world.root, spec);
      const chosen = ([0, 1] as const).flatMap((label) =>
        images.filter((image) => image.label === label).slice(0, perLabel)
      );
      return await Promise.all(chosen.map(async ({ path, label }) => {
        const file = resolve(world.root, path);
        const caption = label === 0 ? "real" : `generated by ${spec.title}`;
        return { file, path, label, caption, image: await decodeImage(file) };
      }));
    });
  }

  /**
   * An image as a detector sees it after each perturbation of §5.6, and what it then says.
   * @returns the image itself first, then the perturbations in the order of Table 5
   */
  perturbed({ image, path }: Example, detector: Detector): Promise<CaptionedImage[]> {
    return inOneLine(async () => {
      const { world, seed } = await this.#open();
      const size = detector.backbone.architecture.resolutionPx;
      const views = await Promise.all(["center", ...PERTURBATIONS].map(async (view) => {
        const transform = world.viewTransform(view, size);
        const always = "probability" in transform ? { ...transform, probability: 1 } : transform;
        const [data] = await applyTransform(image, always, { seed, epoch: 0, path });
        return { view, image: { width: size, height: size, data: data! } };
      }));
      const verdicts = await detector.detect(views.map(({ image }) => image));
      return views.map(({ view, image }, i) => ({
        image,
        caption: `${view === "center" ? "as it is" : view}: ${verdictText(verdicts[i]!)}`,
      }));
    });
  }

  async #finished(name: string): Promise<FinishedSection> {
    return await (await this.#open()).finished.section(name);
  }

  #open(): Promise<Opened> {
    if (this.#opened) return this.#opened;
    const opening = this.#openWorld().then(({ world, seed }): Opened => {
      const seeds = this.#options.seeds ?? [seed];
      const finished = new FinishedRuns(this.profile, world, {
        engine: this.#options.engine,
        seed,
        seeds,
        folder: this.folder,
        tokensFolder: this.#tokensFolder,
        command: (section) => reproduceCommand(this.profile, { ...this.#options, seed }, [section]),
      });
      return { world, seed, seeds, finished };
    });
    this.#opened = opening;
    // what is missing now may be there when asked for again
    opening.catch(() => this.#opened = undefined);
    return opening;
  }
}

/**
 * A session of a profile. Nothing is made: what asks for images, backbones or results that are not
 * there fails with what makes them.
 * @throws {UserError} where there is no such profile, or its own sets are not there
 */
export function openSession(options: SessionOptions = {}): Promise<Session> {
  return inOneLine(async () => {
    const { profile: name = "mini", select, datasets } = options;
    const known = PROFILES[name];
    if (!known) {
      throw new UserError(
        "usage",
        `Cannot open a session: expected a profile of ${
          Object.keys(PROFILES).join(", ")
        }; found ${name}`,
      );
    }
    const profile = {
      ...(datasets === undefined ? known : await withOwnSets(known, datasets)),
      ...(select === undefined ? {} : { selection: select }),
    };
    return new Session(profile, options, () => openSeededWorld(profile, options));
  });
}
