/**
 * Windows icons as Pillow reads them: the largest picture, of those the one of the fewest colours.
 * https://learn.microsoft.com/en-us/previous-versions/ms997538(v=msdn.10)
 * @module
 */
import { Buffer } from "node:buffer";
import { UserError } from "../io/errors.ts";
import { bitmapFile } from "./bmp.ts";
import { PNG_SIGNATURE } from "./png_chunk.ts";

/** The picture of an icon that Pillow shows. */
export interface IcoPicture {
  /** A PNG or a BMP. */
  readonly file: Uint8Array;
  /** Where it ends in the icon, its mask too, which Pillow wants to be there. */
  readonly end: number;
}

const HEADER_BYTES = 6, ENTRY_BYTES = 16;

/**
 * Finds the picture.
 * @param bytes the file, or its start
 * @throws {UserError} where there is none, or the bytes end before its header
 */
export function readIco(bytes: Uint8Array): IcoPicture {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const count = file.readUInt16LE(4);
    const entries = Array.from({ length: count }, (_, i) => readEntry(file, i));
    const [entry] = entries.toSorted((a, b) => b.pixels - a.pixels || a.depth - b.depth);
    if (entry === undefined) throw new UserError("damaged", "an icon without a picture");
    const picture = file.subarray(entry.offset);
    if (picture.subarray(0, 8).equals(PNG_SIGNATURE)) return { file: picture, end: 0 };
    const bitmap = Buffer.from(picture);
    // rows of the mask are counted too
    bitmap.writeInt32LE(Math.trunc(picture.readInt32LE(8) / 2), 8);
    return { file: bitmapFile(bitmap), end: entry.bits === 32 ? 0 : entry.offset + entry.size };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError("damaged", "an icon cut off in its header");
  }
}

function readEntry(file: Buffer, i: number) {
  const at = HEADER_BYTES + i * ENTRY_BYTES;
  const [width, height, colours] = [file[at]! || 256, file[at + 1]! || 256, file[at + 2]!];
  const bits = file.readUInt16LE(at + 6);
  return {
    pixels: width * height,
    bits,
    depth: bits || (colours > 0 ? Math.ceil(Math.log2(colours)) : 0) || 256,
    size: file.readUInt32LE(at + 8),
    offset: file.readUInt32LE(at + 12),
  };
}
