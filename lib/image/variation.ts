/**
 * What training images go through besides blur and compression: pieces made large, colours, holes,
 * noise.
 * @module
 */
import type { Random } from "../random.ts";
import { grey, withBrightness, withContrast, withHue, withSaturation } from "./colour.ts";
import { cutOut } from "./crop.ts";
import type { RgbImage } from "./image.ts";
import { addNoise } from "./perturb.ts";
import { resizeBilinear } from "./resize.ts";

/** How images are varied; each change has its own probability. */
export interface Variation {
  /** A piece of the image, of a share of its area and a ratio of width to height, made a square. */
  readonly resizedCrop: {
    readonly probability: number;
    readonly sizePx: number;
    readonly areas: readonly [low: number, high: number];
    readonly ratios: readonly [low: number, high: number];
  };
  /** In any order: factors from 1 − x to 1 + x, and turns of the hue from −x to x. */
  readonly colours: {
    readonly probability: number;
    readonly brightness: number;
    readonly contrast: number;
    readonly saturation: number;
    readonly hue: number;
  };
  /** Share of the images that lose their colours. */
  readonly greyProbability: number;
  /** A square of one grey. */
  readonly hole: {
    readonly probability: number;
    readonly sizePx: number;
    readonly level: number;
  };
  /** Normal noise; the variance is drawn, in squared levels. */
  readonly noise: {
    readonly probability: number;
    readonly variances: readonly [low: number, high: number];
  };
  /** Share of the crops that are turned by none, one, two or three quarters. */
  readonly turnProbability: number;
}

/** Varies an image before it is blurred, compressed and cropped. */
export function vary(
  image: RgbImage,
  { resizedCrop, colours, greyProbability, hole, noise }: Variation,
  random: Random,
): RgbImage {
  let varied = image;
  if (random.chance(resizedCrop.probability)) varied = resizedPiece(varied, resizedCrop, random);
  if (random.chance(colours.probability)) varied = jittered(varied, colours, random);
  if (random.chance(greyProbability)) varied = grey(varied);
  if (random.chance(hole.probability)) varied = withHole(varied, hole, random);
  if (random.chance(noise.probability)) {
    varied = addNoise(varied, Math.sqrt(random.uniform(...noise.variances)), random);
  }
  return varied;
}

/** How often a piece is drawn that must lie on the image. */
const ATTEMPTS = 10;

/** Source: torchvision, `transforms.RandomResizedCrop`. */
function resizedPiece(
  image: RgbImage,
  { sizePx, areas, ratios }: Variation["resizedCrop"],
  random: Random,
): RgbImage {
  const { width, height } = image;
  const [low, high] = ratios;
  const resized = (top: number, left: number, rows: number, columns: number) =>
    resizeBilinear(cutOut(image, { top, left, width: columns, height: rows }), sizePx, sizePx);
  for (let i = 0; i < ATTEMPTS; i++) {
    const area = width * height * random.uniform(...areas);
    const ratio = Math.exp(random.uniform(Math.log(low), Math.log(high)));
    const columns = Math.round(Math.sqrt(area * ratio)), rows = Math.round(Math.sqrt(area / ratio));
    if (columns < 1 || columns > width || rows < 1 || rows > height) continue;
    const top = random.integer(height - rows + 1);
    return resized(top, random.integer(width - columns + 1), rows, columns);
  }
  const columns = Math.min(width, Math.round(height * high));
  const rows = Math.min(height, Math.round(width / low));
  return resized((height - rows) >> 1, (width - columns) >> 1, rows, columns);
}

/** Source: torchvision, `transforms.ColorJitter`. */
function jittered(
  image: RgbImage,
  { brightness, contrast, saturation, hue }: Variation["colours"],
  random: Random,
): RgbImage {
  const factor = (by: number) => random.uniform(Math.max(0, 1 - by), 1 + by);
  const changes = [
    (from: RgbImage) => withBrightness(from, factor(brightness)),
    (from: RgbImage) => withContrast(from, factor(contrast)),
    (from: RgbImage) => withSaturation(from, factor(saturation)),
    (from: RgbImage) => withHue(from, random.uniform(-hue, hue)),
  ];
  let changed = image;
  for (const i of random.permutation(changes.length)) changed = changes[i]!(changed);
  return changed;
}

/** The hole's middle lies on the image; what lies outside is no hole. */
function withHole(
  { width, height, data }: RgbImage,
  { sizePx, level }: Variation["hole"],
  random: Random,
): RgbImage {
  const holed = data.slice();
  const top = random.integer(height) - (sizePx >> 1), left = random.integer(width) - (sizePx >> 1);
  const [first, end] = [Math.max(left, 0), Math.min(left + sizePx, width)];
  for (let row = Math.max(top, 0); row < Math.min(top + sizePx, height); row++) {
    holed.fill(level, (row * width + first) * 3, (row * width + end) * 3);
  }
  return { width, height, data: holed };
}

/** Turns a square by none, one, two or three quarters, against the clock. */
export function turnedSquare(
  image: RgbImage,
  { turnProbability }: Pick<Variation, "turnProbability">,
  random: Random,
): RgbImage {
  if (!random.chance(turnProbability)) return image;
  let turned = image;
  for (let quarters = random.integer(4); quarters > 0; quarters--) turned = quarterTurn(turned);
  return turned;
}

/** Turns an image by a quarter, against the clock. */
export function quarterTurn({ width, height, data }: RgbImage): RgbImage {
  const turned = new Uint8Array(data.length);
  for (let row = 0; row < width; row++) {
    for (let column = 0; column < height; column++) {
      const from = (column * width + width - 1 - row) * 3;
      turned.set(data.subarray(from, from + 3), (row * height + column) * 3);
    }
  }
  return { width: height, height: width, data: turned };
}
