import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeNpyHeader, readNpyHeader } from "../lib/io/npy.ts";
import { concat } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** What `numpy.lib.format.write_array_header_1_0` writes. */
function numpyHeader(shape: string, spaces: number): Uint8Array {
  const dict = `{'descr': '<f2', 'fortran_order': False, 'shape': ${shape}, }`;
  const text = dict + " ".repeat(spaces) + "\n";
  return bytesOf(
    `\x93NUMPY\x01\x00${String.fromCharCode(text.length & 255, text.length >> 8)}${text}`,
  );
}

Deno.test("a header is NumPy's own, byte for byte", () => {
  for (
    const [shape, tuple, bytes] of [
      [[3, 24, 1024], "(3, 24, 1024)", 128],
      [[7], "(7,)", 128],
      [[0, 2], "(0, 2)", 128],
      // the longest that fits 128 bytes, and the shortest that takes a further 64
      [
        [10 ** 15, 10 ** 15, 10 ** 15, 10 ** 7],
        `(${10 ** 15}, ${10 ** 15}, ${10 ** 15}, ${10 ** 7})`,
        128,
      ],
      [
        [10 ** 15, 10 ** 15, 10 ** 15, 10 ** 8],
        `(${10 ** 15}, ${10 ** 15}, ${10 ** 15}, ${10 ** 8})`,
        192,
      ],
    ] as const
  ) {
    const bare = numpyHeader(tuple, 0).length;
    assert.equal(encodeNpyHeader(shape).length, bytes, tuple);
    assert.deepEqual(encodeNpyHeader(shape), numpyHeader(tuple, bytes - bare), tuple);
  }
});

Deno.test("a file is read back by its shape, and one byte more or less is refused", async () => {
  const path = join(temporaryFolder(), "tokens.npy");
  const header = encodeNpyHeader([2, 3, 5]);
  for (const extra of [0, 1, -1]) {
    await Deno.writeFile(path, concat([header, new Uint8Array(60 + extra)]));
    if (extra === 0) {
      assert.deepEqual(await readNpyHeader(path), { shape: [2, 3, 5], dataOffset: 128 });
      continue;
    }
    await assert.rejects(readNpyHeader(path), {
      name: "UserError",
      message: `Cannot read ${path}: expected a whole float16 .npy file, found ${
        188 + extra
      } bytes where shape [2, 3, 5] takes 188; delete it to have it made again`,
    });
  }
});

Deno.test("what is no float16 array in C order is refused by what it is", async () => {
  const path = join(temporaryFolder(), "tokens.npy");
  const header = encodeNpyHeader([4]);
  const changed = (from: string, to: string) =>
    bytesOf(String.fromCharCode(...header).replace(from, to));
  for (
    const [bytes, found] of [
      [new Uint8Array(), "an empty file"],
      [bytesOf("PK\x03\x04 and more"), "another format"],
      [changed("\x01\x00", "\x02\x00"), "another format"],
      [changed("<f2", "<f4"), "the header {'descr': '<f4'"],
      [changed("<f2", ">f2"), "the header {'descr': '>f2'"],
      [changed("False", "True "), "the header {'descr': '<f2', 'fortran_order': True"],
      [header.subarray(0, 40), "the header {'descr'"],
    ] as const
  ) {
    await Deno.writeFile(path, concat([bytes, new Uint8Array(bytes.length > 0 ? 8 : 0)]));
    await assert.rejects(readNpyHeader(path), (error: Error) => {
      assert(error instanceof UserError);
      assert(error.message.includes(`float16 .npy file, found ${found}`), error.message);
      return true;
    });
  }
});
