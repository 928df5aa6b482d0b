/**
 * Scores of released detectors on lists of images: made once for each detector and list, and kept
 * piece by piece, so that what is interrupted goes on.
 * @module
 */
import { join, resolve } from "node:path";
import { hashWeights } from "../backbones/network.ts";
import type { LabelledImage } from "../data/dataset.ts";
import { knownDetectors } from "../detectors/import.ts";
import { pixelDetectorNamed } from "../detectors/index.ts";
import type { PixelDetectorKind, ReleasedRow } from "../detectors/pixel_detector.ts";
import { transformsOf } from "../detectors/trained_transforms.ts";
import { type Detector, openDetector } from "../detectors/verdict.ts";
import { type Alike, makeAlike } from "../image/alike.ts";
import { decodeImage, type RgbImage } from "../image/image.ts";
import { describePixels, transformNamed } from "../image/pixels.ts";
import { UserError } from "../io/errors.ts";
import { contentKey } from "../io/files.ts";
import { readSafetensorsHeader } from "../io/safetensors.ts";
import { joined } from "../io/tensor.ts";
import type { Device } from "../onnx/session.ts";
import { scoresInPieces, scoresOf } from "./scores_in_pieces.ts";

/** A detector that is on disk or will be trained, and the way in which it is to read images. */
export interface ReadyDetector {
  /** Name that it was imported under; of one that is trained here, another that is none of those. */
  readonly name: string;
  /** Its name in tables. */
  readonly title: string;
  /** The row of the paper's tables that is of this checkpoint. */
  readonly row?: ReleasedRow;
  /** Classes that it is trained on here; absent where it was released. */
  readonly trainedOn?: readonly string[];
  /** What it reads, in words: `centre crop 224 (original)`. */
  readonly reads: string;
  /** Its file. */
  readonly path: string;
  /** Name of the way to read images. */
  readonly transform: string;
  /** Names its scores: a hash of checkpoint and transform, or of all that its training hangs on. */
  readonly key: string;
}

/**
 * The released detectors that are there, with all that they need.
 * @param folder that holds a folder for each detector
 * @param wanted how each kind is to read images, by its name: `{ wang: "original" }`; others are left
 * out
 * @throws {UserError} where a kind has no such transform, or a file is damaged
 */
export async function readyDetectors(
  folder: string,
  wanted: Readonly<Record<string, string>>,
): Promise<ReadyDetector[]> {
  const ready: ReadyDetector[] = [];
  for (const { detector, name, title, row, path } of await knownDetectors(folder)) {
    const transform = wanted[detector];
    if (path === undefined || transform === undefined) continue;
    const kind = pixelDetectorNamed(detector);
    const besides = await filesBesides(kind, path);
    if (!besides) continue;
    const transforms = await transformsOf(kind, path);
    const steps = transformNamed(transforms, transform, `Cannot try ${title}`);
    const { metadata } = await readSafetensorsHeader(path);
    const weights = metadata["sha256"] ?? await hashWeights(path);
    ready.push({
      ...{ name, title, path, transform },
      ...(row ? { row } : {}),
      reads: `${describePixels(steps)} (${transform})`,
      key: contentKey([detector, weights, kind.reads.normalisation, steps, transform, ...besides]),
    });
  }
  return ready;
}

/** Hashes of what a detector needs besides its checkpoint; `undefined` where that is not there. */
async function filesBesides(
  kind: PixelDetectorKind,
  checkpoint: string,
): Promise<string[] | undefined> {
  try {
    return await Promise.all((await kind.besides?.(checkpoint) ?? []).map(hashWeights));
  } catch (error) {
    if (error instanceof UserError && error.kind === "missing") return undefined;
    throw error;
  }
}

/** What a list of images is scored with. */
export interface ScoringSetup {
  /** Results folder of the profile. */
  readonly folder: string;
  /** Data root that image paths are relative to. */
  readonly root: string;
  readonly device: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
  /** Whether images that cannot be decoded are left out; else they stop it. */
  readonly skipCorrupt: boolean;
}

/** A detector that scores lists of images; it is opened when there is something to score. */
export class ReleasedScorer {
  readonly #ready: ReadyDetector;
  readonly #setup: ScoringSetup;
  #opening: Promise<Detector> | undefined;

  /** Opens nothing yet. */
  constructor(ready: ReadyDetector, setup: ScoringSetup) {
    this.#ready = ready;
    this.#setup = setup;
  }

  /**
   * Scores a list, or finds its scores.
   * @param key names the list's content
   * @param alike what images are brought to before they are looked at; as they are where it is left out
   * @param onImages told of images that have been scored, now or before
   * @returns probabilities that images are generated, [images]; NaN where one cannot be decoded
   * @throws {UserError} where an image cannot be decoded and is not to be left out
   */
  async scores(
    images: readonly LabelledImage[],
    key: string,
    { alike, onImages = () => {} }: {
      readonly alike?: Alike | undefined;
      readonly onImages?: (images: number) => void;
    } = {},
  ): Promise<Float32Array> {
    const { folder, skipCorrupt } = this.#setup, { name, key: own, title, reads } = this.#ready;
    const view = alike ? `-${contentKey(["alike", alike])}` : "";
    return await scoresInPieces(images, {
      ...{ folder, skipCorrupt, onImages },
      own: `${name}-${own}`,
      list: `${key}${view}`,
      about: { detector: title, reads },
    }, async (piece) => {
      const scores = await this.#score(piece, alike);
      onImages(piece.length);
      return scores;
    });
  }

  #open(): Promise<Detector> {
    const { path, transform } = this.#ready, { root, device, threads } = this.#setup;
    const backbones = join(root, "backbones");
    return this.#opening ??= openDetector(path, {
      ...{ transform, device, backbones },
      ...(threads === undefined ? {} : { threads }),
    });
  }

  /**
   * Images in the space that the detector decides in, one after the other.
   * @returns [images, width]
   * @throws {UserError} where it decides in no such space, or an image cannot be decoded
   */
  async represent(images: readonly LabelledImage[]): Promise<Float32Array> {
    const detector = await this.#open();
    const rows: Float32Array[] = [];
    for (const { path } of images) {
      const image = await decodeImage(resolve(this.#setup.root, path));
      rows.push((await detector.represent([image])).data);
    }
    return joined(rows);
  }

  async #score(
    images: readonly LabelledImage[],
    alike: Alike | undefined,
  ): Promise<Float32Array> {
    const { root, skipCorrupt } = this.#setup;
    const detector = await this.#open();
    const paths = images.map(({ path }) => resolve(root, path));
    const prepare = alike && ((image: RgbImage) => makeAlike(image, alike));
    const corrupt = (path: string, problem: string) =>
      `Cannot decode ${path}: expected an image, found ${problem}; --skip-corrupt leaves it out`;
    return await scoresOf(
      detector.detectAll(paths, prepare),
      images.length,
      skipCorrupt ? undefined : corrupt,
    );
  }

  /** Frees the detector, where it was opened. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#opening?.catch(() => undefined))?.[Symbol.asyncDispose]();
    this.#opening = undefined;
  }
}
