/**
 * Decoding, and training augmentation beside Pillow and SciPy (`apt-get install python3-pil
 * python3-scipy`). The ratio is taken from the fastest of many rounds of each, in turns, so that
 * what else the machine does counts for neither.
 */
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { augment } from "../../lib/image/augment.ts";
import { gaussianFilter } from "../../lib/image/blur.ts";
import { decodeImageBytes } from "../../lib/image/image.ts";
import { jpegRoundTrip } from "../../lib/image/jpeg.ts";
import { resizeBilinear } from "../../lib/image/resize.ts";
import { applyTransform, type Transform } from "../../lib/image/transform.ts";
import { randomStream } from "../../lib/random.ts";
import { waveImage } from "../image_samples.ts";

const QUALITIES = [30, 100] as const;
const TURNS = 5;
const ROUNDS = 60;

const image = waveImage(256, 256);
const { width, height } = image;

/** σ 3 and one quality for every image. */
function augmentation(quality: number) {
  return {
    blurProbability: 1,
    blurSigmaPx: [3, 3],
    jpegProbability: 1,
    jpegQualities: [quality, quality],
    flipProbability: 0.5,
    protocol: "released",
  } as const;
}

/** Milliseconds of the fastest round. */
function ourMilliseconds(quality: number): number {
  let fastest = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    augment(image, augmentation(quality), randomStream(round));
    fastest = Math.min(fastest, performance.now() - start);
  }
  return fastest;
}

/** Milliseconds of the fastest round for each quality; nothing where the peer is not installed. */
async function peerMilliseconds(): Promise<number[] | undefined> {
  const script = fileURLToPath(new URL("image_peer.py", import.meta.url));
  const command = new Deno.Command("/usr/bin/python3", {
    args: [script, ...[width, height, ROUNDS, ...QUALITIES].map(String)],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  });
  let peer: Deno.ChildProcess;
  try {
    peer = command.spawn();
  } catch {
    return undefined;
  }
  const writer = peer.stdin.getWriter();
  await writer.write(image.data).then(() => writer.close()).catch(() => {});
  const { success, stdout } = await peer.output();
  return success ? new TextDecoder().decode(stdout).trim().split("\n").map(Number) : undefined;
}

async function compareWithPeer(): Promise<string> {
  const ours = QUALITIES.map(() => Infinity);
  const theirs = QUALITIES.map(() => Infinity);
  for (let turn = 0; turn < TURNS; turn++) {
    const peer = await peerMilliseconds();
    if (!peer) return "no comparison: no /usr/bin/python3 with Pillow and SciPy";
    for (const [i, quality] of QUALITIES.entries()) {
      ours[i] = Math.min(ours[i]!, ourMilliseconds(quality));
      theirs[i] = Math.min(theirs[i]!, peer[i]!);
    }
  }
  return QUALITIES.map((quality, i) =>
    `augmenting 256 × 256, σ 3, JPEG ${quality}: ${ours[i]!.toFixed(2)} ms, ` +
    `Pillow + SciPy ${theirs[i]!.toFixed(2)} ms, ratio ${(ours[i]! / theirs[i]!).toFixed(2)}`
  ).join("\n");
}

await Deno.stdout.write(new TextEncoder().encode(await compareWithPeer() + "\n"));

const encoder = sharp(image.data, { raw: { width, height, channels: 3 } });
const files = {
  JPEG: await encoder.clone().jpeg().toBuffer(),
  PNG: await encoder.clone().png().toBuffer(),
};
for (const [format, bytes] of Object.entries(files)) {
  Deno.bench(`decode a ${format} of 256 × 256`, async () => {
    await decodeImageBytes(bytes, format);
  });
}

Deno.bench("blur, σ 3", () => {
  gaussianFilter(image, 3);
});

Deno.bench("JPEG round trip, quality 100", () => {
  jpegRoundTrip(image, 100);
});

Deno.bench("resize to 224", () => {
  resizeBilinear(image, 224, 224);
});

for (const perturbation of ["none", "blur", "crop", "compress", "noise", "combined"] as const) {
  const transform: Transform = perturbation === "none"
    ? { kind: "train", size: 224, augmentation: augmentation(100) }
    : {
      kind: "perturbed",
      size: 224,
      perturbation,
      probability: 1,
      resizePx: 256,
      protocol: "released",
    };
  const name = perturbation === "none" ? "a training crop" : `a crop under ${perturbation}`;
  Deno.bench(name, () => {
    applyTransform(image, transform, { seed: 0, epoch: 1, path: "image.png" });
  });
}
