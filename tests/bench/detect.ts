/**
 * Verdicts on 2,000 JPEG files of 256 to 1,024 pixels beside what the backbone alone takes for as many
 * crops that are in memory already, in pairs.
 *
 *     deno run -A tests/bench/detect.ts FOLDER [NAME HEAD BACKBONES]
 *
 * By default ViT-B/32 at full size with random weights, which is made in FOLDER, as are the pictures:
 * 1 GB, a minute. Each measurement is a process of its own, less the time that it takes to open.
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { openBackbone, weightsPath } from "../../lib/backbones/open.ts";
import { imagesIn } from "../../lib/data/image_folder.ts";
import { initialParameters } from "../../lib/detectors/rine/architecture.ts";
import { saveCheckpoint } from "../../lib/detectors/rine/checkpoint.ts";
import { openDetector } from "../../lib/detectors/verdict.ts";
import { decodeImage } from "../../lib/image/image.ts";
import { exists } from "../../lib/io/files.ts";
import { randomStream } from "../../lib/random.ts";
import { SIZES, writeRandomVit } from "./random_vit.ts";

const PICTURES = 2000, PAIRS = 3, BATCH = 8;
const NAME = "ViT-B/32";

/** Waves, edges and some noise: a photograph's mixture, for a JPEG of about its length. */
function picture(width: number, height: number, seed: number): Uint8Array {
  const random = randomStream("picture", seed);
  const [a, b, c] = [random.uniform(5, 60), random.uniform(5, 60), random.uniform(20, 200)];
  const noise = Uint8Array.from({ length: 4096 }, () => random.integer(24));
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 3) {
      const edge = (x + y) % Math.floor(c) < c / 3 ? 40 : 0;
      const level = 110 + 60 * Math.sin(x / a) * Math.cos(y / b) + edge;
      data[i] = level + noise[(i * 7) & 4095]!;
      data[i + 1] = level * .9 + noise[(i * 5 + y) & 4095]!;
      data[i + 2] = level * .7 + noise[(i * 3 + x) & 4095]!;
    }
  }
  return data;
}

async function makePictures(folder: string): Promise<void> {
  if (await exists(folder)) return;
  const random = randomStream("picture sizes");
  await Deno.mkdir(folder, { recursive: true });
  for (let i = 0; i < PICTURES; i++) {
    const [width, height] = [256 + random.integer(769), 256 + random.integer(769)];
    const raw = { width, height, channels: 3 } as const;
    const quality = 75 + random.integer(21);
    await sharp(picture(width, height, i), { raw }).jpeg({ quality }).toFile(
      join(folder, `${String(i).padStart(4, "0")}.jpg`),
    );
  }
}

async function makeHead(path: string): Promise<void> {
  if (await exists(path)) return;
  const { blocks, width } = SIZES[NAME];
  const sizes = {
    blocks,
    width,
    projectionLayers: 2,
    projectionDim: 1024,
    ablation: "none",
  } as const;
  await saveCheckpoint(path, sizes, initialParameters(sizes, randomStream("head")));
}

interface Choice {
  readonly name: string;
  readonly head: string;
  readonly backbones: string;
  readonly pictures: string;
}

/** Images a second of `detectAll`. */
async function detectRate({ name, head, backbones, pictures }: Choice): Promise<number> {
  await using detector = await openDetector(head, { backbone: name, backbones });
  const paths = (await imagesIn(pictures)).map((path) => join(pictures, path));
  const started = performance.now();
  let count = 0;
  for await (const found of detector.detectAll(paths)) if ("score" in found) count++;
  return count / ((performance.now() - started) / 1000);
}

/** Images a second of the backbone, on crops in memory: as many at once as `detect` takes. */
async function backboneRate({ name, backbones, pictures }: Choice): Promise<number> {
  await using backbone = await openBackbone(name, { folder: backbones });
  const first = (await imagesIn(pictures)).slice(0, BATCH);
  const images = await Promise.all(first.map((path) => decodeImage(join(pictures, path))));
  await backbone.features(images);
  const started = performance.now();
  for (let i = 0; i < PICTURES; i += BATCH) await backbone.features(images);
  return PICTURES / ((performance.now() - started) / 1000);
}

/** Images a second that are decoded and nothing else, by both cores. */
async function decodeRate({ pictures }: Choice): Promise<number> {
  const paths = (await imagesIn(pictures)).map((path) => join(pictures, path));
  const started = performance.now();
  let next = 0;
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, async () => {
    while (next < paths.length) await decodeImage(paths[next++]!);
  }));
  return paths.length / ((performance.now() - started) / 1000);
}

const WORK: Readonly<Record<string, (choice: Choice) => Promise<number>>> = {
  detect: detectRate,
  backbone: backboneRate,
  decode: decodeRate,
};

async function measure(what: string, choice: Choice): Promise<number> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fileURLToPath(import.meta.url), "--child", what, JSON.stringify(choice)],
    env: { MALLOC_ARENA_MAX: "2", DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return Number(new TextDecoder().decode(stdout));
}

if (Deno.args[0] === "--child") {
  console.log(await WORK[Deno.args[1]!]!(JSON.parse(Deno.args[2]!)));
  Deno.exit();
}
const [folder, name = NAME, head = join(folder ?? "", "head.safetensors"), backbones] = Deno.args;
if (folder === undefined) throw new Error("Cannot measure: expected a folder");
const choice = {
  ...{ name, head, pictures: join(folder, "pictures") },
  backbones: backbones ?? join(folder, "backbones"),
};
await makePictures(choice.pictures);
if (backbones === undefined) {
  const weights = weightsPath(choice.backbones, NAME);
  await Deno.mkdir(dirname(weights), { recursive: true });
  if (!await exists(weights)) await writeRandomVit(weights, SIZES[NAME]);
  await makeHead(head);
}
const shares: number[] = [];
console.log(`decoding alone: ${(await measure("decode", choice)).toFixed(1)} images a second`);
for (let pair = 0; pair < PAIRS; pair++) {
  const alone = await measure("backbone", choice), whole = await measure("detect", choice);
  shares.push(whole / alone);
  console.log(
    `${name}: detect ${whole.toFixed(1)}, the backbone alone ${
      alone.toFixed(1)
    } images a second: ` +
      `${(100 * whole / alone).toFixed(0)} %`,
  );
}
console.log(`median ${(100 * shares.sort((a, b) => a - b)[Math.floor(PAIRS / 2)]!).toFixed(0)} %`);
