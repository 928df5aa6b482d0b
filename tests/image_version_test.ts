/**
 * Tokens are kept by what they depend on, and the code that makes the crops is part of that only by
 * the number `FORMAT`: so here stand the crops that the number stands for.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { FORMAT } from "../lib/tokens/request.ts";
import type { Augmentation, Protocol } from "../lib/image/augment.ts";
import { decodeImageBytes, type RgbImage } from "../lib/image/image.ts";
import { PERTURBATIONS } from "../lib/image/perturb.ts";
import { applyTransform, type Transform } from "../lib/image/transform.ts";
import { pngFile } from "./image_samples.ts";

/** The number that the hashes below are of. */
const FORMAT_HERE = 2;

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
  "center": "f823d8d3252a",
  "ten": "737dc9310bc3",
  "train, neither": "f151071cf770",
  "train, blurred": "802a995d951b",
  "train, compressed, released": "364de265b4de",
  "train, half of them, released": "8397d2656097",
  "blur, all of them, released": "b956d064ca8e",
  "blur, half of them, released": "7ec2592c1790",
  "crop, all of them, released": "eefecf2f8032",
  "crop, half of them, released": "80dd44ba6a31",
  "compress, all of them, released": "a9fb526dc11b",
  "compress, half of them, released": "096ec1c6cf26",
  "noise, all of them, released": "02887b7e1533",
  "noise, half of them, released": "57059d8c5f5e",
  "combined, all of them, released": "05ad6b0280e3",
  "combined, half of them, released": "cbaf9c9ceb96",
  "train, compressed, paper": "67967c2ad429",
  "train, half of them, paper": "0658b7eb5b48",
  "blur, all of them, paper": "82e2f05ca5bf",
  "blur, half of them, paper": "ad1898a342d9",
  "crop, all of them, paper": "781c571eb881",
  "crop, half of them, paper": "2531fb1051b4",
  "compress, all of them, paper": "2ea4efff19f9",
  "compress, half of them, paper": "60d31d4ad05e",
  "noise, all of them, paper": "ad8420d7d7ab",
  "noise, half of them, paper": "d8314146f964",
  "combined, all of them, paper": "d458c78ca989",
  "combined, half of them, paper": "4e0ace2bcb25",
};

function hashBytes(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, DIGITS);
}

async function hashOf(transform: Transform): Promise<string> {
  const hash = createHash("sha256");
  const images = transform.kind === "ten" ? IMAGES : [...IMAGES, SMALL];
  for (const [i, image] of images.entries()) {
    for (const epoch of [0, 1, 2]) {
      const key = { seed: 7, epoch, path: `horse/${i}.png` };
      for (const crop of await applyTransform(image, transform, key)) hash.update(crop);
    }
  }
  return hash.digest("hex").slice(0, DIGITS);
}

const ADVICE = "raise FORMAT in lib/features/request.ts, so that tokens of earlier crops are not " +
  "taken for tokens of these; then put the new hashes and FORMAT_HERE here";

for (const [name, transform] of Object.entries(TRANSFORMS)) {
  const isCoded = /^train, (compressed|half)|^(compress|combined)/.test(name);
  Deno.test(`crops under ${name} are those of format ${FORMAT_HERE}`, async () => {
    const who = isCoded ? "by this project's code, or by another version of sharp" : "by its code";
    assert.equal(
      await hashOf(transform),
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
