/**
 * Batches of training images, decoded, augmented and cropped ahead of whoever learns from them.
 * @module
 */
import { resolve } from "node:path";
import type { LabelledImage } from "../data/dataset.ts";
import { cannotDecode } from "../image/image.ts";
import type { Transform } from "../image/transform.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import type { FeatureJob, FeatureResult } from "../tokens/worker.ts";

/** Batches that each thread has begun or finished before they are asked for. */
const AHEAD = 2;

/** Crops of a batch of images. */
export interface CropBatch {
  /** uint8 [count, size, size, 3] */
  readonly crops: Uint8Array;
  /** 0 real, 1 generated; [count] */
  readonly labels: Uint8Array;
  readonly count: number;
}

/** Which images, in which order, go through what. */
export interface CropPass {
  readonly images: readonly LabelledImage[];
  /** Positions among the images; as they come where it is left out. */
  readonly order?: Uint32Array;
  readonly transform: Transform;
  readonly seed: number;
  /** Counted from 1; 0 where there are no epochs. */
  readonly epoch: number;
  readonly batchSize: number;
  /** Batches at the start that are left out; default 0. */
  readonly skip?: number;
}

/** Worker threads that make crops; they start when first needed. */
export class TrainingCrops implements AsyncDisposable {
  readonly #root: string;
  readonly #workers: number;
  #pool: WorkerPool<FeatureJob, FeatureResult> | undefined;

  /** @param root data root that paths are relative to */
  constructor(root: string, workers: number) {
    this.#root = root;
    this.#workers = workers;
  }

  /**
   * Batches in their order; neither thread count nor what is left out changes a pixel.
   * @throws {UserError} where an image cannot be decoded
   */
  async *batches(pass: CropPass): AsyncGenerator<CropBatch> {
    const { images, order, transform, seed, epoch, batchSize, skip = 0 } = pass;
    const module = new URL("../tokens/worker.ts", import.meta.url);
    this.#pool ??= new WorkerPool(module, this.#workers);
    const batches: LabelledImage[][] = [];
    const total = order?.length ?? images.length;
    for (let first = skip * batchSize; first < total; first += batchSize) {
      const count = Math.min(batchSize, total - first);
      batches.push(
        Array.from({ length: count }, (_, i) => images[order ? order[first + i]! : first + i]!),
      );
    }
    const jobOf = (batch: readonly LabelledImage[]): FeatureJob => ({
      root: this.#root,
      paths: batch.map(({ path }) => path),
      transform,
      seed,
      epoch,
      passes: [],
    });
    const made = this.#pool.ordered(batches, jobOf, AHEAD * this.#workers);
    for await (const { item, result: { crops, unreadable: [bad] } } of made) {
      if (bad) throw cannotDecode(resolve(this.#root, item[bad.position]!.path), bad.found);
      const labels = Uint8Array.from(item, ({ label }) => label);
      yield { crops, labels, count: item.length };
    }
  }

  /** Stops the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.[Symbol.asyncDispose]();
  }
}
