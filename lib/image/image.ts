/**
 * Decoding of image files to the pixels that Pillow's `convert("RGB")` gives: no rotation by EXIF
 * but a TIFF's, no ICC conversion, alpha dropped and not blended, grey and palette expanded, CMYK by Pillow's
 * formula.
 *
 * Released: `Image.open(path).convert("RGB")` in every dataset class.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import sharp from "sharp";
import { decodeAvif } from "./avif.ts";
import { bitmapFile, decodeBmp, readBmpHeader } from "./bmp.ts";
import { cmykToRgb } from "./cmyk.ts";
import { decodeGif, readGifFrame } from "./gif.ts";
import { type ImageHeader, readImageHeader } from "./header.ts";
import { readIco } from "./ico.ts";
import { mendPng } from "./mend_png.ts";
import { decodePnm, readPnmHeader } from "./pnm.ts";
import { decodeQoi } from "./qoi.ts";
import { decodeTga, readTgaHeader } from "./tga.ts";
import { oriented, readTiffHeader } from "./tiff.ts";
import { decodeTiff } from "./tiff_pixels.ts";
import { keepImage, keptImage, stampOf } from "./kept.ts";

// every image is decoded once: a cache would only grow
sharp.cache(false);
// images are decoded side by side, on several workers: more threads for each would only compete
sharp.concurrency(1);

/** An 8-bit colour image in memory. */
export interface RgbImage {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Interleaved R, G, B; [height, width, 3], row-major, 0 … 255. */
  readonly data: Uint8Array;
}

/**
 * Largest image that is decoded, in pixels. Pillow warns from half of it on
 * (`Image.MAX_IMAGE_PIXELS`) and refuses larger ones as "decompression bombs".
 */
export const MAX_PIXELS = 178_956_970;

const SHARP_OPTIONS = {
  limitInputPixels: MAX_PIXELS,
  ignoreIcc: true,
  failOn: "error",
  sequentialRead: true,
} as const;

/** Largest file that is read, in bytes: 6 for each of {@linkcode MAX_PIXELS}, 16-bit colour. */
export const MAX_FILE_BYTES = 2 ** 30;

/**
 * Makes sure that all are images: cells of a notebook are not checked for types before they run, and
 * what is none would have tokens too.
 * @param doing what the error says first: `Cannot detect`
 * @throws {UserError} saying what was found, and what to do about it
 */
export function assertImages(images: unknown, doing: string): asserts images is RgbImage[] {
  if (Array.isArray(images) && images.every(isImage)) return;
  const wrong = Array.isArray(images) ? images.find((image) => !isImage(image)) : images;
  const found = isImage(wrong)
    ? "one image; put it in [ ]"
    : wrong instanceof Promise
    ? "a promise; write await before it"
    : typeof wrong === "string"
    ? `the text ${JSON.stringify(wrong)}; await decodeImage(path) reads a file`
    : `${wrong}`;
  throw new UserError("usage", `${doing}: expected a list of images, found ${found}`);
}

function isImage(value: unknown): value is RgbImage {
  if (typeof value !== "object" || value === null) return false;
  const { width, height, data } = value as Partial<RgbImage>;
  return data instanceof Uint8Array && typeof width === "number" && typeof height === "number" &&
    data.length === width * height * 3;
}

/**
 * Reads and decodes an image file.
 * @throws {UserError} in one line that names the file and what was found, where it is not an
 * image, is cut off or damaged, is larger than {@linkcode MAX_PIXELS}, or is stored in a way that
 * has no 8-bit RGB equal to Pillow's
 * @throws {Deno.errors.NotFound} where there is no such file, with where it was looked for
 */
export async function decodeImage(path: string): Promise<RgbImage> {
  const file = await statOf(path);
  if (!file.isFile) throw cannotDecode(path, "something that is not a file");
  if (file.size > MAX_FILE_BYTES) {
    throw cannotDecode(path, `${file.size} bytes; at most ${MAX_FILE_BYTES} are read`);
  }
  const stamp = stampOf(path, file), kept = stamp && keptImage(stamp);
  if (kept) return kept;
  const image = await decodeImageBytes(await Deno.readFile(path), path);
  if (stamp) keepImage(stamp, image);
  return image;
}

async function statOf(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Deno.errors.NotFound(
      `Cannot decode ${path}: expected an image at ${resolve(path)}, found ` +
        // of other names nothing can be opened, and a list shows them so
        (path.includes("\ufffd") ? "a name that is not UTF-8; rename it" : "none"),
    );
  }
}

/**
 * Decodes the bytes of an image file.
 * @param name what to call it in errors
 * @throws {UserError} as {@linkcode decodeImage}
 */
export async function decodeImageBytes(bytes: Uint8Array, name: string): Promise<RgbImage> {
  try {
    return await decodeBytes(bytes);
  } catch (error) {
    throw cannotDecode(name, (error as Error).message);
  }
}

async function decodeBytes(bytes: Uint8Array): Promise<RgbImage> {
  const header = readImageHeader(bytes);
  const refusal = reasonToRefuse(header);
  if (refusal) throw new UserError("damaged", refusal);
  try {
    return await decodeKnown(bytes, header);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = (error as Error).message.trim().split("\n").at(-1);
    throw new UserError("damaged", `a damaged ${header.format.toUpperCase()} (${reason})`);
  }
}

async function decodeKnown(bytes: Uint8Array, header: ImageHeader): Promise<RgbImage> {
  const { format, width, height } = header;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (format) {
    case "gif":
      return { width, height, data: decodeGif(bytes, readGifFrame(view)) };
    case "bmp": {
      const file = bytes[0] === 0x42 ? bytes : bitmapFile(bytes);
      const fileView = new DataView(file.buffer, file.byteOffset, file.byteLength);
      return { width, height, data: decodeBmp(file, readBmpHeader(fileView)) };
    }
    case "qoi":
      return { width, height, data: decodeQoi(bytes, header) };
    case "tga":
      return { width, height, data: decodeTga(bytes, readTgaHeader(view)!) };
    case "ico": {
      const { file, end } = readIco(bytes);
      if (bytes.length < end) throw new Error("pixels that end too early");
      return await decodeBytes(file);
    }
    case "pnm":
      return { width, height, data: decodePnm(bytes, readPnmHeader(bytes)) };
    case "avif":
      return { width, height, data: await decodeAvif(bytes, decodeTile) };
    case "tiff": {
      const page = readTiffHeader(view);
      const isOther = ["fax", "jpeg"].includes(page.layout!.compression);
      const stored = isOther
        ? await decodeBySharp(bytes, header)
        : { width, height, data: decodeTiff(bytes, page) };
      return oriented(stored, page.orientation);
    }
  }
  try {
    return await decodeBySharp(bytes, header);
  } catch (error) {
    const mended = format === "png" ? mendPng(bytes) : undefined;
    if (mended === undefined) throw error;
    return await decodeBySharp(mended, header);
  }
}

/** Of more than 8 bits, those are the upper ones of 16 in what sharp hands out. */
async function decodeTile(
  bytes: Uint8Array,
  width: number,
  height: number,
  bits: number,
): Promise<Uint8Array | Uint16Array> {
  if (bits === 8) return (await decodeBySharp(bytes, { width, height, colour: "rgb" })).data;
  const pixels = sharp(bytes, SHARP_OPTIONS).removeAlpha().toColourspace("rgb16");
  const { data, info } = await pixels.raw({ depth: "ushort" }).toBuffer({
    resolveWithObject: true,
  });
  assertShape(info, width, height, 3);
  return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
    .map((value) => value >> 16 - bits);
}

async function decodeBySharp(
  bytes: Uint8Array,
  { width, height, colour }: Pick<ImageHeader, "width" | "height" | "colour">,
): Promise<RgbImage> {
  let pixels = sharp(bytes, SHARP_OPTIONS).removeAlpha();
  if (colour === "cmyk") pixels = pixels.pipelineColourspace("cmyk").toColourspace("cmyk");
  const { data, info } = await pixels.raw({ depth: "uchar" }).toBuffer({
    resolveWithObject: true,
  });
  const channels = colour === "cmyk" ? 4 : 3;
  assertShape(info, width, height, channels);
  const values = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { width, height, data: colour === "cmyk" ? cmykToRgb(values) : values };
}

function assertShape(
  info: { width: number; height: number; channels: number },
  width: number,
  height: number,
  channels: number,
): void {
  if (info.width === width && info.height === height && info.channels === channels) return;
  throw new Error(
    `expected [${height}, ${width}, ${channels}] values, ` +
      `decoded [${info.height}, ${info.width}, ${info.channels}]`,
  );
}

/** Why an image is not decoded whose header can be read, if there is a reason. */
export function reasonToRefuse(
  { format, width, height, bits, colour, refusal }: ImageHeader,
): string | undefined {
  if (width * height > MAX_PIXELS) {
    return `${width} × ${height} pixels; at most ${MAX_PIXELS} are decoded`;
  }
  if (refusal !== undefined) return refusal;
  if (format === "png" && colour === "grey" && bits === 16) {
    return 'a 16-bit grey PNG, of which Pillow\'s convert("RGB") keeps nothing above 255; ' +
      "convert it to 8 bits first";
  }
  if (format === "jpeg" && bits !== 8) {
    return `a JPEG with ${bits} bits a channel; Pillow reads 8`;
  }
}

/** The error that names a file and what was found instead of an image. */
export function cannotDecode(name: string, found: string): UserError {
  return new UserError("damaged", `Cannot decode ${name}: expected an image, found ${found}`);
}
