/**
 * Trains many heads at once on one stream of tokens: every batch is read once and steps them all.
 * @module
 */
import { UserError } from "../../io/errors.ts";
import { join } from "node:path";
import type { HeadArchitecture, Parameters } from "./architecture.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  loadTrainingState,
  notFinite,
  saveCheckpoint,
  saveTrainingState,
} from "./checkpoint.ts";
import { type HeadEngine, type HeadTrainer, initialState } from "./engine.ts";
import { exists, parseJson, removeIfThere } from "../../io/files.ts";
import { randomStream } from "../../random.ts";
import type { EpochLog } from "../../runs/record.ts";
import type { TrainingConfig } from "../../runs/config.ts";
import { FeatureRows } from "../../tokens/rows.ts";

/** Tokens that a training reads: keys of sets in one folder. */
export interface TrainingTokens {
  /** Folder of token sets. */
  readonly folder: string;
  /** By epoch, then by class. */
  readonly train: readonly (readonly string[])[];
  /** By class. */
  readonly val: readonly string[];
}

/** One head to train. */
export interface HeadToTrain {
  /** Names the head's files. */
  readonly key: string;
  /** How it is trained. */
  readonly config: TrainingConfig;
  /** Epochs after which the head is kept, counted from 1. */
  readonly keepEpochs: readonly number[];
}

/** A head that has been trained. */
export interface TrainedHead {
  /** What training said, by epoch. */
  readonly epochs: readonly EpochLog[];
  /** Time spent in this head's own steps. */
  readonly trainingSeconds: number;
}

/** A head whose training came to nothing, and why. */
export interface FailedHead {
  /** What was found, and what to do. */
  readonly problem: string;
}

/** Rows that go through heads at once where nothing is learned. */
export const PREDICTION_BATCH = 256;

/** An unfinished training is put on disk this often. */
const SAVE_INTERVAL_MS = 60_000;

/** File of a head in training, in the profile's results folder. */
export function statePath(key: string): string {
  return join("heads", `${key}.state.safetensors`);
}

/** File of a head after some epoch, in the profile's results folder. */
export function checkpointPath(key: string, epoch: number): string {
  return join("heads", `${key}-epoch${epoch}.safetensors`);
}

/** The sizes of a configuration's head. */
export function architectureOf(
  { variant, projectionLayers, projectionDim }: TrainingConfig,
  { blocks, width }: { blocks: number; width: number },
): HeadArchitecture {
  return {
    blocks,
    width,
    projectionLayers,
    projectionDim,
    ablation: variant === "no TIE"
      ? "tie"
      : variant === "no intermediate"
      ? "intermediate"
      : "none",
  };
}

/**
 * The rate of an epoch: divided by 10 at the start of each decay epoch.
 * Released: `src/utils.py`, `train_one_experiment`.
 */
export function learningRateAt(
  { learningRate, decayEpochs }: TrainingConfig,
  epoch: number,
): number {
  return learningRate / 10 ** decayEpochs.filter((start) => start <= epoch).length;
}

/** How a head was trained, where its checkpoint says so: those made here do. */
export function trainedConfig({ metadata: { config } }: Checkpoint): TrainingConfig | undefined {
  if (config === undefined) return undefined;
  const what = "how a head was trained";
  const found = parseJson<TrainingConfig | null>(config, what);
  if (typeof found?.backbone === "string") return found;
  throw new UserError(
    "damaged",
    `Cannot read ${what}: expected its backbone by name, found ${config}`,
  );
}

/** What is kept of a head in training, besides its parameters and moments. */
interface Journal {
  epochs: EpochLog[];
  trainingSeconds: number;
  /** Of the epoch under way. */
  lossSum: number;
}

interface Lane {
  readonly head: HeadToTrain;
  readonly architecture: HeadArchitecture;
  readonly trainer: HeadTrainer;
  readonly journal: Journal;
  /** Steps made by an earlier process. */
  readonly stepsDone: number;
  /** Why the head is given up. */
  problem?: string;
}

/**
 * Trains heads whose configurations differ in the head alone. What has been trained before is not
 * trained again; what was interrupted goes on, and ends with the numbers of an uninterrupted run:
 * order, dropout and augmentation hang on seed, epoch and step, not on the process.
 *
 * @param folder results folder of the profile
 * @param onRows told of rows that a head has learned from
 * @param saveIntervalMs how often an unfinished training is put on disk, besides at epochs' ends
 * @returns for each head, what its training said; a head whose loss is no number any more is given
 * up, and the others go on
 */
export async function trainHeads(
  heads: readonly HeadToTrain[],
  tokens: TrainingTokens,
  engine: HeadEngine,
  folder: string,
  onRows: (rows: number) => void,
  saveIntervalMs = SAVE_INTERVAL_MS,
): Promise<(TrainedHead | FailedHead)[]> {
  const finished: (TrainedHead | FailedHead | undefined)[] = await Promise.all(
    heads.map((head) => finishedTraining(head, folder)),
  );
  const waiting = heads.filter((_, i) => !finished[i]);
  if (waiting.length > 0) {
    const trained = await trainTogether(waiting, tokens, engine, folder, onRows, saveIntervalMs);
    heads.forEach((head, i) => finished[i] ??= trained.get(head.key));
  }
  return finished as (TrainedHead | FailedHead)[];
}

async function finishedTraining(
  { key, keepEpochs }: HeadToTrain,
  folder: string,
): Promise<TrainedHead | undefined> {
  const paths = keepEpochs.map((epoch) => join(folder, checkpointPath(key, epoch)));
  const there = await Promise.all(paths.map(exists));
  if (!there.every(Boolean)) return undefined;
  const { metadata } = await loadKept(paths.at(-1)!);
  // left by a process that was killed between its last head and this
  await removeIfThere(join(folder, statePath(key)));
  return JSON.parse(metadata["training"]!) as TrainedHead;
}

/**
 * Reads a head that was trained here.
 * @throws {UserError} where it is damaged, with what to do
 */
export async function loadKept(path: string): Promise<Checkpoint> {
  try {
    return await loadCheckpoint(path);
  } catch (error) {
    if (error instanceof UserError && error.kind === "damaged") {
      error.message += "; delete the file and run again";
    }
    throw error;
  }
}

async function trainTogether(
  heads: readonly HeadToTrain[],
  tokens: TrainingTokens,
  engine: HeadEngine,
  folder: string,
  onRows: (rows: number) => void,
  saveIntervalMs: number,
): Promise<Map<string, TrainedHead | FailedHead>> {
  const { fraction, seed, batchSize, epochs } = heads[0]!.config;
  using val = await FeatureRows.open(tokens.folder, tokens.val);
  const lanes: Lane[] = [];
  try {
    for (const head of heads) lanes.push(await openLane(head, val, engine, folder));
    let step = 0;
    let lastSave = performance.now();
    for (let epoch = 1; epoch <= epochs; epoch++) {
      let active = lanes.filter(({ journal, problem }) =>
        journal.epochs.length < epoch && problem === undefined
      );
      using train = await FeatureRows.open(tokens.folder, tokens.train[epoch - 1]!, {
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
          if (!Number.isFinite(total)) lane.problem = divergence(head, epoch, step, total);
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
  sizes: { blocks: number; width: number },
  engine: HeadEngine,
  folder: string,
): Promise<Lane> {
  const { seed, variant, contrastiveWeight } = head.config;
  const architecture = architectureOf(head.config, sizes);
  const saved = await savedState(head, architecture, folder);
  const state = saved?.state ?? initialState(architecture, randomStream(seed, "parameters"));
  const journal: Journal = saved
    ? JSON.parse(saved.metadata["journal"]!)
    : { epochs: [], trainingSeconds: 0, lossSum: 0 };
  const trainer = await engine.trainer({
    architecture,
    contrastiveWeight: variant === "no contrastive loss" ? 0 : contrastiveWeight,
    dropout: true,
    dropoutKey: [seed, "dropout"],
    state,
  });
  return { head, architecture, trainer, journal, stepsDone: state.steps };
}

/** What an interrupted training has left, where nothing is wanted of the epochs it has behind it. */
async function savedState(
  { key, keepEpochs }: HeadToTrain,
  architecture: HeadArchitecture,
  folder: string,
) {
  const path = join(folder, statePath(key));
  if (!await exists(path)) return undefined;
  const saved = await loadTrainingState(path, architecture);
  const { epochs }: Journal = JSON.parse(saved.metadata["journal"]!);
  for (const epoch of keepEpochs) {
    const isBehind = epoch <= epochs.length;
    if (isBehind && !await exists(join(folder, checkpointPath(key, epoch)))) return undefined;
  }
  return saved;
}

/** Says which head's loss is no number any more, and when. */
function divergence({ config }: HeadToTrain, epoch: number, step: number, loss: number): string {
  const { classes, backbone, contrastiveWeight, projectionLayers, projectionDim, seed } = config;
  return `Cannot train the head of ${backbone} on ${classes.join(", ")} with ` +
    `ξ ${contrastiveWeight}, q ${projectionLayers}, d′ ${projectionDim}, seed ${seed}: ` +
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
    const { parameters } = trainer.state();
    const validation = await validate(val, engine, architecture, parameters);
    const { valLoss } = validation;
    if (!Number.isFinite(valLoss) || notFinite(parameters) !== undefined) {
      lane.problem = divergence(head, epoch, steps, NaN);
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
        training,
        config: JSON.stringify(head.config),
        tokens: JSON.stringify(val.source),
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
    let loss = 0;
    let correct = 0;
    for (const { tokens, labels, count } of val.batches(PREDICTION_BATCH)) {
      const { logits } = await predictor.predict(tokens, count);
      for (let i = 0; i < count; i++) {
        const logit = logits[i]!;
        // −log σ(±logit), without overflow
        const signed = labels[i] === 1 ? -logit : logit;
        loss += Math.max(signed, 0) + Math.log1p(Math.exp(-Math.abs(signed)));
        if ((logit > 0) === (labels[i] === 1)) correct++;
      }
    }
    return { valLoss: loss / val.count, valAcc: correct / val.count };
  } finally {
    await predictor.dispose();
  }
}

async function saveLane({ head, architecture, trainer, journal }: Lane, folder: string) {
  await saveTrainingState(join(folder, statePath(head.key)), architecture, trainer.state(), {
    journal: JSON.stringify(journal),
  });
}
