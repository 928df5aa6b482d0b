/**
 * How far an unfinished set has come, `KEY.progress.json`: rows that are known to be on disk.
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import * as v from "valibot";
import { UserError } from "../io/errors.ts";
import { contentKey, writeJson } from "../io/files.ts";
import { COUNT, parseJson } from "../io/json.ts";
import { type Maker, makerId } from "./made.ts";
import { MAKER, readSmallFile } from "./set_index.ts";

/** What is known of an unfinished set. */
export interface FeatureProgress {
  /** Rows that were on disk when this was written. */
  readonly rows: number;
  /** SHA-256 of the file up to there, hexadecimal. */
  readonly sha256: string;
  /** Positions of the images among those rows that cannot be decoded, in rising order. */
  readonly unreadable: readonly number[];
  /** What made them. */
  readonly made: Maker;
}

const PROGRESS = v.looseObject({
  rows: COUNT,
  sha256: v.string(),
  unreadable: v.array(COUNT),
  made: MAKER,
  seal: v.string(),
});

/** Writes it; the rows must be on disk. */
export async function writeProgress(path: string, progress: FeatureProgress): Promise<void> {
  await writeJson(path, { ...progress, seal: contentKey([progress], 64) });
}

/** Reads it; `undefined` where it is not there or not whole: the set is then made from its start. */
export async function readProgress(path: string): Promise<FeatureProgress | undefined> {
  try {
    const { seal, ...progress } = parseJson<FeatureProgress & { seal: string }>(
      await readSmallFile(path) ?? "",
      path,
      { form: PROGRESS },
    );
    return seal === contentKey([progress], 64) ? progress : undefined;
  } catch (error) {
    if (error instanceof UserError && error.kind === "damaged") return undefined;
    throw error;
  }
}

/**
 * How much of an unfinished file can be kept: whole batches of rows that are on disk as they were
 * written, by the same maker.
 * @returns the rows, and the hash of the file up to there
 */
export async function keptRows(
  file: Deno.FsFile,
  header: Uint8Array,
  rowBytes: number,
  { rows, batchRows, maker, progress }: {
    readonly rows: number;
    readonly batchRows: number;
    readonly maker: Maker;
    readonly progress: FeatureProgress | undefined;
  },
): Promise<{ rows: number; hash: Hash }> {
  const none = () => ({ rows: 0, hash: createHash("sha256").update(header) });
  if (!progress || progress.rows > rows || makerId(progress.made) !== makerId(maker)) return none();
  const whole = progress.rows === rows ? rows : progress.rows - progress.rows % batchRows;
  const end = header.length + progress.rows * rowBytes;
  const keep = header.length + whole * rowBytes;
  const hash = createHash("sha256");
  let kept: Hash | undefined = keep === 0 ? hash.copy() : undefined;
  const buffer = new Uint8Array(2 ** 20);
  await file.seek(0, Deno.SeekMode.Start);
  for (let at = 0; at < end;) {
    const limit = at < keep ? keep : end;
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, limit - at)));
    if (count === null) return none();
    hash.update(buffer.subarray(0, count));
    at += count;
    if (at === keep) kept = hash.copy();
  }
  return hash.digest("hex") === progress.sha256 ? { rows: whole, hash: kept! } : none();
}
