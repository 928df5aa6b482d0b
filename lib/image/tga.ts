/**
 * Targa images as Pillow reads them: grey, palettes, 16, 24 and 32 bits, run lengths, any corner
 * first.
 * https://www.dca.fee.unicamp.br/~martino/disciplinas/ea978/tgaffs.pdf
 * @module
 */
import { UserError } from "../io/errors.ts";

/** What a Targa says of itself. */
export interface TgaHeader {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Bits a pixel. */
  readonly bits: number;
  /** 1 indices of a palette, 2 colours, 3 grey. */
  readonly kind: number;
  readonly isPacked: boolean;
  readonly isTopDown: boolean;
  readonly isMirrored: boolean;
  /** First index of the palette, its colours, and bits of each; no colours where there is none. */
  readonly palette: { readonly first: number; readonly colours: number; readonly bits: number };
  /** Where the palette starts. */
  readonly offset: number;
}

const HEADER_BYTES = 18;

/** Bits that a pixel of each kind may have. */
const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  1: [8],
  2: [16, 24, 32],
  3: [1, 8, 16],
};

/**
 * Reads the header. Targas have no letters of their own: so bytes that make no sense are none.
 * @returns `undefined` where it is no Targa
 */
export function readTgaHeader(view: DataView): TgaHeader | undefined {
  if (view.byteLength <= HEADER_BYTES) return undefined;
  const byte = (at: number) => view.getUint8(at);
  const kind = byte(2) & 7, isPacked = (byte(2) & 8) !== 0, bits = byte(16);
  const hasPalette = byte(1) === 1;
  const palette = hasPalette
    ? { first: view.getUint16(3, true), colours: view.getUint16(5, true), bits: byte(7) }
    : { first: 0, colours: 0, bits: 24 };
  const isKnown = byte(1) <= 1 && byte(2) < 16 && hasPalette === (kind === 1) &&
    DEPTHS[kind]?.includes(bits) && !(isPacked && bits === 1) &&
    [16, 24, 32].includes(palette.bits) && palette.first + palette.colours <= 256;
  const width = view.getUint16(12, true), height = view.getUint16(14, true);
  if (!isKnown || width === 0 || height === 0) return undefined;
  return {
    width,
    height,
    bits,
    kind,
    isPacked,
    isTopDown: (byte(17) & 32) !== 0,
    isMirrored: (byte(17) & 16) !== 0,
    palette,
    offset: HEADER_BYTES + byte(0),
  };
}

/**
 * Decodes the pixels; alpha is dropped.
 * @returns R, G, B, [height, width, 3]
 * @throws {UserError | Error} where there are too few, or they are damaged
 */
export function decodeTga(bytes: Uint8Array, header: TgaHeader): Uint8Array {
  const { width, height, bits, kind, palette, offset } = header;
  const start = offset + palette.colours * (palette.bits >> 3);
  const stride = Math.ceil(width * bits / 8);
  const source = header.isPacked
    ? unpackRuns(bytes, start, stride, height, bits >> 3)
    : bytes.subarray(start);
  if (source.length < stride * height) throw new Error("pixels that end too early");
  const colours = paletteOf(bytes, header);
  const data = new Uint8Array(3 * width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = stride * (header.isTopDown ? y : height - 1 - y);
    for (let i = 0; i < width; i++, to += 3) {
      const x = header.isMirrored ? width - 1 - i : i;
      if (kind === 2) colourAt(source, row + x * (bits >> 3), bits, data, to);
      else if (kind === 1) {
        const from = 3 * source[row + x]!;
        data.set(colours.subarray(from, from + 3), to);
      } else if (bits === 1) {
        data.fill(source[row + (x >> 3)]! & 128 >> (x & 7) ? 255 : 0, to, to + 3);
      } else data.fill(source[row + x * (bits >> 3)]!, to, to + 3);
    }
  }
  return data;
}

/** Blue, green and red, of 16 bits five of each. */
function colourAt(
  source: Uint8Array,
  at: number,
  bits: number,
  out: Uint8Array,
  to: number,
): void {
  if (bits === 16) {
    const pixel = source[at]! | source[at + 1]! << 8;
    for (let c = 0; c < 3; c++) {
      out[to + c] = Math.trunc((pixel >> 10 - 5 * c & 31) * 255 / 31);
    }
    return;
  }
  out[to] = source[at + 2]!;
  out[to + 1] = source[at + 1]!;
  out[to + 2] = source[at]!;
}

/** 256 colours: what the palette does not have is black. */
function paletteOf(bytes: Uint8Array, { palette, offset }: TgaHeader): Uint8Array {
  const { first, colours, bits } = palette, each = bits >> 3;
  if (offset + colours * each > bytes.length) {
    throw new UserError("damaged", "a TGA image cut off in its palette");
  }
  const whole = new Uint8Array(768);
  for (let i = 0; i < colours; i++) {
    colourAt(bytes, offset + i * each, bits, whole, 3 * (first + i));
  }
  return whole;
}

/** Runs end with their row, which is where Pillow holds them to be damaged; literals need not. */
function unpackRuns(
  bytes: Uint8Array,
  start: number,
  stride: number,
  height: number,
  each: number,
): Uint8Array {
  const out = new Uint8Array(stride * height);
  for (let at = start, filled = 0; filled < out.length;) {
    const head = bytes[at++] ?? 0, length = each * ((head & 127) + 1);
    const isRun = head >= 128;
    if (at + (isRun ? each : length) > bytes.length) throw new Error("pixels that end too early");
    if (isRun) {
      if (filled % stride + length > stride) throw new Error("a run that goes beyond its row");
      const pixel = bytes.subarray(at, at + each);
      for (let i = 0; i < length; i += each) out.set(pixel, filled + i);
    } else {
      out.set(bytes.subarray(at, at + Math.min(length, out.length - filled)), filled);
    }
    at += isRun ? each : length;
    filled += length;
  }
  return out;
}
