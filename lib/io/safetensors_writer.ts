/**
 * Writes safetensors files, whole or not there, with a seal or without.
 * @module
 */
import { createHash } from "node:crypto";
import { writeFileAtomic } from "./files.ts";
import { bytesPerValue, type SafetensorsDtype } from "./safetensors.ts";
import { NO_SEAL, SEAL_NAME, SEAL_OFFSET, sha256 } from "./seal.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

/**
 * Writes float32 tensors, atomically. The same tensors give the same bytes.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}

/** As {@linkcode writeSafetensors}, with a seal that tells whoever reads the file whether it is whole. */
export async function writeSealedSafetensors(
  path: string,
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const bytes = encodeSafetensors(tensors, { [SEAL_NAME]: NO_SEAL, ...metadata });
  bytes.set(new TextEncoder().encode(sha256(bytes)), SEAL_OFFSET);
  await writeFileAtomic(path, bytes);
}

/** The bytes of a safetensors file with float32 tensors. */
export function encodeSafetensors(
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries = [...tensors];
  const header = encodeHeader(
    entries.map(([name, { shape }]) => ({ name, dtype: "F32", shape })),
    metadata,
  );
  const dataBytes = entries.reduce((sum, [, { data }]) => sum + data.byteLength, 0);
  const bytes = new Uint8Array(header.length + dataBytes);
  bytes.set(header);
  let offset = header.length;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/** A tensor to be written, whose bytes are made when their turn comes. */
export interface LazyTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** The values, little-endian, row-major. */
  bytes(): Promise<Uint8Array>;
}

/**
 * Writes a file of any size, atomically, holding one tensor in memory at a time.
 * @param isSealed whether it gets a seal, as {@linkcode writeSealedSafetensors} gives one
 */
export async function writeLargeSafetensors(
  path: string,
  tensors: readonly LazyTensor[],
  metadata: Readonly<Record<string, string>> = {},
  isSealed = false,
): Promise<void> {
  await writeFileAtomic(path, async (write) => {
    const hash = createHash("sha256");
    const add = async (bytes: Uint8Array) => {
      if (isSealed) hash.update(bytes);
      await write(bytes);
    };
    await add(
      encodeHeader(tensors, { ...(isSealed ? { [SEAL_NAME]: NO_SEAL } : {}), ...metadata }),
    );
    for (const tensor of tensors) await add(await tensor.bytes());
    if (isSealed) await write(new TextEncoder().encode(hash.digest("hex")), SEAL_OFFSET);
  });
}

function encodeHeader(
  tensors: readonly Omit<LazyTensor, "bytes">[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
  let end = 0;
  for (const { name, dtype, shape } of tensors) {
    const begin = end;
    end += sizeOf(shape) * bytesPerValue(dtype);
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // the format aligns the data to 8 bytes by spaces after the JSON
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerBytes).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, 8);
  return bytes;
}
