/**
 * A worker thread that decodes images, makes their crops and, where backbones are small enough to
 * have one of each in every worker, their tokens.
 * @module
 */
import { resolve } from "node:path";
import type { Backbone, BackboneSource, Tap } from "../backbones/backbone.ts";
import { openBackbone } from "../backbones/open.ts";
import { tryDecode } from "../data/image_file.ts";
import { applyTransform, cropsPerImage, tooSmallFor, type Transform } from "../image/transform.ts";
import { serveJobs } from "../io/worker_pool.ts";

/** Some images, and what to make of them. */
export interface FeatureJob {
  /** Data root that paths are relative to. */
  readonly root: string;
  /** Relative to the root, or absolute. */
  readonly paths: readonly string[];
  /** What crops are made with. */
  readonly transform: Transform;
  /** What the transform's random choices hang on, beside each path. */
  readonly seed: number;
  /** Counted from 1; 0 where there are no epochs. */
  readonly epoch: number;
  /** Passes of the crops through backbones; none where the crops themselves are wanted. */
  readonly passes: readonly BackbonePass[];
}

/** A backbone, and what of it is read in one pass. */
export interface BackbonePass extends BackboneSource {
  readonly taps: readonly Tap[];
}

/** What came of a job's images. */
export interface FeatureResult {
  /** uint8 [images · crops, size, size, 3] */
  readonly crops: Uint8Array<ArrayBuffer>;
  /** For each pass of the job and each of its taps, [images · crops, blocks, width]. */
  readonly features: readonly (readonly Float32Array[])[];
  /** Images that no crops can be made of, in the job's order; theirs are black. */
  readonly unreadable: readonly UnreadableImage[];
}

/** An image that cannot be decoded, or is too small. */
export interface UnreadableImage {
  /** Position among the job's images. */
  readonly position: number;
  /** What was found instead of an image. */
  readonly found: string;
}

const opened = new Map<string, Promise<Backbone>>();

async function makeFeatures({ root, paths, transform, seed, epoch, passes }: FeatureJob) {
  const count = cropsPerImage(transform);
  const bytes = transform.size * transform.size * 3;
  const crops = new Uint8Array(paths.length * count * bytes);
  const unreadable: UnreadableImage[] = [];
  await Promise.all(paths.map(async (path, position) => {
    const decoded = await tryDecode(resolve(root, path));
    const found = "problem" in decoded ? decoded.problem : tooSmallFor(decoded.image, transform);
    if ("problem" in decoded || found !== undefined) {
      unreadable.push({ position, found: found! });
      return;
    }
    const made = applyTransform(decoded.image, transform, { seed, epoch, path });
    made.forEach((crop, c) => crops.set(crop, (position * count + c) * bytes));
  }));
  unreadable.sort((a, b) => a.position - b.position);
  const features: Float32Array[][] = [];
  for (const { name, options, taps } of passes) {
    const key = JSON.stringify([name, options]);
    if (!opened.has(key)) opened.set(key, openBackbone(name, options));
    const found = await (await opened.get(key)!).featuresAt(taps, crops, paths.length * count);
    features.push(found.map(({ data }) => data));
  }
  const result: FeatureResult = passes.length > 0
    ? { crops: new Uint8Array(), features, unreadable }
    : { crops, features, unreadable };
  const transfer = [
    result.crops.buffer,
    ...features.flat().map(({ buffer }) => buffer as ArrayBuffer),
  ];
  return { result, transfer };
}

serveJobs(makeFeatures, async () => {
  for (const backbone of opened.values()) await (await backbone)[Symbol.asyncDispose]();
  opened.clear();
});
