/**
 * The perturbations that test images go through: blur, crop, compression, noise, and all of them.
 * @module
 */
import type { Random } from "../random.ts";
import type { Protocol } from "./augment.ts";
import { gaussianBlur } from "./blur.ts";
import type { RgbImage } from "./image.ts";
import { jpegRoundTrip } from "./jpeg.ts";
import { resizeBilinear, resizeCubic } from "./resize.ts";

/** The perturbations of Table 5, in the order in which `combined` applies the others. */
export const PERTURBATIONS = ["blur", "crop", "compress", "noise", "combined"] as const;

/** A perturbation of Table 5. */
export type Perturbation = typeof PERTURBATIONS[number];

/** Which images are perturbed, and how. */
export interface Perturbing {
  /** What is done to them. */
  readonly perturbation: Perturbation;
  /** Share of the images that are perturbed. */
  readonly probability: number;
  /**
   * `released`: perturbed images are then resized to this many pixels a side, the others are not.
   * `paper`: unused.
   */
  readonly resizePx: number;
  /** How it is done: see {@linkcode perturb}. */
  readonly protocol: Protocol;
}

const KERNEL_SIZES = [3, 5, 7, 9] as const;

/**
 * Perturbs an image, or leaves it as it is.
 *
 * `released` (src/perturbation.py, src/data.py): blur has σ = 4 px at every kernel size, compression
 * is always of quality 95, crop swaps width and height, `combined` applies all four, and perturbed
 * images are resized. `paper`: σ is what OpenCV takes for a kernel size, quality is drawn from
 * 10 … 75, crop keeps the size, and `combined` applies each of the four with the probability.
 *
 * Paper: §5.6
 */
export function perturb(
  image: RgbImage,
  { perturbation, probability, resizePx, protocol }: Perturbing,
  random: Random,
): RgbImage {
  const asReleased = protocol === "released";
  if (asReleased && !random.chance(probability)) return image; // as `isLeftAlone` draws
  let perturbed = image;
  for (const kind of perturbation === "combined" ? SINGLE : [perturbation]) {
    if (asReleased || random.chance(probability)) {
      perturbed = PERTURB[kind](perturbed, protocol, random);
    }
  }
  return asReleased ? resizeBilinear(perturbed, resizePx, resizePx) : perturbed;
}

/**
 * Whether {@linkcode perturb} will leave an image as it is, as far as its first draw tells: not of
 * `combined` after the `paper` protocol, where each of the four is drawn.
 * @param random what `perturb` will be given, drawn from by nobody yet; it is used up
 */
export function isLeftAlone(
  { perturbation, probability, protocol }: Perturbing,
  random: Random,
): boolean {
  if (protocol === "paper" && perturbation === "combined") return false;
  return !random.chance(probability);
}

type SinglePerturbation = Exclude<Perturbation, "combined">;

const SINGLE = PERTURBATIONS.filter((kind): kind is SinglePerturbation => kind !== "combined");

const PERTURB: Record<
  SinglePerturbation,
  (image: RgbImage, protocol: Protocol, random: Random) => RgbImage
> = {
  blur(image, protocol, random) {
    const kernelSize = random.pick(KERNEL_SIZES);
    const sigmaPx = protocol === "released" ? 4 : defaultSigmaPx(kernelSize);
    return gaussianBlur(image, kernelSize, sigmaPx);
  },
  crop: (image, protocol, random) => cropAndResize(image, random.uniform(0.05, 0.2), protocol),
  compress(image, protocol, random) {
    return compress(image, protocol === "released" ? 95 : 10 + random.integer(66));
  },
  noise: (image, _protocol, random) => addNoise(image, random.uniform(5, 20), random),
};

/** The σ that OpenCV takes where none is given. */
function defaultSigmaPx(kernelSize: number): number {
  return 0.3 * ((kernelSize - 1) / 2 - 1) + 0.8;
}

/**
 * Cuts a share of each side off, half at each end, and resizes the rest.
 * @param fraction share of width and height that goes
 */
export function cropAndResize(image: RgbImage, fraction: number, protocol: Protocol): RgbImage {
  const { width, height, data } = image;
  const left = Math.floor(width * fraction * 0.5);
  const top = Math.floor(height * fraction * 0.5);
  const inner = { width: width - 2 * left, height: height - 2 * top };
  const cropped = new Uint8Array(inner.width * inner.height * 3);
  for (let row = 0; row < inner.height; row++) {
    const from = ((row + top) * width + left) * 3;
    cropped.set(data.subarray(from, from + inner.width * 3), row * inner.width * 3);
  }
  const [toWidth, toHeight] = protocol === "released" ? [height, width] : [width, height];
  return resizeCubic({ ...inner, data: cropped }, toWidth, toHeight);
}

/**
 * Compresses as `cv2.imencode` and `imdecode` do when given red first: OpenCV takes the bytes for
 * blue first, so that chroma is computed from swapped channels.
 * @param quality 1 … 100
 */
export function compress(image: RgbImage, quality: number): RgbImage {
  return swapRedAndBlue(jpegRoundTrip(swapRedAndBlue(image), quality));
}

function swapRedAndBlue({ width, height, data }: RgbImage): RgbImage {
  const swapped = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    swapped[i] = data[i + 2]!;
    swapped[i + 1] = data[i + 1]!;
    swapped[i + 2] = data[i]!;
  }
  return { width, height, data: swapped };
}

/**
 * Adds normal noise to every value, clips to 0 … 255 and rounds down.
 * @param sigma standard deviation, levels
 */
export function addNoise(
  { width, height, data }: RgbImage,
  sigma: number,
  random: Random,
): RgbImage {
  const noisy = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    noisy[i] = Math.min(Math.max(data[i]! + sigma * random.normal(), 0), 255);
  }
  return { width, height, data: noisy };
}
