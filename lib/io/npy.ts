/**
 * NumPy's `.npy` files of one kind of number: `np.load(path, mmap_mode="r")` reads them.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
 * @module
 */
import { UserError } from "./errors.ts";
import { sizeOf } from "./tensor.ts";

const MAGIC = "\x93NUMPY\x01\x00";
const ALIGNMENT = 64;
const PREFIX_BYTES = 10;

/** Numbers that are written and read: little-endian float16 and float32, and bytes. */
export type NpyType = "<f2" | "<f4" | "|u1";

const TYPES: Readonly<Record<NpyType, { readonly name: string; readonly bytes: number }>> = {
  "<f2": { name: "float16", bytes: 2 },
  "<f4": { name: "float32", bytes: 4 },
  "|u1": { name: "uint8", bytes: 1 },
};

/** What a `.npy` file's header says. */
export interface NpyHeader {
  readonly shape: readonly number[];
  /** Where the values begin, in bytes. */
  readonly dataOffset: number;
}

/** The header of a C-ordered array. */
export function encodeNpyHeader(
  shape: readonly number[],
  type: NpyType = "<f2",
): Uint8Array<ArrayBuffer> {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dict = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const total = Math.ceil((PREFIX_BYTES + dict.length + 1) / ALIGNMENT) * ALIGNMENT;
  const text = MAGIC + "\0\0" + dict.padEnd(total - PREFIX_BYTES - 1) + "\n";
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  new DataView(bytes.buffer).setUint16(8, total - PREFIX_BYTES, true);
  return bytes;
}

const DICT = /^\{'descr': '(.{1,8})', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *$/;

/**
 * Reads and checks a file's header.
 * @param remedy what to do about a file that is damaged
 * @throws {UserError} where it is not a `.npy` file of this type in C order, or is not whole
 */
export async function readNpyHeader(
  path: string,
  type: NpyType = "<f2",
  remedy = "delete it to have it made again",
): Promise<NpyHeader> {
  const { name, bytes: width } = TYPES[type];
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot read ${path}: expected a whole ${name} .npy file, found ${found}; ${remedy}`,
    );
  const { isFile, size } = await Deno.stat(path);
  // to open a pipe would wait for who writes into it
  if (!isFile) throw bad("no regular file");
  using file = await Deno.open(path);
  const bytes = new Uint8Array(4096);
  const count = await file.read(bytes) ?? 0;
  const text = String.fromCharCode(...bytes.subarray(0, count));
  if (!text.startsWith(MAGIC)) throw bad(count === 0 ? "an empty file" : "another format");
  const dataOffset = PREFIX_BYTES + new DataView(bytes.buffer).getUint16(8, true);
  const dict = text.slice(PREFIX_BYTES, dataOffset).trimEnd();
  const match = DICT.exec(dict);
  if (match?.[1] !== type) {
    throw bad(`the header ${dict.slice(0, 200).replace(/\p{Cc}/gu, "\ufffd")}`);
  }
  const shape = match[2]!.split(",").filter((part) => part.trim() !== "").map(Number);
  const expected = dataOffset + sizeOf(shape) * width;
  if (size !== expected) {
    throw bad(`${size} bytes where shape [${shape.join(", ")}] takes ${expected}`);
  }
  return { shape, dataOffset };
}
