/**
 * Records: one JSON file a run, whole or not there.
 * @module
 */
import { join } from "node:path";
import * as v from "valibot";
import { quoted, UserError } from "../io/errors.ts";
import { removeIfThere } from "../io/files.ts";
import { COUNT } from "../io/json.ts";
import { readSealedJson, writeSealedJson } from "../io/seal.ts";
import type { EpochLog } from "../detectors/detector.ts";
import type { SetScores } from "../metrics.ts";
import type { Made } from "../tokens/made.ts";
import type { RunConfig, RunRow } from "./config.ts";

/** A head's results after some epoch. */
export interface Evaluation {
  /** Epochs trained when evaluated. */
  readonly epoch: number;
  /** The head's parameters; path relative to the results folder of the profile. */
  readonly checkpoint: string;
  /** Folder of the scores of every image, relative to the results folder of the profile. */
  readonly scores: string;
  /** Names of the sets' scores in that folder's files, by test set. */
  readonly sets: Readonly<Record<string, string>>;
  /** For each block, how many of the d′ features weigh it most; of detectors that weigh blocks. Paper: §5.7. */
  readonly blockImportance?: readonly number[];
  /** By test set. */
  readonly test: Readonly<Record<string, SetScores>>;
}

/** Paths of images, relative to the data root or absolute, that a run was made without. */
export interface SkippedImages {
  /** Images that it would have learned from. */
  readonly train: readonly string[];
  /** Images that it would have been validated on. */
  readonly val: readonly string[];
  /** Images that it would have been tried on, by test set. */
  readonly test: Readonly<Record<string, readonly string[]>>;
}

/** All that is kept of one run. Equal but for `timings` and dates when run again. */
export interface RunRecord {
  /** Hash of the configuration and of the features that it was run on. */
  readonly key: string;
  /** Names the trained head, which other runs may share. */
  readonly trainingKey: string;
  /** Name of the profile: `mini`, `paper`. */
  readonly profile: string;
  /** Name of the section: `grid`. */
  readonly experiment: string;
  /** What was run. */
  readonly config: RunConfig;
  /** Engine and where it really ran. */
  readonly engine: string;
  /** Of what trained and tried it: this project, ONNX Runtime, sharp, libvips, Deno, V8. */
  readonly versions: Readonly<Record<string, string>>;
  /** On which devices and with which versions its features were made, and when. */
  readonly made: readonly Made[];
  /** Keys of the feature sets that were read. */
  readonly features: {
    /** By epoch, then by class and source. */
    readonly train: readonly (readonly string[])[];
    /** By class and source. */
    readonly val: readonly string[];
    /** By test set, then by source. */
    readonly test: Readonly<Record<string, readonly string[]>>;
  };
  /** Images that could not be decoded and were left out; absent where there were none. */
  readonly skippedImages?: SkippedImages;
  /** Number of trainable parameters. */
  readonly parameterCount: number;
  /** Why training came to nothing, where it diverged: then there are no epochs and no evaluations. */
  readonly failed?: string;
  /** What training said, by epoch. */
  readonly epochs: readonly EpochLog[];
  /** Results after each epoch that was tried. */
  readonly evaluations: readonly Evaluation[];
  /** Wall times of this head's own steps and of scoring the test sets. */
  readonly timings: { readonly trainingSeconds: number; readonly evaluationSeconds: number };
  /** When the run ended, ISO 8601. */
  readonly date: string;
}

const TEXT = v.string();
const NUMBER = v.nullable(v.number());
const NAMES = v.array(TEXT);

const SCORES = v.looseObject({ acc: v.number(), ap: v.optional(v.number()) });

/** What tables, figures and the choice of heads read of a record. */
const FIELDS = v.looseObject({
  key: TEXT,
  trainingKey: TEXT,
  experiment: TEXT,
  config: v.looseObject({
    training: v.looseObject({
      detector: TEXT,
      trainingSet: TEXT,
      classes: NAMES,
      fraction: v.number(),
      backbone: TEXT,
      batchSize: v.number(),
      learningRate: v.number(),
      seed: COUNT,
      head: v.looseObject({}),
    }),
    evaluation: v.looseObject({ testSets: NAMES, view: TEXT, atEpochs: v.array(COUNT) }),
  }),
  features: v.looseObject({
    train: v.array(NAMES),
    val: NAMES,
    test: v.record(TEXT, NAMES),
  }),
  made: v.array(v.looseObject({ device: TEXT, versions: v.record(TEXT, TEXT) })),
  versions: v.record(TEXT, TEXT),
  skippedImages: v.optional(
    v.looseObject({ train: NAMES, val: NAMES, test: v.record(TEXT, NAMES) }),
  ),
  parameterCount: COUNT,
  failed: v.optional(TEXT),
  epochs: v.array(v.looseObject({ epoch: COUNT, valLoss: NUMBER, valAcc: NUMBER })),
  evaluations: v.array(v.looseObject({
    epoch: COUNT,
    checkpoint: TEXT,
    scores: TEXT,
    sets: v.record(TEXT, TEXT),
    blockImportance: v.optional(v.array(COUNT)),
    test: v.record(TEXT, SCORES),
  })),
  timings: v.looseObject({ trainingSeconds: v.number(), evaluationSeconds: v.number() }),
  date: TEXT,
});

const RECORD = v.pipe(
  FIELDS,
  v.check(
    ({ epochs, evaluations }) =>
      evaluations.every((tried) => epochs.some(({ epoch }) => epoch <= tried.epoch)),
    "an epoch for each evaluation",
  ),
);

/** The records of one profile, in `FOLDER/records/SECTION/KEY.json`. */
export class RecordStore {
  /** `results/<profile>` */
  readonly folder: string;

  /** Names a folder; nothing is read or written yet. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * The record of a run, where it has ended.
   * @param remedy what to do about a file that is damaged
   * @throws {UserError} of kind `damaged`, where it is not as it was written, or another run's
   */
  async find(experiment: string, key: string, remedy?: string): Promise<RunRecord | undefined> {
    return (await this.read(experiment, key, remedy))?.value;
  }

  /** As {@linkcode RecordStore.find}, and whether the record has a seal. */
  async read(
    experiment: string,
    key: string,
    remedy?: string,
  ): Promise<{ readonly value: RunRecord; readonly isSealed: boolean } | undefined> {
    const path = this.path(experiment, key);
    const found = await readSealedJson<RunRecord>(path, remedy, RECORD);
    const wrong = found && problemOf(found.value, experiment, key);
    if (wrong === undefined) return found;
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected the record of run ${key} of ${experiment}, found ${wrong}; ` +
        (remedy ?? "delete it to have it made again"),
    );
  }

  /** Writes a record; with it the run counts as done. */
  write(record: RunRecord): Promise<void> {
    return writeSealedJson(this.path(record.experiment, record.key), record);
  }

  /** Removes a record, where there is one; the run counts as not done. */
  remove(experiment: string, key: string): Promise<void> {
    return removeIfThere(this.path(experiment, key));
  }

  /** File of a run's record. */
  path(experiment: string, key: string): string {
    return join(this.folder, "records", experiment, `${key}.json`);
  }
}

/** What of a record is not its run's, in a few words; `undefined` where it is whole and its own. */
function problemOf(record: RunRecord, experiment: string, key: string): string | undefined {
  const { evaluations, config, epochs } = record ?? {};
  if (record?.key !== key || record.experiment !== experiment) {
    return `that of ${quoted(record?.key)} of ${quoted(record?.experiment)}`;
  }
  if (!Array.isArray(evaluations) || !Array.isArray(epochs)) return "no evaluations";
  if (record.failed !== undefined) {
    return evaluations.length === 0 ? undefined : "a failure with numbers";
  }
  const wanted = config?.evaluation?.testSets ?? [];
  if (`${evaluations.map(({ epoch }) => epoch)}` !== `${config?.evaluation?.atEpochs}`) {
    return `evaluations after epochs ${evaluations.map(({ epoch }) => epoch).join(", ") || "none"}`;
  }
  for (const { test, sets } of evaluations as readonly Evaluation[]) {
    const lacking = wanted.find((name) => !test?.[name] || sets?.[name] === undefined);
    if (lacking !== undefined) return `none of ${lacking}`;
    for (const [name, measures] of Object.entries(test)) {
      const { acc, ap, accReal, accGenerated } = measures;
      // images of one kind have no AP, and the accuracy of that kind alone
      const isOneKind = !("ap" in measures) &&
        (accReal === undefined) !== (accGenerated === undefined);
      for (const value of isOneKind ? [acc] : [acc, ap]) {
        if (!(typeof value === "number" && value >= 0 && value <= 1)) return `${value} for ${name}`;
      }
    }
  }
  return undefined;
}

/** What training said of the weights that are kept after an epoch. */
function keptLog(epochs: readonly EpochLog[], wanted: number): EpochLog {
  // of a training that has stopped by itself, the last
  const last = epochs.findLast(({ epoch }) => epoch <= wanted)!;
  return epochs.find(({ epoch }) => epoch === last.keptEpoch) ?? last;
}

/** A record as rows: one for each epoch it was evaluated at. */
export function rowsOf(record: RunRecord): RunRow[] {
  const { training, evaluation } = record.config;
  return record.evaluations.map(({ epoch, test, blockImportance }) => {
    const log = keptLog(record.epochs, epoch);
    return {
      experiment: record.experiment,
      detector: training.detector,
      trainingSet: training.trainingSet,
      classes: training.classes,
      fraction: training.fraction,
      backbone: training.backbone,
      head: training.head,
      batchSize: training.batchSize,
      learningRate: training.learningRate,
      epochs: epoch,
      seed: training.seed,
      view: evaluation.view,
      ...(evaluation.draw === undefined ? {} : { draw: evaluation.draw }),
      parameterCount: record.parameterCount,
      trainingSeconds: record.timings.trainingSeconds,
      valLoss: log.valLoss,
      valAcc: log.valAcc,
      ...(blockImportance ? { blockImportance } : {}),
      test,
    };
  });
}
