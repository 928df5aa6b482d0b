/**
 * A worker thread that decodes images, makes what a detector reads of them and, where a backbone is
 * small enough to have one in every worker, its features.
 * @module
 */
import type { Backbone, BackboneSource } from "../backbones/backbone.ts";
import { openBackbone } from "../backbones/open.ts";
import { tryDecode } from "../data/image_file.ts";
import type { RgbImage } from "../image/image.ts";
import { type PixelTransform, readPixels } from "../image/pixels.ts";
import { serveJobs } from "../io/worker_pool.ts";

/** Some images, and what is read of them. */
export interface ViewJob {
  readonly paths: readonly string[];
  readonly steps: PixelTransform;
  /** What the views go through; absent where they are wanted themselves. */
  readonly backbone?: BackboneSource;
}

/** Width and height of an image, and what is read of it. */
export interface View {
  readonly width: number;
  readonly height: number;
  /** Without pixels, where features are made of them. */
  readonly view: RgbImage;
}

/** What came of a job's images. */
export interface ViewResult {
  /** In their order. */
  readonly images: readonly (View | { readonly problem: string })[];
  /** Of those that could be decoded, float32 [views, blocks, width]; absent where views are wanted. */
  readonly features?: Float32Array;
}

const opened = new Map<string, Promise<Backbone>>();

async function makeViews({ paths, steps, backbone: source }: ViewJob) {
  const images = await Promise.all(paths.map(async (path) => {
    const decoded = await tryDecode(path);
    if ("problem" in decoded) return decoded;
    const { width, height } = decoded.image;
    return { width, height, view: readPixels(decoded.image, steps) };
  }));
  const views = images.filter((image) => "view" in image);
  if (source === undefined) {
    const result: ViewResult = {
      images: images.map((image) => "view" in image ? { ...image, view: own(image.view) } : image),
    };
    const transfer = result.images
      .flatMap((image) => "view" in image ? [image.view.data.buffer as ArrayBuffer] : []);
    return { result, transfer };
  }
  const key = JSON.stringify(source);
  if (!opened.has(key)) opened.set(key, openBackbone(source.name, source.options));
  const backbone = await opened.get(key)!;
  const bytes = views[0]?.view.data.length ?? 0;
  const crops = new Uint8Array(views.length * bytes); // [views, R, R, 3]
  views.forEach(({ view }, i) => crops.set(view.data, i * bytes));
  const features = views.length === 0
    ? new Float32Array()
    : (await backbone.featuresOfCrops(crops, views.length)).data;
  const result: ViewResult = {
    images: images.map((image) =>
      "view" in image ? { ...image, view: { ...image.view, data: new Uint8Array() } } : image
    ),
    features,
  };
  return { result, transfer: [features.buffer as ArrayBuffer] };
}

/** A view in memory of its own, which can be handed over: it may be a part of a decoder's. */
function own(view: RgbImage): RgbImage {
  const isOwn = view.data.byteLength === view.data.buffer.byteLength &&
    view.data.buffer instanceof ArrayBuffer;
  return isOwn ? view : { ...view, data: Uint8Array.from(view.data) };
}

serveJobs(makeViews, async () => {
  for (const backbone of opened.values()) await (await backbone)[Symbol.asyncDispose]();
  opened.clear();
});
