/**
 * A verdict on images: a backbone and a trained head together.
 * @module
 */
import { type Backbone, type Precision } from "../backbones/backbone.ts";
import { BACKBONE_FOLDERS, openBackbone } from "../backbones/open.ts";
import { centerCrop } from "../image/crop.ts";
import { assertImages, decodeImage, type RgbImage } from "../image/image.ts";
import { tryDecode } from "../data/image_file.ts";
import { refuseUnknown, UserError } from "../io/errors.ts";
import { sigmoid, THRESHOLD } from "../metrics.ts";
import type { Device } from "../onnx/session.ts";
import { checkpointFacts, readCheckpointNames, type TrainedOn } from "./checkpoint_file.ts";
import type { DetectorKind, FeatureSizes, Scorer } from "./detector.ts";
import { detectorOf } from "./index.ts";

/** What a detector says of one image. */
export interface Verdict {
  /** Probability in [0, 1] that the image is generated. */
  readonly score: number;
  /** What the score is the sigmoid of. */
  readonly logit: number;
  /** Whether the score is above .5. */
  readonly isGenerated: boolean;
}

/** What became of one image of many: a verdict, or what was found instead of an image. */
export type Detection =
  & { readonly path: string }
  & (Verdict | { readonly problem: string });

/** How {@linkcode openDetector} finds what a checkpoint needs. */
export interface DetectorOptions {
  /**
   * A name or an open backbone; by default the one that the checkpoint says it was trained on, and
   * CLIP ViT-L/14 where it says nothing, as the released ones do.
   */
  readonly backbone?: string | Backbone;
  /** Folders of backbones; default `data/backbones`, then `data/mini/backbones`. */
  readonly backbones?: string | readonly string[];
  /** Default `cpu`. */
  readonly device?: Device;
  /** Default: what the checkpoint was trained on, else `full`. */
  readonly precision?: Precision;
}

const OPTIONS = ["backbone", "backbones", "device", "precision"];

/** The released heads' backbone; they do not say so. */
const RELEASED_BACKBONE = "ViT-L/14";

/** Images that go through the backbone at once, and how many are decoded ahead of them. */
const BATCH_SIZE = 8, AHEAD = 2 * BATCH_SIZE;

/** Tells generated images from real ones. Open it with {@linkcode openDetector}. */
export class Detector implements AsyncDisposable {
  /** Turns images into features. */
  readonly backbone: Backbone;
  /** What it is: `RINE`. */
  readonly title: string;
  /** Sizes of the features that it reads. */
  readonly sizes: FeatureSizes;
  /** For each block, how many features weigh it most; absent where it weighs no blocks. Paper: §5.7. */
  readonly blockImportance?: readonly number[];
  readonly #scorer: Scorer;
  readonly #ownsBackbone: boolean;

  /** Use {@linkcode openDetector}. */
  constructor(
    { title }: DetectorKind,
    backbone: Backbone,
    scorer: Scorer,
    ownsBackbone: boolean,
  ) {
    this.title = title;
    this.backbone = backbone;
    this.sizes = backbone.featureSizes;
    if (scorer.blockImportance) this.blockImportance = scorer.blockImportance;
    this.#scorer = scorer;
    this.#ownsBackbone = ownsBackbone;
  }

  /**
   * Looks at the centre crop of an image.
   * @param image a path, or an image that is decoded
   * @throws {UserError} where it is no image
   */
  async detect(image: string | RgbImage): Promise<Verdict> {
    const decoded = typeof image === "string" ? await decodeImage(image) : image;
    assertImages([decoded], "Cannot detect");
    return (await this.#judge([decoded]))[0]!;
  }

  /**
   * Looks at many images, in their order: those that follow are decoded meanwhile, and several go
   * through the backbone at once.
   * @param paths of image files; one that cannot be decoded has a problem instead of a verdict
   *
   * @example
   * ```ts ignore
   * for await (const { path, score } of detector.detectAll(["a.jpg", "b.png"])) {
   *   console.log(path, score);
   * }
   * ```
   */
  async *detectAll(paths: Iterable<string>): AsyncGenerator<Detection> {
    const waiting = paths[Symbol.iterator]();
    const ahead: { path: string; decoded: ReturnType<typeof tryDecode> }[] = [];
    const fill = () => {
      while (ahead.length < AHEAD) {
        const { value: path, done } = waiting.next();
        if (done) return;
        const decoded = tryDecode(path);
        decoded.catch(() => {}); // reported where it is read
        ahead.push({ path, decoded });
      }
    };
    fill();
    while (ahead.length > 0) {
      const batch = ahead.splice(0, BATCH_SIZE);
      const results = await Promise.all(batch.map(({ decoded }) => decoded));
      fill();
      const images = results.flatMap((result) => "image" in result ? result.image : []);
      const verdicts = images.length === 0 ? [] : await this.#judge(images);
      for (const [i, { path }] of batch.entries()) {
        const result = results[i]!;
        yield "problem" in result
          ? { path, problem: result.problem }
          : { path, ...verdicts.shift()! };
      }
    }
  }

  async #judge(images: readonly RgbImage[]): Promise<Verdict[]> {
    const { resolutionPx } = this.backbone.architecture;
    const bytes = resolutionPx * resolutionPx * 3;
    const crops = new Uint8Array(images.length * bytes); // [images, R, R, 3]
    images.forEach((image, i) => crops.set(centerCrop(image, resolutionPx).data, i * bytes));
    const { data } = await this.backbone.featuresOfCrops(crops, images.length);
    const logits = await this.#scorer.logits(data, images.length); // [images]
    return Array.from(logits, (logit) => {
      const score = Math.fround(sigmoid(logit));
      return { score, logit, isGenerated: score > THRESHOLD };
    });
  }

  /** Frees the head, and the backbone where it was opened with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scorer.dispose();
    if (this.#ownsBackbone) await this.backbone[Symbol.asyncDispose]();
  }

  /** A line for a log or a cell. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Detector ${this.title} on ${this.backbone.name} (${this.backbone.precision})`;
  }
}

/**
 * Opens a detector, and the backbone that it names.
 * @param checkpoint path of a head: safetensors, or `.pth` as released
 * @throws {UserError} where the backbone is not there, has other sizes or other weights than those
 * that the head was trained on, or the checkpoint is damaged
 *
 * @example
 * ```ts ignore
 * import { openDetector } from "./verdict.ts";
 *
 * await using detector = await openDetector("results/mini/best_4-class.safetensors");
 * const { score } = await detector.detect("photo.jpg");
 * ```
 */
export async function openDetector(
  checkpoint: string,
  options: DetectorOptions = {},
): Promise<Detector> {
  refuseUnknown("Cannot open a detector", options, OPTIONS);
  const kind = await detectorOf(checkpoint);
  const { metadata } = await readCheckpointNames(checkpoint);
  const { config, trainedOn } = checkpointFacts(checkpoint, metadata);
  const given = typeof options.backbone === "object" ? options.backbone : undefined;
  const backbone = given ?? await openNamed(
    (options.backbone as string | undefined) ?? config?.backbone ?? RELEASED_BACKBONE,
    kind,
    options,
    trainedOn,
  );
  try {
    const { blocks, width } = backbone.featureSizes;
    const sizes = await kind.sizesOf(checkpoint);
    if (sizes.blocks !== blocks || sizes.width !== width) {
      throw new UserError(
        "usage",
        `Cannot detect with ${checkpoint}: expected a head for ${blocks} blocks of width ${width} ` +
          `(${backbone.name}), found ${sizes.blocks} of width ${sizes.width}`,
      );
    }
    if (trainedOn) await assertTrainedOn(backbone, checkpoint, trainedOn);
    const scorer = await kind.open(checkpoint, { engine: "onnx" });
    return new Detector(kind, backbone, scorer, given === undefined);
  } catch (error) {
    if (given === undefined) await backbone[Symbol.asyncDispose]();
    throw error;
  }
}

async function openNamed(
  name: string,
  { reads: { tap } }: DetectorKind,
  { backbones = BACKBONE_FOLDERS, device = "cpu", precision }: DetectorOptions,
  trainedOn: TrainedOn | undefined,
): Promise<Backbone> {
  return await openBackbone(name, {
    folder: backbones,
    tap,
    device,
    precision: precision ?? trainedOn?.precision as Precision | undefined ?? "full",
  });
}

/** Makes sure that a backbone is the one whose features a head was trained on. */
async function assertTrainedOn(
  backbone: Backbone,
  head: string,
  trained: TrainedOn,
): Promise<void> {
  if (trained.tap !== backbone.tap) {
    throw new UserError(
      "usage",
      `Cannot detect with ${head}: expected features at ${trained.tap}, on which it was trained, ` +
        `found a backbone opened for ${backbone.tap}`,
    );
  }
  // of other precisions the weights lie in another file
  if (trained.precision !== backbone.precision) return;
  const [expected, found] = [trained.weights, await backbone.fingerprint()]
    .map((weights) => weights.split(" ", 1)[0]!.slice(0, 12));
  if (expected === found) return;
  throw new UserError(
    "usage",
    `Cannot detect with ${head}: expected the weights of ${trained.backbone} that it was trained on ` +
      `(SHA-256 ${expected}…), found others (${found}…); name the folder of the right ones`,
  );
}

/** A verdict for people: `generated (score 0.97)`. */
export function verdictText({ score, isGenerated }: Verdict): string {
  return `${isGenerated ? "generated" : "real"} (score ${score.toFixed(2)})`;
}
