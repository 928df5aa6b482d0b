/**
 * Tokens are kept by what they depend on, and the code that makes the crops is part of that only by
 * the number `FORMAT`: so here stand the crops that the number stands for.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { FORMAT } from "../lib/tokens/set_index.ts";
import type { Augmentation, Protocol } from "../lib/image/augment.ts";
import { gaussianFilter } from "../lib/image/blur.ts";
import { decodeImageBytes, type RgbImage } from "../lib/image/image.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import { applyTransform, type Transform } from "../lib/image/transform.ts";
import { pngFile } from "./image_samples.ts";

/** The number that the hashes below are of. */
const FORMAT_HERE = 3;

/** Digits of SHA-256 that are kept here. */
const DIGITS = 12;

/**
 * Squares, ramps and a little of everything else, in integers alone: no function that another
 * processor or another version of V8 may round otherwise.
 */
function patterns(width: number, height: number): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const channel = i % 3, x = Math.floor(i / 3) % width, y = Math.floor(i / (3 * width));
    const square = ((x >> 3) + (y >> 2)) % 3 * 60;
    return (square + x * (channel + 1) + y * (3 - channel) + (x * y * 7 + i * i) % 13) % 256;
  });
  return { width, height, data };
}

/** Larger than the crops, by an odd number and so that 7.5 and 4.5 are rounded to even. */
const IMAGES: readonly RgbImage[] = [patterns(47, 38), patterns(70, 41)];
/** Narrower than the crops: padded. */
const SMALL = patterns(19, 44);
/** Flat but for one edge: where it is flat, the last bit of a filter's weights decides. */
const FLAT: RgbImage = {
  width: 52,
  height: 36,
  data: Uint8Array.from({ length: 52 * 36 * 3 }, (_, i) => i % 156 < 60 ? 201 : 87),
};
const SIZE = 32;

const augmented = (changes: Partial<Augmentation>, protocol: Protocol): Transform => ({
  kind: "train",
  size: SIZE,
  augmentation: {
    blurProbability: 0,
    blurSigmaPx: [0, 3],
    jpegProbability: 0,
    jpegQualities: [30, 100],
    flipProbability: 0.5,
    ...changes,
    protocol,
  },
});

const perturbed = (
  perturbation: typeof PERTURBATIONS[number],
  protocol: Protocol,
  probability: number,
): Transform => ({
  kind: "perturbed",
  size: SIZE,
  perturbation,
  probability,
  resizePx: 36,
  protocol,
});

const PROTOCOLS: readonly Protocol[] = ["released", "paper"];

/** Everything that can be done to an image, by a name of its own. */
const TRANSFORMS: Readonly<Record<string, Transform>> = {
  "center": { kind: "center", size: SIZE },
  "ten": { kind: "ten", size: SIZE },
  "train, neither": augmented({}, "released"),
  "train, blurred": augmented({ blurProbability: 1 }, "released"),
  ...Object.fromEntries(PROTOCOLS.flatMap((protocol) => [
    [`train, compressed, ${protocol}`, augmented({ jpegProbability: 1 }, protocol)],
    [
      `train, half of them, ${protocol}`,
      augmented({ blurProbability: 0.5, jpegProbability: 0.5 }, protocol),
    ],
    ...PERTURBATIONS.flatMap((kind) => [
      [`${kind}, all of them, ${protocol}`, perturbed(kind, protocol, 1)],
      [`${kind}, half of them, ${protocol}`, perturbed(kind, protocol, 0.5)],
    ]),
  ])),
};

/**
 * Hashes of the crops. Those with compression in them hang on the JPEG coder that `sharp` brings
 * along too; all others on this project's own integers and float64 sums, and on V8's `exp`, `log` and
 * `sin`, which it computes itself on every processor.
 */
const CROPS: Readonly<Record<string, string>> = {
  "center": "b79065f610d4",
  "ten": "47702a1ba4f0",
  "train, neither": "e9bca765a275",
  "train, blurred": "43b2578f3091",
  "train, compressed, released": "1ec8838ee4a4",
  "train, half of them, released": "9f91686a8d78",
  "blur, all of them, released": "50b5d1588dbf",
  "blur, half of them, released": "cb7e2aa82d62",
  "crop, all of them, released": "56f1c1e0c159",
  "crop, half of them, released": "d7c055a231cf",
  "compress, all of them, released": "ff24f05cb692",
  "compress, half of them, released": "a0e311ffac3a",
  "noise, all of them, released": "c7df26116d0e",
  "noise, half of them, released": "017b14979410",
  "combined, all of them, released": "c01e36907152",
  "combined, half of them, released": "82c77e290f04",
  "train, compressed, paper": "3b38b8f13d76",
  "train, half of them, paper": "9f91686a8d78",
  "blur, all of them, paper": "e45c57b9779a",
  "blur, half of them, paper": "ad545feaa1f3",
  "crop, all of them, paper": "f7eab48f7640",
  "crop, half of them, paper": "f68a1d1b183b",
  "compress, all of them, paper": "98f1643fbeb5",
  "compress, half of them, paper": "1b2bad5a81d1",
  "noise, all of them, paper": "c4ad29bbcc72",
  "noise, half of them, paper": "d8144cd9d0e1",
  "combined, all of them, paper": "d38d478cb9ab",
  "combined, half of them, paper": "1b150a91b120",
};

function hashBytes(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, DIGITS);
}

function hashOf(transform: Transform): string {
  const hash = createHash("sha256");
  const images = transform.kind === "ten" ? [...IMAGES, FLAT] : [...IMAGES, FLAT, SMALL];
  for (const [i, image] of images.entries()) {
    for (const epoch of [0, 1, 2]) {
      const key = { seed: 7, epoch, path: `horse/${i}.png` };
      for (const crop of applyTransform(image, transform, key)) hash.update(crop);
    }
  }
  return hash.digest("hex").slice(0, DIGITS);
}

const ADVICE = "raise FORMAT in lib/tokens/set_index.ts, so that tokens of earlier crops are not " +
  "taken for tokens of these; then put the new hashes and FORMAT_HERE here";

for (const [name, transform] of Object.entries(TRANSFORMS)) {
  const isCoded = /^train, (compressed|half)|^(compress|combined)/.test(name);
  Deno.test(`crops under ${name} are those of format ${FORMAT_HERE}`, () => {
    const who = isCoded ? "by this project's code, or by another version of sharp" : "by its code";
    assert.equal(
      hashOf(transform),
      CROPS[name],
      `Crops are made otherwise than before, ${who}: ${ADVICE}`,
    );
  });
}

/** Files of each format, 24 × 17; the PNG is put together by hand, the others are sharp's of once. */
const FILES: Readonly<Record<string, readonly [bytes: Uint8Array, hash: string]>> = {
  png: [
    pngFile({
      width: 24,
      bits: 8,
      type: "rgb",
      rows: Array.from({ length: 17 }, (_, y) => [
        ...patterns(24, 17).data.subarray(y * 72, (y + 1) * 72),
      ]),
    }),
    hashBytes(patterns(24, 17).data),
  ],
  jpeg: [
    Buffer.from(
      "/9j/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQ" +
        "YEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P" +
        "T09PT09PT0//wAARCAARABgDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAYF/8QAIxAAAgECBAcAAAAA" +
        "AAAAAAAAAAMBAgVTgZKxFSMlNUFCUf/EABUBAQEAAAAAAAAAAAAAAAAAAAAF/8QAFBEBAAAAAAAAAAAAAAAAAAAA" +
        "AP/aAAwDAQACEQMRAD8AxVsViUaoKuzsVw9XMo8+0fZIRdJVWenp6s95KacpVsViUaoBnrpAEGsqrP29We8gAaiw" +
        "AB//2Q==",
      "base64",
    ),
    "3e1aea08b2ad",
  ],
  webp: [
    Buffer.from(
      "UklGRloAAABXRUJQVlA4IE4AAAAQBACdASoYABEAPu1crE2ppKSiMBgMATAdiWUAxNgNwSMz8JEIyxsrCAD+nsYZ" +
        "x/GIARU3NBR7pYQ3Wv/LM4V7CS2ID8O5iFsi2LK1EAA=",
      "base64",
    ),
    "4fe9e383eeb7",
  ],
};

for (const [format, [bytes, expected]] of Object.entries(FILES)) {
  Deno.test(`a ${format} file has the pixels of format ${FORMAT_HERE}`, async () => {
    const { data } = await decodeImageBytes(bytes, format);
    assert.equal(
      hashBytes(data),
      expected,
      `Files are decoded otherwise than before, by the project or by another version of sharp: ${ADVICE}`,
    );
  });
}

Deno.test("the tokens' format is the one whose crops are hashed here", () => {
  assert.equal(FORMAT, FORMAT_HERE, "put the number here, and the hashes where they changed");
});

Deno.test("a flat area is rounded as NumPy's order of summing 25 weights has it", () => {
  for (const sigmaPx of [2.9, 3]) {
    const taps = Array.from(
      { length: 25 },
      (_, i) => Math.exp(-0.5 / sigmaPx ** 2 * (i - 12) ** 2),
    );
    // eight sums side by side, put together two by two, then what is left over
    const [a, b, c, d, e, f, g, h] = taps.slice(0, 8).map((tap, i) =>
      tap + taps[i + 8]! + taps[i + 16]!
    ) as [number, number, number, number, number, number, number, number];
    const total = ((a + b) + (c + d)) + ((e + f) + (g + h)) + taps[24]!;
    const pass = (level: number) => {
      let sum = level * (taps[12]! / total);
      for (let i = 0; i < 12; i++) sum += (level + level) * (taps[i]! / total);
      return Math.floor(sum);
    };
    for (let level = 0; level < 256; level++) {
      const flat = { width: 3, height: 2, data: new Uint8Array(18).fill(level) };
      const expected = new Uint8Array(18).fill(pass(pass(level)));
      assert.deepEqual(
        gaussianFilter(flat, sigmaPx).data,
        expected,
        `σ ${sigmaPx}, level ${level}`,
      );
    }
  }
});
