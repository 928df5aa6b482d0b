/**
 * What the head of an AV1 stream says of its colours, where the file around it does not.
 * https://aomediacodec.github.io/av1-spec/ (5.5)
 * @module
 */
import type { CodedColours } from "./yuv.ts";

const SEQUENCE_HEADER = 1;

/**
 * Reads how colours are coded.
 * @param frame units of an AV1 stream; the first sequence header counts
 * @throws {Error} where there is none
 */
export function readSequenceColours(frame: Uint8Array): CodedColours {
  let at = 0;
  while (at < frame.length) {
    const head = frame[at++]!;
    if (head & 4) at++;
    let size = 0;
    if (head & 2) {
      for (let shift = 0;; shift += 7) {
        const byte = frame[at++] ?? 0;
        size += (byte & 127) * 2 ** shift;
        if (byte < 128) break;
      }
    } else size = frame.length - at;
    if ((head >> 3 & 15) === SEQUENCE_HEADER) return coloursIn(frame.subarray(at, at + size));
    at += size;
  }
  throw new Error("no head of its stream");
}

function coloursIn(header: Uint8Array): CodedColours {
  let at = 0;
  const bits = (count: number): number => {
    let value = 0;
    for (; count > 0; count--, at++) {
      if (at >= 8 * header.length) throw new Error("a head of its stream that ends too early");
      value = 2 * value + (header[at >> 3]! >> (7 - at % 8) & 1);
    }
    return value;
  };
  const flag = () => bits(1) === 1;
  const unsigned = () => {
    let zeros = 0;
    while (!flag()) zeros++;
    bits(Math.min(zeros, 32));
  };
  const profile = bits(3);
  bits(1); // still picture
  const isReduced = flag();
  if (isReduced) bits(5);
  else skipOperatingPoints(bits, flag, unsigned);
  const widthBits = bits(4) + 1, heightBits = bits(4) + 1;
  bits(widthBits + heightBits);
  if (!isReduced && flag()) bits(4 + 3);
  bits(3);
  if (!isReduced) skipTools(bits, flag);
  bits(3);
  // color_config
  const isHigh = flag();
  if (profile === 2 && isHigh) bits(1);
  const isGrey = profile === 1 ? false : flag();
  const isSaid = flag();
  const [primaries, transfer, matrix] = isSaid ? [bits(8), bits(8), bits(8)] : [2, 2, 2];
  const isPlainRgb = !isGrey && primaries === 1 && transfer === 13 && matrix === 0;
  return { primaries, matrix, isFull: isPlainRgb || flag() };
}

function skipOperatingPoints(
  bits: (count: number) => number,
  flag: () => boolean,
  unsigned: () => void,
): void {
  let hasModel = false, delayBits = 0;
  if (flag()) {
    bits(32);
    bits(32);
    if (flag()) unsigned();
    hasModel = flag();
    if (hasModel) {
      delayBits = bits(5) + 1;
      bits(32);
      bits(10);
    }
  }
  const hasDelay = flag();
  for (let points = bits(5) + 1; points > 0; points--) {
    bits(12);
    if (bits(5) > 7) bits(1);
    if (hasModel && flag()) {
      bits(delayBits);
      bits(delayBits);
      bits(1);
    }
    if (hasDelay && flag()) bits(4);
  }
}

function skipTools(bits: (count: number) => number, flag: () => boolean): void {
  bits(4);
  const hasOrder = flag();
  if (hasOrder) bits(2);
  const choosesScreen = flag();
  const screen = choosesScreen ? 2 : bits(1);
  if (screen > 0 && !flag()) bits(1);
  if (hasOrder) bits(3);
}
