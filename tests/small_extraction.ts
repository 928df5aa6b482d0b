/** Tokens of one test set of the small world, in any view. */

import { join } from "node:path";
import { listImages } from "../lib/data/dataset.ts";
import { extractFeatures } from "../lib/tokens/extract.ts";
import { FeatureReader } from "../lib/tokens/reader.ts";
import type { Transform } from "../lib/image/transform.ts";
import { openSmallWorld, smallProfile } from "./small_world.ts";

/** Tokens as they lie on disk. */
export interface Extracted {
  /** Names the set. */
  readonly key: string;
  /** By row: a crop. */
  readonly rows: readonly (readonly number[])[];
}

/** What is told of an extraction, and what it hangs on. */
export interface ExtractionOptions {
  readonly seed?: number;
  readonly epoch?: number;
  /** Crops that go through the backbone at once. */
  readonly batchSize?: number;
  /** How often rows are put on disk for good. */
  readonly saveIntervalMs?: number;
  /** Told of how many crops are done. */
  readonly onDone?: (done: number, total: number) => void;
  readonly onWait?: () => void;
}

/** Side of a crop. */
export const CROP_PX = 64;

/** Extracts the first test set, once for each transform, as one request each. */
export async function extractSmall(
  data: string,
  folder: string,
  transforms: readonly Transform[],
  { seed = 0, epoch = 1, batchSize = 32, saveIntervalMs, onDone, onWait }: ExtractionOptions = {},
): Promise<Extracted[]> {
  const { world, backbone } = await openSmallWorld(data);
  await using _ = backbone;
  const images = await listImages(join(data, "mini"), smallProfile.testSets[0]!);
  const requests = transforms.map((transform) => ({
    images,
    generator: "tiny",
    transform,
    seed,
    epoch,
    backbones: [backbone],
  }));
  const sets = await extractFeatures(requests, {
    root: world.root,
    folder,
    batchSize,
    workers: 2,
    ...(saveIntervalMs === undefined ? {} : { saveIntervalMs }),
    onProgress: ({ done, total }) => onDone?.(done, total),
    onWait,
  });
  const extracted: Extracted[] = [];
  for (const [set] of sets) {
    using reader = await FeatureReader.open(set!);
    const rows = Array.from({ length: set!.index.shape[0] }, (_, row) => {
      const values = new Float32Array(reader.rowLength);
      reader.copyRow(row, values, 0);
      return [...values];
    });
    extracted.push({ key: set!.key, rows });
  }
  return extracted;
}
