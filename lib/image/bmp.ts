/**
 * Windows and OS/2 bitmaps as Pillow reads them: 1, 4, 8, 16, 24 and 32 bits, run lengths, either
 * direction of rows.
 * https://learn.microsoft.com/en-us/windows/win32/gdi/bitmap-storage
 * @module
 */
import { UserError } from "../io/errors.ts";

/** What a bitmap says of itself. */
export interface BmpHeader {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Bits a pixel. */
  readonly bits: number;
  /** Why it has no 8-bit RGB equal to Pillow's, where it has none. */
  readonly refusal?: string;
  readonly isTopDown: boolean;
  /** 0 none, 1 and 2 run lengths of 8 and 4 bits, 3 masks. */
  readonly compression: number;
  /** Colours, R, G, B, of 8 bits and less. */
  readonly palette: Uint8Array;
  /** Where red, green and blue lie in a pixel of 24 or 32 bits. */
  readonly order: readonly [number, number, number];
  /** Bits of green in a pixel of 16. */
  readonly greenBits: 5 | 6;
  /** Where the pixels start. */
  readonly offset: number;
}

/** Masks of red, green, blue and alpha that Pillow knows, and where those colours lie then. */
const MASKS_32: Readonly<Record<string, readonly [number, number, number]>> = {
  "ff0000 ff00 ff 0": [2, 1, 0],
  "ff000000 ff0000 ff00 0": [3, 2, 1],
  "ff000000 ff00 ff 0": [3, 1, 0],
  "ff000000 ff0000 ff00 ff": [3, 2, 1],
  "ff ff00 ff0000 ff000000": [0, 1, 2],
  "ff0000 ff00 ff ff000000": [2, 1, 0],
  "ff000000 ff00 ff ff0000": [3, 1, 0],
  "0 0 0 0": [2, 1, 0],
};

/** Bytes of the header that only files have, before that of the bitmap itself. */
const FILE_HEADER_BYTES = 14;

/** Lengths of headers that Pillow knows. */
const HEADERS = [12, 40, 52, 56, 64, 108, 124];

/** Whether bytes are a bitmap without a file's header, as clipboards and icons hold them. */
export function isBitmap(view: DataView): boolean {
  if (view.byteLength < 40 || !HEADERS.includes(view.getUint32(0, true))) return false;
  const at = view.getUint32(0, true) === 12 ? 8 : 12;
  return view.getUint16(at, true) === 1 &&
    [1, 4, 8, 16, 24, 32].includes(view.getUint16(at + 2, true));
}

/** Such a bitmap with a file's header, whose pixels begin behind its palette. */
export function bitmapFile(bitmap: Uint8Array): Uint8Array {
  const file = new Uint8Array(FILE_HEADER_BYTES + bitmap.length);
  file.set([0x42, 0x4d]);
  file.set(bitmap, FILE_HEADER_BYTES);
  return file;
}

const damaged = (what: string) => new UserError("damaged", `a BMP image ${what}`);

/**
 * Reads the header.
 * @throws {UserError} where it is cut off or damaged
 */
export function readBmpHeader(view: DataView): BmpHeader {
  const size = view.byteLength < 18 ? 0 : view.getUint32(14, true);
  if (view.byteLength < 18 || view.byteLength < 14 + size) throw damaged("cut off in its header");
  const isOs2 = size === 12;
  if (!HEADERS.includes(size)) {
    throw damaged(`with a header of ${size} bytes`);
  }
  const uint32 = (at: number) => {
    if (at + 4 > view.byteLength) throw damaged("cut off in its header");
    return view.getUint32(at, true);
  };
  const isTopDown = !isOs2 && view.getUint8(25) === 0xff;
  const width = isOs2 ? view.getUint16(18, true) : uint32(18);
  const rows = isOs2 ? view.getUint16(20, true) : uint32(22);
  const bits = view.getUint16(isOs2 ? 24 : 28, true);
  const compression = isOs2 ? 0 : uint32(30);
  const colours = (isOs2 ? 0 : uint32(46)) || 2 ** bits;
  let offset = uint32(10), at = 14 + size;
  const masks = [0, 0, 0, 0];
  if (compression === 3) {
    const count = size >= 56 ? 4 : 3;
    for (let i = 0; i < count; i++) masks[i] = uint32(54 + 4 * i);
    if (size === 40) at += 12;
  }
  const entry = isOs2 ? 3 : 4;
  let palette = new Uint8Array();
  if (bits <= 8) {
    if (colours > 256) throw damaged(`with ${colours} colours`);
    if (at + colours * entry > view.byteLength) throw damaged("cut off in its header");
    palette = Uint8Array.from(
      { length: 3 * colours },
      (_, i) => view.getUint8(at + Math.floor(i / 3) * entry + 2 - i % 3),
    );
    at += colours * entry;
  }
  offset ||= at;
  if (offset === 14 + size && bits <= 8) offset += entry * colours;
  const order = bits === 32 && compression === 3
    ? MASKS_32[masks.map((mask) => mask.toString(16)).join(" ")]
    : [2, 1, 0] as const;
  const masked = masks.slice(0, 3).map((mask) => mask.toString(16)).join(" ");
  const isKnown = order !== undefined && (compression !== 3 ||
    (bits === 16 && (masked === "f800 7e0 1f" || masked === "7c00 3e0 1f")) ||
    (bits === 24 && masked === "ff0000 ff00 ff") || bits === 32);
  const refusal = refusalOf(bits, compression, isKnown, palette);
  return {
    width,
    height: isTopDown ? 2 ** 32 - rows : rows,
    bits,
    ...(refusal === undefined ? {} : { refusal }),
    isTopDown,
    compression,
    palette,
    order: order ?? [2, 1, 0],
    greenBits: compression === 3 && masked === "f800 7e0 1f" ? 6 : 5,
    offset,
  };
}

function refusalOf(
  bits: number,
  compression: number,
  isKnown: boolean,
  palette: Uint8Array,
): string | undefined {
  const advice = "; save it as PNG first";
  if (![1, 4, 8, 16, 24, 32].includes(bits)) return `a BMP image of ${bits} bits a pixel${advice}`;
  if (compression > 3) return `a BMP image with compression ${compression}${advice}`;
  if (!isKnown || (compression === 3 && bits < 16)) {
    return `a BMP image with masks that Pillow does not know${advice}`;
  }
  const isRun = compression === 1 || compression === 2;
  if (isRun && bits !== (compression === 1 ? 8 : 4)) {
    return `a BMP image of ${bits} bits with runs of others${advice}`;
  }
  // Pillow takes its pixels for others then: 8 bits each where all are grey, 1 where two are
  const colours = palette.length / 3;
  const isGrey = bits <= 8 && isRamp(palette);
  const isTaken = colours <= 2 ? bits === 1 : bits === 8 || isRun;
  if (isGrey && !isTaken) {
    return `a BMP image of ${bits} bits and ${colours} grey colours, which Pillow takes for others` +
      advice;
  }
}

/** Levels of grey in their order: two of them are black and white. */
function isRamp(palette: Uint8Array): boolean {
  const step = palette.length === 6 ? 255 : 1;
  return palette.every((value, i) => value === step * Math.floor(i / 3));
}

/** 256 colours: beyond those of a palette it is black, but where all are grey. */
function wholePalette(palette: Uint8Array): Uint8Array {
  if (isRamp(palette)) {
    const step = palette.length <= 6 ? 255 : 1;
    return Uint8Array.from({ length: 768 }, (_, i) => Math.min(255, step * Math.floor(i / 3)));
  }
  const whole = new Uint8Array(768);
  whole.set(palette);
  return whole;
}

/**
 * Decodes the pixels.
 * @returns R, G, B, [height, width, 3]
 * @throws {Error} where there are too few
 */
export function decodeBmp(bytes: Uint8Array, header: BmpHeader): Uint8Array {
  const { width, height, bits, compression, isTopDown, palette, offset } = header;
  const isRun = compression === 1 || compression === 2;
  const source = isRun ? decodeRuns(bytes, header) : bytes;
  const stride = isRun ? width : (width * bits + 31 >> 3) & ~3;
  const start = isRun ? 0 : offset;
  // the last row need not be filled up
  if (source.length < start + stride * (height - 1) + Math.ceil(width * (isRun ? 8 : bits) / 8)) {
    throw new Error("pixels that end too early");
  }
  const colours = wholePalette(palette);
  const data = new Uint8Array(3 * width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = start + stride * (isTopDown ? y : height - 1 - y);
    for (let x = 0; x < width; x++, to += 3) {
      if (isRun || bits <= 8) {
        const index = isRun ? source[row + x]! : indexAt(source, row, x, bits);
        for (let c = 0; c < 3; c++) data[to + c] = colours[3 * index + c]!;
      } else if (bits === 16) {
        const pixel = source[row + 2 * x]! | source[row + 2 * x + 1]! << 8;
        const top = header.greenBits === 6 ? 63 : 31;
        data[to] = Math.trunc((pixel >> (5 + header.greenBits) & 31) * 255 / 31);
        data[to + 1] = Math.trunc((pixel >> 5 & top) * 255 / top);
        data[to + 2] = Math.trunc((pixel & 31) * 255 / 31);
      } else {
        const at = row + x * (bits >> 3);
        for (let c = 0; c < 3; c++) data[to + c] = source[at + header.order[c]!]!;
      }
    }
  }
  return data;
}

function indexAt(bytes: Uint8Array, row: number, x: number, bits: number): number {
  const perByte = 8 / bits;
  const shift = 8 - bits * (1 + x % perByte);
  return bytes[row + Math.floor(x / perByte)]! >> shift & (1 << bits) - 1;
}

/** Run lengths as indices of one byte each, rows as they follow one another in the file. */
function decodeRuns(bytes: Uint8Array, header: BmpHeader): Uint8Array {
  const { width, height, compression, offset } = header;
  const isHalf = compression === 2;
  const out = new Uint8Array(width * height);
  let at = offset, x = 0, filled = 0;
  const put = (index: number) => {
    if (filled < out.length) out[filled] = index;
    filled++;
  };
  const half = (byte: number, i: number) => i % 2 === 0 ? byte >> 4 : byte & 15;
  while (filled < out.length && at + 1 < bytes.length) {
    const count = bytes[at++]!, byte = bytes[at++]!;
    if (count > 0) {
      const run = Math.max(0, Math.min(count, width - x));
      for (let i = 0; i < run; i++) put(isHalf ? half(byte, i) : byte);
      x += run;
    } else if (byte === 0) {
      filled = Math.ceil(filled / width) * width;
      x = 0;
    } else if (byte === 1) break;
    else if (byte === 2) {
      filled = Math.min(out.length, filled + (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * width);
      at += 2;
      x = filled % width;
    } else {
      const values = Math.min(out.length - filled, byte);
      const length = isHalf ? Math.ceil(values / 2) : values;
      if (at + length > bytes.length) break;
      for (let i = 0; i < values; i++) {
        put(isHalf ? half(bytes[at + (i >> 1)]!, i) : bytes[at + i]!);
      }
      at += length;
      x += byte;
      at += at % 2;
    }
  }
  if (filled !== out.length) throw new Error("pixels that end too early");
  return out;
}
