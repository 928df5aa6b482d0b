/**
 * The pixels of a TIFF's first page as Pillow reads them: uncompressed as they lie in the file, what
 * is compressed as libtiff hands it out.
 * @module
 */
import { cmykToRgb } from "./cmyk.ts";
import type { TiffHeader, TiffLayout } from "./tiff.ts";
import { addDifferences, unpackStrip } from "./tiff_strips.ts";
import { TiffTags } from "./tiff_tags.ts";
import { libtiffYcbcrToRgb, pillowYcbcrToRgb } from "./ycbcr.ts";

const STRIP_OFFSETS = 273, STRIP_ROWS = 278, STRIP_BYTES = 279, PALETTE = 320;
const TILE_WIDTH = 322, TILE_HEIGHT = 323, TILE_OFFSETS = 324, TILE_BYTES = 325;
const COEFFICIENTS = 529, BLACK_AND_WHITE = 532;

/** Largest strip or tile that memory is taken for: as large as the largest image. */
const MAX_PART_PIXELS = 178_956_970;

/** Samples that are kept of a pixel. */
const KEPT: Readonly<Record<TiffLayout["kind"], number>> = {
  grey: 1,
  palette: 1,
  rgb: 3,
  cmyk: 4,
  ycbcr: 3,
};

/**
 * Decodes the first page, as it is stored.
 * @param page what its header says
 * @returns R, G, B, [height, width, 3]
 * @throws {Error} where pixels are missing or damaged
 */
export function decodeTiff(bytes: Uint8Array, page: TiffHeader): Uint8Array {
  const tags = new TiffTags(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const layout = page.layout!;
  const samples = readSamples(bytes, tags, page, layout);
  switch (layout.kind) {
    case "grey": {
      const step = layout.bits < 8 ? 255 / ((1 << layout.bits) - 1) : 1;
      return coloured(samples, (i) => layout.isInverted ? 255 - i * step : i * step);
    }
    case "palette": {
      const palette = tags.values(PALETTE).map((level) => level >> 8);
      const colours = Math.floor(palette.length / 3);
      // libtiff holds a palette of another length for none
      const isWhole = layout.bits === 8 || layout.compression === "none" ||
        colours === 1 << layout.bits;
      if (colours > 256 || !isWhole) throw new Error(`${colours} colours`);
      return coloured(samples, (i, c) => i < colours ? palette[c * colours + i]! : 0);
    }
    case "rgb":
      return layout.isMultiplied ? divided(samples) : samples;
    case "cmyk":
      return cmykToRgb(samples);
    case "ycbcr":
      return layout.compression === "none"
        ? pillowYcbcrToRgb(samples)
        : libtiffYcbcrToRgb(samples, tags.ratios(COEFFICIENTS), tags.ratios(BLACK_AND_WHITE));
  }
}

/** The samples that are kept, [height, width, kept], 16 bits cut to their upper eight. */
function readSamples(
  bytes: Uint8Array,
  tags: TiffTags,
  { width, height }: TiffHeader,
  layout: TiffLayout,
): Uint8Array {
  const { bits, compression, isReversed, isDifference } = layout;
  const isRaw = compression === "none";
  const isTiled = tags.values(TILE_WIDTH).length > 0 &&
    !(isRaw && tags.values(STRIP_OFFSETS).length > 0);
  const columns = isTiled ? tags.one(TILE_WIDTH, 0) : width;
  const rows = isTiled ? tags.one(TILE_HEIGHT, 0) : Math.min(height, tags.one(STRIP_ROWS, height));
  if (columns === 0 || rows === 0) throw new Error("strips or tiles without a size");
  if (columns * rows > MAX_PART_PIXELS) throw new Error(`tiles of ${columns} × ${rows} pixels`);
  const first = (tag: number, other: number) => {
    const values = tags.values(tag);
    return values.length > 0 ? values : tags.values(other);
  };
  const offsets = isTiled ? first(TILE_OFFSETS, STRIP_OFFSETS) : tags.values(STRIP_OFFSETS);
  const lengths = isTiled ? first(TILE_BYTES, STRIP_BYTES) : tags.values(STRIP_BYTES);
  const kept = KEPT[layout.kind] + (layout.isMultiplied ? 1 : 0);
  const isPlanar = layout.isPlanar && layout.samples > 1;
  const each = isPlanar ? 1 : layout.samples;
  const across = Math.ceil(width / columns), down = Math.ceil(height / rows);
  const stride = Math.ceil(columns * each * bits / 8);
  const out = new Uint8Array(width * height * kept);
  for (let plane = 0; plane < (isPlanar ? kept : 1); plane++) {
    for (let part = 0; part < across * down; part++) {
      const left = part % across * columns, top = Math.floor(part / across) * rows;
      const shownColumns = Math.min(columns, width - left);
      const shownRows = Math.min(rows, height - top);
      const index = plane * across * down + part;
      // of more than cover the whole Pillow puts the last where the first are
      const spare = isRaw && !isPlanar ? offsets.length - 1 - part : 0;
      const offset = offsets[index + spare - spare % (across * down)];
      const length = isRaw ? 0 : lengths[index];
      if (offset === undefined || length === undefined) throw new Error("pixels that are missing");
      if (!isRaw && offset + length > bytes.length) throw new Error("pixels that end too early");
      const wanted = isRaw
        ? stride * (shownRows - 1) + Math.ceil(shownColumns * each * bits / 8)
        : stride * (isTiled ? rows : shownRows);
      let strip = bytes.subarray(offset, offset + (isRaw ? wanted : length));
      if (isReversed) strip = strip.map((byte) => REVERSED[byte]!);
      const samples = unpackStrip(strip, compression, wanted, stride * rows);
      for (let row = 0; row < shownRows; row++) {
        const line = samples.subarray(row * stride, (row + 1) * stride);
        if (isDifference) addDifferences(line, bits, each, tags.isLittle);
        const to = ((top + row) * width + left) * kept + plane;
        if (isPlanar) copySamples(line, bits, 1, 1, shownColumns, tags.isLittle, out, to, kept);
        else copySamples(line, bits, each, kept, shownColumns, tags.isLittle, out, to, kept);
      }
    }
  }
  return out;
}

const REVERSED = Uint8Array.from(
  { length: 256 },
  (_, byte) => parseInt(byte.toString(2).padStart(8, "0").split("").reverse().join(""), 2),
);

/**
 * Copies the first samples of each pixel.
 * @param each samples that a pixel has in the line
 * @param copied how many of them are copied
 * @param step bytes from a pixel to the next in `out`
 */
function copySamples(
  line: Uint8Array,
  bits: number,
  each: number,
  copied: number,
  columns: number,
  isLittle: boolean,
  out: Uint8Array,
  start: number,
  step: number,
): void {
  if (bits === 8 && each === copied && copied === step) {
    out.set(line.subarray(0, columns * each), start);
    return;
  }
  const mask = (1 << bits) - 1, high = isLittle ? 1 : 0;
  for (let x = 0, to = start; x < columns; x++, to += step) {
    for (let c = 0; c < copied; c++) {
      const i = x * each + c;
      out[to + c] = bits === 8
        ? line[i]!
        : bits === 16
        ? line[2 * i + high]!
        : line[i * bits >> 3]! >> 8 - bits - (i * bits & 7) & mask;
    }
  }
}

/** Three channels out of one. */
function coloured(
  samples: Uint8Array,
  colour: (sample: number, channel: number) => number,
): Uint8Array {
  const table = Uint8Array.from({ length: 768 }, (_, i) => colour(Math.floor(i / 3), i % 3));
  const data = new Uint8Array(3 * samples.length);
  for (let i = 0, to = 0; i < samples.length; i++) {
    const from = 3 * samples[i]!;
    data[to++] = table[from]!;
    data[to++] = table[from + 1]!;
    data[to++] = table[from + 2]!;
  }
  return data;
}

/** Colours without the alpha that they are multiplied by. */
function divided(samples: Uint8Array): Uint8Array {
  const data = new Uint8Array(samples.length / 4 * 3);
  for (let from = 0, to = 0; from < samples.length; from += 4, to += 3) {
    const alpha = samples[from + 3]!;
    for (let c = 0; c < 3 && alpha > 0; c++) {
      data[to + c] = Math.min(255, Math.trunc(samples[from + c]! * 255 / alpha));
    }
  }
  return data;
}
