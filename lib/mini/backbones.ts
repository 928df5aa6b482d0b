/**
 * The mini backbones: two small vision transformers for the mini world, deeper and finer against
 * shallower and coarser as ViT-L/14 is to ViT-B/32.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { dirname, join } from "node:path";
import { photograph, sceneMaterial } from "./scene.ts";
import { MINI_CLASSES, MINI_SIZE_PX } from "./sets.ts";
import { centerCrop } from "../image/crop.ts";
import { exists, sweepTemporaries } from "../io/files.ts";
import { withLock } from "../io/lock.ts";
import { readSafetensorsHeader } from "../io/safetensors.ts";
import { writeSafetensors } from "../io/safetensors_writer.ts";
import type { Tensor } from "../io/tensor.ts";
import { randomStream } from "../random.ts";
import {
  checksumPath,
  checkWeights,
  lookAtWeights,
  removeChecksum,
  writeChecksum,
} from "../backbones/checksum.ts";
import { openBackbone, weightsPath } from "../backbones/open.ts";
import {
  MINI_RESOLUTION_PX,
  type MiniArchitecture,
  miniWeights,
  randomWeights,
} from "./backbone_weights.ts";
import { huggingfaceClip } from "../backbones/families/huggingface_clip.ts";

/** The two backbones, deep and fine first. */
export const MINI_BACKBONES: readonly MiniArchitecture[] = [
  { name: "Mini-L/8", patchPx: 8, blocks: 8 },
  { name: "Mini-B/16", patchPx: 16, blocks: 4 },
];

/** The same networks with weights that are only random: feature spaces that know nothing of images. */
export const MINI_RANDOM_BACKBONES: readonly MiniArchitecture[] = MINI_BACKBONES.map((network) => ({
  ...network,
  name: `${network.name} random`,
}));

const ALL = [...MINI_BACKBONES, ...MINI_RANDOM_BACKBONES];

/** Where mini backbones are made. */
export interface MiniBackboneOptions {
  /** Folder of the mini world; weights go to `backbones/` in it. */
  readonly root: string;
  /** Seed of the mini world. */
  readonly seed: number;
  /** Told that another process makes them and is waited for. */
  readonly onWait?: (() => void) | undefined;
  /** Told of weights that are damaged and are made again. */
  readonly onDamage?: ((line: string) => void) | undefined;
}

/** Rises whenever the same seed gives other weights. */
const VERSION = "6";
const LOCK = "making.lock";
const IMAGES_PER_CLASS = 24;
/** Standard deviation of every dimension of the tokens on real images, where it is not near 0. */
const TOKEN_STD = 2;
const SMALLEST_STD = .05;

/**
 * Makes the weights of the mini backbones, or finds them made.
 * @returns paths of the weights, in the order of {@linkcode MINI_BACKBONES}, then those of {@linkcode MINI_RANDOM_BACKBONES}
 */
export async function makeMiniBackbones(options: MiniBackboneOptions): Promise<string[]> {
  const { root, seed } = options;
  const paths = ALL.map(({ name }) => weightsPath(join(root, "backbones"), name));
  const made = await Promise.all(paths.map((path) => isMade(path, seed, options.onDamage)));
  // a second process waits here, and then finds them made
  if (!made.every(Boolean)) {
    await withLock(join(root, "backbones", LOCK), () => make(options), options.onWait);
  }
  // what was killed while it wrote weights, or their checksum
  await sweepTemporaries(join(root, "backbones"));
  return paths;
}

async function make({ root, seed }: MiniBackboneOptions): Promise<void> {
  let images: Uint8Array[] | undefined;
  for (const architecture of ALL) {
    const path = weightsPath(join(root, "backbones"), architecture.name);
    if (await isMade(path, seed)) continue;
    await removeChecksum(path);
    const random = randomStream(seed, "mini backbone", architecture.name);
    if (MINI_RANDOM_BACKBONES.includes(architecture)) {
      await writeSafetensors(path, randomWeights(architecture, random), {
        version: VERSION,
        seed: `${seed}`,
      });
      await writeChecksum(path);
      continue;
    }
    images ??= realImages(seed);
    const weights = miniWeights(
      architecture,
      images.map(normalizePixels),
      random,
    );
    const draft = join(dirname(path), "draft.safetensors");
    await writeSafetensors(draft, weights, { seed: `${seed}` });
    standardizeTokens(weights, await tokensOf(draft, images));
    await Deno.remove(draft);
    await writeSafetensors(path, weights, { version: VERSION, seed: `${seed}` });
    await writeChecksum(path);
  }
}

async function isMade(
  path: string,
  seed: number,
  onDamage: MiniBackboneOptions["onDamage"] = () => {},
): Promise<boolean> {
  if (!await exists(path)) return false;
  const damaged = await damagedWeights(path);
  if (damaged !== undefined) {
    onDamage(`${damaged}; it is made again`);
    return false;
  }
  const { metadata } = await readSafetensorsHeader(path);
  if (metadata["version"] !== VERSION || metadata["seed"] !== `${seed}`) return false;
  // of before checksums were kept
  if (!await exists(checksumPath(path))) await writeChecksum(path);
  return true;
}

/** Why weights are not as they were made; `undefined` where they are, or are not there. */
async function damagedWeights(path: string): Promise<string | undefined> {
  if (!await exists(path)) return undefined;
  try {
    await readSafetensorsHeader(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.message;
  }
  return await checkWeights(path, await lookAtWeights(path)) === "changed"
    ? `Cannot use ${path}: expected the weights that were made, as ${checksumPath(path)} says, ` +
      "found others"
    : undefined;
}

/** A line for each file of weights under a mini world's root that is not as it was made. */
export async function damagedMiniBackbones(root: string): Promise<string[]> {
  const lines = [];
  for (const { name } of ALL) {
    lines.push(await damagedWeights(weightsPath(join(root, "backbones"), name)));
  }
  return lines.filter((line) => line !== undefined);
}

/** Centre crops of real images, some of each class; uint8 [R, R, 3] each. */
function realImages(seed: number): Uint8Array[] {
  const material = sceneMaterial(seed);
  return MINI_CLASSES.flatMap((shape) =>
    Array.from({ length: IMAGES_PER_CLASS }, (_, index) => {
      const random = randomStream(seed, "mini backbone image", shape, index);
      const { width, height, data } = photograph(MINI_SIZE_PX, shape, material, random);
      const rgb = Uint8Array.from(data, (value) => Math.round(255 * value));
      return centerCrop({ width, height, data: rgb }, MINI_RESOLUTION_PX).data;
    })
  );
}

/** What the ViT graph makes of pixels before it cuts patches; [3, R, R]. */
function normalizePixels(rgb: Uint8Array): Float32Array {
  const { pixelMean, pixelStd } = huggingfaceClip;
  const area = MINI_RESOLUTION_PX ** 2;
  const pixels = new Float32Array(3 * area);
  for (let i = 0; i < rgb.length; i++) {
    const channel = i % 3;
    pixels[channel * area + Math.floor(i / 3)] = (rgb[i]! / 255 - pixelMean[channel]!) /
      pixelStd[channel]!;
  }
  return pixels;
}

/** [images, blocks, width] */
async function tokensOf(path: string, images: readonly Uint8Array[]): Promise<Tensor> {
  await using backbone = await openBackbone(path);
  const bytes = images[0]!.length;
  const crops = new Uint8Array(images.length * bytes);
  images.forEach((image, i) => crops.set(image, i * bytes));
  return await backbone.featuresOfCrops(crops, images.length);
}

/**
 * Lets `layer_norm2` of every block standardise what it gives for the CLS token, and takes that back
 * in the MLP behind it: tokens get zero mean and one scale, all else in the network stays.
 */
function standardizeTokens(weights: Map<string, Tensor>, tokens: Tensor): void {
  const [count, blocks, width] = tokens.shape as [number, number, number];
  for (let block = 0; block < blocks; block++) {
    const name = `vision_model.encoder.layers.${block}`;
    const gain = weights.get(`${name}.layer_norm2.weight`)!.data;
    const shift = weights.get(`${name}.layer_norm2.bias`)!.data;
    for (let i = 0; i < width; i++) {
      let sum = 0, squares = 0;
      for (let image = 0; image < count; image++) {
        const value = tokens.data[(image * blocks + block) * width + i]!;
        sum += value;
        squares += value * value;
      }
      const mean = sum / count;
      const std = Math.sqrt(Math.max(0, squares / count - mean * mean));
      // rounded, so that the last bits of other machines' products make no difference
      gain[i] = roundTo(TOKEN_STD / Math.max(SMALLEST_STD, std), 2 ** -6);
      shift[i] = roundTo(-mean * gain[i]!, 2 ** -6);
    }
    const inward = weights.get(`${name}.mlp.fc1.weight`)!.data;
    const bias = weights.get(`${name}.mlp.fc1.bias`)!.data;
    for (let row = 0; row < bias.length; row++) {
      for (let i = 0; i < width; i++) {
        const weight = inward[row * width + i]! / gain[i]!;
        inward[row * width + i] = weight;
        bias[row]! -= weight * shift[i]!;
      }
    }
  }
}

function roundTo(value: number, step: number): number {
  return step * Math.round(value / step);
}
