/**
 * A verdict on images, by any detector: one that reads a backbone's features, or pixels.
 * @module
 */
import type { Backbone } from "../backbones/backbone.ts";
import { assertImages, decodeImage, type RgbImage } from "../image/image.ts";
import { refuseUnknown, UserError } from "../io/errors.ts";
import { Lazy } from "../io/lazy.ts";
import { MANY_IMAGES, scoreAhead, scoreHere } from "./ahead.ts";
import { sigmoid, THRESHOLD } from "../metrics.ts";
import { type Tensor, tensor } from "../io/tensor.ts";
import type { FeatureSizes } from "./detector.ts";
import { type ExplainOptions, explainView, type Explanation } from "./explanation.ts";
import { type BackboneChoice, openFeatureScorer } from "./feature_scorer.ts";
import { identityOfHead, identityOnPixels } from "./identity.ts";
import type { ImageScorer } from "./image_scorer.ts";
import { findDetector, readsPixels } from "./index.ts";
import { releasedAs } from "./pixel_detector.ts";
import { openPixelScorer } from "./pixel_scorer.ts";

/** What a detector says of one image. */
export interface Verdict {
  /** Probability in [0, 1] that the image is generated. */
  readonly score: number;
  /** What the score is the sigmoid of. */
  readonly logit: number;
  /** Whether the score is above .5. */
  readonly isGenerated: boolean;
  /** In how many overlapping tiles it was read; absent where it was read whole. */
  readonly tiles?: number;
  /**
   * Width and height of the image, where it is smaller than what is read of it: around it all was
   * black, which the score is of too.
   */
  readonly paddedFromPx?: readonly [width: number, height: number];
}

/** What became of one image of many: a verdict, or what was found instead of an image. */
export type Detection =
  & { readonly path: string }
  & (Verdict | { readonly problem: string });

/** How {@linkcode openDetector} finds what a checkpoint needs; the backbone is for heads alone. */
export interface DetectorOptions extends BackboneChoice {
  /**
   * Name of the detector that a file is a checkpoint of, where its tensors are those of several:
   * `wang`, `dmid`. One that was imported says it.
   */
  readonly as?: string;
  /**
   * How a detector on pixels reads images, by the name of whose code reads so: default `original`, its
   * own; `rine` and `sidbench` where these read otherwise.
   */
  readonly transform?: string;
}

const OF_HEADS = ["backbone", "backbones", "precision"], OF_PIXELS = ["transform"];
const OPTIONS = [
  "backbone",
  "backbones",
  "device",
  "threads",
  "precision",
  "batch",
  "as",
  ...OF_PIXELS,
];

/** Of an image. */
type Sizes = Pick<RgbImage, "width" | "height">;

/** Tells generated images from real ones. Open it with {@linkcode openDetector}. */
export class Detector implements AsyncDisposable {
  /** What it is: `RINE`, `Wang et al.`. */
  readonly title: string;
  /** What it reads of an image, in words. */
  readonly reads: string;
  /** Turns images into features; absent where it reads pixels. */
  readonly backbone?: Backbone;
  /** Sizes of the features that it reads; absent where it reads pixels. */
  readonly sizes?: FeatureSizes;
  /** Side in pixels of the square that it reads of every image; absent where sizes differ. */
  readonly cropPx?: number;
  /** For each block, how many features weigh it most; absent where it weighs no blocks. Paper: §5.7. */
  readonly blockImportance?: readonly number[];
  readonly #scorer: ImageScorer;
  readonly #identity: Lazy<string>;

  /** Use {@linkcode openDetector}. */
  constructor(scorer: ImageScorer, identity: () => Promise<string>) {
    const { title, reads, backbone, sizes, cropPx, blockImportance } = scorer;
    this.title = title;
    this.reads = reads;
    if (backbone) this.backbone = backbone;
    if (sizes) this.sizes = sizes;
    if (cropPx !== undefined) this.cropPx = cropPx;
    if (blockImportance) this.blockImportance = blockImportance;
    this.#scorer = scorer;
    this.#identity = new Lazy(identity);
  }

  /**
   * What its scores hang on besides the images, as a hash: its file, and how it reads images. Two
   * detectors of one identity give an image one score, but for rounding on another device.
   */
  async identity(): Promise<string> {
    return await this.#identity.get();
  }

  /**
   * Looks at what it reads of an image.
   * @param image a path, or an image that is decoded
   * @throws {UserError} where it is no image
   */
  async detect(image: string | RgbImage): Promise<Verdict> {
    const decoded = typeof image === "string" ? await decodeImage(image) : image;
    assertImages([decoded], "Cannot detect");
    return (await this.#judge([decoded]))[0]!;
  }

  /**
   * Looks at several images that are decoded; as many go through at once as it takes.
   * @returns [images], in their order
   */
  async detectImages(images: readonly RgbImage[]): Promise<Verdict[]> {
    assertImages(images, "Cannot detect");
    const verdicts: Verdict[] = [];
    for (let from = 0; from < images.length; from += this.#scorer.imagesAtOnce) {
      verdicts.push(...await this.#judge(images.slice(from, from + this.#scorer.imagesAtOnce)));
    }
    return verdicts;
  }

  /**
   * What it would say of an image if it did not know one of the blocks: what of a verdict hangs on
   * each of them.
   * @returns logits [blocks]; `undefined` where it weighs no blocks
   */
  async leaveOneBlockOut(image: RgbImage): Promise<Float32Array | undefined> {
    assertImages([image], "Cannot leave blocks out");
    const logits = await this.#scorer.withoutBlocks?.([this.#scorer.view(image)]);
    return logits && Float32Array.from(logits, ([logit]) => logit!);
  }

  /**
   * Looks at many images, in their order: those that follow are decoded meanwhile, from 64 images on by
   * other threads, and several go through at once where they are read at one size.
   * @param paths of image files; one that cannot be decoded has a problem instead of a verdict
   * @param prepare what is done to each image before it is looked at; nothing where it is left out
   *
   * @example
   * ```ts ignore
   * for await (const { path, score } of detector.detectAll(["a.jpg", "b.png"])) {
   *   console.log(path, score);
   * }
   * ```
   */
  async *detectAll(
    paths: Iterable<string>,
    prepare?: (image: RgbImage) => RgbImage,
  ): AsyncGenerator<Detection> {
    const all = Array.isArray(paths) ? paths as readonly string[] : [...paths];
    const isMany = prepare === undefined && all.length >= MANY_IMAGES;
    const scored = isMany ? scoreAhead(this.#scorer, all) : scoreHere(this.#scorer, all, prepare);
    for await (const found of scored) {
      const { path } = found;
      yield "problem" in found ? found : { path, ...this.#verdict(found, found.view, found.logit) };
    }
  }

  /**
   * Images in the space that it decides in, as Figure 1 shows it: of RINE its representation, of a
   * ResNet the mean over the last map.
   * @returns [images, width]
   * @throws {UserError} where the detector decides in no such space
   */
  async represent(images: readonly RgbImage[]): Promise<Tensor> {
    assertImages(images, "Cannot represent images");
    const found = await this.#scorer.represent(images.map((image) => this.#scorer.view(image)));
    if (found) return tensor(found, [images.length, found.length / images.length]);
    throw new UserError(
      "usage",
      `Cannot represent images: expected a detector that decides in a vector's space, found ${this.title}`,
    );
  }

  /**
   * Why an image got its score: what each block adds to the logit, by leaving it out, and what each
   * part of the image adds, by covering it. `show` shows both as figures. Covering takes a pass of the
   * network for each part: 64 by default.
   * @param image a path, or an image that is decoded
   * @throws {UserError} where it is no image, or an option is unknown or out of range
   *
   * @example
   * ```ts ignore
   * const { blocks, occlusion } = await detector.explain("photo.jpg");
   * ```
   */
  async explain(image: string | RgbImage, options: ExplainOptions = {}): Promise<Explanation> {
    const decoded = typeof image === "string" ? await decodeImage(image) : image;
    assertImages([decoded], "Cannot explain a verdict");
    const view = this.#scorer.view(decoded);
    return await explainView(this.#scorer, view, (await this.#judge([decoded]))[0]!, options);
  }

  async #judge(images: readonly RgbImage[]): Promise<Verdict[]> {
    const views = images.map((image) => this.#scorer.view(image));
    const logits = await this.#scorer.logits(views); // [images]
    return Array.from(logits, (logit, i) => this.#verdict(images[i]!, views[i]!, logit));
  }

  #verdict({ width, height }: Sizes, view: RgbImage, logit: number): Verdict {
    const score = Math.fround(sigmoid(logit));
    const tiles = this.#scorer.tiles?.(view) ?? 1;
    return {
      score,
      logit,
      isGenerated: score > THRESHOLD,
      ...(tiles === 1 ? {} : { tiles }),
      ...(this.#scorer.pads({ width, height }) ? { paddedFromPx: [width, height] as const } : {}),
    };
  }

  /** Frees what it computes with, and the backbone where it was opened with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scorer[Symbol.asyncDispose]();
  }

  /** A line for a log or a cell. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Detector ${this.title}: ${this.reads}`;
  }
}

/** A detector that reads a backbone's features. */
export type HeadDetector = Detector & {
  readonly backbone: Backbone;
  readonly sizes: FeatureSizes;
  readonly cropPx: number;
};

/**
 * Opens a detector: of a head, with the backbone that it names; of one on pixels, its network.
 * @param checkpoint path of a file: safetensors, or `.pth` as released
 * @throws {UserError} where the backbone is not there, has other sizes or other weights than those
 * that the head was trained on, the file may be of several detectors, an option is not for it, or the
 * checkpoint is damaged
 *
 * @example
 * ```ts ignore
 * await using detector = await openDetector("results/mini/best_4-class.safetensors");
 * const { score } = await detector.detect("photo.jpg");
 * await using wang = await openDetector("blur_jpg_prob0.5.pth", { as: "wang" });
 * ```
 */
export async function openDetector(
  checkpoint: string,
  options: DetectorOptions = {},
): Promise<Detector> {
  refuseUnknown("Cannot open a detector", options, OPTIONS);
  const { kind, metadata } = await findDetector(checkpoint, options.as);
  const others = readsPixels(kind) ? OF_HEADS : OF_PIXELS;
  const other = others.find((name) => options[name as keyof DetectorOptions] !== undefined);
  // folders of backbones are where to look, not what to take
  if (other !== undefined && other !== "backbones") {
    throw new UserError(
      "usage",
      `Cannot detect with ${checkpoint}: expected no ${other} for ${kind.title}, which reads ${
        readsPixels(kind) ? "pixels" : "a backbone's features"
      }; leave it out`,
    );
  }
  if (!readsPixels(kind)) {
    const scorer = await openFeatureScorer(kind, checkpoint, metadata, options);
    return new Detector(scorer, () => identityOfHead(kind, checkpoint, scorer.backbone!));
  }
  const { transform = "original", device = "cpu", threads } = options;
  const title = metadata["title"] ?? releasedAs(kind, checkpoint)?.title ?? kind.title;
  const scorer = await openPixelScorer(
    { ...kind, title },
    checkpoint,
    transform,
    { engine: "onnx", device, ...(threads === undefined ? {} : { threads }) },
    options.batch,
    options.backbones,
  );
  return new Detector(scorer, () => identityOnPixels(kind, checkpoint, transform));
}

/**
 * Opens a head with its backbone, as {@linkcode openDetector} does.
 * @throws {UserError} as there, and where the checkpoint is of a detector on pixels
 */
export async function openHead(
  checkpoint: string,
  options: BackboneChoice = {},
): Promise<HeadDetector> {
  const detector = await openDetector(checkpoint, options);
  if (isHead(detector)) return detector;
  await detector[Symbol.asyncDispose]();
  throw new UserError(
    "usage",
    `Cannot open ${checkpoint}: expected a head on a backbone's features, found ${detector.title}, ` +
      "which reads pixels",
  );
}

function isHead(detector: Detector): detector is HeadDetector {
  return detector.backbone !== undefined;
}

/** A verdict for people: `generated (score 0.97)`. */
export function verdictText({ score, isGenerated, tiles, paddedFromPx }: Verdict): string {
  const how = (tiles === undefined ? "" : `, read in ${tiles} tiles`) +
    (paddedFromPx === undefined ? "" : `, padded from ${paddedFromPx.join(" × ")} pixels`);
  return `${isGenerated ? "generated" : "real"} (score ${score.toFixed(2)}${how})`;
}
