import assert from "node:assert/strict";
import sharp from "sharp";
import { jpegRoundTrip } from "../lib/image/jpeg.ts";
import { randomStream } from "../lib/random.ts";

/** What libjpeg makes of an image: sharp has it inside. */
async function byLibjpeg(data: Uint8Array, width: number, height: number, quality: number) {
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: "4:2:0", optimiseCoding: false })
    .toBuffer();
  return new Uint8Array(await sharp(jpeg).raw().toBuffer());
}

type Random = ReturnType<typeof randomStream>;

/** Pictures that take the arithmetic to different places: noise, black and white, waves, slopes. */
const PICTURES: Readonly<Record<string, (random: Random, i: number, width: number) => number>> = {
  noise: (random) => random.integer(256),
  "black and white": (random) => 255 * random.integer(2),
  waves: (_, i) => 128 + 127 * Math.sin(i / 30),
  slopes: (random, i, width) =>
    (3 * (Math.floor(i / 3) % width) + 40 * (i % 3)) % 240 +
    random.integer(9),
};

for (const [name, valueAt] of Object.entries(PICTURES)) {
  Deno.test(`${name} of any size and quality come out of compression as libjpeg has them`, async () => {
    const random = randomStream(0, name);
    // each quality once, and each way in which sizes can miss a block or be too narrow for one
    for (let quality = 1; quality <= 100; quality++) {
      const width = quality <= 8 ? quality : 1 + random.integer(70);
      const height = quality > 92 ? quality - 92 : 1 + random.integer(70);
      const data = Uint8Array.from(
        { length: 3 * width * height },
        (_, i) => valueAt(random, i, width),
      );
      const found = jpegRoundTrip({ width, height, data }, quality);
      assert.deepEqual([found.width, found.height], [width, height]);
      const expected = await byLibjpeg(data, width, height, quality);
      assert.deepEqual(found.data, expected, `${width} × ${height} at ${quality}`);
    }
  });
}
