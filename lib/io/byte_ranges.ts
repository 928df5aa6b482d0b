/**
 * Byte ranges of files that may be larger than memory, and what a file is that holds no tensors.
 * @module
 */
import { UserError } from "./errors.ts";
import { otherThanFile } from "./regular.ts";

/** A file's bytes, read from where the last reading ended or a place was sought. */
export type ReadableBytes = Pick<Deno.FsFile, "read" | "seek">;

/**
 * Reads the bytes of a range, whole.
 * @throws {UserError} where the file ends before it does
 */
export async function readRange(
  file: ReadableBytes,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) {
      throw new UserError(
        "damaged",
        `Cannot read ${path}: expected ${offset + length} bytes, found its end at ${
          offset + filled
        }`,
      );
    }
    filled += count;
  }
  return bytes;
}

/** A file that is open, and its length in bytes. */
export interface OpenedBytes extends Disposable {
  readonly file: ReadableBytes;
  readonly size: number;
}

/** Files up to here are read in one go: their parts would take longer one by one. */
const SMALL_BYTES = 2 ** 20;

/** Bytes in memory as a file. */
class BytesInMemory implements ReadableBytes {
  readonly #bytes: Uint8Array;
  #place = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(into: Uint8Array): Promise<number | null> {
    const rest = this.#bytes.subarray(this.#place, this.#place + into.length);
    into.set(rest);
    this.#place += rest.length;
    return Promise.resolve(rest.length === 0 && into.length > 0 ? null : rest.length);
  }

  seek(offset: number | bigint): Promise<number> {
    return Promise.resolve(this.#place = Number(offset));
  }
}

/**
 * Opens a file of tensors for reading.
 * @throws {UserError} where it is a folder, a pipe, a device, or what is told by its first bytes to
 * hold no tensors: nothing, a pointer of Git LFS, a web page, an archive of another kind
 */
export async function openBytes(path: string): Promise<OpenedBytes> {
  const bad = (found: string) =>
    new UserError(
      "damaged",
      `Cannot read ${path}: expected weights as safetensors or PyTorch's file, found ${found}`,
    );
  // a pipe that nobody writes to would be waited for
  const info = Deno.statSync(path), { size } = info;
  const noFile = otherThanFile(info);
  if (noFile !== undefined) throw bad(noFile);
  if (size === 0) throw bad("0 bytes, an empty file");
  const assertTensors = (start: Uint8Array) => {
    const other = otherThanTensors(start);
    if (other !== undefined) throw bad(other);
  };
  if (size <= SMALL_BYTES) {
    const bytes = await Deno.readFile(path);
    assertTensors(bytes.subarray(0, START_BYTES));
    return { file: new BytesInMemory(bytes), size: bytes.length, [Symbol.dispose]: () => {} };
  }
  const file = await Deno.open(path);
  try {
    assertTensors(await readRange(file, path, 0, START_BYTES));
  } catch (error) {
    file.close();
    throw error;
  }
  return { file, size, [Symbol.dispose]: () => file.close() };
}

/** As many bytes tell what a file is. */
const START_BYTES = 512;

/** A page of the web, with a byte order mark and spaces before it or without. */
const WEB_PAGE = /^(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|html|head|\?xml)/i;

/** First bytes of files that people have beside weights; a safetensors file has no such length. */
const OTHERS: readonly (readonly [starts: readonly string[], what: string])[] = [
  [
    ["version https://git-lfs"],
    "a Git LFS pointer, not the file that it stands for: `git lfs pull` in its repository fetches that",
  ],
  [["\x1f\x8b", "7z\xbc\xaf", "Rar!", "BZh", "\xfd7zXZ"], "a packed archive: unpack it first"],
  [["\x89HDF"], "an HDF5 file of TensorFlow or Keras, which is not read"],
  [["GGUF"], "a GGUF file, which is not read"],
  [["\x93NUMPY"], "a NumPy array, which is not read as weights"],
  [["\x89PNG", "\xff\xd8\xff", "RIFF"], "an image"],
  [["\0".repeat(64)], "zeros where its head should be, as a download that broke off leaves them"],
];

/** What is no file of tensors, by its first bytes; `undefined` where it may be one. */
function otherThanTensors(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start);
  if (WEB_PAGE.test(text)) {
    return "a web page, as where a download needs a sign-in: download the file itself";
  }
  const other = OTHERS.find(([starts]) => starts.some((bytes) => text.startsWith(bytes)));
  if (other) return other[1];
  const isText = start.length >= 8 && /^[\t\n\r -~\x80-\xff]*$/.test(text);
  return isText ? `a text that begins with ${JSON.stringify(text.slice(0, 40))}` : undefined;
}
