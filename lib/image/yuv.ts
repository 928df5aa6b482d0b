/**
 * From planes of brightness and colour to R, G, B as Pillow's libavif does it: with libyuv's whole
 * numbers where that has the matrix, else in float32.
 * @module
 */
import { UserError } from "../io/errors.ts";

/** How colours are coded, by the numbers of ITU-T H.273. */
export interface CodedColours {
  /** 1 BT.709, 5 and 6 BT.601, 9 BT.2020. */
  readonly primaries: number;
  /** 0 R, G, B themselves, 1 BT.709, 5 and 6 BT.601, 9 BT.2020, 12 by the primaries. */
  readonly matrix: number;
  /** Levels from 0 to 255, not 16 to 235. */
  readonly isFull: boolean;
}

/** Planes as they are coded. */
export interface Planes {
  /** Pixels a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Bits of a level: 8, 10 or 12. */
  readonly bits: number;
  /** [height, width] */
  readonly y: Uint8Array | Uint16Array;
  /** For every column, or every second, and likewise for rows; none where there are no colours. */
  readonly u?: Uint8Array | Uint16Array;
  /** Likewise. */
  readonly v?: Uint8Array | Uint16Array;
  /** Whether colours are there for every second column, and for every second row. */
  readonly halves: readonly [columns: boolean, rows: boolean];
}

/** Factors of U and V, of 64; of Y, of 65,536 · 256 / 257; and what is added to Y. */
interface Factors {
  readonly ub: number;
  readonly ug: number;
  readonly vg: number;
  readonly vr: number;
  readonly yg: number;
  readonly yb: number;
}

const full = (ub: number, ug: number, vg: number, vr: number): Factors => ({
  ub,
  ug,
  vg,
  vr,
  yg: 16_320,
  yb: 32,
});
// libyuv holds 128 at most for U in B, but on ARM, where Pillow differs from itself elsewhere by that
const limited = (ug: number, vg: number, vr: number, yg = 18_997): Factors => ({
  ub: 128,
  ug,
  vg,
  vr,
  yg,
  yb: -1160,
});

const FULL = {
  bt709: full(119, 12, 30, 101),
  bt601: full(113, 22, 46, 90),
  bt2020: full(120, 11, 37, 94),
};
const LIMITED = {
  bt709: limited(14, 34, 115),
  bt601: limited(25, 52, 102),
  bt2020: limited(12, 42, 107, 19_003),
};

/** Matrices by their numbers in ITU-T H.273; 2 is whatever is usual. */
const MATRICES: Readonly<Record<number, keyof typeof FULL>> = {
  1: "bt709",
  2: "bt601",
  5: "bt601",
  6: "bt601",
  9: "bt2020",
};

/** R, G and B are stored themselves. */
const IDENTITY = 0;

/** The matrix is what goes with the primaries; those that are not stated are BT.709's. */
const BY_PRIMARIES = 12;

function matrixName({ matrix, primaries }: CodedColours): keyof typeof FULL | undefined {
  return MATRICES[matrix !== BY_PRIMARIES ? matrix : primaries === 2 ? 1 : primaries];
}

/** Whether planes may be converted by these colours; whether R, G, B themselves may, planes tell. */
export function isKnownMatrix(colours: CodedColours): boolean {
  return colours.matrix === IDENTITY || matrixName(colours) !== undefined;
}

/**
 * Converts planes.
 * @param hasAlpha whether alpha goes with them, which libavif converts in other ways
 * @returns R, G, B, [height, width, 3]
 * @throws {UserError} where libyuv does not have the matrix
 */
export function planesToRgb(
  planes: Planes,
  colours: CodedColours,
  hasAlpha: boolean,
): Uint8Array {
  const { bits, u, halves } = planes;
  const { matrix, isFull } = colours;
  if (matrix === IDENTITY && isFull && u && !halves[0]) return interleaved(planes);
  const name = matrixName(colours);
  if (name === undefined) {
    throw new UserError("damaged", `colours by matrix ${matrix}; save it as PNG first`);
  }
  const factors = (isFull ? FULL : LIMITED)[name];
  if (u === undefined) return hasAlpha ? greyOfLibyuv(planes, factors) : grey(planes, isFull);
  // libyuv keeps more than 8 bits where alpha goes with them
  const keepsBits = hasAlpha && (bits === 10 || (bits === 12 && halves[1]));
  return coloured(keepsBits ? planes : eightBits(planes), factors);
}

/** The upper eight bits. */
function eightBits({ bits, y, u, v, ...rest }: Planes): Planes {
  const cut = (plane: Uint8Array | Uint16Array) =>
    bits === 8 ? plane : Uint8Array.from(plane, (level) => level >> bits - 8);
  return { ...rest, bits: 8, y: cut(y), ...(u && v ? { u: cut(u), v: cut(v) } : {}) };
}

function interleaved({ bits, y, u, v }: Planes): Uint8Array {
  const data = new Uint8Array(3 * y.length);
  const white = 2 ** bits - 1;
  const level = (value: number) =>
    bits === 8 ? value : Math.floor(.5 + Math.fround(Math.fround(value / white) * 255));
  for (let i = 0, to = 0; i < y.length; i++, to += 3) {
    data[to] = level(v![i]!);
    data[to + 1] = level(y[i]!);
    data[to + 2] = level(u![i]!);
  }
  return data;
}

const clamp = (value: number) => value < 0 ? 0 : value > 255 ? 255 : value;

/** A level of brightness in 16 bits, its own repeated below it, times a factor. */
function scaled(level: number, bits: number, { yg, yb }: Factors): number {
  const wide = level << 16 - bits | level >> 2 * bits - 16;
  return (wide * yg >>> 16) + yb;
}

/** Grey by libyuv, from the upper eight bits. */
function greyOfLibyuv({ bits, y }: Planes, factors: Factors): Uint8Array {
  return repeated(y, bits, (level) => clamp(scaled(level >> bits - 8, 8, factors) >> 6));
}

/** Grey by libavif's own float32. */
function grey({ bits, y }: Planes, isFull: boolean): Uint8Array {
  const unit = 2 ** (bits - 8);
  return repeated(y, bits, (level) => {
    const share = isFull
      ? Math.fround(level / (2 ** bits - 1))
      : Math.fround((level - 16 * unit) / (219 * unit));
    return Math.floor(Math.fround(.5 + Math.fround(Math.min(1, Math.max(0, share)) * 255)));
  });
}

/** Three equal channels, of a table of levels. */
function repeated(
  y: Uint8Array | Uint16Array,
  bits: number,
  level: (level: number) => number,
): Uint8Array {
  const levels = Uint8Array.from({ length: 2 ** bits }, (_, i) => level(i));
  const data = new Uint8Array(3 * y.length);
  for (let i = 0; i < y.length; i++) data.fill(levels[y[i]!]!, 3 * i, 3 * i + 3);
  return data;
}

function coloured(planes: Planes, factors: Factors): Uint8Array {
  const { bits, y } = planes, { ub, ug, vg, vr } = factors;
  const u = upsampled(planes, planes.u!), v = upsampled(planes, planes.v!);
  const data = new Uint8Array(3 * y.length);
  for (let i = 0, to = 0; i < y.length; i++, to += 3) {
    const level = scaled(y[i]!, bits, factors);
    const du = (u[i]! >> bits - 8) - 128, dv = (v[i]! >> bits - 8) - 128;
    data[to] = clamp(level + dv * vr >> 6);
    data[to + 1] = clamp(level - (du * ug + dv * vg) >> 6);
    data[to + 2] = clamp(level + du * ub >> 6);
  }
  return data;
}

/**
 * A colour for each pixel: 9, 3, 3 and 1 of 16 of the nearest four, the last column as it is; the
 * nearest alone of 12 bits.
 */
function upsampled(
  { width, height, bits, halves: [columns, rows] }: Planes,
  plane: Uint8Array | Uint16Array,
): Uint8Array | Uint16Array {
  if (!columns) return plane;
  const stride = width + 1 >> 1, lines = rows ? height + 1 >> 1 : height;
  const out = new Uint16Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = rows ? y >> 1 : y;
    const next = rows ? Math.min(lines - 1, Math.max(0, row + (y % 2 === 0 ? -1 : 1))) : row;
    const near = row * stride, far = next * stride;
    for (let x = 0; x < width; x++, to++) {
      const at = x >> 1;
      if (bits === 12) {
        out[to] = plane[near + at]!;
        continue;
      }
      const beside = x === 0 || x === width - 1 ? at : at + (x % 2 === 0 ? -1 : 1);
      out[to] = 9 * plane[near + at]! + 3 * (plane[near + beside]! + plane[far + at]!) +
          plane[far + beside]! + 8 >> 4;
    }
  }
  return out;
}
