/**
 * Changes of colour in Pillow's 8-bit arithmetic: brightness, contrast, saturation, hue, grey.
 * Source: Pillow, `ImageEnhance.py`, `libImaging/Blend.c`, `libImaging/Convert.c`; torchvision,
 * `transforms/_functional_pil.py`.
 * @module
 */
import type { RgbImage } from "./image.ts";

/** Every pixel × a factor; 0 is black, 1 the image as it is. */
export function withBrightness(image: RgbImage, factor: number): RgbImage {
  return blended(image, new Uint8Array(image.width * image.height), factor);
}

/** Differences from the mean grey × a factor; 0 is one grey, 1 the image as it is. */
export function withContrast(image: RgbImage, factor: number): RgbImage {
  const greys = greysOf(image);
  let sum = 0;
  for (let i = 0; i < greys.length; i++) sum += greys[i]!;
  return blended(image, greys.fill(Math.floor(sum / greys.length + .5)), factor);
}

/** Differences from each pixel's grey × a factor; 0 is grey, 1 the image as it is. */
export function withSaturation(image: RgbImage, factor: number): RgbImage {
  return blended(image, greysOf(image), factor);
}

/** Luma in all channels. */
export function grey(image: RgbImage): RgbImage {
  return blended(image, greysOf(image), 0);
}

/** ITU-R 601-2 luma, [height · width]. */
function greysOf({ width, height, data }: RgbImage): Uint8Array {
  const greys = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < greys.length; i++, at += 3) {
    greys[i] = (data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >> 16;
  }
  return greys;
}

/** Between greys, [height · width], and the image, or beyond it; in 32-bit floats, rounded down. */
function blended({ width, height, data }: RgbImage, greys: Uint8Array, factor: number): RgbImage {
  const share = Math.fround(factor), result = new Uint8Array(data.length);
  for (let i = 0, at = 0; i < greys.length; i++) {
    const from = greys[i]!;
    for (const end = at + 3; at < end; at++) {
      const mixed = Math.fround(from + Math.fround(share * (data[at]! - from)));
      result[at] = mixed <= 0 ? 0 : mixed >= 255 ? 255 : mixed;
    }
  }
  return { width, height, data: result };
}

/** Turns hues, once round from −.5 to .5, by way of Pillow's 8-bit HSV. */
export function withHue({ width, height, data }: RgbImage, turn: number): RgbImage {
  const turned = new Uint8Array(data.length), by = Math.trunc(turn * 255);
  for (let i = 0; i < data.length; i += 3) {
    const r = data[i]!, g = data[i + 1]!, b = data[i + 2]!;
    const most = Math.max(r, g, b), range = most - Math.min(r, g, b);
    const saturation = range === 0 ? 0 : Math.trunc(Math.fround(range / most) * 255);
    const hue = range === 0 ? 0 : hueOf(r, g, b, most, range);
    setRgb(turned, i, (hue + by) & 255, saturation, most);
  }
  return { width, height, data: turned };
}

/** 0 … 255 once round, from red by way of green. */
function hueOf(r: number, g: number, b: number, most: number, range: number): number {
  const fromR = Math.fround((most - r) / range);
  const fromG = Math.fround((most - g) / range);
  const fromB = Math.fround((most - b) / range);
  const sixths = Math.fround(
    r === most ? fromB - fromG : g === most ? 2 + fromR - fromB : 4 + fromG - fromR,
  );
  return Math.trunc(Math.fround((sixths / 6 + 1) % 1) * 255);
}

/** Writes a pixel of a hue, a saturation and a value, each 0 … 255. */
function setRgb(data: Uint8Array, at: number, hue: number, saturation: number, value: number) {
  const sixth = Math.floor(hue * 6 / 255), rest = Math.fround(hue * 6 / 255 - sixth);
  const share = Math.fround(saturation / 255);
  const low = Math.round(value * (1 - share));
  const falling = Math.round(value * (1 - share * rest));
  const rising = Math.round(value * (1 - share * (1 - rest)));
  const side = sixth % 6;
  // which channel is highest, between and lowest, sixth by sixth
  data[at] = side === 0 || side === 5 ? value : side === 1 ? falling : side === 4 ? rising : low;
  data[at + 1] = side === 1 || side === 2
    ? value
    : side === 3
    ? falling
    : side === 0
    ? rising
    : low;
  data[at + 2] = side === 3 || side === 4
    ? value
    : side === 5
    ? falling
    : side === 2
    ? rising
    : low;
}
