/**
 * A worker thread that decodes images, makes their crops and, where backbones are small enough to
 * have one of each in every worker, their tokens.
 * @module
 */
import { join } from "node:path";
import { type Backbone, type BackboneOptions, openBackbone } from "../backbone/backbone.ts";
import { decodeImage } from "../image/image.ts";
import { applyTransform, cropsPerImage, type Transform } from "../image/transform.ts";
import { serveJobs } from "../io/worker_pool.ts";

/** Some images, and what to make of them. */
export interface TokenJob {
  readonly root: string;
  /** Relative to the root. */
  readonly paths: readonly string[];
  readonly transform: Transform;
  readonly seed: number;
  readonly epoch: number;
  /** Backbones to put the crops through; none where the crops themselves are wanted. */
  readonly backbones: readonly BackboneSource[];
}

/** What a worker opens a backbone with. */
export interface BackboneSource {
  readonly name: string;
  readonly options: BackboneOptions;
}

/** What came of a job's images. */
export interface TokenResult {
  /** uint8 [images · crops, size, size, 3] */
  readonly crops: Uint8Array<ArrayBuffer>;
  /** For each backbone of the job, [images · crops, blocks, width]. */
  readonly tokens: readonly Float32Array[];
}

const opened = new Map<string, Promise<Backbone>>();

async function makeTokens({ root, paths, transform, seed, epoch, backbones }: TokenJob) {
  const count = cropsPerImage(transform);
  const bytes = transform.size * transform.size * 3;
  const crops = new Uint8Array(paths.length * count * bytes);
  await Promise.all(paths.map(async (path, i) => {
    const image = await decodeImage(join(root, path));
    const made = await applyTransform(image, transform, { seed, epoch, path });
    made.forEach((crop, c) => crops.set(crop, (i * count + c) * bytes));
  }));
  const tokens: Float32Array[] = [];
  for (const source of backbones) {
    const key = JSON.stringify(source);
    if (!opened.has(key)) opened.set(key, openBackbone(source.name, source.options));
    const backbone = await opened.get(key)!;
    tokens.push((await backbone.tokensOfCrops(crops, paths.length * count)).data);
  }
  const result: TokenResult = backbones.length > 0
    ? { crops: new Uint8Array(), tokens }
    : { crops, tokens };
  const transfer = [result.crops.buffer, ...tokens.map(({ buffer }) => buffer as ArrayBuffer)];
  return { result, transfer };
}

serveJobs(makeTokens);
