/**
 * Experiments in a notebook: rows and reports of finished sections, sweeps of the reader's own, and
 * detectors made of the best heads.
 * @module
 */
import { join } from "node:path";
import type { ExplainOptions, Explanation } from "../detectors/explanation.ts";
import type { Detector, HeadDetector } from "../detectors/verdict.ts";
import type { RgbImage } from "../image/image.ts";
import { UserError } from "../io/errors.ts";
import type { Figure } from "../report/figure.ts";
import { noticeOf } from "../report/paper/columns.ts";
import { underConditions } from "../report/paper/captions.ts";
import { publishedReport, type ReportedSection } from "../report/paper/published.ts";
import { shownOf } from "../report/paper/report.ts";
import type { RunRow } from "../runs/config.ts";
import { notMade } from "../runs/made.ts";
import type { RunRecord } from "../runs/record.ts";
import { type Experiments, reportOf, type SectionReport } from "../runs/section.ts";
import { PROJECT } from "../io/project.ts";
import { makeSetup, type Setup, type SetupOptions } from "../runs/setup.ts";
import { type Example, listExamples, perturbedViews } from "./examples.ts";
import { runsFigure, setsFigure } from "./explore.ts";
import { inOneLine } from "./kernel.ts";
import type { CaptionedImage } from "./media.ts";
import { ScoredSession } from "./scored_session.ts";
import { showing, showingReport, showsLine } from "./show.ts";
import { SessionState } from "./state.ts";
import { type Sweep, sweepRuns } from "./sweep.ts";
import { runAndKeep, SWEEP, sweptRecords } from "./swept.ts";
import { type Trained, trainedOf, type Training, trainingSweep } from "./training.ts";

/** Options of a session. It finds the results that `reproduce` made with the same options. */
export type SessionOptions = Omit<SetupOptions, "force">;

/** Rows, or the promise of them: a call that returns rows can be handed on as it is. */
export type Rows = readonly RunRow[] | Promise<readonly RunRow[]>;

/**
 * A profile's world and results, for a notebook. Make it with {@linkcode openSession}. The world is
 * opened where it is first asked for, so that every cell that needs it says what is missing.
 *
 * Errors about what is missing, and about words and values that are not known, are of the class
 * `UserError` and say what to do in one line.
 */
export class Session<Name extends string = string> extends ScoredSession
  implements AsyncDisposable {
  /** Folder of the profile's records, heads and scores. */
  readonly folder: string;
  readonly #state: SessionState;
  #published: Promise<ReportedSection[]> | undefined;

  /** Use {@linkcode openSession}. */
  constructor(setup: Setup, makeAgain: () => Promise<Setup>) {
    const state = new SessionState(setup, makeAgain);
    super(state);
    this.folder = setup.folder;
    this.#state = state;
    showsLine(this, `Session of the ${this.profile.name} profile, results in ${this.folder}`);
  }

  /**
   * Rows: one for each evaluated head.
   * @param name of a section, as on the command line: `grid`; or `sweep`, all that was swept and trained
   * before
   * @throws {UserError} where there is no such section, or it has not been run, with what runs it
   */
  rows(name: Name | "sweep"): Promise<readonly RunRow[]> {
    return inOneLine(async () => {
      if (name === SWEEP) return this.#state.rowsOf(await sweptRecords(await this.#state.open()));
      return this.#state.rowsOf((await this.#state.finished(name)).records);
    });
  }

  /**
   * Tables and figures of a section.
   * @param where which rows they are made of; by default all
   * @throws {UserError} as {@linkcode Session.rows}
   */
  report(name: Name, where: (row: RunRow) => boolean = () => true): Promise<SectionReport> {
    return inOneLine(async () => {
      const { section, rows, records } = await this.#state.finished(name);
      const chosen = rows.filter(where);
      if (rows.length > 0 && chosen.length === 0) {
        throw new UserError(
          "usage",
          `Cannot show ${name}: expected rows that meet the condition, found 0 of ${rows.length}; ` +
            `a row has ${Object.keys(rows[0]!).join(", ")}`,
        );
      }
      const { setup, world } = await this.#state.open();
      const pointsOf = section.showsPoints
        ? (await this.#state.best()).at(-1)?.records[0]
        : undefined;
      const of = { section, rows: chosen, records };
      const shown = await shownOf(setup, of, { pointsOf, makePoints: true, world });
      if (!shown) throw notMade(setup, name);
      const { scored } = shown;
      const own = scored ? { ...shown, scored: scored.filter(({ row }) => where(row)) } : shown;
      return showingReport(
        underConditions(reportOf(section, own), setup, section.paper, records),
        setup.theme,
      );
    });
  }

  /** Tables and figures of the same section, made of the numbers that the authors published. */
  published(name: Name): Promise<SectionReport> {
    return inOneLine(async () => {
      const { experiments, theme } = this.#state.setup;
      const sections = await (this.#published ??= publishedReport(experiments));
      const found = sections.find(({ section }) => section.name === name);
      if (found) return showingReport(found.report, theme);
      throw new UserError(
        "usage",
        `Cannot show a section: expected one of ${
          sections.map(({ section }) => section.name).join(", ")
        }; found ${name}`,
      );
    });
  }

  /**
   * Trains and tries heads of the reader's choice; what has been done before is reused. Backbones may
   * be any that have been imported into the folder of the profile's.
   * @param values what is left out is as in the grid's best head
   * @returns their rows
   * @throws {UserError} where a value is out of range, a name is not the profile's, a backbone has
   * not been imported, or every training diverged; of several, those that did are told and left out
   */
  sweep(values: Sweep = {}): Promise<readonly RunRow[]> {
    return inOneLine(async () => this.#state.rowsOf(await this.#run(values)));
  }

  /**
   * Trains and tries one head of the reader's choice; what has been done before is reused. In a notebook
   * the losses so far are drawn after each epoch.
   * @param values what is left out is as in the grid's best head
   * @returns its row, what training said after each epoch, and that as a figure
   * @throws {UserError} as {@linkcode Session.sweep}
   *
   * @example
   * ```ts ignore
   * const { row, epochs } = await session.train({ learningRate: 3e-3, epochs: 5 });
   * const detector = await session.detector(row);
   * ```
   */
  train(values: Training = {}): Promise<Trained> {
    return inOneLine(async () => {
      const { seeds } = this.#state.setup;
      const [row] = this.#state.rowsOf(
        await this.#run(trainingSweep(this.profile, values, seeds[0]!)),
      );
      return this.#trained(row!);
    });
  }

  /**
   * What the training of a head said after each epoch, and that as a figure.
   * @param row that the session gave: of a section or a sweep
   * @throws {UserError} where it is no such row
   */
  training(row: RunRow): Promise<Trained> {
    return inOneLine(() => Promise.resolve(this.#trained(row)));
  }

  /** Every run by its size and mean ACC; by default the grid's. */
  runsFigure(rows: Rows = this.#gridRows()): Promise<Figure> {
    return inOneLine(async () =>
      showing(runsFigure(this.profile, await rows), this.#state.setup.theme)
    );
  }

  /** The runs' accuracy on each test set; by default the grid's. */
  setsFigure(rows: Rows = this.#gridRows()): Promise<Figure> {
    return inOneLine(async () =>
      showing(setsFigure(this.profile, await rows), this.#state.setup.theme)
    );
  }

  /**
   * A trained head with its backbone: the grid's best of a class set, or that of a row. It is the
   * session's, is opened once, and is freed with the session.
   * @param of `1-class`, `2-class`, …, default that of most classes; or a row that the session gave
   * @throws {UserError} where the grid has not been run, or there is no such class set
   */
  detector(of: string | RunRow = this.profile.classSets.at(-1)!.name): Promise<HeadDetector> {
    return inOneLine(() => this.#state.detector(of));
  }

  /**
   * Images of a test set, the real ones first.
   * @param perLabel how many real and how many generated ones
   * @throws {UserError} where there is no such test set, or its images are not there
   */
  examples(testSet: string, perLabel = 1): Promise<readonly Example[]> {
    return inOneLine(async () => {
      const { world } = await this.#state.open();
      const examples = await listExamples(world, testSet, perLabel);
      return showing(examples.map((example) => showing(example)));
    });
  }

  /**
   * An image as a detector sees it after each perturbation of §5.6, and what it then says.
   * @param detector default the grid's best of most classes
   * @returns the image itself first, then the perturbations in the order of Table 5
   */
  perturbed(example: Example, detector?: Detector): Promise<readonly CaptionedImage[]> {
    return inOneLine(async () => {
      const { world, setup } = await this.#state.open();
      const asked = detector ?? await this.detector();
      return showing(await perturbedViews(example, asked, world, setup.seed));
    });
  }

  /**
   * Why an image got its score: what each block and each part of the image adds to the logit.
   * @param image an example, a decoded image, or a path
   * @param detector default the grid's best of most classes
   * @throws {UserError} as `detector.explain`
   */
  explain(
    image: string | RgbImage | CaptionedImage,
    detector?: Detector,
    options: ExplainOptions = {},
  ): Promise<Explanation> {
    return inOneLine(async () => {
      const asked = detector ?? await this.detector();
      const decoded = typeof image === "object" && "image" in image ? image.image : image;
      const found = await asked.explain(decoded, options);
      const { theme } = this.#state.setup;
      const figures = found.figures.map((figure) =>
        showing({ ...figure, ...noticeOf(this.profile) }, theme)
      );
      return showing({ ...found, figures }, theme);
    });
  }

  /** Frees the detectors and the backbones. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#state[Symbol.asyncDispose]();
  }

  #trained(row: RunRow): Trained {
    const { profile, theme } = this.#state.setup;
    return showing(trainedOf(profile, row, this.#state.runOf(row), theme));
  }

  async #run(values: Sweep): Promise<RunRecord[]> {
    const { seeds } = this.#state.setup;
    // what is amiss in the cell is said before what is missing on disk
    sweepRuns(this.profile, values, seeds);
    const opened = await this.#state.open();
    const grid = await opened.status.section("grid");
    return await runAndKeep(
      opened,
      sweepRuns(this.profile, values, opened.setup.seeds, grid.isDone ? grid.own : []),
    );
  }

  async #gridRows(): Promise<readonly RunRow[]> {
    return this.#state.rowsOf((await this.#state.finished("grid")).records);
  }
}

/**
 * A session of some experiments. Nothing is made: what asks for images, backbones or results that are
 * not there fails with what makes them. Default folders are the project's.
 * @throws {UserError} where an option or a profile is unknown, or own sets are not there
 */
export function openSession<Name extends string>(
  experiments: Experiments<Name>,
  options: SessionOptions = {},
): Promise<Session<Name>> {
  return inOneLine(async () => {
    const folders = { data: join(PROJECT, "data"), results: join(PROJECT, "results") };
    if ("force" in options) {
      throw new UserError(
        "usage",
        "Cannot open a session: expected options without force, which `deno task reproduce --force` has",
      );
    }
    // the world may be made, and with it its seed be known, after the session is opened
    const setup = () => makeSetup(experiments, { ...folders, ...options });
    return new Session<Name>(await setup(), setup);
  });
}
