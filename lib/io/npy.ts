/**
 * NumPy's `.npy` files of float16: `np.load(path, mmap_mode="r")` reads them.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
 * @module
 */
import { UserError } from "./errors.ts";
import { sizeOf } from "./tensor.ts";

const MAGIC = "\x93NUMPY\x01\x00";
const ALIGNMENT = 64;
const PREFIX_BYTES = 10;

/** What a `.npy` file's header says. */
export interface NpyHeader {
  readonly shape: readonly number[];
  /** Where the values begin, in bytes. */
  readonly dataOffset: number;
}

/** The header of a C-ordered little-endian float16 array. */
export function encodeNpyHeader(shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dict = `{'descr': '<f2', 'fortran_order': False, 'shape': ${tuple}, }`;
  const total = Math.ceil((PREFIX_BYTES + dict.length + 1) / ALIGNMENT) * ALIGNMENT;
  const text = MAGIC + "\0\0" + dict.padEnd(total - PREFIX_BYTES - 1) + "\n";
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  new DataView(bytes.buffer).setUint16(8, total - PREFIX_BYTES, true);
  return bytes;
}

/**
 * Reads and checks a file's header.
 * @throws {UserError} where it is not a float16 `.npy` file in C order, or is not whole
 */
export async function readNpyHeader(path: string): Promise<NpyHeader> {
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot read ${path}: expected a whole float16 .npy file, found ${found}; delete it to have it made again`,
    );
  const file = await Deno.open(path);
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(4096);
    const count = await file.read(bytes) ?? 0;
    const text = String.fromCharCode(...bytes.subarray(0, count));
    if (!text.startsWith(MAGIC)) throw bad(count === 0 ? "an empty file" : "another format");
    const dataOffset = PREFIX_BYTES + new DataView(bytes.buffer).getUint16(8, true);
    const dict = text.slice(PREFIX_BYTES, dataOffset);
    const match = /'descr': '<f2'.*'fortran_order': False.*'shape': \(([\d, ]*)\)/.exec(dict);
    if (!match) throw bad(`the header ${dict.trim()}`);
    const shape = match[1]!.split(",").filter((part) => part.trim() !== "").map(Number);
    const expected = dataOffset + sizeOf(shape) * Float16Array.BYTES_PER_ELEMENT;
    if (size !== expected) {
      throw bad(`${size} bytes where shape [${shape.join(", ")}] takes ${expected}`);
    }
    return { shape, dataOffset };
  } finally {
    file.close();
  }
}
