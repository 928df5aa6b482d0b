/**
 * Many images for a detector: they are decoded and cut on other threads while those before them are
 * scored, and features of small backbones are made there too.
 * @module
 */
import { tryDecode } from "../data/image_file.ts";
import type { RgbImage } from "../image/image.ts";
import { WorkerPool } from "../io/worker_pool.ts";
import type { ImageScorer } from "./image_scorer.ts";
import type { View, ViewJob, ViewResult } from "./view_worker.ts";

/** Of fewer images the threads would be hardly there when all is done. */
export const MANY_IMAGES = 64;

/**
 * Weights that all threads together may have for themselves: small products gain more from running side
 * by side than from being divided.
 */
const MAX_REPLICATED_BYTES = 2 ** 30;

/** An image that was looked at, with its logit, or what was found instead of one. */
export type Scored =
  & { readonly path: string }
  & ((View & { readonly logit: number }) | { readonly problem: string });

/** Scores images in their order; as many as a detector takes go through at once. */
export async function* scoreAhead(
  scorer: ImageScorer,
  paths: Iterable<string>,
  threads: number = navigator.hardwareConcurrency,
): AsyncGenerator<Scored> {
  const { steps, imagesAtOnce, elsewhere } = scorer;
  const isElsewhere = elsewhere !== undefined &&
    elsewhere.weightsBytes * threads <= MAX_REPLICATED_BYTES;
  const module = new URL("./view_worker.ts", import.meta.url);
  await using pool = new WorkerPool<ViewJob, ViewResult>(module, threads);
  const jobs = batches(paths, imagesAtOnce).map((paths): ViewJob => ({
    ...{ paths, steps },
    ...(isElsewhere ? { backbone: elsewhere.source } : {}),
  }));
  for await (const { item, result } of pool.ordered(jobs, (job) => job, 2 * threads + 1)) {
    const views = result.images.filter((image) => "view" in image);
    const logits = views.length === 0
      ? new Float32Array()
      : result.features
      ? await elsewhere!.logits(result.features, views.length)
      : await scorer.logits(views.map(({ view }) => view));
    yield* scored(item.paths, result.images, logits);
  }
}

/**
 * Scores images in their order without other threads; those that follow are decoded meanwhile.
 * @param prepare what is done to each image first
 */
export async function* scoreHere(
  scorer: ImageScorer,
  paths: Iterable<string>,
  prepare: (image: RgbImage) => RgbImage = (image) => image,
): AsyncGenerator<Scored> {
  const { imagesAtOnce } = scorer;
  const waiting = paths[Symbol.iterator]();
  const ahead: { path: string; viewed: Promise<View | { readonly problem: string }> }[] = [];
  const fill = () => {
    while (ahead.length < 2 * imagesAtOnce) {
      const { value: path, done } = waiting.next();
      if (done) return;
      const viewed = tryDecode(path).then((result) => {
        if ("problem" in result) return result;
        const image = prepare(result.image), { width, height } = image;
        return { width, height, view: scorer.view(image) };
      });
      viewed.catch(() => {}); // reported where it is read
      ahead.push({ path, viewed });
    }
  };
  fill();
  while (ahead.length > 0) {
    const batch = ahead.splice(0, imagesAtOnce);
    const images = await Promise.all(batch.map(({ viewed }) => viewed));
    fill();
    const views = images.filter((image) => "view" in image).map(({ view }) => view);
    const logits = views.length === 0 ? new Float32Array() : await scorer.logits(views);
    yield* scored(batch.map(({ path }) => path), images, logits);
  }
}

/** Gives images their logits [views], and passes over those that have none. */
function* scored(
  paths: readonly string[],
  images: ViewResult["images"],
  logits: Float32Array,
): Generator<Scored> {
  let next = 0;
  for (const [i, path] of paths.entries()) {
    const image = images[i]!;
    yield "view" in image ? { path, ...image, logit: logits[next++]! } : { path, ...image };
  }
}

function* batches(paths: Iterable<string>, size: number): Generator<string[]> {
  let batch: string[] = [];
  for (const path of paths) {
    batch.push(path);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
