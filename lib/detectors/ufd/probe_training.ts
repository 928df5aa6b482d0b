/**
 * Trains UFD's linear layer by its recipe: AdamW on batches, a rate that falls where accuracy no longer
 * rises, and an end where it has fallen far enough.
 * @module
 */
import { join } from "node:path";
import { exists, removeIfThere } from "../../io/files.ts";
import * as v from "valibot";
import { checkForm, COUNT } from "../../io/json.ts";
import { readSafetensors } from "../../io/safetensors.ts";
import { writeSealedSafetensors } from "../../io/safetensors_writer.ts";
import { type Tensor, tensor } from "../../io/tensor.ts";
import { type Random, randomStream } from "../../random.ts";
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
import { trainingFacts } from "../checkpoint_file.ts";
import { assertNumbers, loadKept, trainUnfinished, validationOf } from "../training.ts";
import { afterEpoch, dropped, FIRST_PHASE, type Phase } from "./early_stopping.ts";
import { loadProbeFile, probeLogits } from "./probe.ts";
import { describeProbeHead, type ProbeHead, readProbeHead } from "./probe_head.ts";
import { type ProbeState, ProbeTrainer } from "./probe_step.ts";

/** An unfinished training is put on disk this often. */
const SAVE_INTERVAL_MS = 60_000;

/** Rows that are looked at at once where nothing is learned. */
const VALIDATION_BATCH = 256;

/** What is kept of a training under way, besides parameters and moments. */
interface Journal {
  epochs: EpochLog[];
  trainingSeconds: number;
  /** Of the epoch under way. */
  lossSum: number;
  phase: Phase;
}

interface Lane {
  readonly head: HeadToTrain;
  readonly recipe: ProbeHead;
  readonly trainer: ProbeTrainer;
  readonly journal: Journal;
  /** After the last epoch that was a gain, [d + 1]. */
  best: Float32Array;
  /** Steps made by an earlier process. */
  readonly stepsDone: number;
  /** Why the head is given up. */
  problem?: string;
}

/** Before training: weights normal, the bias as PyTorch's Linear has it. Released: trainer.py. */
export function initialProbe(
  width: number,
  { initialDeviation }: Pick<ProbeHead, "initialDeviation">,
  random: Random,
): ProbeState {
  const parameters = new Float32Array(width + 1);
  for (let i = 0; i < width; i++) parameters[i] = initialDeviation * random.normal();
  const bound = 1 / Math.sqrt(width);
  parameters[width] = random.uniform(-bound, bound);
  return {
    parameters,
    firstMoment: new Float32Array(width + 1),
    secondMoment: new Float32Array(width + 1),
    steps: 0,
  };
}

/**
 * Trains linear layers whose configurations differ in the head alone, as the seam has it. One that has
 * stopped is kept for every later epoch that is wanted.
 */
export async function trainProbes(
  heads: readonly HeadToTrain[],
  features: TrainingFeatures,
  context: TrainingContext,
): Promise<(TrainedHead | FailedHead)[]> {
  return await trainUnfinished(
    heads,
    context.folder,
    loadProbeFile,
    (waiting) => trainTogether(waiting, features, context),
  );
}

async function trainTogether(
  heads: readonly HeadToTrain[],
  features: TrainingFeatures,
  context: TrainingContext,
): Promise<Map<string, TrainedHead | FailedHead>> {
  const { folder, onRows, saveIntervalMs = SAVE_INTERVAL_MS } = context;
  const { fraction, seed, batchSize, epochs } = heads[0]!.config;
  using val = await FeatureRows.open(features.folder, features.val);
  const lanes: Lane[] = [];
  try {
    for (const head of heads) lanes.push(await openLane(head, val, context));
    let step = 0;
    let lastSave = performance.now();
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const isUnderWay = ({ problem, journal: { phase } }: Lane) =>
        problem === undefined && !phase.stopped;
      if (!lanes.some(isUnderWay)) break;
      let active = lanes.filter((lane) => isUnderWay(lane) && lane.journal.epochs.length < epoch);
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
      for (const { tokens, labels, count } of train.batches(batchSize, order)) {
        step++;
        for (const lane of active) {
          if (step <= lane.stepsDone) continue;
          const { trainer, journal } = lane;
          const started = performance.now();
          const loss = await trainer.step(tokens, labels, rateOf(lane, epoch));
          journal.trainingSeconds += (performance.now() - started) / 1000;
          journal.lossSum += loss;
          if (!Number.isFinite(loss)) {
            assertNumbers(train);
            lane.problem = divergence(lane, epoch, loss);
          }
          onRows(count);
        }
        active = active.filter(({ problem }) => problem === undefined);
        if (performance.now() - lastSave > saveIntervalMs) {
          for (const lane of active) await saveLane(lane, folder);
          lastSave = performance.now();
        }
      }
      for (const lane of active) await endEpoch(lane, epoch, epochSteps, val, folder);
    }
    for (const { head } of lanes) await removeIfThere(join(folder, statePath(head.key)));
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
  { blocks, width }: FeatureSizes,
  { folder, compute: { device, threads } }: TrainingContext,
): Promise<Lane> {
  const recipe = readProbeHead(head.config.head), length = blocks * width;
  const saved = await savedState(head, length, folder);
  const state = saved?.state ??
    initialProbe(length, recipe, randomStream(head.config.seed, "parameters"));
  const trainer = await ProbeTrainer.open(recipe, state, {
    ...(device === undefined ? {} : { device }),
    ...(threads === undefined ? {} : { threads }),
  });
  const journal = saved?.journal ??
    { epochs: [], trainingSeconds: 0, lossSum: 0, phase: FIRST_PHASE };
  const best = saved?.best ?? state.parameters;
  return { head, recipe, trainer, journal, best, stepsDone: state.steps };
}

/** Rate of the steps of an epoch: what the configuration says, divided where accuracy did not rise. */
function rateOf({ head, journal }: Lane, epoch: number): number {
  return dropped(learningRateAt(head.config, epoch), journal.phase.drops);
}

function divergence({ head: { config }, recipe, trainer }: Lane, epoch: number, loss: number) {
  const { classes, backbone, seed } = config;
  return `Cannot train the head of ${backbone} on ${classes.join(", ")} with ` +
    `${describeProbeHead(recipe)}, seed ${seed}: its loss is ${loss} at step ` +
    `${trainer.state.steps}, in epoch ${epoch}; try a lower learning rate`;
}

/** Validates, decides on the rate and on the end, and keeps the head where it is wanted. */
async function endEpoch(
  lane: Lane,
  epoch: number,
  steps: number,
  val: FeatureRows,
  folder: string,
): Promise<void> {
  const { head: { key, config, keepEpochs }, recipe, trainer, journal } = lane;
  const { parameters } = trainer.state;
  const validation = validationOf(val.labels, logitsOf(val, parameters));
  if (!Number.isFinite(validation.valLoss)) {
    assertNumbers(val);
    lane.problem = divergence(lane, epoch, NaN);
    return;
  }
  const learningRate = rateOf(lane, epoch), trainLoss = journal.lossSum / steps;
  const log: EpochLog = { epoch, learningRate, trainLoss, ...validation };
  const configured = learningRateAt(config, epoch);
  journal.phase = afterEpoch(journal.phase, validation.valAcc, configured, recipe);
  const { gained } = journal.phase, before = journal.epochs.at(-1);
  if (gained) lane.best = parameters;
  // a training's first epoch is a gain
  const isEarlier = recipe.keep === "best" && !gained && before !== undefined;
  const kept = isEarlier ? { keptEpoch: before.keptEpoch ?? before.epoch } : {};
  journal.epochs.push({ ...log, ...kept });
  journal.lossSum = 0;
  const { epochs, trainingSeconds } = journal;
  const due = keepEpochs.filter((wanted) =>
    wanted === epoch || wanted > epoch && journal.phase.stopped
  );
  for (const wanted of due) {
    const weights = recipe.keep === "best" ? lane.best : parameters;
    await writeSealedSafetensors(join(folder, checkpointPath(key, wanted)), layerOf(weights), {
      key,
      training: JSON.stringify({ epochs, trainingSeconds } satisfies TrainedHead),
      config: JSON.stringify(config),
      features: JSON.stringify(val.source),
    });
  }
  if (epoch < config.epochs) await saveLane(lane, folder);
}

function logitsOf(val: FeatureRows, parameters: Float32Array): Float32Array {
  const logits = new Float32Array(val.count);
  const probe = { weight: parameters.subarray(0, -1), bias: parameters.at(-1)! };
  let offset = 0;
  for (const { tokens, count } of val.batches(VALIDATION_BATCH)) {
    logits.set(probeLogits(probe, tokens), offset);
    offset += count;
  }
  return logits;
}

/** Under the names of the released `fc_weights.pth`. */
function layerOf(parameters: Float32Array): [string, Tensor][] {
  const width = parameters.length - 1;
  return [
    ["weight", tensor(parameters.slice(0, width), [1, width])],
    ["bias", tensor(parameters.slice(width), [1])],
  ];
}

const STATE = ["parameters", "firstMoment", "secondMoment", "best"] as const;

async function saveLane({ head, trainer, journal, best }: Lane, folder: string): Promise<void> {
  const held = { ...trainer.state, best };
  await writeSealedSafetensors(
    join(folder, statePath(head.key)),
    STATE.map((name) => [name, tensor(held[name], [held[name].length])]),
    { key: head.key, journal: JSON.stringify(journal), steps: `${held.steps}` },
  );
}

/** What a journal holds besides what was said of each epoch. */
const JOURNAL = v.looseObject({
  lossSum: v.number(),
  phase: v.looseObject({
    drops: COUNT,
    best: v.nullable(v.number()),
    waited: COUNT,
    gained: v.boolean(),
    stopped: v.boolean(),
  }),
});

/** What an interrupted training has left, where nothing is wanted of the epochs it has behind it. */
async function savedState({ key, keepEpochs }: HeadToTrain, width: number, folder: string) {
  const path = join(folder, statePath(key));
  if (!await exists(path)) return undefined;
  const { tensors, metadata } = await loadKept(path, (path) => readSafetensors(path, STATE));
  const values = (name: typeof STATE[number]) => tensors.get(name)!.data;
  if (STATE.some((name) => values(name).length !== width + 1)) return undefined;
  if ((metadata["key"] ?? key) !== key) return undefined;
  const journal = trainingFacts<Journal>(path, metadata, "journal");
  const remedy = "delete the file and run again";
  checkForm(journal, JOURNAL, `Cannot read journal in ${path}`, remedy);
  const steps = checkForm<number>(
    Number(metadata["steps"] ?? NaN),
    COUNT,
    `Cannot read steps in ${path}`,
    remedy,
  );
  for (const epoch of keepEpochs) {
    const isBehind = epoch <= journal.epochs.length || journal.phase.stopped;
    if (isBehind && !await exists(join(folder, checkpointPath(key, epoch)))) return undefined;
  }
  const state: ProbeState = {
    parameters: values("parameters"),
    firstMoment: values("firstMoment"),
    secondMoment: values("secondMoment"),
    steps,
  };
  return { state, journal, best: values("best") };
}
