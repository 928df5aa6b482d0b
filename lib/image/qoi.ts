/**
 * QOI, "quite OK images", as Pillow reads them.
 * https://qoiformat.org/qoi-specification.pdf
 * @module
 */
import { UserError } from "../io/errors.ts";

/** Letters, width, height, channels, colour space. */
const HEADER_BYTES = 14;

/** Size of a QOI image. */
export interface QoiHeader {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

/**
 * Reads the header.
 * @throws {UserError} where it is cut off
 */
export function readQoiHeader(view: DataView): QoiHeader {
  if (view.byteLength < HEADER_BYTES) {
    throw new UserError("damaged", "a QOI image cut off in its header");
  }
  return { width: view.getUint32(4), height: view.getUint32(8) };
}

/**
 * Decodes the pixels; alpha is dropped.
 * @returns R, G, B, [height, width, 3]
 * @throws {Error} where there are too few
 */
export function decodeQoi(bytes: Uint8Array, { width, height }: QoiHeader): Uint8Array {
  const data = new Uint8Array(3 * width * height);
  const seen = new Uint8Array(64 * 4);
  let red = 0, green = 0, blue = 0, alpha = 255;
  let at = HEADER_BYTES, to = 0;
  const next = () => {
    if (at >= bytes.length) throw new Error("pixels that end too early");
    return bytes[at++]!;
  };
  while (to < data.length) {
    const byte = next(), low = byte & 63;
    let run = 1;
    if (byte === 254 || byte === 255) {
      red = next();
      green = next();
      blue = next();
      if (byte === 255) alpha = next();
    } else if (byte >> 6 === 0) {
      red = seen[4 * low]!;
      green = seen[4 * low + 1]!;
      blue = seen[4 * low + 2]!;
      alpha = seen[4 * low + 3]!;
    } else if (byte >> 6 === 1) {
      red = red + (low >> 4) - 2 & 255;
      green = green + (low >> 2 & 3) - 2 & 255;
      blue = blue + (low & 3) - 2 & 255;
    } else if (byte >> 6 === 2) {
      const second = next(), change = low - 32;
      red = red + change + (second >> 4) - 8 & 255;
      green = green + change & 255;
      blue = blue + change + (second & 15) - 8 & 255;
    } else run = low + 1;
    // Pillow does not remember the pixel that a run repeats
    if (byte < 192 || byte > 253) {
      const place = 4 * ((3 * red + 5 * green + 7 * blue + 11 * alpha) % 64);
      seen[place] = red;
      seen[place + 1] = green;
      seen[place + 2] = blue;
      seen[place + 3] = alpha;
    }
    for (; run > 0 && to < data.length; run--) {
      data[to++] = red;
      data[to++] = green;
      data[to++] = blue;
    }
  }
  return data;
}
