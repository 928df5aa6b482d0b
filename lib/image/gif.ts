/**
 * The first frame of a GIF as Pillow shows it: on the whole canvas, its transparent pixels in the
 * colours that the palette gives them.
 * https://www.w3.org/Graphics/GIF/spec-gif89a.txt
 * @module
 */
import { UserError } from "../io/errors.ts";

/** Where a GIF's first frame lies in its file and on its canvas. */
export interface GifFrame {
  /** Pixels a row of the canvas, made larger where the frame leaves it. */
  readonly width: number;
  /** Rows of the canvas. */
  readonly height: number;
  /** Why its colours cannot be told, where they cannot. */
  readonly refusal?: string;
  readonly left: number;
  readonly top: number;
  readonly columns: number;
  readonly rows: number;
  readonly isInterlaced: boolean;
  /** Its 256 colours, R, G, B. */
  readonly palette: Uint8Array;
  /** Index of the canvas around the frame. */
  readonly background: number;
  /** Where its codes start: their least size, then blocks. */
  readonly offset: number;
}

const cutOff = () => new UserError("damaged", "a GIF image cut off in its header");

/**
 * Reads where the first frame lies.
 * @throws {UserError} where there is none, or the file ends before it
 */
export function readGifFrame(view: DataView): GifFrame {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const need = (end: number) => {
    if (end > bytes.length) throw cutOff();
    return end;
  };
  need(13);
  let [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  const tableAt = (at: number, flags: number) =>
    flags & 128 ? bytes.subarray(at, need(at + (6 << (flags & 7)))) : undefined;
  const common = tableAt(13, bytes[10]!);
  let at = 13 + (common?.length ?? 0);
  let background = 0;
  while (true) {
    const kind = bytes[need(at + 1) - 1]!;
    if (kind === 0x3b) throw new UserError("damaged", "a GIF image without a frame");
    if (kind === 0x2c) break;
    at++;
    if (kind !== 0x21) continue;
    const label = bytes[need(at + 2) - 2]!, size = bytes[at + 1]!;
    if (label === 0xf9 && size >= 4 && bytes[need(at + 6) - 4]! & 1) background = bytes[at + 5]!;
    at++;
    while (bytes[need(at + 1) - 1] !== 0) at += bytes[at]! + 1;
    at++;
  }
  need(at + 11);
  const [left, top, columns, rows] = [1, 3, 5, 7].map((i) => view.getUint16(at + i, true)) as [
    number,
    number,
    number,
    number,
  ];
  const flags = bytes[at + 9]!;
  const own = tableAt(at + 10, flags);
  const refusal = own && common && isRamp(own) && !isRamp(common)
    ? "a GIF image with a grey palette of its own in the first frame and a coloured one for all; " +
      "save it as PNG first"
    : undefined;
  width = Math.max(width, left + columns);
  height = Math.max(height, top + rows);
  return {
    width,
    height,
    ...(refusal === undefined ? {} : { refusal }),
    left,
    top,
    columns,
    rows,
    isInterlaced: (flags & 64) !== 0,
    palette: wholePalette(own ?? common ?? new Uint8Array()),
    background,
    offset: need(at + 11 + (own?.length ?? 0)) - 1,
  };
}

function isRamp(palette: Uint8Array): boolean {
  return palette.every((value, i) => value === Math.floor(i / 3));
}

/** Where colours are needed, an index beyond them is black; else indices are levels of grey. */
function wholePalette(colours: Uint8Array): Uint8Array {
  if (isRamp(colours)) return Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  const palette = new Uint8Array(768);
  palette.set(colours);
  return palette;
}

/**
 * Decodes the first frame.
 * @returns R, G, B, [height, width, 3]
 * @throws {Error} where codes are damaged or end too early
 */
export function decodeGif(bytes: Uint8Array, frame: GifFrame): Uint8Array {
  const { width, height, left, top, columns, rows, palette, background } = frame;
  const canvas = new Uint8Array(width * height).fill(background);
  const indices = decodeLzw(bytes, frame.offset, columns * rows);
  for (const [i, row] of rowOrder(rows, frame.isInterlaced).entries()) {
    canvas.set(indices.subarray(i * columns, (i + 1) * columns), (top + row) * width + left);
  }
  const data = new Uint8Array(3 * canvas.length);
  for (let i = 0, to = 0; i < canvas.length; i++) {
    const from = 3 * canvas[i]!;
    data[to++] = palette[from]!;
    data[to++] = palette[from + 1]!;
    data[to++] = palette[from + 2]!;
  }
  return data;
}

function rowOrder(rows: number, isInterlaced: boolean): number[] {
  const passes = isInterlaced ? [[0, 8], [4, 8], [2, 4], [1, 2]] as const : [[0, 1]] as const;
  return passes.flatMap(([start, step]) =>
    Array.from(
      { length: Math.max(0, Math.ceil((rows - start) / step)) },
      (_, i) => start + i * step,
    )
  );
}

const LARGEST_TABLE = 4096;

function decodeLzw(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  const least = bytes[offset]!;
  if (least < 1 || least > 11) throw new Error(`codes of ${least} bits`);
  const out = new Uint8Array(length);
  const clear = 1 << least, end = clear + 1;
  const prefix = new Uint16Array(LARGEST_TABLE), suffix = new Uint8Array(LARGEST_TABLE);
  const stack = new Uint8Array(LARGEST_TABLE + 1);
  let size = least + 1, next = end + 1, last = -1, first = 0;
  let bits = 0, held = 0, at = offset + 1, left = 0, filled = 0;
  while (filled < length) {
    while (held < size) {
      if (left === 0) {
        left = bytes[at++] ?? 0;
        if (left === 0) throw new Error("pixels that end too early");
      }
      if (at >= bytes.length) throw new Error("pixels that end too early");
      bits |= bytes[at++]! << held;
      held += 8;
      left--;
    }
    const code = bits & ((1 << size) - 1);
    bits >>>= size;
    held -= size;
    if (code === clear) {
      size = least + 1;
      next = end + 1;
      last = -1;
      continue;
    }
    if (code === end) throw new Error("pixels that end too early");
    if (last < 0 ? code >= clear : code > next || (code === next && next >= LARGEST_TABLE)) {
      throw new Error("a code that is not in the table");
    }
    let depth = 0, from = code;
    if (code === next && last >= 0) {
      stack[depth++] = first;
      from = last;
    }
    for (; from >= clear; from = prefix[from]!) stack[depth++] = suffix[from]!;
    first = from;
    stack[depth++] = first;
    while (depth > 0 && filled < length) out[filled++] = stack[--depth]!;
    if (last >= 0 && next < LARGEST_TABLE) {
      prefix[next] = last;
      suffix[next] = first;
      next++;
      if (next === 1 << size && size < 12) size++;
    }
    last = code;
  }
  return out;
}
