/** Images and image files that the image tests share. */
import { crc32, deflateSync } from "node:zlib";
import type { RgbImage } from "../lib/image/image.ts";
import { randomStream } from "../lib/random.ts";

/** Every value drawn alone: any misplaced pixel shows. */
export function noiseImage(width: number, height: number, seed: number | string = 0): RgbImage {
  const random = randomStream(seed, "noise image", width, height);
  const data = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
  return { width, height, data };
}

/** Slow waves with a little noise: compresses and resizes like a photograph. */
export function waveImage(width: number, height: number): RgbImage {
  const random = randomStream("wave image", width, height);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const x = Math.floor(i / 3) % width;
    const y = Math.floor(i / (3 * width));
    data[i] = 128 + 80 * Math.sin(x / 17 + i % 3) * Math.cos(y / 23) + random.uniform(-9, 9);
  }
  return { width, height, data };
}

/** One level everywhere. */
export function constantImage(width: number, height: number, level: number): RgbImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(level) };
}

/** Colour types of the PNG specification, §11.2.1. */
export const PNG_TYPE = { grey: 0, rgb: 2, palette: 3, greyAlpha: 4, rgba: 6 } as const;

/**
 * A PNG file put together by hand.
 * @param rows the packed samples of each row
 * @param chunks what stands between header and pixels
 */
export function pngFile(
  { width, bits, type, rows, chunks = [] }: {
    width: number;
    bits: number;
    type: keyof typeof PNG_TYPE;
    rows: readonly (readonly number[])[];
    chunks?: readonly (readonly [name: string, content: Uint8Array])[];
  },
): Uint8Array {
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, rows.length);
  header.set([bits, PNG_TYPE[type]], 8);
  const pixels = deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])));
  return concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    ...chunks.map(([name, content]) => chunk(name, content)),
    chunk("IDAT", pixels),
    chunk("IEND", new Uint8Array()),
  ]);
}

function chunk(name: string, content: Uint8Array): Uint8Array {
  const body = concat([new TextEncoder().encode(name), content]);
  const bytes = new Uint8Array(body.length + 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(body, 4);
  view.setUint32(bytes.length - 4, crc32(body));
  return bytes;
}

/** The parts, one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A PNG file of {@linkcode noiseImage}, put together by hand. */
export function encodedPng(width: number, height: number, seed: number | string): Uint8Array {
  const { data } = noiseImage(width, height, seed);
  const rows = Array.from({ length: height }, (_, y) => [
    ...data.subarray(y * width * 3, (y + 1) * width * 3),
  ]);
  return pngFile({ width, bits: 8, type: "rgb", rows });
}
