/**
 * A session's scores, image by image, and what they look like.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { evaluateScores, type SetScores, THRESHOLD } from "../metrics.ts";
import { columnsOf } from "../metrics/curves.ts";
import { type ComparisonOptions } from "../metrics/compare.ts";
import type { Figure } from "../report/figure.ts";
import type { Table } from "../report/table.ts";
import type { RunRow } from "../runs/config.ts";
import type { ImageScore } from "../runs/kept_scores.ts";
import type { Profile } from "../runs/profile.ts";
import { comparisonTable } from "./comparison.ts";
import { listMistakes, type Mistake, testSetNamed } from "./examples.ts";
import { inOneLine } from "./kernel.ts";
import {
  confusionTable,
  distributionFigure,
  type NamedScores,
  precisionRecallFigure,
  reliabilityFigure,
  rocFigure,
} from "./score_figures.ts";
import {
  evaluateDetector,
  type Judge,
  judgedScores,
  type OwnFolders,
  ownScores,
  triedScores,
} from "./scores.ts";
import { noticed, showing } from "./show.ts";
import type { SessionState } from "./state.ts";

/** A row that the session gave, a detector, or anything of one's own that has `detectAll`. */
export type Scored = RunRow | Judge;

/** Scores, or the promise of them: a call of `session.scores` can be handed on as it is. */
export type Given = readonly ImageScore[] | Promise<readonly ImageScore[]>;

/** Scores of one detector; or of several, by what the figure calls them. */
export type GivenScores = Given | Readonly<Record<string, Given>>;

/** The part of a session that is about scores. */
export class ScoredSession {
  /** The paper's protocol as data, at the session's scale. */
  readonly profile: Profile;
  readonly #state: SessionState;

  /** Use `openSession`. */
  constructor(state: SessionState) {
    this.profile = state.setup.profile;
    this.#state = state;
  }

  /** Names of the test sets: those of the tables first, then those of §5.8. */
  get testSets(): string[] {
    return [...this.profile.testSets, ...this.profile.synthbusterSets].map(({ name }) => name);
  }

  /**
   * Measures of a detector on the images of a test set, or on one's own: a detector of
   * `session.detector`, of `openDetector`, or one's own that has `detectAll`.
   * @param images name of a test set, or folders: `{ real: "photos/", generated: "made/" }`
   * @throws {UserError} where there is no such test set, or an image cannot be decoded
   */
  evaluate(detector: Judge, images: string | OwnFolders): Promise<SetScores> {
    return inOneLine(async () => {
      const opened = await this.#state.open();
      const { world, setup } = opened;
      if (typeof images === "object") {
        const { labels, scores } = columnsOf(await ownScores(detector, images, opened));
        return evaluateScores(labels, scores);
      }
      return await evaluateDetector(detector, testSetNamed(world, images), world, setup);
    });
  }

  /**
   * Scores image by image: path, set, label, generator, score. Of a row, and of a detector that the
   * session opened, they are those that its run kept; what it was not tried on is scored now and kept.
   * Any other detector looks at the images each time.
   * @param sets names of test sets, or `validation`, or folders of one's own images:
   * `{ generated: "made/" }`; default all test sets
   * @throws {UserError} where there is no such set, or an image cannot be decoded
   *
   * @example
   * ```ts ignore
   * const scores = await session.scores(row, "stylegan");
   * scores.filter(({ label, score }) => label === 0 && score > .9);
   * ```
   */
  scores(
    of: Scored,
    sets: string | readonly string[] | OwnFolders = this.testSets,
  ): Promise<readonly ImageScore[]> {
    return inOneLine(async () => {
      if (typeof sets === "object" && !Array.isArray(sets)) {
        const isJudge = this.#triedOf(of) === undefined || "detectAll" in of;
        const detector = isJudge ? of as Judge : await this.#state.detector(of as RunRow);
        return this.#shown(await ownScores(detector, sets as OwnFolders, await this.#state.open()));
      }
      const names = typeof sets === "string" ? [sets] : sets as readonly string[];
      const tried = this.#triedOf(of);
      const opened = await this.#state.open();
      const found = tried
        ? await triedScores(tried, names, opened)
        : await judgedScores(of as Judge, names, opened);
      return this.#shown(found);
    });
  }

  /**
   * ROC curves of one detector, or of several by name.
   *
   * @example
   * ```ts ignore
   * await session.rocFigure({ large: session.scores(a), small: session.scores(b) });
   * ```
   */
  rocFigure(scores: GivenScores): Promise<Figure> {
    return this.#drawn(rocFigure, scores);
  }

  /** Precision by recall of one detector, or of several by name. */
  precisionRecallFigure(scores: GivenScores): Promise<Figure> {
    return this.#drawn(precisionRecallFigure, scores);
  }

  /** How scores of real and of generated images are spread, of one detector, or of several by name. */
  scoresFigure(scores: GivenScores): Promise<Figure> {
    return this.#drawn(distributionFigure, scores);
  }

  /**
   * How far scores can be taken for probabilities.
   * @param validation scores of the same detector, on which a temperature and Platt's sigmoid are
   * fitted: `session.scores(row, "validation")`; without them scores are drawn as they are alone
   */
  reliabilityFigure(scores: Given, validation?: Given): Promise<Figure> {
    return inOneLine(async () => {
      const figure = reliabilityFigure(this.profile, await scores, await validation);
      return showing(figure, this.#state.setup.theme);
    });
  }

  /**
   * What was right and wrong, set by set.
   * @param threshold above which images are called generated; `thresholdFor` chooses one
   */
  confusion(scores: Given, threshold: number = THRESHOLD): Promise<Table> {
    return inOneLine(async () => showing(confusionTable(this.profile, await scores, threshold)));
  }

  /**
   * The images that are judged wrongly, with their scores, the most confident mistakes first.
   * @param count at most so many
   */
  mistakes(scores: Given, count = 12, threshold: number = THRESHOLD): Promise<readonly Mistake[]> {
    return inOneLine(async () => {
      const { world } = await this.#state.open();
      const mistakes = await listMistakes(world, await scores, count, threshold);
      return showing(mistakes.map((mistake) => showing(mistake)));
    });
  }

  /**
   * Two detectors on the same images: ACC, AP and AUC of both, the difference with its 95 % interval by
   * a paired bootstrap over images, and how likely chance alone would do as much.
   * @param sets names of test sets; default all; each has rows of its own, and all together; or folders
   * of one's own images
   */
  compare(
    a: Scored,
    b: Scored,
    sets: string | readonly string[] | OwnFolders = this.testSets,
    options: ComparisonOptions = {},
  ): Promise<Table> {
    return inOneLine(async () => {
      const ofA = await this.scores(a, sets), ofB = await this.scores(b, sets);
      return showing(comparisonTable(this.profile, ofA, ofB, options));
    });
  }

  #shown(scores: readonly ImageScore[]): readonly ImageScore[] {
    noticed(scores, this.profile.notice);
    return showing(scores);
  }

  #triedOf(of: Scored) {
    const tried = this.#state.triedOf(of);
    if (tried || typeof (of as Partial<Judge>)?.detectAll === "function") return tried;
    if (of instanceof Promise) {
      throw new UserError(
        "usage",
        "Cannot score images: expected a row or a detector, found a promise; write await before it",
      );
    }
    return this.#state.runOf(of as RunRow);
  }

  #drawn(
    draw: (profile: Profile, scores: NamedScores) => Figure,
    scores: GivenScores,
  ): Promise<Figure> {
    return inOneLine(async () => {
      const given = scores instanceof Promise || Array.isArray(scores)
        ? { "": await scores as readonly ImageScore[] }
        : scores as Readonly<Record<string, Given>>;
      const named: Record<string, readonly ImageScore[]> = {};
      for (const [name, list] of Object.entries(given)) named[name] = await list;
      return showing(draw(this.profile, named), this.#state.setup.theme);
    });
  }
}
