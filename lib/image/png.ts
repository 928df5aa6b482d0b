/**
 * PNG as figures carry it: 8-bit colour, not interlaced, written at once and read by its parts.
 * https://www.w3.org/TR/png/
 * @module
 */
import { Buffer } from "node:buffer";
import { deflateSync } from "node:zlib";
import { UserError } from "../io/errors.ts";
import type { RgbImage } from "./image.ts";
import { PNG_SIGNATURE, pngChunk } from "./png_chunk.ts";

/** Bits a channel, colour type RGB, and the only compression and filter method; not interlaced. */
const RGB8 = [8, 2, 0, 0, 0] as const;

/**
 * Writes an image as PNG; equal images give equal bytes.
 *
 * @example
 * ```ts
 * import { encodePng, readPngParts } from "./png.ts";
 *
 * const png = encodePng({ width: 1, height: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
 * console.assert(readPngParts(png).height === 2);
 * ```
 */
export function encodePng({ width, height, data }: RgbImage): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set(RGB8, 8);
  const stride = 3 * width;
  const lines = new Uint8Array(height * (1 + stride));
  for (let row = 0; row < height; row++) {
    // each value less that of the pixel above: what Up filters
    const at = row * (1 + stride);
    lines[at] = 2;
    for (let i = 0; i < stride; i++) {
      const above = row === 0 ? 0 : data[(row - 1) * stride + i]!;
      lines[at + 1 + i] = data[row * stride + i]! - above;
    }
  }
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(lines, { level: 9 })),
    pngChunk("IEND", new Uint8Array()),
  ]);
}

/** A PNG's parts, as other formats take them. */
export interface PngParts {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Its lines, filtered and deflated: a zlib stream. */
  readonly data: Uint8Array;
}

/**
 * Takes a PNG of 8-bit colour apart, without inflating it.
 * @throws {UserError} where it is none, or of another kind
 */
export function readPngParts(png: Uint8Array): PngParts {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  const isRgb = bytes.subarray(0, 8).equals(PNG_SIGNATURE) &&
    bytes.subarray(24, 29).equals(Uint8Array.from(RGB8));
  if (!isRgb) {
    throw new UserError("damaged", "Cannot read a PNG: expected 8-bit colour, found another image");
  }
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    if (bytes.toString("latin1", at + 4, at + 8) === "IDAT") {
      parts.push(bytes.subarray(at + 8, at + 8 + length));
    }
    at += 12 + length;
  }
  return {
    width: bytes.readUInt32BE(16),
    height: bytes.readUInt32BE(20),
    data: Buffer.concat(parts),
  };
}

/** An image as a `data:` address, as figures carry it. */
export function pngAddress(image: RgbImage): string {
  return `data:image/png;base64,${encodePng(image).toBase64()}`;
}
