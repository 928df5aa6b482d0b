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
  /** [height, width] */
  readonly y: Uint8Array;
  /** For every column, or every second, and likewise for rows; none where there are no colours. */
  readonly u?: Uint8Array;
  /** Likewise. */
  readonly v?: Uint8Array;
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
 * @param isRounded grey by libavif's own float32, as of images without alpha
 * @returns R, G, B, [height, width, 3]
 * @throws {UserError} where libyuv does not have the matrix
 */
export function planesToRgb(
  planes: Planes,
  colours: CodedColours,
  isRounded: boolean,
): Uint8Array {
  const { matrix, isFull } = colours;
  if (matrix === IDENTITY && isFull && planes.u && !planes.halves[0]) return interleaved(planes);
  const name = matrixName(colours);
  if (name === undefined) {
    throw new UserError("damaged", `colours by matrix ${matrix}; save it as PNG first`);
  }
  const factors = (isFull ? FULL : LIMITED)[name];
  return planes.u === undefined
    ? grey(planes, factors, isFull, isRounded)
    : coloured(planes, factors);
}

function interleaved({ y, u, v }: Planes): Uint8Array {
  const data = new Uint8Array(3 * y.length);
  for (let i = 0, to = 0; i < y.length; i++, to += 3) {
    data[to] = v![i]!;
    data[to + 1] = y[i]!;
    data[to + 2] = u![i]!;
  }
  return data;
}

const clamp = (value: number) => value < 0 ? 0 : value > 255 ? 255 : value;

const scaled = (level: number, { yg, yb }: Factors) => (level * 0x0101 * yg >>> 16) + yb;

function grey({ y }: Planes, factors: Factors, isFull: boolean, isRounded: boolean): Uint8Array {
  const levels = Uint8Array.from({ length: 256 }, (_, level) => {
    if (!isRounded) return clamp(scaled(level, factors) >> 6);
    const share = isFull ? Math.fround(level / 255) : Math.fround((level - 16) / 219);
    return Math.floor(Math.fround(.5 + Math.fround(Math.min(1, Math.max(0, share)) * 255)));
  });
  const data = new Uint8Array(3 * y.length);
  for (let i = 0; i < y.length; i++) data.fill(levels[y[i]!]!, 3 * i, 3 * i + 3);
  return data;
}

function coloured(planes: Planes, factors: Factors): Uint8Array {
  const { y } = planes, { ub, ug, vg, vr } = factors;
  const u = upsampled(planes, planes.u!), v = upsampled(planes, planes.v!);
  const data = new Uint8Array(3 * y.length);
  for (let i = 0, to = 0; i < y.length; i++, to += 3) {
    const level = scaled(y[i]!, factors), du = u[i]! - 128, dv = v[i]! - 128;
    data[to] = clamp(level + dv * vr >> 6);
    data[to + 1] = clamp(level - (du * ug + dv * vg) >> 6);
    data[to + 2] = clamp(level + du * ub >> 6);
  }
  return data;
}

/** A colour for each pixel: 9, 3, 3 and 1 of 16 of the nearest four, the last column as it is. */
function upsampled(
  { width, height, halves: [columns, rows] }: Planes,
  plane: Uint8Array,
): Uint8Array {
  if (!columns) return plane;
  const stride = width + 1 >> 1, lines = rows ? height + 1 >> 1 : height;
  const out = new Uint8Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = rows ? y >> 1 : y;
    const next = rows ? Math.min(lines - 1, Math.max(0, row + (y % 2 === 0 ? -1 : 1))) : row;
    const near = row * stride, far = next * stride;
    for (let x = 0; x < width; x++, to++) {
      const at = x >> 1;
      const beside = x === 0 || x === width - 1 ? at : at + (x % 2 === 0 ? -1 : 1);
      out[to] = 9 * plane[near + at]! + 3 * (plane[near + beside]! + plane[far + at]!) +
          plane[far + beside]! + 8 >> 4;
    }
  }
  return out;
}
