/**
 * What a TIFF's first page says of itself, and which pages sharp and Pillow show alike.
 * https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
 * @module
 */
import { UserError } from "../io/errors.ts";

/** The first page of a TIFF. */
export interface TiffHeader {
  /** Pixels a row, as stored. */
  readonly width: number;
  /** Rows, as stored. */
  readonly height: number;
  /** Bits a channel. */
  readonly bits: number;
  /** How colour is stored. */
  readonly colour: "grey" | "rgb" | "palette" | "cmyk";
  /** How it is turned before it is shown, 1 to 8 as EXIF counts; Pillow turns TIFFs, and no others. */
  readonly orientation: number;
  /** Why it has no 8-bit RGB equal to Pillow's here, where it has none. */
  readonly refusal?: string;
}

const WIDTH = 256, HEIGHT = 257, BITS = 258, COMPRESSION = 259, PHOTOMETRIC = 262, FILL_ORDER = 266;
const ORIENTATION = 274, SAMPLES = 277, PLANAR = 284, EXTRA = 338, FORMAT = 339, XMP = 700;

const TYPE_BYTES: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 7: 1 };

const COMPRESSIONS: Readonly<Record<number, string>> = {
  1: "none",
  2: "CCITT",
  3: "Group 3",
  4: "Group 4",
  5: "LZW",
  7: "JPEG",
  8: "deflate",
  32773: "PackBits",
  32946: "deflate",
};

const COLOURS = ["grey", "grey", "rgb", "palette", undefined, "cmyk", "rgb"] as const;

/**
 * Reads the first page's tags.
 * @throws {UserError} where the bytes end before them
 */
export function readTiffHeader(view: DataView): TiffHeader {
  const little = view.getUint8(0) === 0x49;
  const cutOff = () => new UserError("damaged", "a TIFF image cut off in its header");
  const need = (end: number) => {
    if (end > view.byteLength) throw cutOff();
  };
  need(8);
  const start = view.getUint32(4, little);
  need(start + 2);
  const count = view.getUint16(start, little);
  need(start + 2 + 12 * count);
  const tags = new Map<number, number[]>();
  for (let i = 0; i < count; i++) {
    const at = start + 2 + 12 * i;
    const size = TYPE_BYTES[view.getUint16(at + 2, little)];
    const values = view.getUint32(at + 4, little);
    const tag = view.getUint16(at, little);
    if (size === undefined || (values > 64 && tag !== XMP)) continue;
    const from = size * values <= 4 ? at + 8 : view.getUint32(at + 8, little);
    need(from + size * values);
    const read = (at: number) =>
      size === 1
        ? view.getUint8(at)
        : size === 2
        ? view.getUint16(at, little)
        : view.getUint32(at, little);
    tags.set(tag, Array.from({ length: values }, (_, k) => read(from + size * k)));
  }
  const [width] = tags.get(WIDTH) ?? [], [height] = tags.get(HEIGHT) ?? [];
  if (width === undefined || height === undefined) {
    throw new UserError("damaged", "a TIFF image without a size");
  }
  const photometric = tags.get(PHOTOMETRIC)?.[0] ?? 0;
  const refusal = refusalOf(tags, photometric);
  return {
    width,
    height,
    bits: tags.get(BITS)?.[0] ?? 1,
    colour: COLOURS[photometric] ?? "grey",
    orientation: orientationOf(tags),
    ...(refusal === undefined ? {} : { refusal: `a TIFF image ${refusal}` }),
  };
}

function orientationOf(tags: ReadonlyMap<number, number[]>): number {
  const [said] = tags.get(ORIENTATION) ?? [];
  if (said !== undefined) return said >= 1 && said <= 8 ? said : 1;
  const xmp = new TextDecoder().decode(Uint8Array.from(tags.get(XMP) ?? []));
  return Number(/tiff:Orientation(?:="|>)([1-8])/.exec(xmp)?.[1] ?? 1);
}

function refusalOf(tags: ReadonlyMap<number, number[]>, photometric: number): string | undefined {
  const one = (tag: number, usual: number) => tags.get(tag)?.[0] ?? usual;
  const advice = "; save it as 8-bit RGB first";
  const compression = one(COMPRESSION, 1);
  if (!(compression in COMPRESSIONS)) return `with compression ${compression}${advice}`;
  const samples = one(SAMPLES, 1), bits = one(BITS, 1), planar = one(PLANAR, 1);
  const depths = tags.get(BITS) ?? [1];
  if (depths.some((depth) => depth !== bits)) return `of ${depths.join(", ")} bits${advice}`;
  if ((tags.get(FORMAT) ?? [1]).some((format) => format !== 1)) {
    return `of numbers that are no unsigned integers${advice}`;
  }
  if (one(FILL_ORDER, 1) !== 1 && bits !== 1) return `with its bits in reverse order${advice}`;
  const extra = tags.get(EXTRA) ?? [];
  const colours = photometric === 5 ? 4 : photometric === 2 || photometric === 6 ? 3 : 1;
  const layout = `of ${samples} channels of ${bits} bits, kind ${photometric}`;
  if (extra.includes(1)) return `whose colours are multiplied by alpha${advice}`;
  if (samples > colours + 1 || samples < colours || extra.length > samples - colours) {
    return layout + advice;
  }
  switch (photometric) {
    case 0:
    case 1:
      if (bits === 16) {
        return '16 bits of grey, of which Pillow\'s convert("RGB") keeps nothing above 255; ' +
          "convert it to 8 bits first";
      }
      if ([1, 2, 4, 8].includes(bits) && samples === 1) return;
      return photometric === 1 && bits === 8 && planar === 1 && extra.length === 1
        ? undefined
        : layout + advice;
    case 2:
      return bits === 8 || (bits === 16 && planar === 1) ? undefined : layout + advice;
    case 3:
      return [1, 2, 4, 8].includes(bits) && samples === 1 ? undefined : layout + advice;
    case 5:
      return bits === 8 && samples === 4 ? undefined : layout + advice;
    case 6:
      return compression === 7 && bits === 8 && planar === 1 && samples === 3
        ? undefined
        : layout + advice;
  }
  return layout + advice;
}

/**
 * Turns pixels as EXIF's orientation says they are to be shown.
 * @param data R, G, B, [height, width, 3]
 */
export function oriented(
  { width, height, data }: { width: number; height: number; data: Uint8Array },
  orientation: number,
): { width: number; height: number; data: Uint8Array } {
  if (orientation === 1) return { width, height, data };
  const isTurned = orientation >= 5;
  const [columns, rows] = isTurned ? [height, width] : [width, height];
  const turned = new Uint8Array(data.length);
  const flipsX = [2, 3, 7, 8].includes(orientation), flipsY = [3, 4, 6, 7].includes(orientation);
  for (let y = 0, to = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, to += 3) {
      const [alongX, alongY] = isTurned ? [y, x] : [x, y];
      const column = flipsX ? width - 1 - alongX : alongX;
      const row = flipsY ? height - 1 - alongY : alongY;
      const from = 3 * (row * width + column);
      turned[to] = data[from]!;
      turned[to + 1] = data[from + 1]!;
      turned[to + 2] = data[from + 2]!;
    }
  }
  return { width: columns, height: rows, data: turned };
}
