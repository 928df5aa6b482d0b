/**
 * The safetensors file format: a JSON header with every tensor's dtype, shape and byte range, then
 * the bytes. Source: https://github.com/huggingface/safetensors, format section of the README.
 * @module
 */
import { openBytes, type OpenedBytes, readRange } from "./byte_ranges.ts";
import { quoted, UserError } from "./errors.ts";
import { parseJson } from "./json.ts";
import { checkSafetensorsSeal, SEAL_NAME } from "./seal.ts";
import { sizeOf, type Tensor, tensor } from "./tensor.ts";

const BYTES_PER_VALUE = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** Storage types that this reader knows. */
export type SafetensorsDtype = keyof typeof BYTES_PER_VALUE;

/** Length of a stored value. */
export function bytesPerValue(dtype: SafetensorsDtype): number {
  return BYTES_PER_VALUE[dtype];
}

/** Where one tensor lies in its file. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
}

/** The checked header of a safetensors file. */
export interface SafetensorsHeader {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** The longest header that is read; those of weights with thousands of tensors take a tenth of it. */
const MAX_HEADER_BYTES = 8_000_000;
const MAX_TENSORS = 50_000;
/** A tensor's shape lies in its entry, that in the header. */
const MAX_DEPTH = 3;
const MAX_RANK = 16;

/**
 * Reads and checks the header: nothing of the tensors' bytes is touched.
 * @throws {UserError} where the file is truncated, is not safetensors, or names byte ranges that
 * leave the file, overlap, or do not fit their shape
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  using opened = await openBytes(path);
  return await headerOf(opened, path);
}

async function headerOf(
  { file, size: fileBytes }: OpenedBytes,
  path: string,
): Promise<SafetensorsHeader> {
  const bad = (found: string) =>
    new UserError("damaged", `Cannot read ${path}: expected a safetensors file, found ${found}`);
  if (fileBytes < 8) throw bad(`${fileBytes} bytes`);
  const head = await readRange(file, path, 0, 8);
  const headerBytes = Number(new DataView(head.buffer).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > fileBytes) {
    throw bad(
      `a header of ${headerBytes} bytes in a file of ${fileBytes}; at most ${MAX_HEADER_BYTES} are read`,
    );
  }
  const text = new TextDecoder().decode(await readRange(file, path, 8, headerBytes));
  let json: Record<string, unknown>;
  try {
    json = parseJson(text, "its header", { depth: MAX_DEPTH, count: 3 * MAX_TENSORS });
  } catch (error) {
    throw bad(`a header that is not JSON of tensors: ${(error as Error).message}`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw bad("a header that is not a JSON object");
  }
  const { __metadata__, ...rest } = json;
  // null is what some writers put where there is none
  const metadata = __metadata__ ?? {};
  if (!isRecordOfStrings(metadata)) throw bad("metadata that are not strings by name");
  // what it says of the file is no part of what the file says
  const { [SEAL_NAME]: _seal, ...told } = metadata;
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(rest)) {
    tensors.set(name, checkEntry(name, value, 8 + headerBytes, fileBytes, bad));
  }
  const ordered = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  for (let i = 1; i < ordered.length; i++) {
    const [previousName, previous] = ordered[i - 1]!;
    const [name, entry] = ordered[i]!;
    if (entry.offset < previous.offset + previous.length) {
      throw bad(`overlapping tensors ${quoted(previousName)} and ${quoted(name)}`);
    }
  }
  return { path, metadata: told, tensors };
}

function isRecordOfStrings(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((item) => typeof item === "string");
}

function checkEntry(
  named: string,
  value: unknown,
  dataStart: number,
  fileBytes: number,
  bad: (found: string) => UserError,
): SafetensorsEntry {
  const { dtype, shape, data_offsets: range } = (value ?? {}) as Record<string, unknown>;
  const name = quoted(named);
  const isCount = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES_PER_VALUE, dtype)) {
    throw bad(
      `dtype ${quoted(dtype)} for ${name}; known are ${Object.keys(BYTES_PER_VALUE).join(", ")}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad(`no shape for ${name}`);
  if (shape.length > MAX_RANK) throw bad(`${shape.length} axes of ${name}`);
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isCount)) {
    throw bad(`no byte range for ${name}`);
  }
  const [begin, end] = range as [number, number];
  const length = sizeOf(shape as number[]) * BYTES_PER_VALUE[dtype as SafetensorsDtype];
  if (end - begin !== length) {
    throw bad(`${end - begin} bytes for ${name}, whose ${dtype} [${shape}] takes ${length}`);
  }
  if (dataStart + end > fileBytes) {
    throw bad(`a file cut off at ${fileBytes} bytes, where ${name} ends at ${dataStart + end}`);
  }
  return {
    dtype: dtype as SafetensorsDtype,
    shape: shape as number[],
    offset: dataStart + begin,
    length,
  };
}

/**
 * Reads the bytes of one tensor as they are stored.
 * @throws {UserError} where the file ends before them
 */
export async function readEntryBytes(
  path: string,
  { offset, length }: SafetensorsEntry,
): Promise<Uint8Array<ArrayBuffer>> {
  using opened = await openBytes(path);
  return await readRange(opened.file, path, offset, length);
}

/**
 * Reads all of a file and holds it to its header and, where it was written with one, to its seal.
 * @returns whether it has a seal
 * @throws {UserError} as {@linkcode readSafetensorsHeader}, or where a bit has changed since
 */
export async function verifySafetensors(path: string): Promise<boolean> {
  using opened = await openBytes(path);
  await headerOf(opened, path);
  return await checkSafetensorsSeal(opened.file, path);
}

/** Tensors of a file, all as float32, with the file's metadata. */
export interface SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: Map<string, Tensor>;
}

/**
 * Reads tensors into memory as float32, whatever their storage type, of a file that is as its seal
 * says, where it has one.
 * @param names which ones; all where it is left out
 * @throws {UserError} as {@linkcode readSafetensorsHeader}
 * @throws {UserError} where a name is not in the file
 */
export async function readSafetensors(
  path: string,
  names?: Iterable<string>,
): Promise<SafetensorsFile> {
  // one open file: another may take its name meanwhile
  using opened = await openBytes(path);
  const header = await headerOf(opened, path);
  await checkSafetensorsSeal(opened.file, path);
  const tensors = new Map<string, Tensor>();
  for (const name of names ?? header.tensors.keys()) {
    const entry = header.tensors.get(name);
    if (!entry) {
      throw new UserError("missing", `Cannot read ${path}: expected tensor ${name}, found none`);
    }
    const bytes = await readRange(opened.file, path, entry.offset, entry.length);
    tensors.set(name, tensor(toFloat32(bytes, entry.dtype), entry.shape));
  }
  return { metadata: header.metadata, tensors };
}

/** Converts stored bytes (little-endian) to float32 values. */
export function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: SafetensorsDtype): Float32Array {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset } = aligned;
  const count = bytes.length / BYTES_PER_VALUE[dtype];
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer, byteOffset, count);
    case "F64":
      return new Float32Array(new Float64Array(buffer, byteOffset, count));
    case "F16":
      return new Float32Array(new Float16Array(buffer, byteOffset, count));
    case "BF16": {
      // bfloat16 is the upper half of a float32
      const halves = new Uint16Array(buffer, byteOffset, count);
      const bits = new Uint32Array(count);
      for (let i = 0; i < count; i++) bits[i] = halves[i]! << 16;
      return new Float32Array(bits.buffer);
    }
    case "I64":
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, count), Number);
    case "I32":
      return new Float32Array(new Int32Array(buffer, byteOffset, count));
    case "I16":
      return new Float32Array(new Int16Array(buffer, byteOffset, count));
    case "I8":
      return new Float32Array(new Int8Array(buffer, byteOffset, count));
    case "U8":
    case "BOOL":
      return new Float32Array(aligned);
  }
}
