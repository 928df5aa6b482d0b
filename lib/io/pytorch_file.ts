/**
 * PyTorch's `.pth` files: a zip archive of a pickle, which names tensors, and of their raw storages.
 *
 * A pickle can name any Python callable. Here a few names are known, all of which do nothing but put
 * a tensor together; any other is refused before a single tensor is made.
 * @module
 */
import { unzipSync, zipSync } from "fflate";
import { Parser } from "pickleparser";
import { writeFileAtomic } from "./files.ts";
import { type SafetensorsDtype, toFloat32 } from "./safetensors.ts";
import { sizeOf, type Tensor, tensor } from "./tensor.ts";

const STORAGE_TYPES: Readonly<Record<string, SafetensorsDtype>> = {
  "torch.FloatStorage": "F32",
  "torch.DoubleStorage": "F64",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
};
const BYTES_PER_VALUE: Partial<Record<SafetensorsDtype, number>> = {
  F64: 8,
  I64: 8,
  F16: 2,
  BF16: 2,
};

/** What the pickle says of a storage. */
class StorageReference {
  constructor(
    readonly dtype: SafetensorsDtype,
    readonly file: string,
    readonly length: number,
  ) {}
}

/** What the pickle says of a tensor; nothing of it is checked yet. */
class TensorReference {
  constructor(
    readonly storage: unknown,
    readonly offset: unknown,
    readonly shape: unknown,
    readonly strides: unknown,
  ) {}
}

/** An object of a TorchScript archive: its attributes. Its code, in other files, is never read. */
class ScriptModule {
  attributes: unknown;
  /** Called by the parser for what Python would give to `__setstate__`. */
  __setstate__(attributes: unknown): void {
    this.attributes = attributes;
  }
}

/** Whether a file begins as a zip archive does. */
export async function isPytorchFile(path: string): Promise<boolean> {
  const file = await Deno.open(path);
  try {
    const start = new Uint8Array(4);
    return await file.read(start) === 4 && new DataView(start.buffer).getUint32(0) === 0x504b0304;
  } finally {
    file.close();
  }
}

/**
 * Reads a dictionary of tensors, as float32; names of dictionaries and modules inside it are joined
 * by dots. TorchScript archives, as OpenAI publishes CLIP, are read too.
 * @param isWanted by a tensor's name, whether to read it; all where it is left out
 * @throws {SyntaxError} where the file is no such archive, is damaged, or names what is not a tensor
 */
export async function readPytorchFile(
  path: string,
  isWanted: (name: string) => boolean = () => true,
): Promise<Map<string, Tensor>> {
  const bad = (found: string) =>
    new SyntaxError(`Cannot load ${path}: expected a zip archive of PyTorch, found ${found}`);
  const bytes = await Deno.readFile(path);
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      // PyTorch stores; an archive that says otherwise may unpack to any size
      filter: ({ name, compression, size, originalSize }) => {
        if (!/(^|\/)data(\.pkl|\/[^/]+)$/.test(name)) return false; // TorchScript's code among them
        if (compression !== 0 || size !== originalSize) throw new Error(`${name} is compressed`);
        return true;
      },
    });
  } catch (error) {
    throw bad(`a file that does not unpack: ${(error as Error).message}`);
  }
  const pickleName = Object.keys(files).find((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickleName === undefined) throw bad("no data.pkl in it");
  const folder = pickleName.slice(0, -"data.pkl".length);

  const value = parsePickle(files[pickleName]!, bad);
  const tensors = new Map<string, Tensor>();
  const collect = (value: unknown, name: string) => {
    if (value instanceof Map) {
      for (const [key, inner] of value) collect(inner, name ? `${name}.${key}` : `${key}`);
    } else if (value instanceof ScriptModule) {
      collect(value.attributes, name);
    } else if (value instanceof TensorReference && isWanted(name)) {
      const found = buildTensor(value, (file) => files[`${folder}data/${file}`]);
      if (!found) throw bad(`${name}, whose values do not fit its shape`);
      tensors.set(name, found);
    }
  };
  collect(value, "");
  if (tensors.size === 0) throw bad("a pickle without a dictionary of tensors");
  return tensors;
}

/** Reads a pickle; tensors in it stay references. */
function parsePickle(pickle: Uint8Array, bad: (found: string) => SyntaxError): unknown {
  let refused: string | undefined;
  const parser = new Parser({
    unpicklingTypeOfDictionary: "Map",
    nameResolver: {
      resolve(module, name) {
        const build = knownCallable(`${module}.${name}`);
        if (build) return build;
        refused = `${module}.${name}`;
        throw new Error(refused);
      },
    },
    persistentResolver: { resolve: (id) => storageReference(id, bad) },
  });
  try {
    return parser.parse(pickle);
  } catch (error) {
    if (error instanceof SyntaxError) throw error;
    if (refused !== undefined) {
      const known = ["torch._utils._rebuild_tensor_v2", "collections.OrderedDict"];
      throw bad(`a pickle that calls ${refused}; allowed are ${known.join(", ")} and storages`);
    }
    throw bad(`a pickle that does not parse: ${(error as Error).message}`);
  }
}

/** What stands for a Python callable: new at each call, so that a pickle can change none. */
function knownCallable(name: string): Callable | undefined {
  const dtype = Object.hasOwn(STORAGE_TYPES, name) ? STORAGE_TYPES[name] : undefined;
  if (dtype) return Object.assign(() => undefined, { dtype });
  switch (name) {
    case "collections.OrderedDict":
      return () => new Map();
    case "torch._utils._rebuild_parameter":
      return (data) => data;
    case "torch._utils._rebuild_tensor_v2":
      return (storage, offset, shape, strides) =>
        new TensorReference(storage, offset, shape, strides);
  }
  return name.startsWith("__torch__.") ? ScriptModule as unknown as Callable : undefined;
}

type Callable = (...args: unknown[]) => unknown;

function storageReference(id: unknown, bad: (found: string) => SyntaxError): StorageReference {
  const [kind, type, file, , length] = Array.isArray(id) ? id : [];
  const dtype: SafetensorsDtype | undefined = type?.dtype;
  if (kind !== "storage" || dtype === undefined || typeof file !== "string" || !isCount(length)) {
    throw bad("a storage without type, file or length");
  }
  return new StorageReference(dtype, file, length);
}

/** Copies a tensor's values out of its storage; `undefined` where they do not lie in it. */
function buildTensor(
  { storage, offset, shape, strides }: TensorReference,
  fileOf: (name: string) => Uint8Array | undefined,
): Tensor | undefined {
  if (!(storage instanceof StorageReference)) return undefined;
  if (!isCount(offset) || !areCounts(shape) || !areCounts(strides)) return undefined;
  const bytes = fileOf(storage.file);
  if (bytes?.length !== storage.length * (BYTES_PER_VALUE[storage.dtype] ?? 4)) return undefined;
  const length = sizeOf(shape);
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * (strides[i] ?? NaN), offset);
  if (length > 0 && !(last < storage.length)) return undefined;
  const values = toFloat32(bytes.slice(), storage.dtype);
  const data = Float32Array.from({ length }, (_, i) => {
    let at = offset, rest = i;
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

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
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
