/**
 * The pickle in a PyTorch archive: which tensors there are, and where their values lie.
 *
 * A pickle can name any Python callable. Here a few names are known, all of which do nothing but put
 * a tensor together or pass a number over; any other is refused before a single tensor is made. What is read, and for how
 * long, is bounded by the pickle's length, whatever it says.
 * @module
 */
import { printable, quoted, UserError } from "./errors.ts";
import { BufferReader, Parser } from "pickleparser";
import type { SafetensorsDtype } from "./safetensors.ts";

const STORAGE_TYPES: Readonly<Record<string, SafetensorsDtype>> = {
  "torch.FloatStorage": "F32",
  "torch.DoubleStorage": "F64",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
  "torch.ShortStorage": "I16",
  "torch.CharStorage": "I8",
  "torch.ByteStorage": "U8",
  "torch.BoolStorage": "BOOL",
};

/** What the pickle says of a storage. */
export class StorageReference {
  readonly dtype: SafetensorsDtype;
  /** Name in the archive. */
  readonly file: string;
  /** Number of values. */
  readonly length: number;

  /** Checked by whoever makes it: a pickle cannot change it any more. */
  constructor(dtype: SafetensorsDtype, file: string, length: number) {
    this.dtype = dtype;
    this.file = file;
    this.length = length;
    Object.freeze(this);
  }
}

/** What the pickle says of a tensor; nothing of it is checked. */
export class TensorReference {
  readonly storage: unknown;
  readonly offset: unknown;
  readonly shape: unknown;
  readonly strides: unknown;

  /** As the arguments of PyTorch's `_rebuild_tensor_v2`. */
  constructor(storage: unknown, offset: unknown, shape: unknown, strides: unknown) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** An object of a TorchScript archive: its attributes. Its code, in other files, is never read. */
class ScriptModule {
  attributes: unknown;
  /** Called by the parser for what Python would give to `__setstate__`. */
  __setstate__(attributes: unknown): void {
    this.attributes = attributes;
  }
}

/** A number of NumPy's, which training scripts keep beside tensors: it is passed over. */
class NumpyNumber {
  /** Called by the parser; nothing of it is kept. */
  __setstate__(): void {}
}

/** What NumPy's numbers are put together with, under its old and new names. */
const NUMPY_CALLABLES: ReadonlySet<string> = new Set([
  "numpy.core.multiarray.scalar",
  "numpy._core.multiarray.scalar",
  "numpy.dtype",
  "_codecs.encode", // of the number's bytes
]);

/** Longest name or number: the parser takes time that grows with the square of a number's length. */
const MAX_VALUE_BYTES = 2 ** 14;

/** The parser's word for a number of up to 255 bytes, before that count. */
const SHORT_LONG = 0x8a;

/** 2^53 - 1, as a pickle has it: larger numbers, such as seeds, are none of a tensor's. */
const LARGEST_LONG = Uint8Array.of(255, 255, 255, 255, 255, 255, 31);

/** Dictionaries and modules lie in one another at most so deep. */
const MAX_DEPTH = 64;

/** Longest name with those of the dictionaries around it: a pickle can use each again and again. */
const MAX_NAME_LENGTH = 512;

/**
 * Goes through a pickle in one direction, and takes no time that grows faster than its length: lengths
 * in it may be negative, and lead back for ever.
 */
export class ForwardReader extends BufferReader {
  readonly #longest: number;
  #isAfterLength = false;
  /** The last two that were read one by one: a word and its count. */
  #word = 0;
  #count = 0;

  /** @param longest bytes of a name or of an array's values, at most */
  constructor(bytes: Uint8Array, longest: number = MAX_VALUE_BYTES) {
    super(bytes);
    this.#longest = longest;
  }

  override uint32(): number {
    this.#isAfterLength = true;
    return super.uint32();
  }

  override bytes(length: number): ReturnType<BufferReader["bytes"]> {
    // what follows such a length is a number
    const longest = this.#isAfterLength ? MAX_VALUE_BYTES : this.#longest;
    this.#isAfterLength = false;
    if (!(length >= 0 && length <= longest)) throw new Error(`a value of ${length} bytes`);
    const isNumber = this.#word === SHORT_LONG && this.#count === length;
    this.#word = 0;
    const bytes = super.bytes(length);
    // the parser would say on the terminal that it is not exact
    const isLarge = isNumber && length <= 8 &&
      bytes.subarray(6).some((byte, i) => byte > (i ? 0 : 31));
    return isLarge ? LARGEST_LONG : bytes;
  }

  override int32(): number {
    this.#isAfterLength = false;
    return super.int32();
  }

  override uint64(): number {
    const value = super.uint32() + 2 ** 32 * super.uint32();
    this.#isAfterLength = false;
    if (Number.isSafeInteger(value)) return value;
    throw new Error(`a length of ${value}`);
  }

  override byte(): number {
    this.#isAfterLength = false;
    this.#word = this.#count;
    return this.#count = super.byte();
  }
}

/** Why a pickle cannot be read, for people: what the parser itself trips over is no word for them. */
export function pickleProblem(error: unknown): string {
  const isParsers = error instanceof TypeError || error instanceof RangeError;
  return isParsers ? "one that does not fit together" : printable((error as Error).message);
}

/** What one pickle says. */
export interface Pickled {
  readonly value: unknown;
  /** First byte after it. */
  readonly end: number;
  /** Storages that it names, by their names. */
  readonly storages: ReadonlyMap<string, StorageReference>;
  /** Classes of a TorchScript archive's modules: `__torch__.QuickGELU`. */
  readonly classes: ReadonlySet<string>;
}

/**
 * Reads one pickle, of several that may follow one another.
 * @param at its first byte
 * @param bad the error, from what was found
 */
export function pickleAt(
  bytes: Uint8Array,
  at: number,
  bad: (found: string) => UserError,
): Pickled {
  const reader = new ForwardReader(bytes.subarray(at));
  const storages = new Map<string, StorageReference>();
  const classes = new Set<string>();
  try {
    const value = parse(reader, bad, storages, classes);
    return { value, end: at + reader.position, storages, classes };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw bad(`a pickle that does not parse: ${pickleProblem(error)}`);
  }
}

/**
 * The tensors in what a pickle says, by their names.
 * @param limit values that a pickle of its length can hold, unless it names one again and again
 */
export function tensorsOf(
  root: unknown,
  limit: number,
  bad: (found: string) => UserError,
): Map<string, TensorReference> {
  const tensors = new Map<string, TensorReference>();
  let seen = 0;
  const add = (value: unknown, name: string, depth: number) => {
    if (++seen > limit || depth > MAX_DEPTH || name.length > MAX_NAME_LENGTH) {
      throw bad("a pickle whose dictionaries contain one another without end");
    }
    if (value instanceof Map) {
      for (const [key, inner] of value) {
        if (typeof key !== "string" && typeof key !== "number") {
          throw bad("a pickle with a dictionary whose keys are no names");
        }
        add(inner, name ? `${name}.${key}` : `${key}`, depth + 1);
      }
    } else if (value instanceof ScriptModule) {
      add(value.attributes, name, depth + 1);
    } else if (value instanceof TensorReference) {
      tensors.set(name, value);
    }
  };
  add(root, "", 0);
  return tensors;
}

function parse(
  reader: ForwardReader,
  bad: (found: string) => UserError,
  storages: Map<string, StorageReference>,
  classes: Set<string>,
): unknown {
  const parser = new Parser({
    unpicklingTypeOfDictionary: "Map",
    nameResolver: {
      resolve(module, name) {
        const build = knownCallable(`${module}.${name}`);
        if (module.startsWith("__torch__")) classes.add(`${module}.${name}`);
        if (build) return build;
        const known = ["torch._utils._rebuild_tensor_v2", "collections.OrderedDict"];
        throw bad(
          `a pickle that calls ${quoted(`${module}.${name}`)}; allowed are ${
            known.join(", ")
          } and storages`,
        );
      },
    },
    persistentResolver: {
      resolve(id) {
        const storage = storageReference(id, bad);
        storages.set(storage.file, storage);
        return storage;
      },
    },
  });
  return parser.read(reader);
}

/** What stands for a Python callable: new at each call, so that a pickle can change none. */
function knownCallable(name: string): Callable | undefined {
  const dtype = Object.hasOwn(STORAGE_TYPES, name) ? STORAGE_TYPES[name] : undefined;
  if (dtype) return Object.freeze(Object.assign(() => undefined, { dtype }));
  switch (name) {
    case "collections.OrderedDict":
      return () => new Map();
    case "torch._utils._rebuild_parameter":
    case "torch._utils._rebuild_parameter_with_state":
      return (data) => data;
    case "torch._utils._rebuild_tensor":
    case "torch._utils._rebuild_tensor_v2":
      return (storage, offset, shape, strides) =>
        new TensorReference(storage, offset, shape, strides);
    case "torch.Size":
    case "torch.device":
      return () => undefined;
    case "argparse.Namespace":
      // what a training was called with: passed over
      return class {
        __setstate__(): void {}
      } as unknown as Callable;
  }
  if (NUMPY_CALLABLES.has(name)) return () => Object.freeze(new NumpyNumber());
  return name.startsWith("__torch__.") ? ScriptModule as unknown as Callable : undefined;
}

type Callable = (...args: unknown[]) => unknown;

function storageReference(id: unknown, bad: (found: string) => UserError): StorageReference {
  const [kind, type, file, , length] = Array.isArray(id) ? id : [];
  const dtype = Object.values(STORAGE_TYPES).find((known) => known === type?.dtype);
  if (kind !== "storage" || dtype === undefined || typeof file !== "string" || !isCount(length)) {
    throw bad("a storage without type, file or length");
  }
  return new StorageReference(dtype, file, length);
}

/** Whether a pickled value can be a number of things. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
