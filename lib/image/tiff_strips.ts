/**
 * Strips and tiles of a TIFF, unpacked to the samples that they hold.
 * @module
 */
import { Buffer } from "node:buffer";
import { constants, inflateSync, zstdDecompressSync } from "node:zlib";
import type { TiffLayout } from "./tiff.ts";

/** What may follow behind the pixels of a strip. */
const SPARE_BYTES = 65_536;

/**
 * Unpacks a strip or a tile.
 * @param length how many bytes are wanted; more are left out
 * @param whole how many it may hold
 * @throws {Error} where it is damaged or holds less
 */
export function unpackStrip(
  strip: Uint8Array,
  compression: TiffLayout["compression"],
  length: number,
  whole: number,
): Uint8Array {
  const unpacked = decompress(strip, compression, length, whole + SPARE_BYTES);
  if (unpacked.length < length) throw new Error("pixels that end too early");
  return unpacked.subarray(0, length);
}

function decompress(
  strip: Uint8Array,
  compression: TiffLayout["compression"],
  length: number,
  maxOutputLength: number,
): Uint8Array {
  switch (compression) {
    case "none":
      return strip;
    case "deflate":
      return inflateSync(strip, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength });
    case "zstd":
      return zstdDecompressSync(strip, { maxOutputLength });
    case "packbits":
      return unpackBits(strip, length);
    case "lzw":
      return unpackLzw(strip, length);
    default:
      throw new Error(`strips compressed as ${compression}`);
  }
}

/** Runs and literals, each behind a byte that says how many. */
function unpackBits(strip: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0, filled = 0;
  while (filled < length) {
    if (at + 1 >= strip.length) throw new Error("pixels that end too early");
    const count = strip[at++]!;
    if (count < 128) {
      if (at + count >= strip.length) throw new Error("pixels that end too early");
      out.set(strip.subarray(at, at + Math.min(count + 1, length - filled)), filled);
      at += count + 1;
      filled += count + 1;
    } else if (count > 128) {
      out.fill(strip[at++]!, filled, filled + 257 - count);
      filled += 257 - count;
    }
  }
  return out;
}

const CLEAR = 256, END = 257, LARGEST_TABLE = 4096;

/** Codes of 9 to 12 bits, highest bit first; they grow one code before the table needs it. */
function unpackLzw(strip: Uint8Array, length: number): Uint8Array {
  if (strip[0] === 0 && strip[1]! & 1) {
    throw new Error("an LZW of before 1992; save it as PNG first");
  }
  const out = new Uint8Array(length);
  const prefix = new Uint16Array(LARGEST_TABLE), suffix = new Uint8Array(LARGEST_TABLE);
  const stack = new Uint8Array(LARGEST_TABLE + 1);
  let size = 9, next = END + 1, last = -1, first = 0;
  let bits = 0, held = 0, at = 0, filled = 0;
  while (filled < length) {
    while (held < size) {
      if (at >= strip.length) throw new Error("pixels that end too early");
      bits = bits << 8 | strip[at++]!;
      held += 8;
    }
    held -= size;
    const code = bits >>> held & (1 << size) - 1;
    bits &= (1 << held) - 1;
    if (code === CLEAR) {
      size = 9;
      next = END + 1;
      last = -1;
      continue;
    }
    if (code === END) throw new Error("pixels that end too early");
    if (last < 0 ? code > CLEAR : code > next || next >= LARGEST_TABLE) {
      throw new Error("a code that is not in the table");
    }
    let depth = 0, from = code;
    if (code === next && last >= 0) {
      stack[depth++] = first;
      from = last;
    }
    for (; from >= CLEAR; from = prefix[from]!) stack[depth++] = suffix[from]!;
    first = from;
    stack[depth++] = first;
    while (depth > 0 && filled < length) out[filled++] = stack[--depth]!;
    if (last >= 0) {
      prefix[next] = last;
      suffix[next++] = first;
      if (next === (1 << size) - 1 && size < 12) size++;
    }
    last = code;
  }
  return out;
}

/**
 * Adds to each sample of a row that of the pixel before.
 * @param step samples from a pixel to the next
 */
export function addDifferences(
  row: Uint8Array,
  bits: number,
  step: number,
  isLittle: boolean,
): void {
  if (bits === 8) {
    for (let i = step; i < row.length; i++) row[i] = row[i]! + row[i - step]!;
    return;
  }
  const view = Buffer.from(row.buffer, row.byteOffset, row.byteLength);
  for (let at = 2 * step; at + 1 < row.length; at += 2) {
    const before = at - 2 * step;
    if (isLittle) {
      view.writeUInt16LE(view.readUInt16LE(at) + view.readUInt16LE(before) & 65_535, at);
    } else view.writeUInt16BE(view.readUInt16BE(at) + view.readUInt16BE(before) & 65_535, at);
  }
}
