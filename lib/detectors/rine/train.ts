/**
 * Trains many heads at once on one stream of tokens: every batch is read once and steps them all.
 * @module
 */
import { join } from "node:path";
import { exists, removeIfThere } from "../../io/files.ts";
import { randomStream } from "../../random.ts";
import { FeatureRows } from "../../tokens/rows.ts";
import {
  checkpointPath,
  type EpochLog,
  type FailedHead,
  type FeatureSizes,
  type HeadToTrain,
  learningRateAt,
  statePath,
  type TrainedHead,
  type TrainingContext,
  type TrainingFeatures,
} from "../detector.ts";
import type { HeadArchitecture, Parameters } from "./architecture.ts";
import {
  loadCheckpoint,
  loadTrainingState,
  notFinite,
  saveCheckpoint,
  saveTrainingState,
} from "./checkpoint.ts";
import { type HeadEngine, type HeadTrainer, initialState } from "./engine.ts";
import { architectureOf, describeRineHead, readRineHead, type RineHead } from "./head.ts";
import { holdEngine } from "./open_engine.ts";
import { trainingFacts } from "../checkpoint_file.ts";
import { assertNumbers, loadKept, trainUnfinished, validationOf } from "../training.ts";

/** Rows that go through heads at once where nothing is learned. */
const PREDICTION_BATCH = 256;

/** An unfinished training is put on disk this often. */
const SAVE_INTERVAL_MS = 60_000;

/** What is kept of a head in training, besides its parameters and moments. */
interface Journal {
  epochs: EpochLog[];
  trainingSeconds: number;
  /** Of the epoch under way. */
  lossSum: number;
}

interface Lane {
  readonly head: HeadToTrain;
  /** What its configuration says of it. */
  readonly rine: RineHead;
  readonly architecture: HeadArchitecture;
  readonly trainer: HeadTrainer;
  readonly journal: Journal;
  /** Steps made by an earlier process. */
  readonly stepsDone: number;
  /** Why the head is given up. */
  problem?: string;
}

/** Where heads are trained by {@linkcode trainWith}. */
export interface Track extends Omit<TrainingContext, "compute"> {
  readonly engine: HeadEngine;
}

/**
 * Trains heads whose configurations differ in the head alone. What has been trained before is not
 * trained again; what was interrupted goes on, and ends with the numbers of an uninterrupted run:
 * order, dropout and augmentation hang on seed, epoch and step, not on the process.
 * @returns for each head, what its training said; a head whose loss is no number any more is given
 * up, and the others go on
 */
export async function trainHeads(
  heads: readonly HeadToTrain[],
  features: TrainingFeatures,
  { compute, ...track }: TrainingContext,
): Promise<(TrainedHead | FailedHead)[]> {
  const { engine, release } = await holdEngine(compute);
  try {
    return await trainWith(heads, features, { engine, ...track });
  } finally {
    await release();
  }
}

/** As {@linkcode trainHeads}, with an engine that stays the caller's. */
export async function trainWith(
  heads: readonly HeadToTrain[],
  features: TrainingFeatures,
  track: Track,
): Promise<(TrainedHead | FailedHead)[]> {
  return await trainUnfinished(
    heads,
    track.folder,
    loadCheckpoint,
    (waiting) => trainTogether(waiting, features, track),
  );
}

async function trainTogether(
  heads: readonly HeadToTrain[],
  features: TrainingFeatures,
  { engine, folder, onRows, saveIntervalMs = SAVE_INTERVAL_MS }: Track,
): Promise<Map<string, TrainedHead | FailedHead>> {
  const { fraction, seed, batchSize, epochs } = heads[0]!.config;
  using val = await FeatureRows.open(features.folder, features.val);
  const lanes: Lane[] = [];
  try {
    for (const head of heads) lanes.push(await openLane(head, val, engine, folder));
    let step = 0;
    let lastSave = performance.now();
    for (let epoch = 1; epoch <= epochs; epoch++) {
      let active = lanes.filter(({ journal, problem }) =>
        journal.epochs.length < epoch && problem === undefined
      );
      using train = await FeatureRows.open(features.folder, features.train[epoch - 1]!, {
        fraction,
        seed,
      });
      const epochSteps = Math.ceil(train.count / batchSize);
      if (active.length === 0) {
        step += epochSteps;
        continue;
      }
      const order = randomStream(seed, "order", epoch).permutation(train.count);
      for (const batch of train.batches(batchSize, order)) {
        step++;
        for (const lane of active) {
          const { head, trainer, journal, stepsDone } = lane;
          if (step <= stepsDone) continue;
          const started = performance.now();
          const { total } = await trainer.step(batch, learningRateAt(head.config, epoch));
          journal.trainingSeconds += (performance.now() - started) / 1000;
          journal.lossSum += total;
          if (!Number.isFinite(total)) {
            assertNumbers(train);
            lane.problem = divergence(lane, epoch, step, total);
          }
          onRows(batch.count);
        }
        active = active.filter(({ problem }) => problem === undefined);
        if (performance.now() - lastSave > saveIntervalMs) {
          for (const lane of active) await saveLane(lane, folder);
          lastSave = performance.now();
        }
      }
      await endEpoch(active, epoch, epochSteps, val, engine, folder);
    }
    for (const { head } of lanes) {
      await removeIfThere(join(folder, statePath(head.key)));
    }
    return new Map(lanes.map(({ head, problem, journal: { epochs, trainingSeconds } }) => [
      head.key,
      problem === undefined ? { epochs, trainingSeconds } : { problem },
    ]));
  } finally {
    for (const { trainer } of lanes) await trainer.dispose();
  }
}

async function openLane(
  head: HeadToTrain,
  sizes: FeatureSizes,
  engine: HeadEngine,
  folder: string,
): Promise<Lane> {
  const { seed } = head.config;
  const rine = readRineHead(head.config.head);
  const { variant, contrastiveWeight } = rine;
  const architecture = architectureOf(rine, sizes);
  const saved = await savedState(head, architecture, folder);
  const state = saved?.state ?? initialState(architecture, randomStream(seed, "parameters"));
  const journal: Journal = saved
    ? trainingFacts(join(folder, statePath(head.key)), saved.metadata, "journal")
    : { epochs: [], trainingSeconds: 0, lossSum: 0 };
  const trainer = await engine.trainer({
    architecture,
    contrastiveWeight: variant === "no contrastive loss" ? 0 : contrastiveWeight,
    dropout: true,
    dropoutKey: [seed, "dropout"],
    state,
  });
  return { head, rine, architecture, trainer, journal, stepsDone: state.steps };
}

/** What an interrupted training has left, where nothing is wanted of the epochs it has behind it. */
async function savedState(
  { key, keepEpochs }: HeadToTrain,
  architecture: HeadArchitecture,
  folder: string,
) {
  const path = join(folder, statePath(key));
  if (!await exists(path)) return undefined;
  const saved = await loadKept(path, (path) => loadTrainingState(path, architecture));
  if ((saved.metadata["key"] ?? key) !== key) return undefined;
  const { epochs } = trainingFacts<Journal>(path, saved.metadata, "journal");
  for (const epoch of keepEpochs) {
    const isBehind = epoch <= epochs.length;
    if (isBehind && !await exists(join(folder, checkpointPath(key, epoch)))) return undefined;
  }
  return saved;
}

/** Says which head's loss is no number any more, and when. */
function divergence({ head: { config }, rine }: Lane, epoch: number, step: number, loss: number) {
  const { classes, backbone, seed } = config;
  return `Cannot train the head of ${backbone} on ${classes.join(", ")} with ` +
    `${describeRineHead(rine)}, seed ${seed}: ` +
    `its loss is ${loss} at step ${step}, in epoch ${epoch}; try a lower learning rate`;
}

/** Validates, and keeps the heads that are wanted after this epoch. */
async function endEpoch(
  lanes: readonly Lane[],
  epoch: number,
  steps: number,
  val: FeatureRows,
  engine: HeadEngine,
  folder: string,
): Promise<void> {
  for (const lane of lanes) {
    const { head, architecture, trainer, journal } = lane;
    const { parameters, steps: step } = trainer.state();
    const validation = await validate(val, engine, architecture, parameters);
    const { valLoss } = validation;
    if (!Number.isFinite(valLoss) || notFinite(parameters) !== undefined) {
      assertNumbers(val);
      lane.problem = divergence(lane, epoch, step, NaN);
      continue;
    }
    journal.epochs.push({
      epoch,
      learningRate: learningRateAt(head.config, epoch),
      trainLoss: journal.lossSum / steps,
      ...validation,
    });
    journal.lossSum = 0;
    if (head.keepEpochs.includes(epoch)) {
      const { epochs, trainingSeconds } = journal;
      const training = JSON.stringify({ epochs, trainingSeconds } satisfies TrainedHead);
      const path = join(folder, checkpointPath(head.key, epoch));
      await saveCheckpoint(path, architecture, parameters, {
        key: head.key,
        training,
        config: JSON.stringify(head.config),
        features: JSON.stringify(val.source),
      });
    }
    if (epoch < head.config.epochs) await saveLane(lane, folder);
  }
}

async function validate(
  val: FeatureRows,
  engine: HeadEngine,
  architecture: HeadArchitecture,
  parameters: Parameters,
): Promise<Pick<EpochLog, "valLoss" | "valAcc">> {
  const predictor = await engine.predictor(architecture, parameters);
  try {
    const logits = new Float32Array(val.count);
    let offset = 0;
    for (const { tokens, count } of val.batches(PREDICTION_BATCH)) {
      logits.set((await predictor.predict(tokens, count)).logits, offset);
      offset += count;
    }
    return validationOf(val.labels, logits);
  } finally {
    await predictor.dispose();
  }
}

async function saveLane({ head, architecture, trainer, journal }: Lane, folder: string) {
  await saveTrainingState(join(folder, statePath(head.key)), architecture, trainer.state(), {
    key: head.key,
    journal: JSON.stringify(journal),
  });
}
