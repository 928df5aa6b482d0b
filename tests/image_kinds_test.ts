/** Kinds of image files, each held to what Pillow reads of it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { lookAtImage, lookBuffer, tryDecode } from "../lib/data/image_file.ts";
import { decodeImageBytes } from "../lib/image/image.ts";
import { noiseImage, pngFile } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const SAMPLES = join(import.meta.dirname!, "cases/images");
const SCRIPT = join(import.meta.dirname!, "golden/image_files.py");

/** Width, height, SHA-256 of R, G, B and what it is; null where Pillow refuses. */
type Expected = Readonly<Record<string, readonly [number, number, string, string] | null>>;

/** Holds every file of a folder to Pillow's pixels; what is refused is counted, by its ending. */
async function compare(folder: string): Promise<Map<string, number>> {
  const expected: Expected = JSON.parse(await Deno.readTextFile(join(folder, "expected.json")));
  const exact = new Map<string, number>();
  for (const [name, pillow] of Object.entries(expected)) {
    const path = join(folder, name);
    const decoded = await tryDecode(path);
    if ("problem" in decoded) {
      assert(!decoded.problem.includes("\n"), decoded.problem);
      continue;
    }
    const { width, height, data } = decoded.image;
    const hash = createHash("sha256").update(data).digest("hex");
    assert.deepEqual([width, height, hash], pillow?.slice(0, 3), name);
    assert.equal((await lookAtImage(path, lookBuffer())).problem, undefined, name);
    const ending = name.slice(name.lastIndexOf(".") + 1);
    exact.set(ending, (exact.get(ending) ?? 0) + 1);
  }
  return exact;
}

Deno.test("samples of every kind have Pillow's pixels", async () => {
  assert.deepEqual(
    [...await compare(SAMPLES)].sort(),
    Object.entries({
      avif: 18,
      bmp: 10,
      dib: 1,
      gif: 7,
      ico: 3,
      pbm: 2,
      png: 3,
      pnm: 3,
      qoi: 2,
      tga: 3,
      tif: 28,
    }),
  );
});

Deno.test("a PNG that is damaged behind its pixels alone is read as Pillow reads it", async () => {
  const image = noiseImage(30, 20);
  const rows = Array.from({ length: 20 }, (_, y) => [...image.data.subarray(90 * y, 90 * y + 90)]);
  const png = pngFile({ width: 30, bits: 8, type: "rgb", rows });
  const checksum = png.slice();
  checksum[png.length - 13]! ^= 1; // of IDAT
  const unknown = pngFile({
    width: 30,
    bits: 8,
    type: "rgb",
    rows,
    chunks: [["ABCD", Uint8Array.of(1)]],
  });
  for (const bytes of [checksum, unknown, ...[12, 13, 16, 20].map((cut) => png.slice(0, -cut))]) {
    assert.deepEqual(await decodeImageBytes(bytes, "damaged"), image);
  }
  await assert.rejects(decodeImageBytes(png.slice(0, -200), "cut"), /a damaged PNG/);
  const header = checksum.slice();
  header[29]! ^= 1; // the checksum of IHDR
  await assert.rejects(decodeImageBytes(header, "header"), /a damaged PNG/);
});

/** A Python that has Pillow 13 or later, RINE_PYTHON before others; none where there is none. */
async function pillow(): Promise<string | undefined> {
  for (const python of [Deno.env.get("RINE_PYTHON"), "python3"]) {
    if (python === undefined) continue;
    const args = ["-c", "import PIL; exit(int(PIL.__version__.split('.')[0]) < 13)"];
    try {
      if ((await new Deno.Command(python, { args }).output()).success) return python;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

const python = await pillow();

Deno.test({
  name: "hundreds of files made by Pillow and by hand have Pillow's pixels, or are refused",
  ignore: python === undefined,
  fn: async () => {
    const folder = temporaryFolder();
    const { success, stderr } = await new Deno.Command(python!, { args: [SCRIPT, folder] })
      .output();
    assert(success, new TextDecoder().decode(stderr));
    const exact = await compare(folder);
    for (const ending of "tif gif bmp pnm avif png jpg webp tga qoi ico".split(" ")) {
      assert((exact.get(ending) ?? 0) >= 40, `${exact.get(ending)} of ${ending}`);
    }
  },
});
