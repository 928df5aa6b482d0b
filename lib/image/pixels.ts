/**
 * Which pixels of an image a detector reads, as plain data: steps from the image to what goes into a
 * network. It is part of the name of every score.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { centerCrop } from "./crop.ts";
import type { RgbImage } from "./image.ts";
import { resizeBicubic, resizeBilinear, resizeLanczos, resizeShortSide } from "./resize.ts";

/** Name of a way to resize. */
export type PixelFilter = "bilinear" | "bicubic" | "lanczos";

/** The ways to resize: Pillow's, which smooth where an image shrinks. */
const FILTERS: Readonly<Record<PixelFilter, typeof resizeLanczos>> = {
  bilinear: resizeBilinear,
  bicubic: resizeBicubic,
  lanczos: resizeLanczos,
};

/** One step on the way from an image to what a network reads. */
export type PixelStep =
  /** Both sides to a length, whatever the aspect. Released: torchvision's `Resize((n, n))` */
  | { readonly kind: "square"; readonly sizePx: number; readonly filter: PixelFilter }
  /** The short side to a length, the long one in proportion. Released: torchvision's `Resize(n)` */
  | { readonly kind: "shortSide"; readonly sizePx: number; readonly filter: PixelFilter }
  /** A square out of the middle, padded with black where a side is shorter. */
  | { readonly kind: "crop"; readonly sizePx: number };

/** Steps in their order; none of them is the whole image as it is. */
export type PixelTransform = readonly PixelStep[];

/**
 * What is read of an image.
 * @throws {UserError} where a step's length is not a positive integer
 *
 * @example
 * ```ts
 * import { readPixels } from "./pixels.ts";
 *
 * const grey = { width: 3, height: 2, data: new Uint8Array(18).fill(128) };
 * console.assert(readPixels(grey, []) === grey);
 * console.assert(readPixels(grey, [{ kind: "crop", sizePx: 2 }]).width === 2);
 * ```
 */
export function readPixels(image: RgbImage, transform: PixelTransform): RgbImage {
  return transform.reduce(applyStep, image);
}

function applyStep(image: RgbImage, step: PixelStep): RgbImage {
  switch (step.kind) {
    case "square":
      return FILTERS[step.filter](image, step.sizePx, step.sizePx);
    case "shortSide":
      return resizeShortSide(image, step.sizePx, FILTERS[step.filter]);
    case "crop":
      return centerCrop(image, step.sizePx);
  }
}

/** Whether a crop is larger than what it is cut out of, and padded with black. */
export function isPadded(
  { width, height }: Pick<RgbImage, "width" | "height">,
  transform: PixelTransform,
): boolean {
  let shortSide = Math.min(width, height);
  return transform.some(({ kind, sizePx }) => {
    const isShort = kind === "crop" && shortSide < sizePx;
    shortSide = sizePx;
    return isShort;
  });
}

/** Side in pixels of the square that is read of every image; `undefined` where sizes differ. */
export function squareSizePx(transform: PixelTransform): number | undefined {
  const last = transform.at(-1);
  return last === undefined || last.kind === "shortSide" ? undefined : last.sizePx;
}

/** Steps in a few words: `resized to 256 × 256 (bilinear), centre crop 224`, `whole image`. */
export function describePixels(transform: PixelTransform): string {
  if (transform.length === 0) return "whole image";
  return transform.map((step) => {
    switch (step.kind) {
      case "square":
        return `resized to ${step.sizePx} × ${step.sizePx} (${step.filter})`;
      case "shortSide":
        return `short side ${step.sizePx} (${step.filter})`;
      case "crop":
        return `centre crop ${step.sizePx}`;
    }
  }).join(", ");
}

/**
 * A transform by its name.
 * @param doing what the error says first: `Cannot detect with wang.pth`
 * @throws {UserError} where there is none of that name, with those that there are
 */
export function transformNamed(
  transforms: Readonly<Record<string, PixelTransform>>,
  name: string,
  doing: string,
): PixelTransform {
  if (Object.hasOwn(transforms, name)) return transforms[name]!;
  throw new UserError(
    "choice",
    `${doing}: expected a transform of ${Object.keys(transforms).join(", ")}; found ${name}`,
  );
}
