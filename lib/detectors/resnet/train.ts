/**
 * Trains a network with one logit by a recipe: images augmented anew in each epoch, a rate that falls,
 * an end. Killed at any moment, the next call goes on from what was put on disk before.
 * @module
 */
import { join } from "node:path";
import { exists, removeIfThere } from "../../io/files.ts";
import { readSafetensors } from "../../io/safetensors.ts";
import { writeSealedSafetensors } from "../../io/safetensors_writer.ts";
import { countParameters, type Tensor } from "../../io/tensor.ts";
import type { SessionOptions } from "../../onnx/session.ts";
import { type Random, randomStream } from "../../random.ts";
import { FIRST_MOMENT, SECOND_MOMENT, trainingFacts } from "../checkpoint_file.ts";
import type { EpochLog, FailedHead, TrainedHead } from "../detector.ts";
import type { PixelNormalisation } from "../pixel_detector.ts";
import {
  hasSmallSteps,
  type PixelRecipe,
  type PixelTraining,
  type PixelTrainingContext,
  trainedPath,
  trainingStatePath,
  trainingTransform,
  validationTransform,
} from "../pixel_training.ts";
import { loadKept, validationOf } from "../training.ts";
import { TrainingCrops } from "../training_crops.ts";
import { afterEpoch, dropped, FIRST_PHASE, type Phase } from "../ufd/early_stopping.ts";
import { classifierOfTensors, classifierTensors } from "./checkpoint.ts";
import { initialClassifier } from "./initial.ts";
import { type PixelTrainer, type ResnetState, ResnetTrainer, stateBefore } from "./trainer.ts";

/** A network in training. */
export interface TrainedPixels {
  /** Name of the detector, which the checkpoint says. */
  readonly name: string;
  /** Reads a checkpoint, and so finds what is damaged. */
  load(path: string): Promise<{ readonly metadata: Readonly<Record<string, string>> }>;
  /** Its tensors before the first step. */
  initial(random: Random): Promise<ReadonlyMap<string, Tensor>>;
  /** Opens it at a state. */
  open(before: ResnetState): PixelTrainer | Promise<PixelTrainer>;
  /** What its checkpoint says besides. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What is trained. */
export interface TrainedClassifier {
  /** Name of the detector, which the checkpoint says. */
  readonly name: string;
  readonly normalisation: PixelNormalisation;
  readonly stemStride: 1 | 2;
}

/** An unfinished training is put on disk this often. */
const SAVE_INTERVAL_MS = 60_000;

/** What is kept of a training under way, besides the network's state. */
interface Journal {
  epochs: EpochLog[];
  trainingSeconds: number;
  /** Of the epoch under way. */
  lossSum: number;
  phase: Phase;
}

/** A training under way. */
interface Lane {
  readonly training: PixelTraining;
  readonly trainer: PixelTrainer;
  readonly journal: Journal;
  /** What is kept of it so far: after the last epoch that was a gain. */
  best: ReadonlyMap<string, Tensor>;
}

/** Trains a classifier, as the seam has it. */
export function trainClassifier(
  training: PixelTraining,
  { name, normalisation, stemStride }: TrainedClassifier,
  context: PixelTrainingContext,
): Promise<TrainedHead | FailedHead> {
  const { key, recipe, recipe: { beta1, beta2, epsilon } } = training;
  const state = join(context.folder, trainingStatePath(key));
  return trainOnPixels(training, {
    name,
    load: classifierTensors,
    initial: (random) => initialClassifier(recipe, context.backbones, random),
    open: (before) =>
      new ResnetTrainer(
        {
          weights: classifierOfTensors(state, before.tensors),
          ...{ normalisation, stemStride, adam: { beta1, beta2, epsilon } },
        },
        before,
        sessionOptions(context, recipe, before.tensors),
      ),
  }, context);
}

/** Parameters below which products are too small to be divided among threads. */
const FEW_PARAMETERS = 2 ** 20;

/**
 * Where a training computes: a small network on small crops on one thread, which is faster and gives
 * the same numbers on machines of any number of cores.
 */
export function sessionOptions(
  { compute: { device, threads } }: Pick<PixelTrainingContext, "compute">,
  recipe: Pick<PixelRecipe, "batchSize" | "cropPx">,
  tensors: ReadonlyMap<string, Tensor>,
): SessionOptions {
  const isSmall = countParameters(tensors) < FEW_PARAMETERS && hasSmallSteps(recipe);
  const most = isSmall ? 1 : threads;
  return { ...(device ? { device } : {}), ...(most === undefined ? {} : { threads: most }) };
}

/** Trains any network on crops of images, as the seam has it. */
export async function trainOnPixels(
  training: PixelTraining,
  { name, load, initial, open, metadata: more = {} }: TrainedPixels,
  context: PixelTrainingContext,
): Promise<TrainedHead | FailedHead> {
  const { key, recipe, seed, root, trainedOn } = training;
  const { folder, workers } = context;
  const path = join(folder, trainedPath(key)), state = join(folder, trainingStatePath(key));
  if (await exists(path)) {
    const { metadata } = await loadKept(path, load);
    await removeIfThere(state);
    return trainingFacts<TrainedHead>(path, metadata, "training");
  }
  const saved = await savedState(state);
  const before = saved?.state ?? stateBefore(await initial(randomStream(seed, "parameters")));
  const trainer = await open(before);
  const journal = saved?.journal ??
    { epochs: [], trainingSeconds: 0, lossSum: 0, phase: FIRST_PHASE };
  const lane: Lane = { training, trainer, journal, best: saved?.best ?? before.tensors };
  await using crops = new TrainingCrops(root, workers);
  try {
    const problem = await trainEpochs(lane, crops, context);
    if (problem !== undefined) {
      await removeIfThere(state);
      return { problem };
    }
    const { epochs, trainingSeconds } = journal;
    const trained: TrainedHead = { epochs, trainingSeconds };
    await writeSealedSafetensors(path, [...lane.best], {
      detector: name,
      training: JSON.stringify(trained),
      recipe: JSON.stringify({ ...recipe, seed }),
      trainedOn: JSON.stringify(trainedOn),
      ...more,
    });
    await removeIfThere(state);
    return trained;
  } finally {
    await trainer.dispose();
  }
}

/** Epochs until training ends; why it came to nothing, where it did. */
async function trainEpochs(
  lane: Lane,
  crops: TrainingCrops,
  { folder, onImages, saveIntervalMs = SAVE_INTERVAL_MS }: PixelTrainingContext,
): Promise<string | undefined> {
  const { training: { key, recipe, seed, train }, trainer, journal } = lane;
  const { epochs, batchSize, cropPx: height, cropPx: width } = recipe;
  const state = join(folder, trainingStatePath(key));
  const steps = stepsOf(train.length, batchSize);
  let lastSave = performance.now();
  for (let epoch = journal.epochs.length + 1; epoch <= epochs; epoch++) {
    if (journal.phase.stopped) return;
    const order = randomStream(seed, "order", epoch).permutation(train.length);
    const skip = trainer.steps - (epoch - 1) * steps;
    let learned = skip * batchSize;
    const rate = rateOf(recipe, epoch, journal.phase);
    const pass = { images: train, order: order.subarray(0, steps * batchSize), seed, epoch };
    for await (
      const { crops: images, labels, count } of crops.batches({
        ...{ ...pass, transform: trainingTransform(recipe), batchSize, skip },
      })
    ) {
      const started = performance.now();
      const loss = await trainer.step({ images, count, height, width }, labels, rate);
      journal.trainingSeconds += (performance.now() - started) / 1000;
      journal.lossSum += loss;
      if (!Number.isFinite(loss)) return divergence(lane, epoch, loss);
      learned += count;
      onImages(count, { epoch, learned });
      if (performance.now() - lastSave > saveIntervalMs) {
        await saveState(lane, state);
        lastSave = performance.now();
      }
    }
    const validation = await validate(lane, crops);
    if (!Number.isFinite(validation.valLoss)) return divergence(lane, epoch, NaN);
    endEpoch(lane, {
      epoch,
      learningRate: rate,
      trainLoss: journal.lossSum / steps,
      ...validation,
    });
    if (epoch < epochs && !journal.phase.stopped) await saveState(lane, state);
  }
}

/**
 * Steps of an epoch. A last batch of one image is left out: its last map may have a single place, which
 * has no variance. Source: PyTorch, which stops at such a batch.
 */
function stepsOf(images: number, batchSize: number): number {
  return images % batchSize === 1 ? Math.floor(images / batchSize) : Math.ceil(images / batchSize);
}

/** Rate of the steps of an epoch. */
function rateOf({ learningRate, schedule }: PixelRecipe, epoch: number, { drops }: Phase): number {
  if (schedule.kind === "stopping") return dropped(learningRate, drops);
  if (schedule.kind === "best") return learningRate;
  return learningRate * schedule.factor ** Math.floor((epoch - 1) / schedule.everyEpochs);
}

/** Decides on the rate, on the end, and on what is kept. */
function endEpoch(lane: Lane, log: EpochLog): void {
  const { training: { recipe: { schedule, learningRate } }, trainer, journal } = lane;
  const before = journal.epochs.at(-1);
  if (schedule.kind === "stopping") {
    journal.phase = afterEpoch(journal.phase, log.valAcc, learningRate, schedule);
  }
  if (schedule.kind === "best") journal.phase = sinceBest(journal.phase, log.valAcc, schedule);
  const isKept = schedule.kind === "steps" || journal.phase.gained;
  if (isKept) lane.best = trainer.state().tensors;
  // a training's first epoch is a gain
  const kept = isKept || !before ? {} : { keptEpoch: before.keptEpoch ?? before.epoch };
  journal.epochs.push({ ...log, ...kept });
  journal.lossSum = 0;
}

/** Where a training stands whose rate stays. Released: patch-forensics, `train.py`. */
function sinceBest(
  { best, waited, drops }: Phase,
  accuracy: number,
  { patience }: { readonly patience: number },
): Phase {
  const gained = best === null || accuracy > best;
  return {
    drops,
    best: gained ? accuracy : best,
    waited: gained ? 0 : waited + 1,
    gained,
    stopped: accuracy === 1 || (!gained && waited + 1 >= patience),
  };
}

async function validate({ training, trainer }: Lane, crops: TrainingCrops) {
  const { recipe, seed, val } = training;
  const { cropPx: height, cropPx: width, batchSize } = recipe;
  const labels: number[] = [], logits: number[] = [];
  const transform = validationTransform(recipe);
  for await (
    const { crops: images, labels: own, count } of crops.batches({
      ...{ images: val, transform, seed, epoch: 0, batchSize },
    })
  ) {
    const found = await trainer.logits({ images, count, height, width });
    // every place of an image is judged by itself
    found.forEach((logit, i) => {
      logits.push(logit);
      labels.push(own[Math.floor(i * count / found.length)]!);
    });
  }
  return validationOf(Uint8Array.from(labels), Float32Array.from(logits));
}

function divergence({ training: { seed, trainedOn }, trainer }: Lane, epoch: number, loss: number) {
  const on = Object.entries(trainedOn).map(([field, value]) => `${field} ${value}`).join(", ");
  return `Cannot train a detector on ${on}, seed ${seed}: its loss is ${loss} at step ` +
    `${trainer.steps}, in epoch ${epoch}; try a lower learning rate`;
}

const BEST = "best.";

async function saveState({ trainer, journal, best }: Lane, path: string): Promise<void> {
  const { tensors, firstMoment, secondMoment, steps } = trainer.state();
  const under = (prefix: string, held: ReadonlyMap<string, Tensor>) =>
    [...held].map(([name, value]) => [`${prefix}${name}`, value] as const);
  await writeSealedSafetensors(path, [
    ...tensors,
    ...under(FIRST_MOMENT, firstMoment),
    ...under(SECOND_MOMENT, secondMoment),
    ...under(BEST, best),
  ], { journal: JSON.stringify(journal), steps: `${steps}` });
}

/** What an interrupted training has left. */
async function savedState(path: string) {
  if (!await exists(path)) return undefined;
  const { tensors, metadata } = await loadKept(path, readSafetensors);
  const journal = trainingFacts<Journal>(path, metadata, "journal");
  const groups = [FIRST_MOMENT, SECOND_MOMENT, BEST];
  const under = (prefix: string) =>
    new Map(
      [...tensors].filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]),
    );
  const own = [...tensors].filter(([name]) => !groups.some((prefix) => name.startsWith(prefix)));
  const state: ResnetState = {
    tensors: new Map(own),
    firstMoment: under(FIRST_MOMENT),
    secondMoment: under(SECOND_MOMENT),
    steps: Number(metadata["steps"]),
  };
  return { state, journal, best: under(BEST) };
}
