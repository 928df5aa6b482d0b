/**
 * Netpbm's images, P1 to P6, as Pillow reads them.
 * https://netpbm.sourceforge.net/doc/pnm.html
 * @module
 */
import { UserError } from "../io/errors.ts";

/** What a Netpbm file says of itself. */
export interface PnmHeader {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Why it has no 8-bit RGB equal to Pillow's, where it has none. */
  readonly refusal?: string;
  /** 1 to 6: bits, grey or colour as text, then the same as bytes. */
  readonly kind: number;
  /** The level that is white; 1 for bits. */
  readonly white: number;
  /** Where the pixels start. */
  readonly offset: number;
}

const SPACES = " \t\n\v\f\r";

/**
 * Reads the header.
 * @throws {UserError} where it is cut off or damaged
 */
export function readPnmHeader(bytes: Uint8Array): PnmHeader {
  const kind = bytes[1]! - 48;
  let at = 3;
  const number = () => {
    let token = "";
    while (true) {
      if (at >= bytes.length) throw new UserError("damaged", "a PNM image cut off in its header");
      const letter = String.fromCharCode(bytes[at++]!);
      if (letter === "#") {
        while (at < bytes.length && ![10, 13].includes(bytes[at]!)) at++;
        at++;
      } else if (!SPACES.includes(letter)) token += letter;
      else if (token !== "") break;
    }
    if (!/^\d{1,10}$/.test(token)) {
      throw new UserError("damaged", "a PNM image with a damaged header");
    }
    return Number(token);
  };
  const [width, height] = [number(), number()];
  const white = kind === 1 || kind === 4 ? 1 : number();
  if (white < 1 || white > 65_535) {
    throw new UserError("damaged", "a PNM image with a damaged header");
  }
  const refusal = white > 255 && (kind === 2 || kind === 5)
    ? 'a 16-bit grey PNM image, of which Pillow\'s convert("RGB") keeps nothing above 255; ' +
      "convert it to 8 bits first"
    : undefined;
  return { width, height, ...(refusal ? { refusal } : {}), kind, white, offset: at };
}

/**
 * Decodes the pixels.
 * @returns R, G, B, [height, width, 3]
 * @throws {Error} where there are too few, or one is none
 */
export function decodePnm(bytes: Uint8Array, header: PnmHeader): Uint8Array {
  const { width, height, kind, white } = header;
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const count = width * height * channels;
  const values = kind > 3 ? binary(bytes, header, count) : plain(bytes, header, count);
  if (channels === 3) return values;
  const data = new Uint8Array(3 * count);
  const isBits = white === 1 && (kind === 1 || kind === 4);
  for (let i = 0; i < count; i++) {
    data.fill(isBits ? 255 * (1 - values[i]!) : values[i]!, 3 * i, 3 * i + 3);
  }
  return data;
}

function binary(bytes: Uint8Array, header: PnmHeader, count: number): Uint8Array {
  const { width, height, kind, white, offset } = header;
  const stride = Math.ceil(width / 8);
  const wide = white > 255 ? 2 : 1;
  if (bytes.length < offset + (kind === 4 ? stride * height : count * wide)) {
    throw new Error("pixels that end too early");
  }
  const values = new Uint8Array(count);
  if (kind === 4) {
    for (let i = 0; i < count; i++) {
      const x = i % width, y = (i - x) / width;
      values[i] = bytes[offset + y * stride + (x >> 3)]! >> (7 - (x & 7)) & 1;
    }
    return values;
  }
  if (white === 255) return bytes.slice(offset, offset + count);
  for (let i = 0, at = offset; i < count; i++, at += wide) {
    values[i] = level(wide === 1 ? bytes[at]! : bytes[at]! << 8 | bytes[at + 1]!, white);
  }
  return values;
}

function plain(bytes: Uint8Array, { kind, white, offset }: PnmHeader, count: number): Uint8Array {
  const values = new Uint8Array(count);
  let filled = 0, token = -1, digits = 0;
  const flush = () => {
    if (token > white) throw new Error(`a level of ${token}, beyond ${white}`);
    if (token >= 0 && filled < count) values[filled++] = kind === 1 ? token : level(token, white);
    token = -1;
    digits = 0;
  };
  for (let at = offset; at < bytes.length && filled < count; at++) {
    const byte = bytes[at]!;
    if (byte === 35) {
      while (at + 1 < bytes.length && ![10, 13].includes(bytes[at]!)) at++;
    } else if (byte >= 48 && byte <= 57) {
      if (++digits > 10) throw new Error("a level that is too long");
      token = Math.max(0, token) * 10 + byte - 48;
      // bits need no space between
      if (kind === 1) flush();
    } else if (SPACES.includes(String.fromCharCode(byte))) flush();
    else throw new Error("something that is no level");
  }
  flush();
  if (filled < count) throw new Error("pixels that end too early");
  return values;
}

/** A level of some white as one of 255, rounded as Python rounds. */
function level(value: number, white: number): number {
  const scaled = value / white * 255;
  const floor = Math.floor(scaled);
  return Math.min(255, scaled - floor === .5 ? floor + floor % 2 : Math.round(scaled));
}
