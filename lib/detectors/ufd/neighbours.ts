/**
 * Nearest neighbours as a checkpoint: which bank, which reading, which k; and how neighbours become
 * scores. Paper: Ojha, Li & Lee, CVPR 2023, §4.
 * @module
 */
import { dirname, join } from "node:path";
import { quoted, UserError } from "../../io/errors.ts";
import { exists } from "../../io/files.ts";
import { readSafetensors, readSafetensorsHeader } from "../../io/safetensors.ts";
import { ONNX_RUNTIME_VERSION } from "../../onnx/session.ts";
import type { Compute, Scorer } from "../detector.ts";
import {
  BANK,
  type BankHeader,
  type BothNearest,
  holdBank,
  ofBlock,
  readBankHeader,
} from "./bank.ts";
import { NEIGHBOURS, type Reading, READINGS } from "./neighbours_head.ts";
import { type Nearest, normalizedRows } from "./search.ts";

/** Folder of banks in the profile's results folder: beside the heads that name them. */
export const BANKS = "heads";

/** Name of a checkpoint's one tensor of its own, [1]. */
export const NEIGHBOURS_K = "neighbours.k";

/** Name of the tensor that says whose CLS token is searched: block from 1, number of blocks; [2]. */
export const NEIGHBOURS_BLOCK = "neighbours.block";

/** Logits of a vote of all for one: their sigmoid is 1 or 0 to 1e-7, and their mean stays a number. */
const UNANIMOUS = 16;

/** The smallest difference of distances whose sigmoid is above .5 in float32. */
const SMALLEST = 2 ** -22;

/** How a bank is searched. */
export interface Neighbours {
  /** File of the bank. */
  readonly path: string;
  readonly reading: Reading;
  readonly k: number;
  /** Whose CLS token is searched, block counted from 1, of how many; absent for an embedding. */
  readonly place?: { readonly block: number; readonly blocks: number };
}

/** Whether tensors are those of a head, or of a bank by itself, of embeddings. */
export function isNeighbours(names: ReadonlySet<string>): boolean {
  return !isBlockNeighbours(names) &&
    (names.has(NEIGHBOURS_K) || BANK.every((name) => names.has(name)));
}

/** Whether tensors are those of a head that searches one block's CLS tokens. */
export function isBlockNeighbours(names: ReadonlySet<string>): boolean {
  return names.has(NEIGHBOURS_BLOCK);
}

/**
 * Reads a head, or a bank by itself, which is searched as by default.
 * @throws {UserError} where the file is damaged, its bank is not there, or is another
 */
export async function loadNeighbours(
  checkpoint: string,
): Promise<
  Neighbours & { bank: BankHeader; metadata: Readonly<Record<string, string>> }
> {
  const { tensors, metadata } = await readSafetensorsHeader(checkpoint);
  let k = NEIGHBOURS.k;
  if (tensors.has(NEIGHBOURS_K)) {
    k = (await readSafetensors(checkpoint, [NEIGHBOURS_K])).tensors.get(NEIGHBOURS_K)!.data[0]!;
  }
  let place: Neighbours["place"];
  if (tensors.has(NEIGHBOURS_BLOCK)) {
    const [block, blocks] = (await readSafetensors(checkpoint, [NEIGHBOURS_BLOCK])).tensors
      .get(NEIGHBOURS_BLOCK)!.data as Float32Array;
    place = { block: block!, blocks: blocks! };
  }
  const reading = READINGS.find((known) => known === (metadata["reading"] ?? NEIGHBOURS.reading));
  if (reading === undefined || !Number.isSafeInteger(k) || k < 1) {
    throw new UserError(
      "damaged",
      `Cannot load ${checkpoint}: expected k from 1 and a reading of ${
        READINGS.join(", ")
      }, found ${k} and ${quoted(metadata["reading"])}`,
    );
  }
  const path = BANK.every((name) => tensors.has(name))
    ? checkpoint
    : await findBank(checkpoint, metadata["bank"]);
  const bank = await readBankHeader(path);
  const { fingerprint } = bank.metadata;
  if (path !== checkpoint && metadata["bank"] !== `bank-${fingerprint}.safetensors`) {
    throw new UserError(
      "damaged",
      `Cannot load ${checkpoint}: expected ${path} to be its bank, found bank ${
        quoted(fingerprint)
      }`,
    );
  }
  return { path, reading, k, ...(place ? { place } : {}), bank, metadata };
}

/** A bank lies beside its heads; heads may have been copied to the folder above. */
async function findBank(checkpoint: string, name: string | undefined): Promise<string> {
  const folder = dirname(checkpoint);
  // a name, and no way to anywhere else
  if (name !== undefined && /^bank-[0-9a-f]+\.safetensors$/.test(name)) {
    for (const place of [folder, join(folder, BANKS), join(folder, "..", BANKS)]) {
      if (await exists(join(place, name))) return join(place, name);
    }
  }
  throw new UserError(
    "missing",
    `Cannot load ${checkpoint}: expected its bank ${quoted(name ?? "")} beside it or in ${
      join(folder, BANKS)
    }, found none; put it there, or delete the head and run again`,
  );
}

/**
 * Opens a search; all who search one bank share it.
 * @throws {UserError} where the bank is damaged or has fewer images than are looked at
 */
export async function openNeighbours(
  { path, reading, k, place }: Neighbours,
  compute: Compute,
): Promise<Scorer> {
  const { bank, release } = await holdBank(path, k, compute);
  const { real, fake } = bank.counts;
  const most = reading === "vote" ? real + fake : Math.min(real, fake);
  if (k > most) {
    await release();
    throw new UserError(
      "usage",
      `Cannot look for ${k} neighbours: expected ${most} at most in ${path}, of ${real} real and ` +
        `${fake} generated images`,
    );
  }
  return {
    backend: `onnx (onnxruntime ${ONNX_RUNTIME_VERSION} ${compute.device ?? "cpu"})`,
    async logits(features, count) {
      const queries = place ? ofBlock(features, count, place.block, place.blocks) : features;
      const scores = neighbourScores(await bank.nearest(queries, k), count, reading, k);
      return Float32Array.from(scores, reading === "vote" ? shareLogit : differenceLogit);
    },
    represent(features, count) {
      const vectors = place ? ofBlock(features, count, place.block, place.blocks) : features;
      return Promise.resolve(normalizedRows(vectors, vectors.length / count));
    },
    dispose: release,
  };
}

/**
 * What neighbours say of queries, in float64: with `mean`, how much farther the real ones are than the
 * generated ones; with `vote`, the share of generated ones.
 * @param found k of either kind, or more
 */
export function neighbourScores(
  { real, fake }: BothNearest,
  count: number,
  reading: Reading,
  k: number,
): Float64Array {
  return Float64Array.from({ length: count }, (_, query) => {
    const of = ({ distances, k: stride }: Nearest) =>
      distances.subarray(query * stride, (query + 1) * stride);
    if (reading === "vote") return votes(of(real), of(fake), k) / k;
    return mean(of(real).subarray(0, k)) - mean(of(fake).subarray(0, k));
  });
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How many of the k nearest of both kinds are generated; of those equally near the real come first. */
function votes(toReal: Float64Array, toFake: Float64Array, k: number): number {
  let generated = 0;
  for (let taken = 0; taken < k; taken++) {
    if ((toFake[generated] ?? Infinity) < (toReal[taken - generated] ?? Infinity)) generated++;
  }
  return generated;
}

/**
 * The logit of a difference of distances is the difference: the score rises with it, and lies above .5
 * exactly where the generated images are nearer. Paper: §4.
 */
function differenceLogit(difference: number): number {
  return difference > 0 ? Math.max(difference, SMALLEST) : difference;
}

/** The logit whose sigmoid is a share of votes. */
function shareLogit(share: number): number {
  return Math.max(-UNANIMOUS, Math.min(UNANIMOUS, Math.log(share / (1 - share))));
}
