/**
 * What happens to an image between its file and the backbone, as plain data: part of the key of
 * every set of tokens.
 * @module
 */
import { randomStream } from "../random.ts";
import { type Alike, makeAlike } from "./alike.ts";
import { augment, type Augmentation } from "./augment.ts";
import { centerCrop, flipHorizontal, randomCrop, TEN_CROP_COUNT, tenCrop } from "./crop.ts";
import { gaussianFilter } from "./blur.ts";
import type { RgbImage } from "./image.ts";
import { jpegRoundTrip } from "./jpeg.ts";
import { resizeBilinear, resizeLanczos, resizeShortSide } from "./resize.ts";
import { isLeftAlone, perturb, type Perturbing } from "./perturb.ts";
import { turnedSquare, type Variation, vary } from "./variation.ts";

/** From image to crops. `size` is the side of a crop in pixels: what the backbone takes. */
export type Transform =
  /** One crop from the middle. Paper: §4.4 */
  | { readonly kind: "center"; readonly size: number }
  /** Five crops and their mirror images. Paper: §5.8 */
  | { readonly kind: "ten"; readonly size: number }
  /**
   * Augmentation of the whole image, then a random crop, then a random flip. Paper: §4.4. UFD's code
   * resizes the short side first. Released: UniversalFakeDetect, data/datasets.py
   */
  | {
    readonly kind: "train";
    readonly size: number;
    readonly augmentation: Augmentation;
    readonly shortSidePx?: number;
    /** Default Pillow's bilinear. */
    readonly shortSideFilter?: "lanczos";
    /** Other changes, before the augmentation. */
    readonly variation?: Variation;
    /** `center`: the crop is from the middle, as validation images of CNNDetection's code are. */
    readonly crop?: "center";
  }
  /** Compression or blur of the whole image, then one crop from the middle. Paper: UFD, §6.7 */
  | { readonly kind: "degraded"; readonly size: number; readonly jpegQuality: number }
  | { readonly kind: "degraded"; readonly size: number; readonly blurSigmaPx: number }
  /** Every image brought to one size and one format, then one crop from the middle. */
  | { readonly kind: "alike"; readonly size: number } & Alike
  /** Some images perturbed, then one crop from the middle. Paper: §5.6 */
  | { readonly kind: "perturbed"; readonly size: number } & Perturbing;

/** What the random choices for one image hang on. */
export interface TransformKey {
  /** The experiment's seed. */
  readonly seed: number;
  /** Counted from 1; 0 where there are no epochs. */
  readonly epoch: number;
  /** The image's path relative to the data root, with `/` between. */
  readonly path: string;
}

/** How many crops a transform makes of an image. */
export function cropsPerImage(transform: Transform): number {
  return transform.kind === "ten" ? TEN_CROP_COUNT : 1;
}

/** Whether a transform makes other crops in another epoch or with another seed. */
export function isRandom(transform: Transform): boolean {
  return transform.kind === "train" || transform.kind === "perturbed";
}

/**
 * Whether a random transform leaves an image as it is, so that its crop is the one from the middle;
 * `false` where that is not known before.
 */
export function isUnchanged(transform: Transform, { seed, epoch, path }: TransformKey): boolean {
  return transform.kind === "perturbed" &&
    isLeftAlone(transform, randomStream(seed, `perturb ${transform.perturbation}`, epoch, path));
}

/**
 * Why a transform can make no crops of an image, as what was found instead: `an image of 8 × 8 pixels,
 * too small for ten crops of 64 × 64`. Only ten crops ask for a size; all others pad.
 */
export function tooSmallFor(
  { width, height }: RgbImage,
  { kind, size }: Transform,
): string | undefined {
  return kind === "ten" && Math.min(width, height) < size
    ? `an image of ${width} × ${height} pixels, too small for ten crops of ${size} × ${size}`
    : undefined;
}

/**
 * Makes an image's crops. Every random choice hangs on the key alone, so neither order nor worker
 * count nor batch size changes a pixel.
 * @returns {@linkcode cropsPerImage} crops, each uint8 [size, size, 3]
 * @throws {UserError} where the image is {@linkcode tooSmallFor} it
 *
 * @example
 * ```ts
 * import { applyTransform } from "./transform.ts";
 *
 * const grey = { width: 3, height: 2, data: new Uint8Array(18).fill(128) };
 * const key = { seed: 0, epoch: 1, path: "horse/0001.png" };
 * const [crop] = applyTransform(grey, { kind: "center", size: 2 }, key);
 * console.assert(crop?.length === 2 * 2 * 3 && crop.every((value) => value === 128));
 * ```
 */
export function applyTransform(
  image: RgbImage,
  transform: Transform,
  { seed, epoch, path }: TransformKey,
): Uint8Array[] {
  const { size } = transform;
  const stream = (purpose: string) => randomStream(seed, purpose, epoch, path);
  switch (transform.kind) {
    case "center":
      return [centerCrop(image, size).data];
    case "ten":
      return tenCrop(image, size).map(({ data }) => data);
    case "train": {
      const { augmentation, variation, shortSidePx, shortSideFilter, crop: place } = transform;
      const resize = shortSideFilter === "lanczos" ? resizeLanczos : resizeBilinear;
      const whole = shortSidePx === undefined ? image : resizeShortSide(image, shortSidePx, resize);
      const varied = variation ? vary(whole, variation, stream("vary")) : whole;
      const augmented = augment(varied, augmentation, stream("augment"));
      const square = place === "center"
        ? centerCrop(augmented, size)
        : randomCrop(augmented, size, stream("crop"));
      const crop = variation ? turnedSquare(square, variation, stream("turn")) : square;
      const flip = stream("flip").chance(augmentation.flipProbability);
      return [(flip ? flipHorizontal(crop) : crop).data];
    }
    case "degraded": {
      const degraded = "jpegQuality" in transform
        ? jpegRoundTrip(image, transform.jpegQuality)
        : gaussianFilter(image, transform.blurSigmaPx);
      return [centerCrop(degraded, size).data];
    }
    case "alike":
      return [centerCrop(makeAlike(image, transform), size).data];
    case "perturbed": {
      const perturbed = perturb(
        image,
        transform,
        stream(`perturb ${transform.perturbation}`),
      );
      return [centerCrop(perturbed, size).data];
    }
  }
}
