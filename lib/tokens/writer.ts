/**
 * Writes a set of features, batch by batch.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { createHash, type Hash } from "node:crypto";
import type { LabelledImage } from "../data/dataset.ts";
import { exists, naming, removeIfThere, writeFileAtomic } from "../io/files.ts";
import { temporaryName } from "../io/host.ts";
import { type Claim, ClaimLost } from "../io/lock.ts";
import { encodeNpyHeader } from "../io/npy.ts";
import { mayWait } from "../io/regular.ts";
import { type Maker, VERSIONS } from "./made.ts";
import { encodePaths } from "./paths.ts";
import { keptRows, readProgress, writeProgress } from "./progress.ts";
import { type FeatureSource, writeIndex } from "./set_index.ts";
import { type FeaturePaths, featurePaths } from "./store.ts";
import { trustFeatures } from "./verify.ts";

/** A set that is to be written. */
export interface NewSet {
  /** `featureKey(source)` */
  readonly key: string;
  /** What it is computed from. */
  readonly source: FeatureSource;
  /** [rows, blocks, width]; a row is a crop. */
  readonly shape: readonly [number, number, number];
  /** Consecutive rows that belong to one image. */
  readonly cropsPerImage: number;
  /** Name that all the images share. */
  readonly generator: string;
  /** In the order of their rows. */
  readonly images: readonly LabelledImage[];
  /** Where the backbone runs. */
  readonly device: string;
}

/** How a set is written. */
export interface WriterOptions {
  /**
   * Rows are kept in whole batches of this size, so that a resumed set has the bytes of an
   * uninterrupted one.
   */
  readonly batchRows: number;
  /** How often rows are put on disk for good: what a kill can cost. Default 5 s. */
  readonly saveIntervalMs?: number | undefined;
  /** That on the set; none where nobody else can write it. */
  readonly claim?: Claim | undefined;
}

/**
 * Writes one set. Until it is finished it lies in `KEY.npy.partial`; `KEY.progress.json` says how
 * many of its rows are known to be on disk and what their hash is, and an interrupted set goes on
 * from there. One process at a time may write a set. Who has taken it over from a process that may still
 * live goes on in a copy, and what that one writes from then on nobody reads.
 */
export class FeatureWriter {
  /** Rows that are written already. */
  rowsDone: number;
  readonly #set: NewSet;
  readonly #paths: FeaturePaths;
  readonly #file: Deno.FsFile;
  readonly #hash: Hash;
  readonly #unreadable: number[];
  readonly #maker: Maker;
  readonly #saveIntervalMs: number;
  readonly #claim: Claim | undefined;
  #savedRows: number;
  #lastSave = performance.now();
  #isOpen = true;

  private constructor(
    { set, paths, file, rows, hash, unreadable, maker, claim, saveIntervalMs = 5000 }: {
      readonly set: NewSet;
      readonly paths: FeaturePaths;
      readonly file: Deno.FsFile;
      readonly rows: number;
      readonly hash: Hash;
      readonly unreadable: readonly number[];
      readonly maker: Maker;
      readonly claim: Claim | undefined;
      readonly saveIntervalMs?: number | undefined;
    },
  ) {
    this.#set = set;
    this.#paths = paths;
    this.#file = file;
    this.rowsDone = this.#savedRows = rows;
    this.#hash = hash;
    this.#unreadable = [...unreadable];
    this.#maker = maker;
    this.#saveIntervalMs = saveIntervalMs;
    this.#claim = claim;
  }

  /**
   * Opens a set for writing and finds how far an earlier process came. What there is of a finished
   * set of this key is taken away: it lacks a file, or it would not be written.
   * @throws {UserError} where the disk refuses
   */
  static async open(
    folder: string,
    set: NewSet,
    { batchRows, saveIntervalMs, claim }: WriterOptions,
  ): Promise<FeatureWriter> {
    const paths = featurePaths(folder, set.key);
    const maker = { device: set.device, versions: { ...VERSIONS } };
    return await naming(paths.partial, async () => {
      await Deno.mkdir(folder, { recursive: true });
      for (const path of [paths.features, paths.index]) await removeIfThere(path);
      const progress = await readProgress(paths.progress);
      if (await mayWait(paths.partial)) await removeIfThere(paths.partial);
      if (claim?.mayHaveAnother) await replaceByCopy(paths.partial);
      const file = await Deno.open(paths.partial, { read: true, write: true, create: true });
      try {
        const header = encodeNpyHeader(set.shape);
        const [rows, blocks, width] = set.shape;
        const rowBytes = blocks * width * Float16Array.BYTES_PER_ELEMENT;
        const kept = await keptRows(file, header, rowBytes, { rows, batchRows, maker, progress });
        if (kept.rows === 0) {
          await removeIfThere(paths.progress);
          await file.truncate(0);
          await file.seek(0, Deno.SeekMode.Start);
          await writeAll(file, header);
        }
        await file.truncate(header.length + kept.rows * rowBytes);
        await file.seek(0, Deno.SeekMode.End);
        const unreadable = kept.rows === 0 ? [] : progress!.unreadable
          .filter((position) => position * set.cropsPerImage < kept.rows);
        const known = { ...kept, unreadable, maker, claim, saveIntervalMs };
        return new FeatureWriter({ set, paths, file, ...known });
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  /** Positions of the images found so far that cannot be decoded, in rising order. */
  get unreadable(): readonly number[] {
    return this.#unreadable;
  }

  /**
   * Appends the features of whole images, rounded to float16.
   * @param unreadable positions of those among them that cannot be decoded, in rising order: their
   * rows become NaN
   * @throws {UserError} where the features of another image hold what is no number in float16, or
   * the disk refuses
   */
  async append(features: Float32Array, unreadable: readonly number[] = []): Promise<void> {
    const { shape: [, blocks, width], cropsPerImage } = this.#set;
    const imageLength = cropsPerImage * blocks * width;
    const half = new Float16Array(features);
    const first = this.rowsDone / cropsPerImage;
    for (let i = 0; i * imageLength < half.length; i++) {
      const values = half.subarray(i * imageLength, (i + 1) * imageLength);
      if (unreadable.includes(first + i)) values.fill(NaN);
      else if (!values.every(Number.isFinite)) throw this.#notFinite(first + i);
    }
    const bytes = new Uint8Array(half.buffer);
    await naming(this.#paths.partial, () => writeAll(this.#file, bytes));
    this.#hash.update(bytes);
    this.#unreadable.push(...unreadable);
    this.rowsDone += features.length / (blocks * width);
    if (performance.now() - this.#lastSave >= this.#saveIntervalMs) await this.#save();
  }

  #notFinite(position: number): UserError {
    const { source: { backbone, precision, tap }, images, device } = this.#set;
    return new UserError(
      "damaged",
      `Cannot keep the features of ${images[position]!.path}: expected float16 numbers from ` +
        `${backbone} (${tap}, ${precision}) on ${device}, found NaN or infinity; try another device or ` +
        "precision, or check the weights",
    );
  }

  /** Puts what is written on disk for good. */
  async #save(): Promise<void> {
    await this.#claim?.assertHeld("look");
    // the rows before what is said of them
    await naming(this.#paths.partial, () => this.#file.syncData());
    await writeProgress(this.#paths.progress, {
      rows: this.rowsDone,
      sha256: this.#hash.copy().digest("hex"),
      unreadable: this.#unreadable,
      made: this.#maker,
    });
    this.#savedRows = this.rowsDone;
    this.#lastSave = performance.now();
  }

  /**
   * Writes what belongs beside the features, and gives them their final name.
   * @throws {UserError} where the disk refuses
   * @throws {ClaimLost} where another process has taken the set over
   */
  async finish(): Promise<void> {
    await this.#claim?.assertHeld("look");
    const { source, shape, cropsPerImage, generator, images, key } = this.#set;
    const paths = this.#paths;
    await naming(paths.partial, () => this.#file.syncData());
    const labels = Uint8Array.from(images, ({ label }) => label);
    const sha256 = {
      features: this.#hash.digest("hex"),
      labels: await writeHashed(paths.labels, [encodeNpyHeader([images.length], "|u1"), labels]),
      paths: await writeHashed(paths.paths, encodePaths(images)),
    };
    await writeIndex(paths.index, key, {
      source,
      shape,
      cropsPerImage,
      images: images.length,
      firstImage: images[0]!.path,
      generator,
      unreadable: this.#unreadable,
      made: { date: new Date().toISOString(), ...this.#maker },
      sha256,
    });
    await this.#claim?.assertHeld("look");
    if (await inodeAt(paths.partial) !== (await this.#file.stat()).ino) throw new ClaimLost();
    await naming(paths.features, () => Deno.rename(paths.partial, paths.features));
    await trustFeatures(paths, sha256.features);
    await removeIfThere(paths.progress);
    this.#close();
  }

  /** Closes the file. An unfinished set keeps what it has, and is gone on with later. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    try {
      if (this.#savedRows < this.rowsDone) await this.#save();
    } catch {
      // the rows are made again; what came before this error is what has to be said
    } finally {
      this.#close();
    }
  }

  #close(): void {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
  }
}

/** Puts a copy in a file's place: who has it open writes into what has no name any more. */
async function replaceByCopy(path: string): Promise<void> {
  if (!await exists(path)) return;
  const copy = temporaryName(path);
  await Deno.copyFile(path, copy);
  await Deno.rename(copy, path);
}

/** What tells a file from another of its name; `undefined` where there is none. */
async function inodeAt(path: string): Promise<number | null | undefined> {
  return await Deno.stat(path).then(({ ino }) => ino, () => undefined);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await file.write(rest));
}

/** Writes a file and gives its SHA-256, hexadecimal. */
async function writeHashed(path: string, parts: Iterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  await writeFileAtomic(path, async (write) => {
    for (const part of parts) {
      hash.update(part);
      await write(part);
    }
  });
  return hash.digest("hex");
}
