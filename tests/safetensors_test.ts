import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeSafetensors,
  readEntryBytes,
  readSafetensors,
  readSafetensorsHeader,
  toFloat32,
} from "../lib/io/safetensors.ts";
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
