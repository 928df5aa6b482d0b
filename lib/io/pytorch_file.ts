/**
 * PyTorch's `.pt`, `.pth` and `.bin` files, read and written whole.
 * @module
 */
import { zipSync } from "fflate";
import { openBytes, readRange } from "./byte_ranges.ts";
import { listed, UserError } from "./errors.ts";
import { writeFileAtomic } from "./files.ts";
import { isLegacy, LEGACY_START } from "./pytorch_legacy.ts";
import { openPytorchFile } from "./pytorch_tensors.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

/**
 * Whether a file begins as a zip archive does, or as PyTorch's before version 1.6.
 * @throws {UserError} where it is no file, or one that cannot hold tensors, saying what it is
 */
export async function isPytorchFile(path: string): Promise<boolean> {
  using opened = await openBytes(path);
  const start = await readRange(opened.file, path, 0, Math.min(opened.size, LEGACY_START));
  return isZip(start) || isLegacy(start);
}

function isZip(start: Uint8Array): boolean {
  return [0x50, 0x4b, 0x03, 0x04].every((byte, i) => start[i] === byte);
}

/**
 * Reads the names of a file's tensors, as {@linkcode readPytorchFile} gives them.
 * @throws {UserError} as there
 */
export async function readPytorchNames(path: string): Promise<Set<string>> {
  using file = await openPytorchFile(path);
  return new Set(file.tensors.keys());
}

/**
 * Reads a dictionary of tensors, as float32; names of dictionaries and modules inside it are joined
 * by dots. Files from before PyTorch 1.6 and TorchScript archives, as OpenAI publishes CLIP, are read
 * too.
 * @param isWanted by a tensor's name, whether to read it; all where it is left out
 * @throws {UserError} as {@linkcode openPytorchFile}, and where no tensor is wanted, with the names
 * that there are
 */
export async function readPytorchFile(
  path: string,
  isWanted: (name: string) => boolean = () => true,
): Promise<Map<string, Tensor>> {
  using file = await openPytorchFile(path);
  const tensors = new Map<string, Tensor>();
  for (const name of file.tensors.keys()) {
    if (isWanted(name)) tensors.set(name, await file.read(name));
  }
  if (tensors.size > 0) return tensors;
  const names = [...file.tensors.keys()];
  throw new UserError(
    "damaged",
    `Cannot load ${path}: expected tensors that are wanted here, found ${
      names.length === 0 ? "a pickle without a dictionary of tensors" : listed(names)
    }`,
  );
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
