/**
 * Weights as 8-bit integers: the linear layers' matrices, each output channel with a scale of its
 * own, in a file that holds all that the graph needs.
 * @module
 */
import { quoted, UserError } from "../io/errors.ts";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { COUNT, parseJson } from "../io/json.ts";
import { readEntryBytes, readSafetensorsHeader, toFloat32 } from "../io/safetensors.ts";
import { type LazyTensor, writeLargeSafetensors } from "../io/safetensors_writer.ts";
import { ACTIVATIONS, CHANNELS, differences, type VitSettings } from "./families/family.ts";
import { FAMILIES } from "./families/index.ts";
import { removeChecksum, writeChecksum } from "./checksum.ts";
import { hashWeights } from "./network.ts";
import { poolingOf, type VitArchitecture } from "./vit/architecture.ts";
import type { VitWeights } from "./vit/weights.ts";

/** Linear layers of a block, whose matrices are quantised. */
const MATRIX = /^blocks\.\d+\.(q|k|v|out|fc1|fc2)\.weight$/;

const LARGEST = 127;

/** Metadata that marks a file as this module's, with its layout's number. */
const FORMAT_KEY = "rine.int8", FORMAT = "2";

/** Metadata that holds the SHA-256 of the weights that were quantised. */
const SOURCE_KEY = "source.sha256";

const ARCHITECTURE = v.looseObject({
  blocks: COUNT,
  width: COUNT,
  heads: COUNT,
  patchPx: COUNT,
  resolutionPx: COUNT,
  mlpWidth: COUNT,
  activation: v.picklist(ACTIVATIONS),
  epsilon: v.number(),
  pixelMean: CHANNELS,
  pixelStd: CHANNELS,
  pooling: v.optional(v.literal("mean")),
});

/** Where the int8 version of a weights file lies: beside it. */
export function quantizedPath(weightsPath: string): string {
  return join(dirname(weightsPath), "int8.safetensors");
}

/**
 * Quantises weights, symmetrically and by output channel: w ≈ q · scale, scale = max |w| / 127.
 * A matrix [out, in] is stored as int8 [in, out], the order that products read, with `NAME.scale`
 * float32 [out]. All other tensors are stored as float32. The file remembers what weights it was
 * made of.
 */
export async function quantizeWeights(weights: VitWeights, path: string): Promise<void> {
  // before the values are read: weights that are replaced meanwhile are not what this was made of
  const source = await hashWeights(weights.header.path);
  const tensors: LazyTensor[] = [];
  for (const [name, entry] of weights.tensors) {
    const values = async () =>
      toFloat32(await readEntryBytes(weights.header.path, entry), entry.dtype);
    if (!MATRIX.test(name)) {
      const bytes = async () => bytesOf(await values());
      tensors.push({ name, dtype: "F32", shape: entry.shape, bytes });
      continue;
    }
    const [outputs = 0, inputs = 0] = entry.shape;
    tensors.push({
      name,
      dtype: "I8",
      shape: [inputs, outputs],
      bytes: async () => bytesOf(quantize(await values(), outputs, inputs).matrix),
    }, {
      name: `${name}.scale`,
      dtype: "F32",
      shape: [outputs],
      bytes: async () => bytesOf(quantize(await values(), outputs, inputs).scales),
    });
  }
  await removeChecksum(path);
  await writeLargeSafetensors(path, tensors, {
    [FORMAT_KEY]: FORMAT,
    [SOURCE_KEY]: source,
    architecture: JSON.stringify(weights.architecture),
    scheme: weights.family.name,
  });
  await writeChecksum(path);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Int8Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/**
 * @param values [outputs, inputs]
 * @returns matrix [inputs, outputs] and scales [outputs]
 */
function quantize(values: Float32Array, outputs: number, inputs: number) {
  const matrix = new Int8Array(outputs * inputs);
  const scales = new Float32Array(outputs);
  for (let output = 0; output < outputs; output++) {
    const row = values.subarray(output * inputs, (output + 1) * inputs);
    const largest = row.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const scale = largest > 0 ? largest / LARGEST : 1;
    scales[output] = scale;
    for (let input = 0; input < inputs; input++) {
      matrix[input * outputs + output] = Math.round(row[input]! / scale);
    }
  }
  return { matrix, scales };
}

/**
 * Reads what {@linkcode quantizeWeights} wrote.
 * @param sourcePath weights that it must have been made of
 * @param settings what is known of those weights beside their file
 * @throws {UserError} where the file is not whole, or is not such a file
 * @throws {UserError} where it was made of other weights, or under other settings
 */
export async function readQuantizedWeights(
  path: string,
  sourcePath: string,
  settings: Partial<VitSettings> = {},
): Promise<VitWeights> {
  const header = await readSafetensorsHeader(path);
  const { metadata } = header;
  const family = FAMILIES.find(({ name }) => name === metadata["scheme"]);
  if (metadata[FORMAT_KEY] !== FORMAT || !family) {
    const found = [metadata[FORMAT_KEY] ?? "none", metadata["scheme"]].filter(Boolean);
    throw new UserError(
      "damaged",
      `Cannot read ${path}: expected int8 weights of format ${FORMAT}, found ${
        quoted(found.join(" of "))
      }; ${quantizeAdvice(path)}`,
    );
  }
  if (metadata[SOURCE_KEY] !== await hashWeights(sourcePath)) {
    throw new UserError(
      "missing",
      `Cannot read ${path}: expected int8 weights made of ${sourcePath}, found those of an earlier file; ${
        quantizeAdvice(path)
      }`,
    );
  }
  const architecture = parseJson<VitArchitecture>(
    metadata["architecture"] ?? "",
    `architecture in ${path}`,
    { form: ARCHITECTURE, bytes: 2 ** 14, remedy: quantizeAdvice(path) },
  );
  const own = { ...architecture, pooling: poolingOf(architecture) };
  const others = differences(settings, own as VitSettings);
  if (Object.keys(others).length > 0) {
    throw new UserError(
      "missing",
      `Cannot read ${path}: expected int8 weights made with ${
        JSON.stringify(others)
      }, found others; ${quantizeAdvice(path)}`,
    );
  }
  // its settings are part of the file, and so of its hash
  return { header, family, architecture, settings: {}, tensors: header.tensors };
}

/** A backbone is named by its folder. */
function quantizeAdvice(path: string): string {
  const own = dirname(path);
  return `run \`deno task backbone quantize --name ${basename(own)} --backbones ${
    dirname(own)
  }\` again`;
}
