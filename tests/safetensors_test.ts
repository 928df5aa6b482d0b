import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  readEntryBytes,
  readSafetensors,
  readSafetensorsHeader,
  toFloat32,
} from "../lib/io/safetensors.ts";
import { encodeSafetensors } from "../lib/io/safetensors_writer.ts";
import { temporaryFile } from "./temporary.ts";

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = temporaryFile(".safetensors");
  await Deno.writeFile(path, bytes);
  return path;
}

function withHeader(header: unknown, data: Uint8Array, declaredBytes?: number): Uint8Array {
  const json = new TextEncoder().encode(
    typeof header === "string" ? header : JSON.stringify(header),
  );
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(declaredBytes ?? json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

Deno.test("tensors and metadata come back as they were written", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(
        fc.string({ minLength: 1 }).filter((name) =>
          name !== "__metadata__" && name !== "__proto__"
        ),
        fc.float32Array(),
      ),
      async (values) => {
        const tensors = Object.entries(values).map(([name, data]) =>
          [name, { data, shape: [data.length] }] as const
        );
        const path = await fileOf(encodeSafetensors(tensors, { q: "2" }));
        const file = await readSafetensors(path);
        assert.deepEqual(file.metadata, { q: "2" });
        assert.deepEqual([...file.tensors], tensors.map((entry) => [...entry]));
        await Deno.remove(path);
      },
    ),
    { numRuns: 30 },
  );
});

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

const REFUSED: Readonly<Record<string, { bytes: Uint8Array; says: RegExp }>> = {
  "an empty file": { bytes: new Uint8Array(0), says: /found 0 bytes/ },
  "a header longer than the file": {
    bytes: withHeader({}, new Uint8Array(4), 999),
    says: /header of 999 bytes/,
  },
  "a header that is not JSON": { bytes: withHeader("{oops", new Uint8Array(0)), says: /not JSON/ },
  "a range beyond the end": {
    bytes: withHeader({ a: entry("F32", [4], 0, 16) }, new Uint8Array(8)),
    says: /cut off at \d+ bytes, where a ends/,
  },
  "ranges that overlap": {
    bytes: withHeader(
      { a: entry("F32", [2], 0, 8), b: entry("F32", [2], 4, 12) },
      new Uint8Array(12),
    ),
    says: /overlapping tensors a and b/,
  },
  "a range that does not fit the shape": {
    bytes: withHeader({ a: entry("F32", [3], 0, 8) }, new Uint8Array(8)),
    says: /8 bytes for a/,
  },
  "a negative offset": {
    bytes: withHeader({ a: entry("F32", [1], -4, 0) }, new Uint8Array(8)),
    says: /no byte range for a/,
  },
  "an unknown dtype": {
    bytes: withHeader({ a: entry("F4", [1], 0, 1) }, new Uint8Array(1)),
    says: /dtype F4/,
  },
  "a dtype by the name of an object's method": {
    bytes: withHeader({ a: entry("toString", [1], 0, 1) }, new Uint8Array(1)),
    says: /dtype toString/,
  },
  "metadata that are a list": {
    bytes: withHeader({ __metadata__: ["q"] }, new Uint8Array(0)),
    says: /metadata that are not strings by name/,
  },
  "metadata with a number": {
    bytes: withHeader({ __metadata__: { q: 2 } }, new Uint8Array(0)),
    says: /metadata that are not strings by name/,
  },
};

for (const [what, { bytes, says }] of Object.entries(REFUSED)) {
  Deno.test(`${what} is refused before a tensor is read`, async () => {
    const path = await fileOf(bytes);
    await assert.rejects(readSafetensorsHeader(path), (error: Error) => {
      assert(error instanceof UserError);
      assert.match(error.message, says);
      assert(error.message.startsWith(`Cannot read ${path}: `));
      return true;
    });
  });
}

Deno.test("metadata of null are none", async () => {
  const header = { __metadata__: null, a: entry("F32", [1], 0, 4) };
  const { metadata, tensors } = await readSafetensors(
    await fileOf(withHeader(header, new Uint8Array(4))),
  );
  assert.deepEqual(metadata, {});
  assert.deepEqual([...tensors.keys()], ["a"]);
});

Deno.test("a file that was cut off after its header was read is named", async () => {
  const path = await fileOf(encodeSafetensors([["a", { data: Float32Array.of(1), shape: [1] }]]));
  const { tensors } = await readSafetensorsHeader(path);
  const { size } = await Deno.stat(path);
  await Deno.truncate(path, size - 1);
  await assert.rejects(readEntryBytes(path, tensors.get("a")!), {
    name: "UserError",
    message: `Cannot read ${path}: expected ${size} bytes, found its end at ${size - 1}`,
  });
});

Deno.test("every cut of a file is refused", async () => {
  const whole = encodeSafetensors([["a", { data: Float32Array.of(1, 2, 3), shape: [3] }]]);
  for (let length = 0; length < whole.length; length++) {
    await assert.rejects(readSafetensorsHeader(await fileOf(whole.slice(0, length))), UserError);
  }
});

Deno.test("half-precision types become the float32 of the same value", () => {
  const half = new Uint8Array(Float16Array.of(1.5, -2).buffer);
  assert.deepEqual([...toFloat32(half, "F16")], [1.5, -2]);
  const brain = Uint8Array.of(0xc0, 0x3f, 0x00, 0xc0);
  assert.deepEqual([...toFloat32(brain, "BF16")], [1.5, -2]);
});

Deno.test("every type becomes the float32 of the same value, from either end of its range", () => {
  const bytesOf = (values: ArrayBufferView<ArrayBuffer>) => new Uint8Array(values.buffer);
  for (
    const [dtype, bytes, expected] of [
      ["F64", bytesOf(Float64Array.of(-0.5, 2 ** 40)), [-0.5, 2 ** 40]],
      ["F32", bytesOf(Float32Array.of(1e-30, -3)), [Math.fround(1e-30), -3]],
      ["I64", bytesOf(BigInt64Array.of(-5n, 2n ** 40n)), [-5, 2 ** 40]],
      ["I32", bytesOf(Int32Array.of(-(2 ** 31), 7)), [-(2 ** 31), 7]],
      ["I16", bytesOf(Int16Array.of(-32768, 32767)), [-32768, 32767]],
      ["I8", bytesOf(Int8Array.of(-128, 127)), [-128, 127]],
      ["U8", Uint8Array.of(0, 255), [0, 255]],
      ["BOOL", Uint8Array.of(0, 1), [0, 1]],
    ] as const
  ) {
    assert.deepEqual([...toFloat32(bytes, dtype)], expected, dtype);
    // as part of something larger, where no element starts at a multiple of its size
    const within = new Uint8Array(bytes.length + 3);
    within.set(bytes, 3);
    assert.deepEqual([...toFloat32(within.subarray(3), dtype)], expected, `${dtype}, unaligned`);
  }
});

Deno.test("the bytes of a file are those of the format: length, JSON padded to 8, then the values", () => {
  const tensors = [
    ["b", { data: Float32Array.of(1.5), shape: [1, 1] }],
    ["a", { data: new Float32Array(0), shape: [0] }],
    ["s", { data: Float32Array.of(-2), shape: [] }],
  ] as const;
  const bytes = encodeSafetensors(tensors, { q: "2" });
  const json = '{"__metadata__":{"q":"2"},"b":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},' +
    '"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},' +
    '"s":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}';
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8, " ");
  const view = new DataView(bytes.buffer);
  assert.equal(Number(view.getBigUint64(0, true)), padded.length);
  assert.equal(new TextDecoder().decode(bytes.subarray(8, 8 + padded.length)), padded);
  assert.deepEqual(
    [view.getFloat32(8 + padded.length, true), view.getFloat32(12 + padded.length, true)],
    [1.5, -2],
  );
  assert.equal(bytes.length, 16 + padded.length);
});

Deno.test("a header may be as long as the file, and at most 8,000,000 bytes", async () => {
  assert.equal(
    (await readSafetensorsHeader(await fileOf(withHeader({}, new Uint8Array(0))))).tensors.size,
    0,
  );
  const sparse = async (headerBytes: number) => {
    const path = temporaryFile(".safetensors");
    const start = new Uint8Array(8);
    new DataView(start.buffer).setBigUint64(0, BigInt(headerBytes), true);
    await Deno.writeFile(path, start);
    await Deno.truncate(path, 8 + headerBytes);
    return path;
  };
  await assert.rejects(readSafetensorsHeader(await sparse(8_000_001)), {
    message: /found a header of 8000001 bytes in a file of 8000009; at most 8000000 are read$/,
  });
  for (const bytes of [1, 7]) {
    await assert.rejects(readSafetensorsHeader(await fileOf(new Uint8Array(bytes))), {
      message: new RegExp(`found ${bytes} bytes$`),
    });
  }
});

Deno.test("tensors that touch do not overlap, and only the names that are asked for are read", async () => {
  const header = {
    b: entry("F32", [1], 4, 8),
    a: entry("F32", [1], 0, 4),
  };
  const data = new Uint8Array(Float32Array.of(1, 2).buffer);
  const path = await fileOf(withHeader(header, data));
  const { tensors } = await readSafetensors(path, ["b"]);
  assert.deepEqual([...tensors], [["b", { data: Float32Array.of(2), shape: [1] }]]);
  await assert.rejects(readSafetensors(path, ["c"]), {
    name: "UserError",
    message: `Cannot read ${path}: expected tensor c, found none`,
  });
});

Deno.test("a tensor without values overlaps none, wherever its header names it", async () => {
  const header = {
    b: entry("F32", [1], 4, 8),
    e: entry("F32", [0], 4, 4),
    a: entry("F32", [1], 0, 4),
  };
  const path = await fileOf(withHeader(header, new Uint8Array(Float32Array.of(1, 2).buffer)));
  const { tensors } = await readSafetensors(path);
  assert.deepEqual([...tensors].map(([name, { data }]) => [name, ...data]), [["b", 2], ["e"], [
    "a",
    1,
  ]]);
});
