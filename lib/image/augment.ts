/**
 * Training augmentation: some images blurred, some compressed.
 * @module
 */
import type { Random } from "../random.ts";
import { gaussianFilter } from "./blur.ts";
import type { RgbImage } from "./image.ts";
import { jpegRoundTrip } from "./jpeg.ts";

/** Whose word counts where the released code and the paper's text differ. */
export type Protocol = "released" | "paper";

/** How training images are varied. */
export interface Augmentation {
  /** Share of the images that are blurred. */
  readonly blurProbability: number;
  /** Standard deviation of the blur in pixels, drawn uniformly from [low, high). */
  readonly blurSigmaPx: readonly [low: number, high: number];
  /** Share of the images that are compressed, independent of blur. */
  readonly jpegProbability: number;
  /** `released`: one of the two. `paper`: an integer from the first to the second. */
  readonly jpegQualities: readonly [low: number, high: number];
  /** Share of the crops that are mirrored. */
  readonly flipProbability: number;
  /** How qualities are drawn. */
  readonly protocol: Protocol;
}

/**
 * Blurs, then compresses an image, each with its probability; before the crop, so that the grid of
 * JPEG blocks is that of the whole image.
 *
 * Paper: §4.4. Released: src/utils.py, data_augment. It draws Pillow's or OpenCV's JPEG; pixels are
 * the same, so one serves here. The paper's "compression" is taken as Wang et al. (CVPR 2020), whom
 * it follows, describe theirs: any quality of the range.
 */
export function augment(
  image: RgbImage,
  augmentation: Augmentation,
  random: Random,
): RgbImage {
  const { blurProbability, blurSigmaPx, jpegProbability, jpegQualities, protocol } = augmentation;
  let augmented = image;
  if (random.chance(blurProbability)) {
    augmented = gaussianFilter(augmented, random.uniform(...blurSigmaPx));
  }
  if (random.chance(jpegProbability)) {
    const [low, high] = jpegQualities;
    const quality = protocol === "released"
      ? random.pick(jpegQualities)
      : low + random.integer(high - low + 1);
    augmented = jpegRoundTrip(augmented, quality);
  }
  return augmented;
}
