/**
 * What every PNG is made of: a signature, and chunks with a checksum each. https://www.w3.org/TR/png/
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

/** What a PNG begins with. */
export const PNG_SIGNATURE: Uint8Array = Buffer.from("89504e470d0a1a0a", "hex");

/** A chunk of a PNG: its length, its type, the data, and a checksum of both. */
export function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const whole = Buffer.alloc(12 + data.length);
  whole.writeUInt32BE(data.length, 0);
  whole.write(type, 4, "latin1");
  whole.set(data, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length);
  return whole;
}
