/**
 * "Trains" nearest neighbours: draws a bank of the training features, keeps it on disk once for all heads
 * that search it, and measures them on the validation images.
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../io/errors.ts";
import { contentKey, exists } from "../../io/files.ts";
import { withLock } from "../../io/lock.ts";
import { writeSealedSafetensors } from "../../io/safetensors_writer.ts";
import { tensor } from "../../io/tensor.ts";
import { randomStream } from "../../random.ts";
import { FeatureRows } from "../../tokens/rows.ts";
import { findFeatures } from "../../tokens/store.ts";
import {
  checkpointPath,
  type EpochLog,
  type HeadToTrain,
  type Scorer,
  type TrainedHead,
  type TrainingConfig,
  type TrainingContext,
  type TrainingFeatures,
} from "../detector.ts";
import { finishedTraining, validationOf } from "../training.ts";
import { readBankHeader, writeBank } from "./bank.ts";
import {
  BANKS,
  loadNeighbours,
  NEIGHBOURS_BLOCK,
  NEIGHBOURS_K,
  openNeighbours,
} from "./neighbours.ts";
import { readEitherHead } from "./neighbours_head.ts";

/** Raised when a bank of the same features would be another. */
const FORMAT = 1;

/** Rows that are looked at at once where nothing is learned. */
const VALIDATION_BATCH = 256;

/**
 * Keeps heads that search a bank of the first epoch's features, as the seam has it. There is nothing
 * to interrupt but the writing of a bank, which is whole or not there.
 * @throws {UserError} where more than one epoch is asked for, or more images than there are
 */
export async function keepNeighbours(
  heads: readonly HeadToTrain[],
  features: TrainingFeatures,
  context: TrainingContext,
): Promise<TrainedHead[]> {
  const kept = new Map<string, TrainedHead>();
  /** Heads that have to be made, by the file of their bank. */
  const waiting = new Map<string, HeadToTrain[]>();
  for (const head of heads) {
    const { config: { epochs } } = head;
    if (epochs !== 1) {
      throw new UserError(
        "usage",
        `Cannot make a bank of neighbours: expected 1 epoch, found ${epochs}`,
      );
    }
    const finished = await finishedTraining(head, context.folder, loadNeighbours);
    if (finished) {
      kept.set(head.key, finished);
      continue;
    }
    const bank = await keepBank(head.config, features, context);
    waiting.set(bank, [...waiting.get(bank) ?? [], head]);
  }
  for (const [bank, heads] of waiting) {
    const trained = await keepHeads(heads, bank, features, context);
    heads.forEach(({ key }, h) => kept.set(key, trained[h]!));
  }
  return heads.map(({ key }) => kept.get(key)!);
}

/** Measures heads of one bank on the validation images, and writes them. */
async function keepHeads(
  heads: readonly HeadToTrain[],
  bank: string,
  features: TrainingFeatures,
  { folder, compute, onRows }: TrainingContext,
): Promise<TrainedHead[]> {
  using val = await FeatureRows.open(features.folder, features.val);
  const path = join(folder, BANKS, bank);
  const logits = heads.map(() => new Float32Array(val.count));
  const seconds = heads.map(() => 0);
  const scorers: Scorer[] = [];
  try {
    for (const { config } of heads) {
      const { reading, k, block } = readEitherHead(config.head);
      const at = block === undefined ? {} : { place: { block, blocks: val.blocks } };
      scorers.push(await openNeighbours({ path, reading, k, ...at }, compute));
    }
    let offset = 0;
    for (const { tokens, count } of val.batches(VALIDATION_BATCH)) {
      for (const [h, scorer] of scorers.entries()) {
        const started = performance.now();
        logits[h]!.set(await scorer.logits(tokens, count), offset);
        seconds[h]! += (performance.now() - started) / 1000;
      }
      offset += count;
    }
  } finally {
    for (const scorer of scorers) await scorer.dispose();
  }
  const { real, fake } = await readBankHeader(path);
  return await Promise.all(heads.map(async ({ key, config }, h) => {
    const log: EpochLog = {
      epoch: 1,
      learningRate: config.learningRate,
      trainLoss: 0, // nothing is learned
      ...validationOf(val.labels, logits[h]!),
    };
    const trained: TrainedHead = { epochs: [log], trainingSeconds: seconds[h]! };
    const { reading, k, block } = readEitherHead(config.head);
    await writeSealedSafetensors(
      join(folder, checkpointPath(key, 1)),
      [
        [NEIGHBOURS_K, tensor(Float32Array.of(k), [1])],
        ...(block === undefined
          ? []
          : [[NEIGHBOURS_BLOCK, tensor(Float32Array.of(block, val.blocks), [2])] as const]),
      ],
      {
        reading,
        bank,
        key,
        training: JSON.stringify(trained),
        config: JSON.stringify(config),
        features: JSON.stringify(val.source),
      },
    );
    onRows(real.shape[0]! + fake.shape[0]!);
    return trained;
  }));
}

/**
 * Draws a configuration's bank and writes it, where it is not there.
 * @returns the name of its file
 */
async function keepBank(
  { head, fraction, seed }: TrainingConfig,
  features: TrainingFeatures,
  { folder }: TrainingContext,
): Promise<string> {
  const { bankImages, bankSeed, block } = readEitherHead(head);
  const keys = features.train[0]!;
  const sets = await Promise.all(keys.map(async (key) => {
    const set = await findFeatures(features.folder, key);
    return [key, set?.index.sha256.features ?? ""];
  }));
  // what is not drawn hangs on no seed
  const made = {
    format: FORMAT,
    sets,
    ...(block === undefined ? {} : { block }),
    ...(fraction < 1 ? { fraction, seed } : {}),
    ...(bankImages === null ? {} : { bankImages, bankSeed }),
  };
  const fingerprint = contentKey([made]);
  const name = `bank-${fingerprint}.safetensors`, path = join(folder, BANKS, name);
  // another process may draw the same at the same time
  await withLock(`${path}.lock`, async () => {
    if (await exists(path)) return;
    using rows = await FeatureRows.open(features.folder, keys, { fraction, seed });
    assertBlock(block, rows.blocks);
    await writeBank(path, rows, drawn(rows.labels, bankImages, bankSeed), block, {
      fingerprint,
      made: JSON.stringify(made),
      features: JSON.stringify(rows.source),
    });
  });
  return name;
}

function assertBlock(block: number | undefined, blocks: number): void {
  if (block === undefined || block <= blocks) return;
  throw new UserError(
    "usage",
    `Cannot make a bank of neighbours: expected a block from 1 to ${blocks}, found ${block}`,
  );
}

/** Rows of a bank, real ones and generated ones, each in rising order. */
function drawn(
  labels: Uint8Array,
  images: number | null,
  seed: number,
): [Uint32Array, Uint32Array] {
  const of = (label: number) => {
    const rows = Uint32Array.from(labels.keys()).filter((row) => labels[row] === label);
    const wanted = images === null ? Math.max(1, rows.length) : images / 2;
    if (rows.length < wanted) {
      throw new UserError(
        "usage",
        `Cannot make a bank of neighbours: expected ${wanted} ${
          ["real", "generated"][label]
        } images to draw from, found ${rows.length}`,
      );
    }
    if (images === null) return rows;
    const order = randomStream(seed, "bank", label).permutation(rows.length);
    return order.subarray(0, wanted).map((place) => rows[place]!).sort();
  };
  return [of(0), of(1)];
}
