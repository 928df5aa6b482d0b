/**
 * PyTorch's files from before version 1.6: pickles one after another, then the raw storages.
 * Source: PyTorch, torch/serialization.py, `_legacy_load`.
 * @module
 */
import {
  isCount,
  pickleAt,
  StorageReference,
  type TensorReference,
  tensorsOf,
} from "./pytorch_pickle.ts";
import { bytesPerValue } from "./safetensors.ts";
import type { UserError } from "./errors.ts";

/** The pickle of 0x1950a86a20f9469cfc6c, with which every such file begins. */
const MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Bytes that tell such a file. */
export const LEGACY_START = MAGIC.length;

const PROTOCOL = 1001;

/** Whether a file that begins with these bytes is one. */
export function isLegacy(start: Uint8Array): boolean {
  return MAGIC.every((byte, i) => start[i] === byte);
}

/** The tensors that a file names, and where their values lie. */
export interface LegacyFile {
  readonly tensors: ReadonlyMap<string, TensorReference>;
  /** By the names of storages. */
  readonly storages: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads what a file holds; no values are copied.
 * @param bad the error, from what was found
 * @throws {UserError} where the file is cut off, of another version, or names what is not a tensor
 */
export function readLegacy(bytes: Uint8Array, bad: (found: string) => UserError): LegacyFile {
  let at = MAGIC.length + 1; // the pickle's end, STOP
  const next = () => {
    const { value, end } = pickleAt(bytes, at, bad);
    const length = end - at;
    at = end;
    return { value, length };
  };
  const { value: protocol } = next();
  if (protocol !== PROTOCOL) throw bad(`protocol ${protocol}, not ${PROTOCOL}`);
  next(); // sizes of numbers on the machine that wrote it
  const root = next();
  const tensors = tensorsOf(root.value, root.length, bad);
  const { value: names } = next();
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
    throw bad("no list of its storages");
  }
  const sizes = new Map<string, number>();
  for (const { storage } of tensors.values()) {
    if (storage instanceof StorageReference) sizes.set(storage.file, bytesPerValue(storage.dtype));
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const storages = new Map<string, Uint8Array>();
  for (const name of names as string[]) {
    if (at + 8 > bytes.length) throw bad(`a file cut off before storage ${name}`);
    const count = Number(view.getBigInt64(at, true));
    const valueBytes = sizes.get(name);
    // without a tensor nothing says how long its values are
    if (valueBytes === undefined) throw bad(`storage ${name}, of which no tensor is`);
    const end = at + 8 + count * valueBytes;
    if (!isCount(count) || end > bytes.length) throw bad(`a file cut off in storage ${name}`);
    storages.set(name, bytes.subarray(at + 8, end));
    at = end;
  }
  return { tensors, storages };
}
