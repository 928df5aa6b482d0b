/**
 * PyTorch's `.pth` files: a zip archive of a pickle, which names tensors, and of their raw storages;
 * before version 1.6 the same one after another.
 * @module
 */
import { UserError } from "./errors.ts";
import { unzipSync, zipSync } from "fflate";
import { writeFileAtomic } from "./files.ts";
import {
  isCount,
  StorageReference,
  type TensorReference,
  tensorsOfPickle,
} from "./pytorch_pickle.ts";
import { isLegacy, LEGACY_START, readLegacy } from "./pytorch_legacy.ts";
import { bytesPerValue, toFloat32 } from "./safetensors.ts";
import { sizeOf, type Tensor, tensor } from "./tensor.ts";

/** PyTorch allows more, no model has them; each costs time for each value of a tensor. */
const MAX_RANK = 16;

/** A file's entry in a zip archive takes at least so much of it. */
const MIN_ENTRY_BYTES = 46;

/** Whether a file begins as a zip archive does, or as PyTorch's before version 1.6. */
export async function isPytorchFile(path: string): Promise<boolean> {
  using file = await Deno.open(path);
  const start = new Uint8Array(LEGACY_START);
  const length = await file.read(start) ?? 0;
  return length >= 4 && new DataView(start.buffer).getUint32(0) === 0x504b0304 || isLegacy(start);
}

/** What a file of either kind says of its tensors, and their storages. */
interface OpenedFile {
  readonly bytes: Uint8Array;
  readonly references: ReadonlyMap<string, TensorReference>;
  readonly bad: (found: string) => UserError;
  /** Storages by the names that tensors have them under. */
  storages(wanted: ReadonlySet<string>): ReadonlyMap<string, Uint8Array>;
}

async function openPytorchFile(path: string): Promise<OpenedFile> {
  const bytes = await Deno.readFile(path);
  const legacy = isLegacy(bytes);
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot load ${path}: expected a ${legacy ? "file" : "zip archive"} of PyTorch, found ${
        found.replace(/\p{Cc}+/gu, " ") // names are the file's
      }`,
    );
  if (legacy) {
    const { tensors, storages } = readLegacy(bytes, bad);
    return { bytes, references: tensors, bad, storages: () => storages };
  }
  const isPickle = (name: string) => /(^|\/)data\.pkl$/.test(name);
  const [[pickleName, pickle] = []] = unpack(bytes, isPickle, bad);
  if (pickleName === undefined || pickle === undefined) throw bad("no data.pkl in it");
  const folder = `${pickleName.slice(0, -"data.pkl".length)}data/`;
  return {
    bytes,
    references: tensorsOfPickle(pickle, bad),
    bad,
    storages: (wanted) =>
      new Map(
        unpack(
          bytes,
          (name) => name.startsWith(folder) && wanted.has(name.slice(folder.length)),
          bad,
        ).map(([name, values]) => [name.slice(folder.length), values]),
      ),
  };
}

/**
 * Reads the names of a file's tensors, as {@linkcode readPytorchFile} gives them.
 * @throws {UserError} as there
 */
export async function readPytorchNames(path: string): Promise<Set<string>> {
  return new Set((await openPytorchFile(path)).references.keys());
}

/**
 * Reads a dictionary of tensors, as float32; names of dictionaries and modules inside it are joined
 * by dots. Files from before PyTorch 1.6 and TorchScript archives, as OpenAI publishes CLIP, are read
 * too.
 * @param isWanted by a tensor's name, whether to read it; all where it is left out
 * @throws {UserError} where the file is of neither kind, is damaged, names what is not a tensor, or
 * says of its tensors what cannot be; time and memory are bounded by the file's size
 */
export async function readPytorchFile(
  path: string,
  isWanted: (name: string) => boolean = () => true,
): Promise<Map<string, Tensor>> {
  const { bytes, references, bad, storages } = await openPytorchFile(path);
  const wanted = [...references].filter(([name]) => isWanted(name));
  const files = storages(
    new Set(
      wanted.flatMap(([, { storage }]) => storage instanceof StorageReference ? storage.file : []),
    ),
  );
  // tensors may share a storage, but not so that they outgrow the file: unshared, each value has two
  // bytes of it or more
  let left = bytes.length;
  const mayRead = (count: number) => (left -= count) >= 0;
  const tensors = new Map<string, Tensor>();
  for (const [name, reference] of wanted) {
    const found = buildTensor(reference, (file) => files.get(file), mayRead);
    if (!found) throw bad(`${name}, whose values do not fit its shape`);
    tensors.set(name, found);
  }
  if (tensors.size === 0) throw bad("a pickle without a dictionary of tensors");
  return tensors;
}

/** Those of an archive's pickle and storages that are wanted; all of them are checked. */
function unpack(
  bytes: Uint8Array,
  isWanted: (name: string) => boolean,
  bad: (found: string) => UserError,
): [string, Uint8Array][] {
  let entries = 0, unpacked = 0;
  try {
    return Object.entries(unzipSync(bytes, {
      filter: ({ name, compression, size, originalSize }) => {
        if (++entries * MIN_ENTRY_BYTES > bytes.length) throw new Error("it lists too many files");
        if (!/(^|\/)data(\.pkl|\/[^/]+)$/.test(name)) return false; // TorchScript's code among them
        // PyTorch stores; an archive that says otherwise may unpack to any size
        if (compression !== 0 || size !== originalSize) throw new Error(`${name} is compressed`);
        if ((unpacked += size) > bytes.length) throw new Error("its files overlap");
        return isWanted(name);
      },
    }));
  } catch (error) {
    throw bad(`a file that does not unpack: ${(error as Error).message}`);
  }
}

/**
 * Copies a tensor's values out of its storage; `undefined` where they do not lie in it.
 * @param mayRead asked before so many values are looked at
 */
function buildTensor(
  { storage, offset, shape, strides }: TensorReference,
  fileOf: (name: string) => Uint8Array | undefined,
  mayRead: (count: number) => boolean,
): Tensor | undefined {
  if (!(storage instanceof StorageReference)) return undefined;
  if (!isCount(offset) || !areCounts(shape) || !areCounts(strides)) return undefined;
  if (shape.length > MAX_RANK || shape.length !== strides.length) return undefined;
  const bytes = fileOf(storage.file);
  const valueBytes = bytesPerValue(storage.dtype);
  if (bytes?.length !== storage.length * valueBytes) return undefined;
  const length = sizeOf(shape);
  // from the first value to the last one; without strides a tensor is longer than that
  const span = length === 0
    ? 0
    : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 1);
  if (!mayRead(Math.max(length, span)) || offset + span > storage.length) return undefined;
  const values = toFloat32(
    bytes.slice(offset * valueBytes, (offset + span) * valueBytes),
    storage.dtype,
  );
  // as nearly all are
  const isRowMajor = shape.every((size, axis) =>
    size === 1 || strides[axis] === sizeOf(shape.slice(axis + 1))
  );
  if (isRowMajor && span === length) return tensor(values, shape);
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

function areCounts(values: unknown): values is number[] {
  return Array.isArray(values) && values.every(isCount);
}

/** Writes tensors so that `torch.load` gives a dictionary of them, atomically. */
export async function writePytorchFile(
  path: string,
  tensors: Iterable<readonly [string, Tensor]>,
): Promise<void> {
  const entries = [...tensors];
  const files: Record<string, Uint8Array> = { "archive/data.pkl": encodePickle(entries) };
  entries.forEach(([, { data }], i) => {
    files[`archive/data/${i}`] = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  });
  files["archive/version"] = new TextEncoder().encode("3\n");
  // a fixed date, the first that the format can hold: the same tensors give the same bytes
  await writeFileAtomic(path, zipSync(files, { level: 0, mtime: "1980-01-01T00:00:00" }));
}

/** A dictionary of tensors in pickle's protocol 2. Source: CPython, Lib/pickletools.py. */
function encodePickle(entries: readonly (readonly [string, Tensor])[]): Uint8Array {
  const bytes: number[] = [];
  const op = (code: string) => bytes.push(...code.split("").map((c) => c.charCodeAt(0)));
  const uint32 = (value: number) => bytes.push(...new Uint8Array(Uint32Array.of(value).buffer));
  const integer = (value: number) => {
    op("J"); // BININT
    uint32(value);
  };
  const unicode = (value: string) => {
    const body = new TextEncoder().encode(value);
    op("X"); // BINUNICODE
    uint32(body.length);
    bytes.push(...body);
  };
  const global = (module: string, name: string) => op(`c${module}\n${name}\n`);
  const tuple = (write: () => void) => {
    op("("); // MARK
    write();
    op("t"); // TUPLE
  };
  op("\x80\x02}("); // PROTO 2, EMPTY_DICT, MARK
  entries.forEach(([name, { shape, data }], i) => {
    unicode(name);
    global("torch._utils", "_rebuild_tensor_v2");
    tuple(() => {
      tuple(() => {
        unicode("storage");
        global("torch", "FloatStorage");
        unicode(`${i}`);
        unicode("cpu");
        integer(data.length);
      });
      op("Q"); // BINPERSID
      integer(0);
      tuple(() => shape.forEach(integer));
      tuple(() => shape.forEach((_, axis) => integer(sizeOf(shape.slice(axis + 1)))));
      op("\x89"); // NEWFALSE
      global("collections", "OrderedDict");
      op(")R"); // EMPTY_TUPLE, REDUCE
    });
    op("R"); // REDUCE
  });
  op("u."); // SETITEMS, STOP
  return Uint8Array.from(bytes);
}
