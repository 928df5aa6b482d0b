/**
 * What a detector costs: its parameters, and the time that an image takes on this machine.
 * @module
 */
import { findDetector, readsPixels } from "../detectors/index.ts";
import { type DetectorOptions, openDetector } from "../detectors/verdict.ts";
import type { RgbImage } from "../image/image.ts";
import { openTensorFile } from "../io/tensor_file.ts";
import { countParameters } from "../io/tensor.ts";

/** Size and speed of a detector. */
export interface DetectorCost {
  /** Number of parameters that an image passes, those of networks that stay as they are too. */
  readonly parameters: number;
  /** Number of those that training changes; of nearest neighbours none. */
  readonly trainedParameters: number;
  /** What it reads of an image, in words. */
  readonly reads: string;
  /** Median time from the pixels of one image to its score, in milliseconds. */
  readonly imageMs: number;
}

/** Images that are looked at before time is taken: sessions open with the first. */
const WARM_UP = 2;

/** Time after which no further image is looked at, of at least {@linkcode FEWEST}, in milliseconds. */
const ENOUGH_MS = 8000;
const FEWEST = 5;

/**
 * Takes the time of a detector, image by image.
 * @param checkpoint path of its file
 * @param images decoded; more than a few seconds' worth are not looked at
 * @throws {UserError} as `openDetector` does
 */
export async function detectorCost(
  checkpoint: string,
  images: readonly RgbImage[],
  { headParameters, ...options }: DetectorOptions & {
    /** Of a head, how many are its own. */
    readonly headParameters?: number;
  },
): Promise<DetectorCost> {
  await using detector = await openDetector(checkpoint, options);
  for (const image of images.slice(0, WARM_UP)) await detector.detect(image);
  const times: number[] = [];
  const started = performance.now();
  for (const image of images) {
    if (times.length >= FEWEST && performance.now() - started > ENOUGH_MS) break;
    const before = performance.now();
    await detector.detect(image);
    times.push(performance.now() - before);
  }
  const { own, besides } = detector.backbone
    ? { own: headParameters ?? 0, besides: detector.backbone.parameterCount }
    : await pixelParameters(checkpoint);
  return {
    parameters: own + besides,
    trainedParameters: own,
    reads: detector.reads,
    imageMs: times.sort((a, b) => a - b)[times.length >> 1]!,
  };
}

/** Parameters of a detector on pixels: its own, and those of networks that it needs besides. */
async function pixelParameters(checkpoint: string): Promise<{ own: number; besides: number }> {
  const { kind } = await findDetector(checkpoint);
  if (!readsPixels(kind)) return { own: 0, besides: 0 };
  const own = countParameters((await kind.ownTensors(checkpoint)).tensors);
  let besides = 0;
  for (const path of await kind.besides?.(checkpoint) ?? []) {
    using file = await openTensorFile(path);
    besides += countParameters(file.tensors);
  }
  return { own, besides };
}
