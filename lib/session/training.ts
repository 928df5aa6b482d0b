/**
 * One head of the reader's choice, and what its training said.
 * @module
 */
import type { EpochLog } from "../detectors/detector.ts";
import type { RineHead } from "../detectors/rine/head.ts";
import { UserError } from "../io/errors.ts";
import type { Figure, FigureRow } from "../report/figure.ts";
import { lines, ordinal, panels, quantitative } from "../report/marks.ts";
import { noticeOf } from "../report/paper/columns.ts";
import type { ThemeName } from "../report/theme.ts";
import type { RunRow } from "../runs/config.ts";
import type { Tried } from "../runs/kept_scores.ts";
import type { Profile } from "../runs/profile.ts";
import { showing } from "./show.ts";
import { said, type Sweep, VIEWS, wantedOf } from "./sweep.ts";

/** How one head is trained and tried; what is left out is as in the grid's best head. */
export interface Training {
  /** ξ, at least 0 */
  readonly contrastiveWeight?: number;
  /** q, at least 1 */
  readonly projectionLayers?: number;
  /** d′, at least 1 */
  readonly projectionDim?: number;
  /** `full`, or what is left out of the method: `no TIE`; default `full`. */
  readonly variant?: RineHead["variant"];
  /**
   * `1-class`, `2-class`, `4-class`, or the name of the training set of §5.8; default that of most
   * classes.
   */
  readonly classSet?: string;
  /** The profile's, or an imported one. */
  readonly backbone?: string;
  /** Default 1; the rate falls where §5.4's does. */
  readonly epochs?: number;
  /** Share of the training images, in (0, 1]; default 1. */
  readonly fraction?: number;
  /** The optimiser's, above 0; default the profile's. */
  readonly learningRate?: number;
  /** Images in a step, at least 1; default the profile's. */
  readonly batchSize?: number;
  /** Of parameters, order and dropout, whole and at least 0; default the session's first. */
  readonly seed?: number;
  /** Names of test sets, the generators that the head is tried on; default all. */
  readonly testSets?: readonly string[];
  /** How test images are cropped: `center`, `ten`, `alike`, or a perturbation; default `center`. */
  readonly view?: string;
}

/** A trained head. */
export interface Trained {
  /** Its row: hand it to `session.detector` or `session.scores`. */
  readonly row: RunRow;
  /** What training said, by epoch. */
  readonly epochs: readonly EpochLog[];
  /** Losses and validation accuracy by epoch. */
  readonly figure: Figure;
}

/** The list of a sweep that each value of a training stands in. */
const LISTS = {
  contrastiveWeight: "contrastiveWeights",
  projectionLayers: "projectionLayers",
  projectionDim: "projectionDims",
  variant: "variants",
  classSet: "classSets",
  backbone: "backbones",
  epochs: "epochs",
  fraction: "fractions",
  learningRate: "learningRates",
  batchSize: "batchSizes",
  seed: "seeds",
} as const satisfies Partial<Record<keyof Training, keyof Sweep>>;

/**
 * A training as a sweep of one head.
 * @param seed where the training has none
 * @throws {UserError} where a field is unknown, or a value is not the profile's or out of range
 */
export function trainingSweep(profile: Profile, training: Training, seed: number): Sweep {
  const wanted = wantedOf(profile);
  const sweep: Record<string, unknown> = { seeds: [seed] };
  for (const [field, value] of Object.entries(training)) {
    if (value === undefined) continue;
    if (field === "testSets") {
      const [words, fits] = wanted.testSets;
      const wrong = Array.isArray(value) ? value.find((one) => !fits(one)) : value;
      if (wrong !== undefined) throw fail(`testSets, a list of ${words}`, said(wrong));
      sweep[field] = value;
    } else if (field === "view") {
      if (!VIEWS.includes(value)) throw fail(`view, one of ${VIEWS.join(", ")}`, said(value));
      sweep[field] = value;
    } else if (Object.hasOwn(LISTS, field)) {
      const list = LISTS[field as keyof typeof LISTS];
      const [words, fits] = wanted[list];
      if (!fits(value)) throw fail(`${field} of ${words}`, said(value));
      sweep[list] = [value];
    } else {
      throw fail([...Object.keys(LISTS), "testSets", "view"].join(", "), field);
    }
  }
  return sweep as Sweep;
}

function fail(wanted: string, found: string): UserError {
  return new UserError("usage", `Cannot train: expected ${wanted}; found ${found}`);
}

/** A head with what its training said up to where it was evaluated. */
export function trainedOf(
  profile: Profile,
  row: RunRow,
  { record, epoch }: Tried,
  theme: ThemeName,
): Trained {
  const epochs = record.epochs.filter((log) => log.epoch <= epoch);
  return { row, epochs, figure: showing(epochsFigure(profile, epochs), theme) };
}

/** What is drawn of an epoch: each in a panel of its own, for they are of different sizes. */
const PANELS = [
  ["training loss", ({ trainLoss }: EpochLog) => trainLoss],
  ["validation loss", ({ valLoss }: EpochLog) => valLoss],
  ["validation ACC (%)", ({ valAcc }: EpochLog) => 100 * valAcc],
] as const;

/** Losses and validation accuracy by epoch. */
export function epochsFigure(profile: Profile, epochs: readonly EpochLog[]): Figure {
  const rows = PANELS.flatMap(([panel, value]) =>
    epochs.map((log): FigureRow => ({ epoch: log.epoch, panel, value: value(log) }))
  );
  return {
    id: "training",
    title: "Training",
    caption:
      "By epoch, the detector's own loss, mean over the epoch's batches; and of the validation " +
      "images the mean binary cross-entropy and the accuracy at threshold .5.",
    ...noticeOf(profile),
    columns: 2,
    rows,
    spec: panels(
      "panel",
      { sort: PANELS.map(([panel]) => panel) },
      { scale: { y: "independent" }, axis: { y: "independent" } },
      lines({ width: 170, height: 120 }, {
        x: ordinal("epoch", { title: "epoch" }),
        y: quantitative("value", { title: null, scale: { zero: false } }),
      }),
    ),
  };
}
