/**
 * What an image file says of itself in its first bytes, read without decoding a pixel.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { readAvifHeader } from "./avif.ts";
import { bitmapFile, isBitmap, readBmpHeader } from "./bmp.ts";
import { readGifFrame } from "./gif.ts";
import { readIco } from "./ico.ts";
import { readPnmHeader } from "./pnm.ts";
import { readQoiHeader } from "./qoi.ts";
import { readTgaHeader } from "./tga.ts";
import { readTiffHeader } from "./tiff.ts";

/** Formats that this project decodes. */
export type ImageFormat =
  | "jpeg"
  | "png"
  | "webp"
  | "tiff"
  | "gif"
  | "bmp"
  | "pnm"
  | "avif"
  | "tga"
  | "qoi"
  | "ico";

/** Size and storage of an image as its header states them. */
export interface ImageHeader {
  /** What kind of file it is, whatever its name ends in. */
  readonly format: ImageFormat;
  /** Pixels a row, at least 1; before any rotation that EXIF asks for. */
  readonly width: number;
  /** Rows, at least 1. */
  readonly height: number;
  /** Bits a channel; for a palette, bits an index. */
  readonly bits: number;
  /** How colour is stored. Whether there is alpha is told only where the decoder has to know. */
  readonly colour: "grey" | "grey+alpha" | "rgb" | "palette" | "cmyk";
  /** Why it has no 8-bit RGB equal to Pillow's, where its format's reader knows. */
  readonly refusal?: string;
}

/**
 * Bytes that {@linkcode readImageHeader} needs at most, but for files with long metadata and TIFFs,
 * whose header may stand behind the pixels.
 */
export const HEADER_BYTES = 65_536;

/** Of TIFF and of BigTIFF; Pillow takes a number in the other byte order too. */
const TIFF_STARTS = ["II*\0", "MM\0*", "II\0*", "MM*\0", "II+\0", "MM\0+"];

const ADVICE = "; save it as PNG first";

/** NEF, CR2, DNG and ARW are TIFFs, whose reader tells them. */
const RAW = `a camera's raw image; develop it and save it as PNG first`;

const JPEG_2000 = `a JPEG 2000 image${ADVICE}: \`opj_decompress -i IN`;

const SIGNATURES: readonly [name: string, offset: number, text: string][] = [
  ...["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].map((brand) =>
    [
      `a HEIC image, as phones make them; save it as PNG first: \`heif-convert IN.heic OUT.png\``,
      4,
      `ftyp${brand}`,
    ] as [string, number, string]
  ),
  [RAW, 4, "ftypcrx "],
  [RAW, 0, "FUJIFILMCCD-RAW"],
  [RAW, 0, "IIRO"],
  [RAW, 0, "IIRS"],
  [RAW, 0, "IIU\0"],
  ["a film or a part of one (ISO media)", 4, "ftyp"],
  [`${JPEG_2000}.jp2 -o OUT.png\``, 4, "jP  "],
  [`${JPEG_2000}.j2k -o OUT.png\``, 0, "\xff\x4f\xff\x51"],
  [`a JPEG XL image${ADVICE}`, 4, "JXL "],
  [`a JPEG XL image${ADVICE}`, 0, "\xff\x0a"],
  [`a Photoshop image${ADVICE}`, 0, "8BPS"],
  [`a DDS texture${ADVICE}`, 0, "DDS "],
  ...["\0", "\x02", "\x03", "\x05"].map((version) =>
    [`a PCX image${ADVICE}`, 0, `\n${version}\x01`] as [string, number, string]
  ),
  [`an SGI image${ADVICE}`, 0, "\x01\xda"],
  [`a Sun raster image${ADVICE}`, 0, "\x59\xa6\x6a\x95"],
  [`an XPM image${ADVICE}`, 0, "/* XPM"],
  [`a FITS image${ADVICE}`, 0, "SIMPLE  ="],
  [`an OpenEXR image${ADVICE}`, 0, "\x76\x2f\x31\x01"],
  [`a Radiance image${ADVICE}`, 0, "#?RADIANCE"],
  [`a JPEG XR image${ADVICE}`, 0, "II\xbc\x01"],
  [`an Apple icon${ADVICE}`, 0, "icns"],
  [`a DCX image${ADVICE}`, 0, "\xb1\x68\xde\x3a"],
  [`a BLP texture${ADVICE}`, 0, "BLP1"],
  [`a BLP texture${ADVICE}`, 0, "BLP2"],
  [`an XBM image${ADVICE}`, 0, "#define"],
  [`a FLIC animation${ADVICE}`, 4, "\x11\xaf"],
  [`a FLIC animation${ADVICE}`, 4, "\x12\xaf"],
  ["an array of NumPy's; save its images as PNG first", 0, "\x93NUMPY"],
  ["a zip archive; unpack it first", 0, "PK\x03\x04"],
  ["a gzip archive; unpack it first", 0, "\x1f\x8b\x08"],
  ["a PostScript text", 0, "%!PS"],
  ["a PostScript text", 0, "\xc5\xd0\xd3\xc6"],
  ["a PDF text", 0, "%PDF"],
  [`a PAM image${ADVICE}`, 0, "P7\n"],
  [`a PFM image${ADVICE}`, 0, "Pf\n"],
  [`a PFM image${ADVICE}`, 0, "PF\n"],
  ["an SVG or XML text", 0, "<?xml"],
  ["an SVG image", 0, "<svg"],
  ["an HTML text", 0, "<!DOCTYPE html"],
  ["an HTML text", 0, "<html"],
];

/**
 * Reads format, size and storage from the start of a file.
 * @param bytes the whole file, or its first {@linkcode HEADER_BYTES}
 * @throws {UserError} whose message says what the bytes are instead ("a GIF image", "12 bytes",
 * "a JPEG image cut off in its header"); the caller puts the file's name before it
 */
export function readImageHeader(bytes: Uint8Array): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (startsWith(bytes, 0, "\x89PNG\r\n\x1a\n")) return readPng(view);
  if (startsWith(bytes, 0, "\xff\xd8\xff")) return readJpeg(view);
  if (startsWith(bytes, 0, "RIFF") && startsWith(bytes, 8, "WEBP")) return readWebp(view);
  if (startsWith(bytes, 0, "GIF87a") || startsWith(bytes, 0, "GIF89a")) {
    return checked({ format: "gif", bits: 8, colour: "palette", ...readGifFrame(view) });
  }
  if (TIFF_STARTS.some((start) => startsWith(bytes, 0, start))) {
    return checked({ format: "tiff", ...readTiffHeader(view) });
  }
  if (startsWith(bytes, 0, "BM")) {
    return checked({ format: "bmp", colour: "rgb", ...readBmpHeader(view) });
  }
  if (startsWith(bytes, 0, "\0\0\x01\0")) {
    return { ...readImageHeader(readIco(bytes).file), format: "ico" };
  }
  if (startsWith(bytes, 0, "qoif")) {
    return checked({ format: "qoi", bits: 8, colour: "rgb", ...readQoiHeader(view) });
  }
  if (/^P[1-6][ \t\n\v\f\r]/.test(String.fromCharCode(...bytes.subarray(0, 3)))) {
    return checked({ format: "pnm", bits: 8, colour: "rgb", ...readPnmHeader(bytes) });
  }
  if (isAvif(bytes)) {
    return checked({ format: "avif", colour: "rgb", ...readAvifHeader(bytes) });
  }
  const known = SIGNATURES.find(([, offset, text]) => startsWith(bytes, offset, text));
  if (known) throw new UserError("damaged", known[0]);
  if (isBitmap(view)) return readImageHeader(bitmapFile(bytes));
  const targa = readTgaHeader(view);
  if (targa) return checked({ format: "tga", colour: "rgb", ...targa });
  if (bytes.length < 16) throw new UserError("damaged", `${bytes.length} bytes`);
  // a Targa can start so too
  if (startsWith(bytes, 0, "\0\0\x02\0")) {
    throw new UserError("damaged", `a Windows cursor${ADVICE}`);
  }
  const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0"));
  throw new UserError("damaged", `bytes that start with ${start.join(" ")}`);
}

/** By its main brand, or by one of those that it is compatible with. */
function isAvif(bytes: Uint8Array): boolean {
  if (!startsWith(bytes, 4, "ftyp")) return false;
  const [, , , length = 0] = bytes;
  for (let at = 8; at < Math.min(length, bytes.length); at += at === 8 ? 8 : 4) {
    if (startsWith(bytes, at, "avif") || startsWith(bytes, at, "avis")) return true;
  }
  return false;
}

function startsWith(bytes: Uint8Array, offset: number, text: string): boolean {
  if (bytes.length < offset + text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[offset + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

const cutOff = (format: string) => new UserError("damaged", `${format} cut off in its header`);

const PNG_COLOURS = { 0: "grey", 2: "rgb", 3: "palette", 4: "grey+alpha", 6: "rgb" } as const;

function readPng(view: DataView): ImageHeader {
  if (view.byteLength < 26) throw cutOff("a PNG image");
  const type = view.getUint8(25);
  if (view.getUint32(12) !== 0x49484452 || !(type in PNG_COLOURS)) {
    throw new UserError("damaged", "a PNG image with a damaged header");
  }
  return checked({
    format: "png",
    width: view.getUint32(16),
    height: view.getUint32(20),
    bits: view.getUint8(24),
    colour: PNG_COLOURS[type as keyof typeof PNG_COLOURS],
  });
}

function readJpeg(view: DataView): ImageHeader {
  let offset = 2;
  while (offset + 9 < view.byteLength) {
    // bytes between segments are skipped, as libjpeg does
    if (view.getUint8(offset) !== 0xff) {
      offset++;
      continue;
    }
    const marker = view.getUint8(offset + 1);
    if (marker === 0xff) {
      offset++;
    } else if (marker === 0x01 || marker === 0x00 || (marker >= 0xd0 && marker <= 0xd8)) {
      offset += 2;
    } else if (marker === 0xd9 || marker === 0xda) {
      throw new UserError("damaged", "a JPEG image without a frame header");
    } else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const components = view.getUint8(offset + 9);
      return checked({
        format: "jpeg",
        width: view.getUint16(offset + 7),
        height: view.getUint16(offset + 5),
        bits: view.getUint8(offset + 4),
        colour: components === 4 ? "cmyk" : components === 1 ? "grey" : "rgb",
      });
    } else {
      offset += 2 + view.getUint16(offset + 2);
    }
  }
  throw cutOff("a JPEG image");
}

function readWebp(view: DataView): ImageHeader {
  if (view.byteLength < 30) throw cutOff("a WebP image");
  const size = (width: number, height: number) =>
    checked({ format: "webp", width, height, bits: 8, colour: "rgb" });
  const uint24 = (offset: number) => view.getUint16(offset, true) | view.getUint8(offset + 2) << 16;
  switch (view.getUint32(12)) {
    case 0x56503820: // "VP8 ": three bytes of frame tag, three of start code
      return size(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
    case 0x5650384c: { // "VP8L": 14 bits each, less one
      const packed = view.getUint32(21, true);
      return size((packed & 0x3fff) + 1, (packed >>> 14 & 0x3fff) + 1);
    }
    case 0x56503858: // "VP8X": 24 bits each, less one
      return size(uint24(24) + 1, uint24(27) + 1);
  }
  throw new UserError("damaged", "a WebP image with a damaged header");
}

function checked({ format, width, height, bits, colour, refusal }: ImageHeader): ImageHeader {
  if (width === 0 || height === 0) {
    throw new UserError(
      "damaged",
      `a ${format.toUpperCase()} image of ${width} × ${height} pixels`,
    );
  }
  return { format, width, height, bits, colour, ...(refusal === undefined ? {} : { refusal }) };
}
