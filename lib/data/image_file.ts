/**
 * Image files as they lie on disk: what they say of themselves, and whether they can be decoded.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { Buffer } from "node:buffer";
import { HEADER_BYTES, type ImageHeader, readImageHeader } from "../image/header.ts";
import {
  cannotDecode,
  decodeImage,
  MAX_FILE_BYTES,
  reasonToRefuse,
  type RgbImage,
} from "../image/image.ts";
import { contentKey } from "../io/files.ts";
import { reasonOf } from "./folder_tree.ts";

/** What is known of a file without decoding it. */
export interface ImageFile {
  /** Size in bytes; 0 where there is no file. */
  readonly bytes: number;
  /** Hash of its first bytes: files that differ in it have different content. */
  readonly start: string;
  /** Absent where there is a problem. */
  readonly header?: ImageHeader;
  /** What was found instead of an image that can be decoded: `none`, `a GIF image`. */
  readonly problem?: string;
  /** Whether it ends as its format does. A file that does not may be cut off: decoding tells. */
  readonly endsWell: boolean;
}

/** Enough to tell images apart: their metadata and first rows. */
const START_BYTES = 16_384;

/** The end of every PNG: an empty IEND chunk with its checksum. */
const PNG_END = Buffer.from("0000000049454e44ae426082", "hex");
const JPEG_END = Buffer.from("ffd9", "hex");

/**
 * Reads the first and the last bytes of an image file.
 * @param buffer {@linkcode HEADER_BYTES} that the caller lends; overwritten
 */
export async function lookAtImage(path: string, buffer: Uint8Array): Promise<ImageFile> {
  let bytes = 0, start = "";
  const problem = (found: string) => ({ bytes, start, problem: found, endsWell: false });
  try {
    // before it is opened: a pipe would be waited for
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) return problem("something that is not a file");
    using file = await Deno.open(path);
    bytes = size;
    if (size > MAX_FILE_BYTES) return problem(`${size} bytes; at most ${MAX_FILE_BYTES} are read`);
    const read = await readFrom(file, 0, buffer);
    // no CRC-32: PNG's own make it equal for whole chunks of any content
    start = contentKey([read.subarray(0, START_BYTES)]);
    const header = await headerOf(file, read, size);
    const refusal = reasonToRefuse(header);
    if (refusal) return problem(refusal);
    const endsWell = await hasItsEnd(file, header, read, size);
    return { bytes, start, header, endsWell };
  } catch (error) {
    return problem(error instanceof UserError ? error.message : reasonOf(error));
  }
}

/** What a JPEG's metadata may take before its header, at most. */
const LONG_HEADER_BYTES = 2 ** 24;

async function headerOf(file: Deno.FsFile, start: Uint8Array, size: number): Promise<ImageHeader> {
  try {
    return readImageHeader(start);
  } catch (error) {
    if (start.length === size || !(error as Error).message.includes("cut off")) throw error;
    // tags of a TIFF and lists of an AVIF may stand behind its pixels
    const isBehind = /TIFF|AVIF/.test((error as Error).message);
    const most = isBehind ? MAX_FILE_BYTES : LONG_HEADER_BYTES;
    const more = new Uint8Array(Math.min(size, most) - start.length);
    return readImageHeader(Buffer.concat([start, await readFrom(file, start.length, more)]));
  }
}

async function hasItsEnd(
  file: Deno.FsFile,
  { format }: ImageHeader,
  start: Uint8Array,
  size: number,
): Promise<boolean> {
  if (format === "webp") {
    const [, content = 0] = new Uint32Array(start.slice(0, 8).buffer);
    return size >= content + 8;
  }
  if (format !== "png" && format !== "jpeg") return false;
  const expected = format === "png" ? PNG_END : JPEG_END;
  const end = new Uint8Array(expected.length);
  const from = Math.max(0, size - end.length);
  if (size <= start.length) end.set(start.subarray(from));
  else await readFrom(file, from, end);
  return expected.equals(end);
}

/** Reads until the buffer or the file ends. */
async function readFrom(
  file: Deno.FsFile,
  offset: number,
  buffer: Uint8Array,
): Promise<Uint8Array> {
  if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < buffer.length) {
    const count = await file.read(buffer.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

/** A buffer for {@linkcode lookAtImage}. */
export function lookBuffer(): Uint8Array {
  return new Uint8Array(HEADER_BYTES);
}

/**
 * Decodes an image file, or says in a few words what was found instead.
 * @throws where neither the image nor the disk is at fault
 */
export async function tryDecode(
  path: string,
): Promise<{ readonly image: RgbImage } | { readonly problem: string }> {
  try {
    return { image: await decodeImage(path) };
  } catch (error) {
    if (!(error instanceof UserError)) return { problem: reasonOf(error) };
    return { problem: error.message.replace(cannotDecode(path, "").message, "") };
  }
}
