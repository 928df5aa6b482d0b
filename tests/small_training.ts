/** Heads in training on tokens that are made up: each step is noted as the engine is told to do it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  checkpointPath,
  type EngineName,
  type EpochLog,
  type HeadConfig,
  type TrainingConfig,
} from "../lib/detectors/detector.ts";
import { detectorNamed } from "../lib/detectors/index.ts";
import type { HeadArchitecture } from "../lib/detectors/rine/architecture.ts";
import { loadCheckpoint } from "../lib/detectors/rine/checkpoint.ts";
import type { HeadEngine, TokenBatch, TrainerOptions } from "../lib/detectors/rine/engine.ts";
import type { RineHead } from "../lib/detectors/rine/head.ts";
import { openEngine } from "../lib/detectors/rine/open_engine.ts";
import { trainWith } from "../lib/detectors/rine/train.ts";
import { randomStream } from "../lib/random.ts";
import type { Evaluation } from "../lib/runs/record.ts";
import { readScores, scoreKey, tryHeads } from "../lib/runs/scores.ts";
import { FeatureRows } from "../lib/tokens/rows.ts";
import { writeFeatureSet } from "./feature_sets.ts";

export const BLOCKS = 3, WIDTH = 4;
const ROW = BLOCKS * WIDTH;

/** What can be told to be otherwise of a training, or of its head. */
export type Changes = Partial<TrainingConfig> & Partial<RineHead>;

/** A training with fields of its own, or of its head, changed. */
export function changed(training: TrainingConfig, changes: Changes): TrainingConfig {
  const own = Object.entries(changes).filter(([field]) => field in training.head);
  const rest = Object.entries(changes).filter(([field]) => !(field in training.head));
  const head = { ...training.head, ...Object.fromEntries(own) } as HeadConfig;
  return { ...training, ...Object.fromEntries(rest), head };
}

/** d′ of the heads that are trained. */
export const PROJECTION_DIM = 6;

export const CONFIG: TrainingConfig = {
  detector: "rine",
  trainingSet: "own",
  classes: ["thing"],
  fraction: 1,
  backbone: "Tiny",
  head: {
    contrastiveWeight: .5,
    projectionLayers: 1,
    projectionDim: PROJECTION_DIM,
    variant: "full",
  },
  batchSize: 4,
  learningRate: 1e-2,
  epochs: 1,
  decayEpochs: [],
  seed: 0,
};

/** A set of tokens that is made up. Of what is left out there is none. */
export interface MadeUp {
  readonly labels: readonly (0 | 1)[];
  readonly cropsPerImage?: number;
  /** Positions of images. */
  readonly unreadable?: readonly number[];
  /** What its images' paths begin with; by default the set's key. */
  readonly images?: string;
  /** What its rows' first values count from. */
  readonly from?: number;
  /** What computed it. */
  readonly source?: Readonly<Record<string, string>>;
}

/** The first value of a row says which it is, the others are random: exact as float16. */
const NAMED_BY = 1 / 64;

/** Keys of the sets that were written, by their names. */
const KEYS = new Map<string, string>();

/** Keys of sets by their names; a name that none has stays as it is. */
const keysOf = (names: readonly string[]) => names.map((name) => KEYS.get(name) ?? name);

/** Writes a set under a name; rows are named from `from` on, one for each crop. */
export async function writeTokens(
  folder: string,
  name: string,
  { labels, cropsPerImage = 1, unreadable = [], images: paths = name, from = 0, source = {} }:
    MadeUp,
): Promise<void> {
  assert.ok(cropsPerImage === 1 || cropsPerImage === 10);
  const rows = labels.length * cropsPerImage;
  const random = randomStream("made up", from);
  const values = Float32Array.from({ length: rows * ROW }, () => random.normal());
  for (let row = 0; row < rows; row++) {
    values[row * ROW] = (from + row) * NAMED_BY;
    // what tells generated images from real ones
    if (labels[Math.floor(row / cropsPerImage)] === 1) values[row * ROW + ROW - 1]! += 1;
  }
  const images = labels.map((label, i) => ({ path: `${paths}/${i}.png`, label }));
  const transform = { kind: cropsPerImage === 1 ? "center" : "ten", size: 8 } as const;
  const sample = { name, shape: [rows, BLOCKS, WIDTH], images } as const;
  const set = { ...sample, source: { transform, ...source } };
  KEYS.set(name, (await writeFeatureSet(folder, set, values, unreadable)).key);
}

/** Names of the rows in a batch. */
function rowsOf({ tokens, count }: TokenBatch): number[] {
  return Array.from({ length: count }, (_, i) => tokens[i * ROW]! / NAMED_BY);
}

/** A step as an engine was told to do it. */
export interface Step {
  readonly rate: number;
  /** Names of its rows. */
  readonly rows: readonly number[];
  readonly labels: readonly number[];
  readonly loss: number;
}

/** What a head was trained as, and all steps it made. */
export interface Training {
  readonly options: TrainerOptions;
  readonly steps: Step[];
}

/** An engine that notes what it is told; after a step `spoiltAt` its heads are no numbers any more. */
function noting(engine: HeadEngine, trainings: Training[], spoiltAt?: number): HeadEngine {
  return {
    name: engine.name,
    backend: engine.backend,
    predictor: (...args) => engine.predictor(...args),
    gradients: (...args) => engine.gradients(...args),
    dispose: () => engine.dispose(),
    trainer: async (options) => {
      const trainer = await engine.trainer(options);
      const training: Training = { options, steps: [] };
      trainings.push(training);
      return {
        state: () => {
          const state = trainer.state();
          if (state.steps === spoiltAt) state.parameters.get("alpha")!.data[0] = NaN;
          return state;
        },
        dispose: () => trainer.dispose(),
        step: async (batch, rate) => {
          const { total } = await trainer.step(batch, rate);
          training.steps.push({
            rate,
            rows: rowsOf(batch),
            labels: [...batch.labels],
            loss: total,
          });
          return { total, bce: NaN, supcon: NaN };
        },
      };
    },
  };
}

/** The sets of tokens that heads are trained on. */
export interface TrainedOn {
  readonly folder: string;
  /** By epoch, then by class. */
  readonly train: readonly (readonly string[])[];
  readonly val: readonly string[];
}

/** A head that has been trained. */
export interface Trained extends Training {
  readonly epochs: readonly EpochLog[];
  /** The file of the head after some epoch. */
  head(epoch: number): string;
}

/** Trains heads together into a results folder, and keeps them after every epoch. */
export async function trainTogether(
  changes: readonly Changes[],
  tokens: TrainedOn,
  results: string,
  engineName: EngineName = "onnx",
  spoiltAt?: number,
): Promise<Trained[]> {
  const trainings: Training[] = [];
  const engine = noting(await openEngine(engineName, { threads: 1 }), trainings, spoiltAt);
  const heads = changes.map((change, h) => {
    const config = changed(CONFIG, change);
    const keepEpochs = Array.from({ length: config.epochs }, (_, i) => i + 1);
    return { key: `head${h}`, config, keepEpochs };
  });
  const track = { engine, folder: results, onRows: () => {} };
  const features = {
    folder: tokens.folder,
    train: tokens.train.map(keysOf),
    val: keysOf(tokens.val),
  };
  const trained = await trainWith(heads, features, track);
  await engine.dispose();
  return trained.map((head, h) => {
    if ("problem" in head) throw new Error(head.problem);
    return {
      epochs: head.epochs,
      ...trainings[h]!,
      head: (epoch: number) => join(results, checkpointPath(`head${h}`, epoch)),
    };
  });
}

/** Rows of sets. */
export interface Rows {
  readonly tokens: Float32Array;
  readonly count: number;
  readonly labels: readonly number[];
  readonly names: readonly number[];
}

/** The rows of sets end to end, as a head reads them. */
export async function readRows(
  folder: string,
  keys: readonly string[],
  fraction = 1,
  seed = 0,
): Promise<Rows> {
  using rows = await FeatureRows.open(folder, keysOf(keys), { fraction, seed });
  const batch = rows.batches(rows.count).next().value as TokenBatch;
  return {
    tokens: batch.tokens.slice(),
    count: batch.count,
    labels: [...batch.labels],
    names: rowsOf(batch),
  };
}

/** Logits of a kept head on rows. */
export async function logitsOf(
  head: string,
  { tokens, count }: { tokens: Float32Array; count: number },
): Promise<Float32Array> {
  const { architecture, parameters } = await loadCheckpoint(head);
  const engine = await openEngine("onnx", { threads: 1 });
  const predictor = await engine.predictor(architecture, parameters);
  const { logits } = await predictor.predict(tokens, count);
  await predictor.dispose();
  await engine.dispose();
  return logits;
}

/** A kept head's sizes, its weights of blocks [blocks, d′], and what its file says beside. */
export async function lookAt(head: string): Promise<{
  architecture: HeadArchitecture;
  alpha: readonly number[];
  metadata: Readonly<Record<string, string>>;
}> {
  const { architecture, parameters, metadata } = await loadCheckpoint(head);
  return { architecture, alpha: [...parameters.get("alpha")!.data], metadata };
}

/** Scores sets of features with heads of a results folder, one set a name; `rows` were told of. */
export async function score(
  heads: readonly string[],
  folder: string,
  sets: Readonly<Record<string, readonly string[]>>,
  results: string,
  bootstrap?: number,
): Promise<{ evaluations: Evaluation[]; scores: Map<string, Float32Array>[]; rows: number }> {
  let rows = 0;
  const detector = detectorNamed("rine");
  const toTry = heads.map((head) => {
    const [, key, epoch] = /([^/]+)-epoch(\d+)\.safetensors$/.exec(head)!;
    return { key: key!, epoch: Number(epoch), detector };
  });
  const named = Object.entries(sets)
    .map(([name, own]) => ({ name, features: keysOf(own), key: scoreKey(keysOf(own)) }));
  const { evaluations } = await tryHeads(toTry, named, {
    bootstrap,
    featuresFolder: folder,
    folder: results,
    compute: { engine: "onnx", threads: 1 },
    onRows: (count) => void (rows += count),
  });
  const scores = await Promise.all(toTry.map(async ({ key, epoch }) => {
    const kept = await readScores(results, key, epoch);
    return new Map(named.map(({ name, key }) => [name, kept.get(key)!] as const));
  }));
  return { evaluations, scores, rows };
}
