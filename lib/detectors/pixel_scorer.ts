/**
 * A detector on pixels as what scores images: its transform, then its network.
 * @module
 */
import {
  describePixels,
  isPadded,
  readPixels,
  squareSizePx,
  transformNamed,
} from "../image/pixels.ts";
import { defaultBatch } from "../onnx/batch.ts";
import { verifySafetensors } from "../io/safetensors.ts";
import type { Compute } from "./detector.ts";
import type { ImageScorer } from "./image_scorer.ts";
import { type PixelDetectorKind, representImages, scoreImages } from "./pixel_detector.ts";
import { transformsOf } from "./trained_transforms.ts";

/**
 * Opens a checkpoint of a detector on pixels.
 * @param transform name of the way to read an image: `original`, or one that the detector says besides
 * @param batch images of one size that go through at once; of others one does. By default as many as the
 * device takes
 * @param backbones folders of backbones, for one that needs one; default those of the project
 * @throws {UserError} where there is no such transform, or the checkpoint is damaged: one that this
 * project wrote is held to its seal
 */
export async function openPixelScorer(
  kind: PixelDetectorKind,
  checkpoint: string,
  transform: string,
  compute: Compute,
  batch: number = defaultBatch(compute.device ?? "cpu"),
  backbones?: string | readonly string[],
): Promise<ImageScorer> {
  const { title } = kind;
  const transforms = await transformsOf(kind, checkpoint);
  const steps = transformNamed(transforms, transform, `Cannot detect with ${checkpoint}`);
  const cropPx = squareSizePx(steps);
  // its values are read by the engine, which knows of no seal
  if (checkpoint.endsWith(".safetensors")) await verifySafetensors(checkpoint);
  const scorer = await kind.open(checkpoint, compute, transform, backbones);
  const tiles = scorer.tiles?.bind(scorer);
  return {
    title,
    reads: `${describePixels(steps)} (${transform})`,
    ...(cropPx === undefined ? {} : { cropPx }),
    imagesAtOnce: cropPx === undefined ? 1 : batch,
    steps,
    view: (image) => readPixels(image, steps),
    pads: (image) => isPadded(image, steps),
    ...(tiles ? { tiles: ({ height, width }) => tiles(height, width) } : {}),
    logits: (views) => scoreImages(scorer, views),
    represent: (views) => representImages(scorer, views),
    [Symbol.asyncDispose]: () => scorer.dispose(),
  };
}
