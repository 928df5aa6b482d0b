/**
 * What a detector on pixels is: which pixels it reads of an image, as data, and how a checkpoint
 * becomes one. Detectors on a backbone's features are in `detector.ts`; an image meets both in
 * `verdict.ts`.
 * @module
 */
import type { PixelTransform } from "../image/pixels.ts";
import type { RgbImage } from "../image/image.ts";
import { UserError } from "../io/errors.ts";
import type { SafetensorsFile } from "../io/safetensors.ts";
import { joined } from "../io/tensor.ts";
import type { Compute, FailedHead, TrainedHead } from "./detector.ts";
import type { PixelRecipe, PixelTraining, PixelTrainingContext } from "./pixel_training.ts";

/** By channel, on values in [0, 1]: the mean is taken off, then the deviation divides. */
export interface PixelNormalisation {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/**
 * Ways to read an image, by the name of whose code reads so. `original` is the detector's own and the
 * default; others are those that it was compared with: `rine`, `sidbench`.
 */
export interface PixelTransforms {
  readonly original: PixelTransform;
  readonly [name: string]: PixelTransform;
}

/** What a detector reads of an image, as data. */
export interface PixelReading {
  /** From the image to the pixels that the network takes. */
  readonly transforms: PixelTransforms;
  /** What becomes of these pixels before the first layer. */
  readonly normalisation: PixelNormalisation;
}

/** A row of Tables 2 and 3 of RINE's paper. */
export interface ReleasedRow {
  /** As the paper calls the method: `Wang (prob. 0.5)`. */
  readonly method: string;
  /** Number of training classes, as it stands there. */
  readonly trainingClasses: string;
}

/** A checkpoint that the authors released. */
export interface ReleasedFile {
  /** How names of its file end, wherever people have it from: `blur_jpg_prob0.5.pth`. */
  readonly files: readonly string[];
  /** Name to keep it under here: `wang_0.5`. */
  readonly name: string;
  /** Its name in tables: `Wang et al. (.5)`. */
  readonly title: string;
  /** Where it is to be had, in words. */
  readonly from: string;
  /** The row of RINE's tables that is of it; absent where there is none. */
  readonly row?: ReleasedRow;
}

/** What files can be imported of: a detector on pixels, or a network that one needs besides its own. */
export interface ReleasedKind {
  /** Its name in configurations, commands and records: `wang`. */
  readonly name: string;
  /** Its name in tables: `Wang et al.`. */
  readonly title: string;
  /** The checkpoints that its authors released. */
  readonly released: readonly ReleasedFile[];
  /**
   * Whether a file with these tensors can be a checkpoint of it; several detectors may have the same
   * tensors, and a file then says, or is said, to be of which.
   * @param tensors their names, without what training scripts put before them
   */
  isCheckpoint(tensors: ReadonlySet<string>): boolean;
  /**
   * The tensors of a checkpoint that it needs, checked, under their plain names.
   * @throws {UserError} where the file is damaged, or of another detector
   */
  ownTensors(checkpoint: string): Promise<SafetensorsFile>;
}

/** Images of one size, as one block of bytes. */
export interface PixelBatch {
  /** uint8 [count, height, width, 3], row-major. */
  readonly rgb: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/** A detector on pixels that is open. */
export interface PixelScorer {
  /** What really computes, for the record: `onnx (onnxruntime 1.30.0 cpu)`. */
  readonly backend: string;
  /** How many pixels of images of one size may go through at once; a larger image goes alone. */
  readonly pixelsAtOnce: number;
  /**
   * In how many overlapping tiles an image of that size is read, so that memory is bounded; absent
   * where every image is read whole.
   */
  tiles?(height: number, width: number): number;
  /**
   * Scores images; the score of an image is the sigmoid of its logit.
   * @param batch after the detector's transform
   * @returns logits [count]
   */
  logits(batch: PixelBatch): Promise<Float32Array>;
  /**
   * The images in the space that the last layer decides in; absent where there is no such vector.
   * @param batch after the detector's transform
   * @returns [count, width]
   */
  represent?(batch: PixelBatch): Promise<Float32Array>;
  /** Frees what it holds. */
  dispose(): Promise<void>;
}

/** A detector on pixels. Make one with {@linkcode definePixelDetector}. */
export interface PixelDetectorKind extends ReleasedKind {
  /** What it reads of an image. */
  readonly reads: PixelReading;
  /**
   * The ways to read an image for one checkpoint, where its network's size decides; absent where
   * `reads` says it for all.
   * @throws {UserError} where the file is damaged, or of another detector
   */
  transformsOf?(checkpoint: string): Promise<PixelTransforms>;
  /**
   * The ways to read an image for one that is trained here by a recipe; absent where only the size of
   * the crops changes.
   */
  trainedTransforms?(recipe: PixelRecipe): PixelTransforms;
  /**
   * Paths of other files that a checkpoint's scores hang on; absent where there are none.
   * @throws {UserError} where one is not there, with how to get it
   */
  besides?(checkpoint: string): Promise<readonly string[]>;
  /**
   * Opens a checkpoint: released, or imported.
   * @param transform name of the way to read an image, default `original`: what the detector does
   * with the pixels may hang on it too
   * @param backbones folders of backbones, for one that needs one; default those of the project
   * @throws {UserError} where the file is damaged, of another detector, or holds what is no number
   */
  open(
    checkpoint: string,
    compute: Compute,
    transform?: string,
    backbones?: string | readonly string[],
  ): Promise<PixelScorer>;
  /**
   * What a checkpoint holds, in lines for people.
   * @throws {UserError} where the file is damaged, or of another detector
   */
  describeCheckpoint(checkpoint: string): Promise<string[]>;
  /**
   * Trains one, to a checkpoint at {@linkcode trainedPath} that `open` reads; absent where it cannot be
   * trained here. What was trained before is found; what was interrupted goes on and ends with the
   * numbers of an uninterrupted run.
   * @returns what training said, or why it came to nothing
   * @throws {UserError} where an image cannot be decoded, what it starts from is not there, or the disk
   * refuses
   */
  train?(training: PixelTraining, context: PixelTrainingContext): Promise<TrainedHead | FailedHead>;
}

/** The released checkpoint that a file is, as far as its name tells. */
export function releasedAs({ released }: ReleasedKind, file: string): ReleasedFile | undefined {
  return released.find(({ files }) => files.some((ending) => file.endsWith(ending)));
}

/** Types a detector on pixels; returns it as it is. */
export function definePixelDetector(detector: PixelDetectorKind): PixelDetectorKind {
  return detector;
}

/**
 * Makes sure that a network's logits are numbers.
 * @param checkpoint its file, for the error
 * @throws {UserError} of kind `damaged`, where one is not
 */
export function assertLogits(logits: Float32Array, checkpoint: string): void {
  const other = logits.find((logit) => !Number.isFinite(logit));
  if (other === undefined) return;
  throw new UserError(
    "damaged",
    `Cannot score images with ${checkpoint}: expected numbers, found ${other}; get the file again`,
  );
}

/**
 * Scores images of any sizes, in their order: neighbours of one size go through together, as many as
 * the scorer takes at once.
 * @param images after the detector's transform
 * @returns logits [images]
 */
export async function scoreImages(
  scorer: PixelScorer,
  images: readonly RgbImage[],
): Promise<Float32Array> {
  return await batchByBatch(scorer, images, (batch) => scorer.logits(batch));
}

/**
 * Images of any sizes in the space that a scorer's last layer decides in, in their order.
 * @param images after the detector's transform
 * @returns [images, width]; `undefined` where the scorer has no such space
 */
export async function representImages(
  scorer: PixelScorer,
  images: readonly RgbImage[],
): Promise<Float32Array | undefined> {
  const represent = scorer.represent?.bind(scorer);
  return represent && await batchByBatch(scorer, images, represent);
}

/** What becomes of batches of neighbours of one size, one after the other. */
async function batchByBatch(
  { pixelsAtOnce }: PixelScorer,
  images: readonly RgbImage[],
  run: (batch: PixelBatch) => Promise<Float32Array>,
): Promise<Float32Array> {
  const found: Float32Array[] = [];
  for (let first = 0; first < images.length;) {
    const { height, width } = images[first]!;
    const most = first + Math.max(1, Math.floor(pixelsAtOnce / (height * width)));
    let end = first + 1;
    while (
      end < Math.min(most, images.length) &&
      images[end]!.height === height && images[end]!.width === width
    ) end++;
    const bytes = height * width * 3;
    const rgb = end - first === 1 ? images[first]!.data : new Uint8Array((end - first) * bytes); // [end − first, height, width, 3]
    if (end - first > 1) {
      images.slice(first, end).forEach(({ data }, i) => rgb.set(data, i * bytes));
    }
    found.push(await run({ rgb, count: end - first, height, width }));
    first = end;
  }
  return joined(found);
}
