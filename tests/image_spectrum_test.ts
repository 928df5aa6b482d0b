import assert from "node:assert/strict";
import { decodeImageBytes, type RgbImage } from "../lib/image/image.ts";
import { medianFilter3 } from "../lib/image/median.ts";
import { encodePng, pngAddress, readPngParts } from "../lib/image/png.ts";
import { MeanSpectrum, medianResidual } from "../lib/image/spectrum.ts";

/** NumPy's `default_rng(7).integers(0, 256, (4, 5, 3))`. */
const SMALL: RgbImage = {
  width: 5,
  height: 4,
  // deno-fmt-ignore
  data: Uint8Array.of(
    139, 74, 229, 241, 169, 65, 6, 160, 149, 106, 38, 175, 188, 205, 175,
    229, 98, 249, 10, 148, 95, 86, 147, 198, 66, 39, 106, 213, 171, 45,
    167, 57, 69, 81, 55, 14, 153, 178, 215, 76, 52, 39, 250, 72, 215,
    50, 161, 223, 112, 172, 161, 233, 38, 17, 89, 1, 221, 6, 242, 127,
  ),
};

Deno.test("medianFilter3() equals SciPy 1.17 and OpenCV 5 to the pixel, edges included", () => {
  // median_filter(a[..., c], size=3) and medianBlur(a, 3), which are equal
  // deno-fmt-ignore
  assert.deepEqual([...medianFilter3(SMALL).data], [
    139, 98, 229, 139, 148, 149, 86, 148, 149, 106, 160, 175, 188, 171, 175,
    167, 74, 95, 139, 147, 149, 81, 147, 106, 106, 147, 175, 188, 72, 175,
    112, 98, 161, 112, 147, 161, 86, 55, 106, 89, 72, 127, 89, 72, 127,
    81, 161, 161, 112, 161, 161, 112, 52, 161, 89, 52, 127, 76, 72, 127,
  ]);
  const one = { width: 1, height: 1, data: Uint8Array.of(1, 2, 3) };
  assert.deepEqual(medianFilter3(one), one);
});

Deno.test("medianResidual() is the image less its median, mean over the channels", () => {
  const expected = [
    ...[-8, 13, -22.6667, -40.6667, 11.3333, 80, -60.6667, 32.3333, -72.3333, -2],
    ...[-26, -90, 99.6667, -40.3333, 83, 10.3333, 3.6667, -12.3333, 14.3333, 33.3333],
  ];
  assert.deepEqual([...medianResidual(SMALL)].map((value) => Number(value.toFixed(4))), expected);
});

/** A grey image of a function of the place. */
function grey(size: number, value: (x: number, y: number) => number): RgbImage {
  const data = new Uint8Array(3 * size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      data.fill(value(x, y), 3 * (y * size + x), 3 * (y * size + x + 1));
    }
  }
  return { width: size, height: size, data };
}

/** Where a spectrum is not 0: [vertical, horizontal] frequency and magnitude. */
function peaks(image: RgbImage, size: number): (readonly number[])[] {
  const spectrum = new MeanSpectrum(size);
  spectrum.add(image);
  return [...spectrum.mean()].flatMap((value, i) =>
    value < 1e-9
      ? []
      : [[Math.floor(i / size) / size - .5, i % size / size - .5, Number(value.toFixed(6))]]
  );
}

Deno.test("MeanSpectrum has the peaks of dots and of stripes at their frequencies", () => {
  // single dots are all that a median takes away
  const dots = peaks(grey(16, (x, y) => x % 4 === 1 && y % 8 === 1 ? 240 : 0), 16);
  const expected = [];
  for (let v = -4; v < 4; v++) {
    for (let h = -2; h < 2; h++) expected.push([v / 8, h / 4, 240 * 8 / 16]);
  }
  assert.deepEqual(dots, expected);
  // of lines across rows only the vertical frequency differs, a crop's own place makes no difference
  const lines = peaks(grey(20, (_, y) => y % 4 === 0 ? 90 : 0), 8);
  assert.deepEqual(lines, [-.5, -.25, 0, .25].map((v) => [v, 0, 90 * 16 / 8]));
  // a checkerboard is what a median leaves as it is
  assert.deepEqual(peaks(grey(8, (x, y) => (x >> 1) + (y >> 1) & 1 ? 200 : 0), 8), []);
});

/** NumPy's draw that follows {@linkcode SMALL}, of shape (8, 8, 3). */
const NEXT: RgbImage = {
  width: 8,
  height: 8,
  data: Uint8Array.fromHex(
    [
      "8f063cd25e19a621f9bd0ccc21397c1ec795ca7748dc03d17a88934d85527357a2e64647f03e2fb81f223f4192",
      "c58efd5185f0711ef7677a1f132a818d882195a100b28d6b236b82481bd9fe630dc3ce3be4ebcab72f45b35223",
      "479f6e794d57037e2cfde9e15a7789781e3721a557d8e5a703296dcb81db3f65cf9c1bdc5d1d8fc83f0b0bb4db",
      "71be572209851d3d24f4c0cf83fe4363f82f4759778955f6ced681cbea7179ced2c8f814a13472ff70ce369d83",
      "85452a44f318337f08cd1e61",
    ].join(""),
  ),
};

Deno.test("MeanSpectrum equals NumPy's abs(fftshift(fft2)) over the side", () => {
  const spectrum = new MeanSpectrum(8);
  spectrum.add(NEXT);
  const rounded = Array.from(spectrum.mean(), (value) => Number(value.toFixed(6)));
  // deno-fmt-ignore
  assert.deepEqual(rounded.slice(0, 8), [
    46.916667, 29.139624, 57.079988, 94.366457, 71.25, 94.366457, 57.079988, 29.139624,
  ]);
  // deno-fmt-ignore
  assert.deepEqual(rounded.slice(32, 40), [
    83.666667, 47.599005, 20.063268, 33.262341, 15.666667, 33.262341, 20.063268, 47.599005,
  ]);
  const sum = spectrum.mean().reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum - 2485.6588867149494) < 1e-9, `${sum}`);
  // the mean of equal images is that of one
  const before = spectrum.mean();
  spectrum.add(NEXT);
  assert.equal(spectrum.count, 2);
  spectrum.mean().forEach((value, i) => assert.ok(Math.abs(value - before[i]!) < 1e-12));
});

Deno.test("MeanSpectrum refuses sides that are no power of 2", () => {
  for (const size of [0, 2, 12, 4.5, NaN]) {
    assert.throws(() => new MeanSpectrum(size), {
      name: "UserError",
      message: `Cannot transform crops: expected a power of 2 from 4 as their side, found ${size}`,
    });
  }
});

Deno.test("encodePng() writes what decoders read as the same image", async () => {
  for (const image of [SMALL, NEXT]) {
    const png = encodePng(image);
    assert.deepEqual(await decodeImageBytes(png, "written"), image);
    const { width, height } = readPngParts(png);
    assert.deepEqual([width, height], [image.width, image.height]);
    assert.equal(pngAddress(image), `data:image/png;base64,${png.toBase64()}`);
  }
  const wrong = encodePng(SMALL).with(25, 6);
  assert.throws(() => readPngParts(wrong), /expected 8-bit colour, found another image/);
  assert.throws(() => readPngParts(Uint8Array.of(1, 2)), /expected 8-bit colour/);
});
