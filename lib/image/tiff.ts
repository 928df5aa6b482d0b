/**
 * What a TIFF's first page says of itself, and which pages have 8-bit RGB equal to Pillow's.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { TiffTags } from "./tiff_tags.ts";

/** Compressions by their numbers. */
export const COMPRESSIONS: Readonly<
  Record<number, "none" | "fax" | "lzw" | "jpeg" | "deflate" | "packbits" | "zstd">
> = {
  1: "none",
  2: "fax",
  3: "fax",
  4: "fax",
  5: "lzw",
  7: "jpeg",
  8: "deflate",
  32773: "packbits",
  32946: "deflate",
  50000: "zstd",
};

/** Compressions that are not read here, by name. */
const OTHER_COMPRESSIONS: Readonly<Record<number, string>> = {
  6: "JPEG of before 1995, as cameras' raw files are (CR2, ARW)",
  34925: "LZMA",
  50001: "WebP",
};

/** How the pixels of a page are stored. */
export interface TiffLayout {
  /** What a pixel's first samples are; of YCbCr there are as many as of brightness. */
  readonly kind: "grey" | "rgb" | "palette" | "cmyk" | "ycbcr";
  /** Bits a sample: 1, 2, 4, 8 or 16. */
  readonly bits: number;
  /** Samples a pixel, with those that are not shown. */
  readonly samples: number;
  /** Whether 0 is white. */
  readonly isInverted: boolean;
  /** Whether colours are multiplied by the alpha that follows them. */
  readonly isMultiplied: boolean;
  /** Whether samples are stored one after the other, each for all pixels. */
  readonly isPlanar: boolean;
  /** Whether the first bit of a byte is its lowest. */
  readonly isReversed: boolean;
  /** How its strips or tiles are compressed. */
  readonly compression: typeof COMPRESSIONS[number];
  /** Whether samples are stored as differences from the pixel before. */
  readonly isDifference: boolean;
}

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
  /** `undefined` where it has no 8-bit RGB equal to Pillow's here. */
  readonly layout?: TiffLayout;
  /** Why it has none. */
  readonly refusal?: string;
}

const WIDTH = 256, HEIGHT = 257, BITS = 258, COMPRESSION = 259, PHOTOMETRIC = 262, FILL_ORDER = 266;
const ORIENTATION = 274, SAMPLES = 277, PLANAR = 284, PREDICTOR = 317, TILE_WIDTH = 322;
const EXTRA = 338, FORMAT = 339, SUBSAMPLING = 530, XMP = 700;
const WHAT_PAGE = 254, PAGES_BELOW = 330;

/** Of what page it is: a smaller one of another. */
const IS_PREVIEW = 1;

const KINDS = ["grey", "grey", "rgb", "palette", undefined, "cmyk", "ycbcr"] as const;
const COLOURS: Readonly<Record<TiffLayout["kind"], number>> = {
  grey: 1,
  rgb: 3,
  palette: 1,
  cmyk: 4,
  ycbcr: 3,
};

/** What samples behind the colours are: nothing, alpha that they are multiplied by, alpha. */
const UNSAID = 0, MULTIPLIED = 1, ALPHA = 2, ALPHA_OF_COREL = 999;

const ADVICE = "; save it as 8-bit RGB first";
const CLIPPED = ', of which Pillow\'s convert("RGB") keeps nothing above 255; ' +
  "convert it to 8 bits first";

/**
 * Reads the first page's tags.
 * @throws {UserError} where the bytes end before them
 */
export function readTiffHeader(view: DataView): TiffHeader {
  const tags = new TiffTags(view);
  const [width] = tags.values(WIDTH), [height] = tags.values(HEIGHT);
  if (width === undefined || height === undefined) {
    throw new UserError("damaged", "a TIFF image without a size");
  }
  const layout = readLayout(tags);
  const kind = KINDS[tags.one(PHOTOMETRIC, 0)] ?? "grey";
  return {
    width,
    height,
    bits: tags.one(BITS, 1),
    colour: kind === "ycbcr" ? "rgb" : kind,
    orientation: orientationOf(tags),
    ...(typeof layout === "string" ? { refusal: `a TIFF image ${layout}` } : { layout }),
  };
}

function orientationOf(tags: TiffTags): number {
  const [said] = tags.values(ORIENTATION);
  if (said !== undefined) return said >= 1 && said <= 8 ? said : 1;
  const xmp = new TextDecoder().decode(Uint8Array.from(tags.values(XMP)));
  return Number(/tiff:Orientation(?:="|>)([1-8])/.exec(xmp)?.[1] ?? 1);
}

/** How pixels are stored, or why they cannot be read: what Pillow's table of layouts has. */
function readLayout(tags: TiffTags): TiffLayout | string {
  if (tags.one(WHAT_PAGE, 0) & IS_PREVIEW && tags.values(PAGES_BELOW).length > 0) {
    return `whose first page, all that Pillow reads, is a preview of ${tags.one(WIDTH, 0)} × ` +
      `${tags.one(HEIGHT, 0)} pixels, as in cameras' raw files (NEF, DNG); develop it first`;
  }
  const number = tags.one(COMPRESSION, 1), photometric = tags.one(PHOTOMETRIC, 0);
  const compression = COMPRESSIONS[number];
  if (compression === undefined) {
    return `compressed as ${OTHER_COMPRESSIONS[number] ?? `number ${number}`}${ADVICE}`;
  }
  const isPlanar = tags.one(PLANAR, 1) === 2;
  const depths = tags.values(BITS), extra = tags.values(EXTRA);
  let samples = tags.one(SAMPLES, 1);
  if (depths.length === 0) depths.push(1);
  if (depths.length === 1) {
    depths.push(...Array(Math.min(8, Math.max(1, samples)) - 1).fill(depths[0]));
  }
  if (isPlanar && extra.length > 0 && extra.every((what) => what === UNSAID)) {
    samples -= extra.length;
    extra.length = 0;
  }
  const bits = depths[0]!;
  if (depths.length < samples || depths.slice(0, samples).some((depth) => depth !== bits)) {
    return `of ${samples} channels of ${depths.join(", ")} bits${ADVICE}`;
  }
  const formats = tags.values(FORMAT);
  const isSigned = formats.length > 0 && formats.every((format) => format === 2);
  const isNumber = formats.length > 0 && formats.every((format) => format === 3);
  const isGrey = photometric === 0 || photometric === 1;
  if (isNumber) {
    return 'of floating-point numbers, of which Pillow\'s convert("RGB") keeps whole levels from 0 to ' +
      "255; scale it to 8 bits first";
  }
  if (isGrey && samples === 1 && bits > 8) return `of ${bits} bits of grey${CLIPPED}`;
  const isSignedGrey = isSigned && photometric === 1 && bits === 8 && samples === 1;
  if (formats.some((format) => format !== 1) && !isSignedGrey) {
    return `of numbers that are no unsigned integers${ADVICE}`;
  }
  if (photometric === 8) return `of LAB colours${ADVICE}`;
  const kind = KINDS[photometric];
  const layout: TiffLayout = {
    kind: kind ?? "grey",
    bits,
    samples,
    isInverted: photometric === 0,
    isMultiplied: extra[0] === MULTIPLIED,
    isPlanar,
    isReversed: tags.one(FILL_ORDER, 1) === 2,
    compression,
    isDifference: ["lzw", "deflate", "zstd"].includes(compression) && tags.one(PREDICTOR, 1) !== 1,
  };
  const isRead = kind !== undefined && isKnown(layout, extra) && isUnpacked(layout, tags, extra);
  if (isRead) return layout;
  const words = [
    `photometric ${photometric}`,
    ...(extra.length > 0 ? [`extra ${extra.join(", ")}`] : []),
    ...(isPlanar ? ["planes apart"] : []),
    ...(layout.isReversed ? ["bits in reverse order"] : []),
    compression === "none" ? "not compressed" : `compressed as ${compression}`,
  ];
  return `of ${samples} channels of ${bits} bits (${words.join("; ")})${ADVICE}`;
}

/** Whether Pillow has a mode for it. */
function isKnown(
  { kind, bits, samples, isReversed, isInverted }: TiffLayout,
  extra: number[],
): boolean {
  const colours = COLOURS[kind];
  const rest = extra.slice(1).every((what) => what === UNSAID);
  const isAlphaUnsaid = kind === "rgb" && samples === 4 && extra.length === 0;
  if (!isAlphaUnsaid && samples !== colours + extra.length) return false;
  if (
    !rest || (isReversed && (samples !== colours || !["grey", "palette", "rgb"].includes(kind)))
  ) {
    return false;
  }
  switch (kind) {
    case "grey":
    case "palette":
      return extra.length === 0
        ? [1, 2, 4, 8].includes(bits)
        : bits === 8 && !isInverted && extra.length === 1 && [UNSAID, ALPHA].includes(extra[0]!);
    case "rgb": {
      const isAlpha = extra.length === 1 && extra[0] === ALPHA_OF_COREL && bits === 8;
      const isUsual = extra.every((what) => what <= ALPHA) && extra.length <= (bits === 8 ? 3 : 1);
      return (bits === 8 || (bits === 16 && !isReversed)) && (isAlpha || isUsual);
    }
    case "cmyk":
      return extra.every((what) => what === UNSAID) &&
        (bits === 8 ? extra.length <= 2 : bits === 16 && extra.length === 0);
    case "ycbcr":
      return bits === 8 && samples === 3;
  }
}

/** Whether its strips or tiles are unpacked here as Pillow unpacks them. */
function isUnpacked(layout: TiffLayout, tags: TiffTags, extra: number[]): boolean {
  const { kind, bits, samples, isPlanar, isReversed, compression, isDifference } = layout;
  const isSmall = kind !== "ycbcr" || tags.values(SUBSAMPLING).every((step) => step === 1);
  const isOne = samples === 1 || !isPlanar;
  const isTiled = tags.values(TILE_WIDTH).length > 0;
  if (isDifference && (tags.one(PREDICTOR, 1) !== 2 || bits < 8)) return false;
  switch (compression) {
    case "fax":
      return bits === 1 && samples === 1;
    case "jpeg":
      // sharp reads it whole
      if (bits !== 8 || samples > 4 || layout.isMultiplied || (isPlanar && isTiled)) return false;
      return kind === "rgb" || kind === "cmyk" || (kind !== "palette" && isOne);
    case "none":
      if (isReversed && (kind === "palette" ? bits < 8 : layout.isInverted && bits === 8)) {
        return false;
      }
      if (!isPlanar) return isSmall;
      // of planes Pillow takes the first letter of how they are packed for the whole
      return bits === 8 && !isReversed && !layout.isInverted && !layout.isMultiplied &&
        (samples === 1 || kind === "rgb" || kind === "cmyk") && samples <= 4 &&
        tags.values(EXTRA).length === extra.length &&
        (samples === COLOURS[kind] + extra.length || !isTiled);
    default:
      if (kind === "ycbcr") return isOne && isSmall && tags.values(SUBSAMPLING).length > 0;
      // libtiff takes a fourth plane of which nothing is said for what colours are multiplied by
      return isOne || (samples <= 4 && samples === COLOURS[kind] + extra.length);
  }
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
