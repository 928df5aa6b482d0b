import { UserError } from "../lib/io/errors.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { readImageHeader } from "../lib/image/header.ts";
import { decodeImage, decodeImageBytes, MAX_PIXELS, type RgbImage } from "../lib/image/image.ts";
import { randomStream } from "../lib/random.ts";
import { concat, noiseImage, pngFile, waveImage } from "./image_samples.ts";
import { temporaryFolder } from "./temporary.ts";

const values = async (bytes: Uint8Array) => [...(await decodeImageBytes(bytes, "test")).data];

const encoder = ({ width, height, data }: RgbImage, channels: 3 | 4 = 3) =>
  sharp(data, { raw: { width, height, channels } });

/** Width, height and bits that a PNG header claims; no pixels to fill them. */
function claim(width: number, height: number): Uint8Array {
  const png = pngFile({ width: 1, bits: 8, type: "rgb", rows: [[1, 2, 3]] });
  new DataView(png.buffer).setUint32(16, width);
  new DataView(png.buffer).setUint32(20, height);
  return png;
}

Deno.test("palette colours are kept where the palette is transparent", async () => {
  const png = pngFile({
    width: 3,
    bits: 8,
    type: "palette",
    rows: [[2, 0, 1]],
    chunks: [["PLTE", Uint8Array.of(9, 8, 7, 60, 50, 40, 255, 0, 1)], ["tRNS", Uint8Array.of(0)]],
  });
  assert.deepEqual(await values(png), [255, 0, 1, 9, 8, 7, 60, 50, 40]);
});

Deno.test("grey of 1, 2, 4 and 8 bits fills 0 to 255 in three equal channels", async () => {
  for (
    const [bits, row, expected] of [
      [1, [0b10100000], [255, 0, 255]],
      [2, [0b00011000], [0, 85, 170]],
      [4, [0x0f, 0x30], [0, 255, 51]],
      [8, [0, 200, 7], [0, 200, 7]],
    ] as const
  ) {
    const png = pngFile({ width: 3, bits, type: "grey", rows: [row] });
    assert.deepEqual(await values(png), expected.flatMap((level) => [level, level, level]));
  }
});

Deno.test("alpha is dropped and not blended", async () => {
  const rgba = [[10, 20, 30, 0, 40, 50, 60, 128]];
  assert.deepEqual(
    await values(pngFile({ width: 2, bits: 8, type: "rgba", rows: rgba })),
    [10, 20, 30, 40, 50, 60],
  );
  assert.deepEqual(
    await values(pngFile({ width: 2, bits: 8, type: "greyAlpha", rows: [[10, 0, 40, 128]] })),
    [10, 10, 10, 40, 40, 40],
  );
  const keyed = pngFile({
    width: 1,
    bits: 8,
    type: "rgb",
    rows: [[1, 2, 3]],
    chunks: [["tRNS", Uint8Array.of(0, 1, 0, 2, 0, 3)]],
  });
  assert.deepEqual(await values(keyed), [1, 2, 3]);
  const data = Uint8Array.of(10, 20, 30, 128, 200, 100, 50, 255);
  const webp = await encoder({ width: 2, height: 1, data }, 4).webp({ lossless: true }).toBuffer();
  assert.deepEqual(await values(webp), [10, 20, 30, 200, 100, 50]);
});

Deno.test("of 16-bit colour the high byte is kept", async () => {
  const rgb = pngFile({ width: 1, bits: 16, type: "rgb", rows: [[1, 255, 128, 127, 254, 0]] });
  assert.deepEqual(await values(rgb), [1, 128, 254]);
  const grey = pngFile({ width: 1, bits: 16, type: "greyAlpha", rows: [[77, 255, 0, 0]] });
  assert.deepEqual(await values(grey), [77, 77, 77]);
});

Deno.test("16-bit grey is refused by name", async () => {
  const png = pngFile({ width: 1, bits: 16, type: "grey", rows: [[1, 2]] });
  await assert.rejects(decodeImageBytes(png, "depth.png"), {
    name: "UserError",
    message: /^Cannot decode depth\.png: expected an image, found a 16-bit grey PNG/,
  });
});

Deno.test("colour profiles and gamma are ignored", async () => {
  const row = [200, 30, 60, 10, 220, 90];
  const plain = pngFile({ width: 2, bits: 8, type: "rgb", rows: [row] });
  const tagged = await sharp(plain).withIccProfile("p3").png().toBuffer();
  const { icc } = await sharp(tagged).metadata();
  const profile = concat([new TextEncoder().encode("p3\0\0"), deflateSync(icc!)]);
  const png = pngFile({ width: 2, bits: 8, type: "rgb", rows: [row], chunks: [["iCCP", profile]] });
  const converted = await sharp(png).raw().toBuffer();
  assert.notDeepEqual([...converted], row, "the profile would make no difference");
  assert.deepEqual(await values(png), row);
  const gamma = new Uint8Array(4);
  new DataView(gamma.buffer).setUint32(0, 100_000);
  assert.deepEqual(
    await values(
      pngFile({ width: 2, bits: 8, type: "rgb", rows: [row], chunks: [["gAMA", gamma]] }),
    ),
    row,
  );
});

Deno.test("an image is not rotated by its EXIF orientation", async () => {
  const image = waveImage(40, 24);
  const upright = await decodeImageBytes(await encoder(image).jpeg().toBuffer(), "upright");
  const bytes = await encoder(image).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  assert.equal((await sharp(bytes).metadata()).orientation, 6);
  assert.deepEqual(await decodeImageBytes(bytes, "rotated"), upright);
});

Deno.test("CMYK becomes RGB by Pillow's formula", async () => {
  const jpeg = await encoder(waveImage(16, 16)).toColourspace("cmyk").jpeg().toBuffer();
  assert.equal(readImageHeader(jpeg).colour, "cmyk");
  const cmyk = await sharp(jpeg).pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer();
  const { data } = await decodeImageBytes(jpeg, "test");
  assert.equal(data.length, 16 * 16 * 3);
  data.forEach((value, i) => {
    const pixel = Math.floor(i / 3) * 4;
    const black = cmyk[pixel + 3]!;
    const ink = cmyk[pixel + i % 3]!;
    assert.equal(value, 255 - black - Math.round(ink * (255 - black) / 255));
  });
});

Deno.test("a grey JPEG has three equal channels", async () => {
  const jpeg = await encoder(waveImage(20, 10)).toColourspace("b-w").jpeg().toBuffer();
  assert.equal(readImageHeader(jpeg).colour, "grey");
  const { data } = await decodeImageBytes(jpeg, "test");
  assert.equal(data.length, 600);
  assert(data.every((value, i) => value === data[i - i % 3]));
});

Deno.test("headers tell format and size of every kind of file", async () => {
  const image = noiseImage(37, 21);
  for (
    const [format, bytes] of [
      ["jpeg", await encoder(image).jpeg().toBuffer()],
      ["jpeg", await encoder(image).jpeg({ progressive: true }).toBuffer()],
      ["jpeg", await encoder(image).withIccProfile("p3").jpeg().toBuffer()],
      ["png", await encoder(image).png().toBuffer()],
      ["webp", await encoder(image).webp().toBuffer()],
      ["webp", await encoder(image).webp({ lossless: true }).toBuffer()],
      ["webp", await encoder(image).withIccProfile("p3").webp().toBuffer()],
    ] as const
  ) {
    const header = readImageHeader(bytes);
    assert.deepEqual([header.format, header.width, header.height], [format, 37, 21]);
    const decoded = await decodeImageBytes(bytes, format);
    assert.deepEqual([decoded.width, decoded.height], [37, 21]);
  }
});

Deno.test("a file is decoded by its content, whatever its name", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "ünusual näme.jpg");
  const image = noiseImage(5, 4);
  await Deno.writeFile(path, await encoder(image).png().toBuffer());
  assert.deepEqual(await decodeImage(path), image);
  await Deno.remove(folder, { recursive: true });
});

/** A TIFF of these tags, each of one 32-bit number, and no pixels. */
function tiffHeader(tags: readonly (readonly [tag: number, value: number])[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(14 + 12 * tags.length));
  [0x49, 0x49, 42].forEach((byte, i) => view.setUint8(i, byte));
  view.setUint32(4, 8, true);
  view.setUint16(8, tags.length, true);
  for (const [i, [tag, value]] of tags.entries()) {
    [tag, 4].forEach((number, j) => view.setUint16(10 + 12 * i + 2 * j, number, true));
    [1, value].forEach((number, j) => view.setUint32(14 + 12 * i + 4 * j, number, true));
  }
  return new Uint8Array(view.buffer);
}

Deno.test("what is not an image is reported in one line with the file's name", async () => {
  const folder = temporaryFolder();
  const jpeg = await encoder(waveImage(64, 64)).jpeg().toBuffer();
  const png = await encoder(waveImage(64, 64)).png().toBuffer();
  const webp = await encoder(waveImage(64, 64)).webp().toBuffer();
  const avif = await encoder(waveImage(64, 64)).avif().toBuffer();
  const film = avif.map((byte, at) => at >= 8 && at < 32 && byte > 32 ? 120 : byte);
  const heic = new TextEncoder().encode("\0\0\0\x18ftypheic\0\0\0\0mif1heic");
  for (
    const [content, found] of [
      [new Uint8Array(), "0 bytes"],
      [new TextEncoder().encode("just a line of text"), "bytes that start with 6a 75 73 74"],
      [avif.subarray(0, avif.length - 100), "a damaged AVIF (pixels that end too early)"],
      [avif.subarray(0, 40), "an AVIF image cut off in its header"],
      [film, "a film or a part of one (ISO media)"],
      [heic, "a HEIC image, as phones make them; save it as PNG first: `heif-convert"],
      [new TextEncoder().encode("<svg xmlns='x'></svg>"), "an SVG image"],
      [
        tiffHeader([[254, 1], [256, 16], [257, 12], [330, 8]]),
        "a TIFF image whose first page, all that Pillow reads, is a preview of 16 × 12 pixels, as in " +
        "cameras' raw files (NEF, DNG); develop it first",
      ],
      [
        tiffHeader([[256, 16], [257, 12], [259, 6]]),
        "a TIFF image compressed as JPEG of before 1995, as cameras' raw files are (CR2, ARW); save " +
        "it as 8-bit RGB first",
      ],
      [new TextEncoder().encode("FUJIFILMCCD-RAW 0201"), "a camera's raw image; develop it"],
      [
        new Uint8Array(40).fill(0x21).fill(0, 0, 4).fill(2, 2, 3),
        "a Windows cursor; save it as PNG",
      ],
      [new TextEncoder().encode("PK\x03\x04 images.zip"), "a zip archive; unpack it first"],
      [jpeg.subarray(0, jpeg.length / 2), "a damaged JPEG"],
      [png.subarray(0, png.length / 2), "a damaged PNG"],
      [webp.subarray(0, webp.length / 2), "a damaged WEBP"],
      [jpeg.subarray(0, 100), "a JPEG image cut off in its header"],
      [png.subarray(0, 20), "a PNG image cut off in its header"],
      [webp.subarray(0, 20), "a WebP image cut off in its header"],
      [claim(0, 5), "a PNG image of 0 × 5 pixels"],
    ] as const
  ) {
    const path = join(folder, "broken");
    await Deno.writeFile(path, content);
    const expected = `Cannot decode ${path}: expected an image, found ${found}`;
    await assert.rejects(decodeImage(path), (error: Error) => {
      assert.equal(error.name, "UserError");
      assert.equal(error.message.slice(0, expected.length), expected);
      assert(!error.message.includes("\n"));
      return true;
    });
  }
  await assert.rejects(
    decodeImage(folder),
    /expected an image, found something that is not a file/,
  );
  await assert.rejects(decodeImage(join(folder, "none.png")), Deno.errors.NotFound);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an image that claims more pixels than the limit is refused before it is decoded", async () => {
  const before = Deno.memoryUsage().rss;
  for (const [width, height] of [[60_000, 60_000], [2 ** 31 - 1, 2 ** 31 - 1], [13_378, 13_378]]) {
    assert(width! * height! > MAX_PIXELS);
    await assert.rejects(decodeImageBytes(claim(width!, height!), "bomb.png"), {
      name: "UserError",
      message: `Cannot decode bomb.png: expected an image, found ${width} × ${height} pixels; ` +
        "at most 178956970 are decoded",
    });
  }
  assert(Deno.memoryUsage().rss - before < 2 ** 26);
});

Deno.test("2,000 mutated JPEG, PNG and WebP files are decoded or reported", async () => {
  const image = waveImage(96, 64);
  const originals = [
    await encoder(image).jpeg().toBuffer(),
    await encoder(image).jpeg({ progressive: true }).toBuffer(),
    await encoder(image).png().toBuffer(),
    await encoder(image).png({ palette: true }).toBuffer(),
    await encoder(image).webp().toBuffer(),
    await encoder(image).webp({ lossless: true }).toBuffer(),
  ];
  const before = Deno.memoryUsage().rss;
  let decoded = 0;
  for (let i = 0; i < 2000; i++) {
    const random = randomStream("mutation", i);
    let bytes = Uint8Array.from(originals[i % originals.length]!);
    const signature = 16;
    for (let change = random.integer(8); change >= 0; change--) {
      const range = random.chance(0.3) ? 100 : bytes.length;
      bytes[signature + random.integer(range - signature)] = random.integer(256);
    }
    if (random.chance(0.3)) bytes = bytes.slice(0, random.integer(bytes.length));
    try {
      const { width, height, data } = await decodeImageBytes(bytes, `file ${i}`);
      assert.equal(data.length, width * height * 3);
      assert(width * height <= MAX_PIXELS);
      decoded++;
    } catch (error) {
      assert(error instanceof UserError, `file ${i}: ${error}`);
      assert(error.message.startsWith(`Cannot decode file ${i}: expected an image, found `));
      assert(!error.message.includes("\n"), error.message);
    }
  }
  assert(decoded > 100 && decoded < 1900, `${decoded} were decoded`);
  assert(Deno.memoryUsage().rss - before < 2 ** 30);
});
