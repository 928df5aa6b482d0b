/**
 * PNGs that are damaged outside their pixels: a wrong checksum of pixels that are whole, an end that
 * is cut off, chunks that nobody knows. Pillow reads them; libpng, which decodes here, does not.
 * @module
 */
import { Buffer } from "node:buffer";
import { constants, crc32, deflateSync, inflateSync } from "node:zlib";
import { pngChunk } from "./png_chunk.ts";

const SIGNATURE_BYTES = 8;

/** Chunks that pixels depend on, with checksums that have to be right. */
const NEEDED = ["IHDR", "PLTE"];

const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * The same pixels as a PNG that is whole; `undefined` where they are not all there, or interlaced.
 * @param bytes a PNG that cannot be decoded as it is
 */
export function mendPng(bytes: Uint8Array): Uint8Array | undefined {
  const png = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept: Buffer[] = [];
  const pixels: Buffer[] = [];
  for (let at = SIGNATURE_BYTES; at + 8 <= png.length;) {
    const length = png.readUInt32BE(at), end = at + 8 + length;
    const type = png.toString("latin1", at + 4, at + 8);
    if (type === "IDAT") pixels.push(png.subarray(at + 8, Math.min(end, png.length)));
    else if (pixels.length > 0) break;
    else if (NEEDED.includes(type)) {
      if (end + 4 > png.length) return undefined;
      if (crc32(png.subarray(at + 4, end)) !== png.readUInt32BE(end)) return undefined;
      kept.push(png.subarray(at, end + 4));
    }
    at = end + 4;
  }
  const [header] = kept;
  if (header === undefined || header.length !== 25) return undefined;
  const [bits, type, , , interlace] = header.subarray(16);
  const channels = CHANNELS[type!];
  if (interlace !== 0 || channels === undefined) return undefined;
  const [width, height] = [header.readUInt32BE(8), header.readUInt32BE(12)];
  const wanted = height * (1 + Math.ceil(width * channels * bits! / 8));
  const lines = inflated(Buffer.concat(pixels), wanted);
  if (lines === undefined) return undefined;
  return Buffer.concat([
    png.subarray(0, SIGNATURE_BYTES),
    ...kept,
    pngChunk("IDAT", deflateSync(lines, { level: 0 })),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** The lines of an image; the stream may lack its end behind them. */
function inflated(stream: Buffer, wanted: number): Buffer | undefined {
  try {
    const lines = inflateSync(stream, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: wanted,
    });
    return lines.length === wanted ? lines : undefined;
  } catch {
    return undefined;
  }
}
