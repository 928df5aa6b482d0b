/**
 * The cosine transform of 8 × 8 blocks in integers, to the last bit as JPEG libraries compute it by
 * default.
 *
 * Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications",
 * ICASSP 1989, with constants of 13 bits and two bits kept between the passes: libjpeg's `islow`.
 * @module
 */

// cosines and their sums, times 2¹³
const C0_298 = 2446, C0_390 = 3196, C0_541 = 4433, C0_765 = 6270, C0_899 = 7373, C1_175 = 9633;
const C1_501 = 12299, C1_847 = 15137, C1_961 = 16069, C2_053 = 16819, C2_562 = 20995;
const C3_072 = 25172;

/** Replaces a block, int32 [8, 8], by 8 times its coefficients. */
export function forwardDct(block: Int32Array): void {
  for (let row = 0; row < 64; row += 8) forwardLine(block, row, 1, 11, 0);
  for (let column = 0; column < 8; column++) forwardLine(block, column, 8, 15, 2);
}

/** @param bits that products lose; of sums, `sumBits` after a pass that keeps two more */
function forwardLine(
  block: Int32Array,
  at: number,
  by: number,
  bits: number,
  sumBits: number,
): void {
  const a = block[at]!, h = block[at + 7 * by]!, b = block[at + by]!, g = block[at + 6 * by]!;
  const c = block[at + 2 * by]!, f = block[at + 5 * by]!;
  const d = block[at + 3 * by]!, e = block[at + 4 * by]!;
  const half = 1 << (bits - 1);
  const s0 = a + h, s1 = b + g, s2 = c + f, s3 = d + e;
  const even = s0 + s3, twist = s0 - s3, odd = s1 + s2, turn = s1 - s2;
  if (sumBits === 0) {
    block[at] = (even + odd) << 2;
    block[at + 4 * by] = (even - odd) << 2;
  } else {
    block[at] = (even + odd + 2) >> 2;
    block[at + 4 * by] = (even - odd + 2) >> 2;
  }
  const both = (turn + twist) * C0_541;
  block[at + 2 * by] = (both + twist * C0_765 + half) >> bits;
  block[at + 6 * by] = (both - turn * C1_847 + half) >> bits;

  const d0 = a - h, d1 = b - g, d2 = c - f, d3 = d - e;
  const z5 = (d3 + d1 + d2 + d0) * C1_175;
  const z1 = -(d3 + d0) * C0_899, z2 = -(d2 + d1) * C2_562;
  const z3 = z5 - (d3 + d1) * C1_961, z4 = z5 - (d2 + d0) * C0_390;
  block[at + 7 * by] = (d3 * C0_298 + z1 + z3 + half) >> bits;
  block[at + 5 * by] = (d2 * C2_053 + z2 + z4 + half) >> bits;
  block[at + 3 * by] = (d1 * C3_072 + z2 + z3 + half) >> bits;
  block[at + by] = (d0 * C1_501 + z1 + z4 + half) >> bits;
}

/** Replaces coefficients, int32 [8, 8], by the block that they are of. */
export function inverseDct(block: Int32Array): void {
  for (let column = 0; column < 8; column++) inverseLine(block, column, 8, 11);
  for (let row = 0; row < 64; row += 8) inverseLine(block, row, 1, 18);
}

function inverseLine(block: Int32Array, at: number, by: number, bits: number): void {
  const a = block[at]!, e = block[at + 4 * by]!, c = block[at + 2 * by]!, g = block[at + 6 * by]!;
  const h = block[at + 7 * by]!, f = block[at + 5 * by]!;
  const d = block[at + 3 * by]!, b = block[at + by]!;
  const half = 1 << (bits - 1);
  if ((b | c | d | e | f | g | h) === 0) {
    // most lines of a compressed image have only a mean
    const mean = ((a << 13) + half) >> bits;
    for (let i = 0, to = at; i < 8; i++, to += by) block[to] = mean;
    return;
  }
  const both = (c + g) * C0_541;
  const turn = both - g * C1_847, twist = both + c * C0_765;
  const sum = (a + e) << 13, difference = (a - e) << 13;
  const e0 = sum + twist + half, e3 = sum - twist + half;
  const e1 = difference + turn + half, e2 = difference - turn + half;

  const z5 = (h + d + f + b) * C1_175;
  const z1 = -(h + b) * C0_899, z2 = -(f + d) * C2_562;
  const z3 = z5 - (h + d) * C1_961, z4 = z5 - (f + b) * C0_390;
  const o3 = h * C0_298 + z1 + z3, o2 = f * C2_053 + z2 + z4;
  const o1 = d * C3_072 + z2 + z3, o0 = b * C1_501 + z1 + z4;
  block[at] = (e0 + o0) >> bits;
  block[at + 7 * by] = (e0 - o0) >> bits;
  block[at + by] = (e1 + o1) >> bits;
  block[at + 6 * by] = (e1 - o1) >> bits;
  block[at + 2 * by] = (e2 + o2) >> bits;
  block[at + 5 * by] = (e2 - o2) >> bits;
  block[at + 3 * by] = (e3 + o3) >> bits;
  block[at + 4 * by] = (e3 - o3) >> bits;
}
