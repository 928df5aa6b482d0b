/**
 * PyTorch's files of any size, opened: a zip archive of a pickle, which names tensors, and of their
 * raw storages; before version 1.6 the same one after another.
 * @module
 */
import { quoted, UserError } from "./errors.ts";
import { openBytes, type OpenedBytes, readRange } from "./byte_ranges.ts";
import { type ByteRange, readArchive } from "./pytorch_archive.ts";
import {
  isCount,
  pickleAt,
  StorageReference,
  type TensorReference,
  tensorsOf,
} from "./pytorch_pickle.ts";
import { isLegacy, LEGACY_START, readLegacy } from "./pytorch_legacy.ts";
import { bytesPerValue, type SafetensorsDtype, toFloat32 } from "./safetensors.ts";
import { sizeOf, type Tensor, tensor } from "./tensor.ts";

/** PyTorch allows more, no model has them; each costs time for each value of a tensor. */
const MAX_RANK = 16;

/** A file's pickle is at most so long: it names tensors, and holds none. */
const MAX_PICKLE_BYTES = 2 ** 28;

/** What a file says of one of its tensors. */
export interface PytorchEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/** An open file, whose values are read when they are asked for. */
export interface PytorchFile extends Disposable {
  readonly path: string;
  /** `script`: with code beside its tensors. `legacy`: from before version 1.6. */
  readonly kind: "archive" | "script" | "legacy";
  /** Its tensors by their names; those of dictionaries and modules inside it are joined by dots. */
  readonly tensors: ReadonlyMap<string, PytorchEntry>;
  /** Classes of a script's modules. */
  readonly classes: ReadonlySet<string>;
  /**
   * Reads a tensor as float32.
   * @throws {UserError} where its values do not fit its shape, or all that were read outgrow the file
   */
  read(name: string): Promise<Tensor>;
}

/**
 * Opens a file whatever its size: of its tensors, only names are in memory.
 * @throws {UserError} where the file is of neither kind, is damaged, or names what is not a tensor;
 * time and memory are bounded by the file's size
 */
export async function openPytorchFile(path: string): Promise<PytorchFile> {
  const opened = await openBytes(path);
  try {
    return await readNames(opened, path);
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

async function readNames(opened: OpenedBytes, path: string): Promise<PytorchFile> {
  const start = await readRange(opened.file, path, 0, Math.min(opened.size, LEGACY_START));
  const legacy = isLegacy(start);
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot load ${path}: expected a ${
        legacy ? "file" : "zip archive"
      } of PyTorch, found ${found}`,
    );
  const { references, ...rest } = legacy
    ? await openLegacy(opened, path, bad)
    : await openArchive(opened, path, bad);
  // tensors may share a storage, but not so that they outgrow the file: unshared, each value has two
  // bytes of it or more
  let left = opened.size;
  const mayRead = (count: number) => (left -= count) >= 0;
  return {
    path,
    kind: rest.kind,
    classes: rest.classes,
    tensors: new Map([...references].map(([name, reference]) => [name, entryOf(reference)])),
    async read(name) {
      const reference = references.get(name)!;
      const { storage } = reference;
      const range = storage instanceof StorageReference
        ? await rest.storage(storage.file)
        : undefined;
      const found = range && await buildTensor(
        reference,
        range,
        (offset, length) => readRange(opened.file, path, range.offset + offset, length),
        mayRead,
      );
      if (!found) throw bad(`${quoted(name)}, whose values do not fit its shape`);
      return found;
    },
    [Symbol.dispose]: () => opened[Symbol.dispose](),
  };
}

/** What either kind of file says. */
interface Named extends Pick<PytorchFile, "kind" | "classes"> {
  readonly references: ReadonlyMap<string, TensorReference>;
  storage(name: string): Promise<ByteRange | undefined>;
}

async function openLegacy(
  opened: OpenedBytes,
  path: string,
  bad: (found: string) => UserError,
): Promise<Named> {
  const { tensors, storages } = await readLegacy(opened, path, bad);
  const storage = (name: string) => Promise.resolve(storages.get(name));
  return { kind: "legacy", classes: new Set(), references: tensors, storage };
}

async function openArchive(
  opened: OpenedBytes,
  path: string,
  bad: (found: string) => UserError,
): Promise<Named> {
  const archive = await readArchive(opened, path, bad);
  const { offset, length } = archive.pickle;
  if (length > MAX_PICKLE_BYTES) throw bad(`a data.pkl of ${length} bytes`);
  const pickle = await readRange(opened.file, path, offset, length);
  const { value, classes } = pickleAt(pickle, 0, bad);
  return {
    kind: archive.isScript ? "script" : "archive",
    classes,
    references: tensorsOf(value, length, bad),
    storage: archive.storage,
  };
}

/** Shapes are checked when values are read. */
function entryOf({ storage, shape }: TensorReference): PytorchEntry {
  const dtype = storage instanceof StorageReference ? storage.dtype : "F32";
  return { dtype, shape: areCounts(shape) ? shape : [] };
}

/**
 * Copies a tensor's values out of its storage; `undefined` where they do not lie in it.
 * @param read bytes of the storage
 * @param mayRead asked before so many values are looked at
 */
async function buildTensor(
  { storage, offset, shape, strides }: TensorReference,
  range: ByteRange,
  read: (offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>,
  mayRead: (count: number) => boolean,
): Promise<Tensor | undefined> {
  if (!(storage instanceof StorageReference)) return undefined;
  if (!isCount(offset) || !areCounts(shape) || !areCounts(strides)) return undefined;
  if (shape.length > MAX_RANK || shape.length !== strides.length) return undefined;
  const valueBytes = bytesPerValue(storage.dtype);
  if (range.length !== storage.length * valueBytes) return undefined;
  const length = sizeOf(shape);
  // from the first value to the last one; without strides a tensor is longer than that
  const span = length === 0
    ? 0
    : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 1);
  if (!mayRead(Math.max(length, span)) || offset + span > storage.length) return undefined;
  const values = toFloat32(await read(offset * valueBytes, span * valueBytes), storage.dtype);
  if (isRowMajor(shape, strides)) return tensor(values, shape);
  const data = Float32Array.from({ length }, (_, i) => {
    let at = 0, rest = i;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += rest % shape[axis]! * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return values[at]!;
  });
  return tensor(data, shape);
}

/** Whether values follow one another as they do in a {@linkcode Tensor}. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  return shape.every((size, axis) =>
    size === 1 || strides[axis] === sizeOf(shape.slice(axis + 1)) || sizeOf(shape) === 0
  );
}

function areCounts(values: unknown): values is number[] {
  return Array.isArray(values) && values.every(isCount);
}
