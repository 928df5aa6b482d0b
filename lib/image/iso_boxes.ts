/**
 * Boxes of ISO's media files: a length, four letters and a body, which may hold boxes again.
 * ISO/IEC 14496-12
 * @module
 */
import { Buffer } from "node:buffer";

/** One box. */
export interface Box {
  /** Its four letters: `meta`. */
  readonly type: string;
  /** What follows them; less than all of it where the bytes end before. */
  readonly body: Buffer;
  /** Whether the bytes do not end before it. */
  readonly isWhole: boolean;
}

/**
 * The boxes that follow one another in some bytes.
 * @throws {RangeError} where a length is none
 */
export function boxesIn(bytes: Buffer): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const short = bytes.readUInt32BE(at);
    const start = at + (short === 1 ? 16 : 8);
    const length = short === 1
      ? Number(bytes.readBigUInt64BE(at + 8))
      : short === 0
      ? bytes.length - at
      : short;
    if (at + length < start) throw new RangeError("a box that is shorter than its head");
    boxes.push({
      type: bytes.toString("latin1", at + 4, at + 8),
      body: bytes.subarray(start, at + length),
      isWhole: at + length <= bytes.length,
    });
    at += length;
  }
  return boxes;
}

/** The first box on a path of boxes in boxes; `undefined` where there is none. */
export function findBox(bytes: Buffer, ...path: string[]): Box | undefined {
  let found: Box | undefined;
  for (const type of path) {
    found = boxesIn(found?.body ?? bytes).find((box) => box.type === type);
    if (found === undefined) return undefined;
  }
  return found;
}

/** An item's number of 16 or 32 bits, and where it ends. */
export function item16or32(bytes: Buffer, at: number, isWide: boolean): [number, number] {
  return isWide ? [bytes.readUInt32BE(at), at + 4] : [bytes.readUInt16BE(at), at + 2];
}

/** A box of some letters around parts of a body. */
export function packedBox(type: string, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, body]);
}
