/**
 * PyTorch's files from before version 1.6: pickles one after another, then the raw storages.
 * Source: PyTorch, torch/serialization.py, `_legacy_load`.
 * @module
 */
import { type OpenedBytes, readRange } from "./byte_ranges.ts";
import { isCount, pickleAt, type TensorReference, tensorsOf } from "./pytorch_pickle.ts";
import type { ByteRange } from "./pytorch_archive.ts";
import { bytesPerValue } from "./safetensors.ts";
import { quoted, type UserError } from "./errors.ts";

/** The pickle of 0x1950a86a20f9469cfc6c, with which every such file begins. */
const MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Bytes that tell such a file. */
export const LEGACY_START = MAGIC.length;

const PROTOCOL = 1001;

/** As many bytes of the file's beginning are searched for its pickles, one after the other. */
const PICKLE_BYTES = [2 ** 20, 2 ** 28];

/** Whether a file that begins with these bytes is one. */
export function isLegacy(start: Uint8Array): boolean {
  return MAGIC.every((byte, i) => start[i] === byte);
}

/** The tensors that a file names, and where their values lie. */
export interface LegacyFile {
  readonly tensors: ReadonlyMap<string, TensorReference>;
  /** By the names of storages. */
  readonly storages: ReadonlyMap<string, ByteRange>;
}

/**
 * Reads what a file holds, without its values.
 * @param bad the error, from what was found
 * @throws {UserError} where the file is cut off, of another version, or names what is not a tensor
 */
export async function readLegacy(
  opened: OpenedBytes,
  path: string,
  bad: (found: string) => UserError,
): Promise<LegacyFile> {
  const { tensors, names, valueBytes, end } = await readPickles(opened, path, bad);
  const storages = new Map<string, ByteRange>();
  let at = end;
  for (const name of names) {
    if (at + 8 > opened.size) throw bad(`a file cut off before storage ${quoted(name)}`);
    const count = Number(
      new DataView((await readRange(opened.file, path, at, 8)).buffer).getBigInt64(0, true),
    );
    const bytes = valueBytes.get(name);
    // without a type nothing says how long its values are
    if (bytes === undefined) throw bad(`storage ${quoted(name)}, of which no tensor is`);
    const length = count * bytes;
    if (!isCount(count) || at + 8 + length > opened.size) {
      throw bad(`a file cut off in storage ${quoted(name)}`);
    }
    storages.set(name, { offset: at + 8, length });
    at += 8 + length;
  }
  return { tensors, storages };
}

async function readPickles(
  { file, size }: OpenedBytes,
  path: string,
  bad: (found: string) => UserError,
) {
  const [few, many] = PICKLE_BYTES as [number, number];
  const start = await readRange(file, path, 0, Math.min(size, few));
  try {
    return parsePickles(start, bad);
  } catch (error) {
    // what was read may end within them
    if (size <= few) throw error;
    return parsePickles(await readRange(file, path, 0, Math.min(size, many)), bad);
  }
}

function parsePickles(bytes: Uint8Array, bad: (found: string) => UserError) {
  let at = MAGIC.length + 1; // the pickle's end, STOP
  const next = () => {
    const pickled = pickleAt(bytes, at, bad);
    const length = pickled.end - at;
    at = pickled.end;
    return { ...pickled, length };
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
  const valueBytes = new Map(
    [...root.storages].map(([name, { dtype }]) => [name, bytesPerValue(dtype)]),
  );
  return { tensors, names: names as string[], valueBytes, end: at };
}
