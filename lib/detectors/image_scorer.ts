/**
 * An open detector, whatever it reads: images in, logits out.
 * @module
 */
import type { Backbone, BackboneSource, FeatureSizes } from "../backbones/backbone.ts";
import type { RgbImage } from "../image/image.ts";
import type { PixelTransform } from "../image/pixels.ts";

/** Features that other threads make, each with a backbone of its own, and what scores them. */
export interface FeaturesElsewhere {
  /** Opens the backbone there, on one thread. */
  readonly source: BackboneSource;
  /** Size of its weights, which each thread has for itself. */
  readonly weightsBytes: number;
  /**
   * Scores features.
   * @param features float32 [count, blocks, width]
   * @returns logits [count]
   */
  logits(features: Float32Array, count: number): Promise<Float32Array>;
}

/** What turns images into logits. */
export interface ImageScorer extends AsyncDisposable {
  /** What it is: `RINE`, `Wang et al.`. */
  readonly title: string;
  /** What it reads of an image, in words: `centre crop 224`, `whole image`. */
  readonly reads: string;
  /** Side in pixels of the square that it reads of every image; absent where sizes differ. */
  readonly cropPx?: number;
  /** Images that go through at once. */
  readonly imagesAtOnce: number;
  /** What turns images into features; absent where it reads pixels. */
  readonly backbone?: Backbone;
  /** Sizes of the features that it reads; absent where it reads pixels. */
  readonly sizes?: FeatureSizes;
  /** For each block, how many features weigh it most; absent where it weighs no blocks. */
  readonly blockImportance?: readonly number[];
  /** How a view is made of an image. */
  readonly steps: PixelTransform;
  /**
   * How other threads can do all but the head; absent where they would gain nothing, and of detectors
   * on pixels.
   */
  readonly elsewhere?: FeaturesElsewhere;
  /** What is read of an image, cut out of it. */
  view(image: RgbImage): RgbImage;
  /** Whether an image is smaller than what is read of it, and padded with black. */
  pads(image: Pick<RgbImage, "width" | "height">): boolean;
  /** In how many overlapping tiles a view is read; absent where every one is read whole. */
  tiles?(view: RgbImage): number;
  /**
   * Scores images.
   * @param views of {@linkcode ImageScorer.view}
   * @returns logits [views]
   */
  logits(views: readonly RgbImage[]): Promise<Float32Array>;
  /**
   * Logits as they would be without a block; absent where a detector weighs no blocks.
   * @param views of {@linkcode ImageScorer.view}
   * @returns by block, logits [views]
   */
  withoutBlocks?(views: readonly RgbImage[]): Promise<Float32Array[]>;
  /**
   * The images in the space that the detector decides in.
   * @param views of {@linkcode ImageScorer.view}
   * @returns [views, width]; `undefined` where it decides in no vector's space
   */
  represent(views: readonly RgbImage[]): Promise<Float32Array | undefined>;
}
