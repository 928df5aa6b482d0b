/**
 * A worker thread that decodes images and makes their crops.
 * @module
 */
import { join } from "node:path";
import { decodeImage } from "../image/image.ts";
import { applyTransform, cropsPerImage, type Transform } from "../image/transform.ts";
import { serveJobs } from "../io/worker_pool.ts";

/** Some images, and what to make of them. */
export interface CropJob {
  readonly root: string;
  /** Relative to the root. */
  readonly paths: readonly string[];
  readonly transform: Transform;
  readonly seed: number;
  readonly epoch: number;
}

/** uint8 [images · crops, size, size, 3] */
export type CropResult = Uint8Array<ArrayBuffer>;

async function makeCrops({ root, paths, transform, seed, epoch }: CropJob) {
  const crops = cropsPerImage(transform);
  const bytes = transform.size * transform.size * 3;
  const result = new Uint8Array(paths.length * crops * bytes);
  await Promise.all(paths.map(async (path, i) => {
    const image = await decodeImage(join(root, path));
    const made = await applyTransform(image, transform, { seed, epoch, path });
    made.forEach((crop, c) => result.set(crop, (i * crops + c) * bytes));
  }));
  return { result, transfer: [result.buffer] };
}

serveJobs(makeCrops);
