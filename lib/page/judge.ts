/**
 * Judges pictures: a verdict, what other detectors say, and what the verdict hangs on.
 * @module
 */
import type { Backbone } from "../backbones/backbone.ts";
import { checkpointFacts } from "../detectors/checkpoint_file.ts";
import { RELEASED_BACKBONE } from "../detectors/feature_scorer.ts";
import { findDetector, readsPixels } from "../detectors/index.ts";
import { type Detector, openDetector, type Verdict } from "../detectors/verdict.ts";
import { centerCrop, cutOut, TEN_CROP_COUNT, tenCrop } from "../image/crop.ts";
import type { RgbImage } from "../image/image.ts";
import { jpegRoundTrip } from "../image/jpeg.ts";
import { resizeBicubic } from "../image/resize.ts";
import { UserError } from "../io/errors.ts";
import { sigmoid } from "../metrics.ts";
import type { Device } from "../onnx/session.ts";
import type { Candidate } from "./candidates.ts";
import { hideCells, type OccludedArea } from "./occlusion.ts";

/** What a judge is opened with. */
export interface JudgeOptions {
  /** The first one decides. */
  readonly candidates: readonly Pick<Candidate, "id" | "path">[];
  /** Folders of backbones; default those of the project. */
  readonly backbones?: string;
  /** Default `cpu`. */
  readonly device?: Device;
}

/** What the detector that decides is. */
export interface MainDetector {
  /** `RINE` */
  readonly title: string;
  /** What it reads of a picture, in words. */
  readonly reads: string;
  readonly backbone?: string;
  /** Side of the square that it reads, in pixels. */
  readonly cropPx?: number;
  /** Number of blocks that it weighs. */
  readonly blocks?: number;
}

/** A verdict, or why there is none. */
export type Judged = Verdict | { readonly problem: string };

/** What to say of a picture besides the verdict. */
export interface Wanted {
  /** Identifiers of detectors to ask besides. */
  readonly detectors?: readonly string[];
  /** The verdict without each block. */
  readonly blocks?: boolean;
  /** The mean over ten crops. */
  readonly crops?: boolean;
  /** The verdict on the picture compressed again and resized. */
  readonly variations?: boolean;
  /** The verdict with parts of the picture hidden. */
  readonly occlusion?: boolean;
}

/** What a verdict hangs on; fields that were not wanted, or that there are none of, are absent. */
export interface Explanation {
  /** By identifier. */
  readonly detectors?: readonly ({ readonly id: string } & Judged)[];
  /** Logits without each block, from the first on. */
  readonly logitsWithoutBlock?: readonly number[];
  /** Over ten crops: the sigmoid of their mean logit, and each score. Paper: §5.8 */
  readonly crops?: { readonly score: number; readonly scores: readonly number[] };
  readonly variations?: readonly ({ readonly change: string } & Verdict)[];
  /** How the logit falls where a part is hidden, by rows; above 0 where the part spoke for "generated". */
  readonly occlusion?: OccludedArea & { readonly logitFalls: readonly number[] };
}

/** A verdict, and what it hangs on. */
export interface ExplainedVerdict {
  readonly judged: Judged;
  readonly explanation: Explanation;
}

/** Largest picture that a detector is given which reads whole pictures, in pixels. */
export const MOST_WHOLE_PIXELS = 4_000_000;

/** Longest side of what is compressed and resized, in pixels, but for what aligns blocks of JPEG. */
const REGION_PX = 1536;

/** Changes that pictures go through on their way through the web. */
const QUALITIES = [90, 70, 50], SCALES = [.75, .5];

/** Pictures with a part hidden that are held at once. */
const AT_ONCE = 8;

/** Detectors, opened when they are first asked. */
export class Judge implements AsyncDisposable {
  readonly #options: JudgeOptions;
  readonly #opened = new Map<string, Promise<Detector>>();
  readonly #backbones: Backbone[] = [];
  #last: Promise<unknown> = Promise.resolve();

  /** Nothing is opened yet. */
  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /**
   * Opens the detector that decides.
   * @throws {UserError} as {@linkcode openDetector}
   */
  async main(): Promise<MainDetector> {
    const { title, reads, backbone, cropPx, blockImportance } = await this.#main();
    return {
      title,
      reads,
      ...(backbone ? { backbone: backbone.name } : {}),
      ...(cropPx === undefined ? {} : { cropPx }),
      ...(blockImportance ? { blocks: blockImportance.length } : {}),
    };
  }

  /** The verdicts of the detector that decides, in the pictures' order. */
  async verdicts(images: readonly RgbImage[]): Promise<Judged[]> {
    const detector = await this.#main();
    const problems = images.map((image) => tooLarge(detector, image));
    const verdicts = await detector.detectImages(
      images.filter((_, i) => problems[i] === undefined),
    );
    return problems.map((problem) => problem === undefined ? verdicts.shift()! : { problem });
  }

  /** A verdict, and what it hangs on. */
  async explained(image: RgbImage, wanted: Wanted): Promise<ExplainedVerdict> {
    const main = await this.#main();
    const [judged] = await this.verdicts([image]);
    const others = wanted.detectors && await this.#ask(wanted.detectors, image);
    if ("problem" in judged!) {
      return { judged, explanation: { ...(others ? { detectors: others } : {}) } };
    }
    const withoutBlock = wanted.blocks ? await main.leaveOneBlockOut(image) : undefined;
    const explanation = {
      ...(others ? { detectors: others } : {}),
      ...(withoutBlock ? { logitsWithoutBlock: Array.from(withoutBlock) } : {}),
      ...(wanted.crops ? await cropsOf(main, image) : {}),
      ...(wanted.variations ? { variations: await variationsOf(main, image) } : {}),
      ...(wanted.occlusion ? { occlusion: await occlusionOf(main, image) } : {}),
    };
    return { judged: judged!, explanation };
  }

  async #ask(ids: readonly string[], image: RgbImage): Promise<({ id: string } & Judged)[]> {
    const judged: ({ id: string } & Judged)[] = [];
    for (const id of ids) {
      try {
        const detector = await this.#open(id);
        const problem = tooLarge(detector, image);
        judged.push({
          id,
          ...(problem === undefined ? await detector.detect(image) : { problem }),
        });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        judged.push({ id, problem: error.message });
      }
    }
    return judged;
  }

  #main(): Promise<Detector> {
    return this.#open(this.#options.candidates[0]!.id);
  }

  /** One after the other, so that detectors on one backbone share it. */
  #open(id: string): Promise<Detector> {
    const found = this.#opened.get(id);
    if (found) return found;
    const opening = this.#last.then(() => this.#openNow(id));
    this.#opened.set(id, opening);
    this.#last = opening.catch(() => {});
    return opening;
  }

  async #openNow(id: string): Promise<Detector> {
    const { candidates, backbones, device } = this.#options;
    const { path } = candidates.find((candidate) => candidate.id === id)!;
    const options = {
      ...(backbones === undefined ? {} : { backbones }),
      ...(device === undefined ? {} : { device }),
    };
    const shared = await this.#backboneOf(path);
    const detector = await openDetector(path, shared ? { ...options, backbone: shared } : options);
    if (detector.backbone && !shared) this.#backbones.push(detector.backbone);
    return detector;
  }

  /** The open backbone that a head would open for itself, where there is one. */
  async #backboneOf(path: string): Promise<Backbone | undefined> {
    const { kind, metadata } = await findDetector(path);
    if (readsPixels(kind)) return undefined;
    const { config, trainedOn } = checkpointFacts(path, metadata);
    const name = config?.backbone ?? RELEASED_BACKBONE, precision = trainedOn?.precision ?? "full";
    return this.#backbones.find((backbone) =>
      backbone.name === name && backbone.tap === kind.reads.tap && backbone.precision === precision
    );
  }

  /** Frees the detectors, and the backbones that they share last. */
  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values());
    for (const one of opened.reverse()) {
      if (one.status === "fulfilled") await one.value[Symbol.asyncDispose]();
    }
  }
}

function tooLarge({ cropPx, title }: Detector, { width, height }: RgbImage): string | undefined {
  if (cropPx !== undefined || width * height <= MOST_WHOLE_PIXELS) return undefined;
  return `${width} × ${height} pixels; ${title} reads whole pictures, and is given at most ` +
    `${MOST_WHOLE_PIXELS} pixels here; \`deno task detect\` takes any`;
}

async function cropsOf(
  detector: Detector,
  image: RgbImage,
): Promise<Pick<Explanation, "crops">> {
  const { cropPx } = detector;
  // of a picture that is hardly larger they would all be one
  if (cropPx === undefined || Math.min(image.width, image.height) < 1.25 * cropPx) return {};
  const verdicts = await detector.detectImages(tenCrop(image, cropPx));
  const logit = verdicts.reduce((sum, one) => sum + one.logit, 0) / TEN_CROP_COUNT;
  return { crops: { score: sigmoid(logit), scores: verdicts.map(({ score }) => score) } };
}

async function variationsOf(
  detector: Detector,
  image: RgbImage,
): Promise<({ change: string } & Verdict)[]> {
  const region = middleOf(image);
  const changes = [
    ...QUALITIES.map((quality) => ({
      change: `JPEG, quality ${quality}`,
      image: jpegRoundTrip(region, quality),
    })),
    ...SCALES.map((scale) => ({
      change: `resized to ${100 * scale} %`,
      image: resizeBicubic(region, scaled(region.width, scale), scaled(region.height, scale)),
    })),
  ];
  // of several sizes, where a detector reads all of a picture
  const verdicts: ({ change: string } & Verdict)[] = [];
  for (const { change, image } of changes) {
    verdicts.push({ change, ...await detector.detect(image) });
  }
  return verdicts;
}

/** The middle of a large picture, cut where blocks of JPEG begin; its centre is the picture's. */
function middleOf(image: RgbImage): RgbImage {
  const start = (length: number) => 16 * Math.max(Math.floor((length - REGION_PX) / 32), 0);
  const top = start(image.height), left = start(image.width);
  if (top === 0 && left === 0) return image;
  return cutOut(image, {
    top,
    left,
    width: image.width - 2 * left,
    height: image.height - 2 * top,
  });
}

function scaled(length: number, scale: number): number {
  return Math.max(Math.round(length * scale), 1);
}

async function occlusionOf(
  detector: Detector,
  image: RgbImage,
): Promise<OccludedArea & { logitFalls: number[] }> {
  // what a head reads is known; another detector may read all of it
  const { cropPx, backbone } = detector;
  const isCrop = backbone !== undefined && cropPx !== undefined;
  const read = isCrop ? centerCrop(image, cropPx) : image;
  const { logit } = await detector.detect(read);
  const { images, ...area } = hideCells(read, {
    left: isCrop ? Math.round((image.width - cropPx) / 2) : 0,
    top: isCrop ? Math.round((image.height - cropPx) / 2) : 0,
  });
  const logitFalls: number[] = [];
  const waiting: RgbImage[] = [];
  const judge = async () => {
    const verdicts = await detector.detectImages(waiting.splice(0));
    logitFalls.push(...verdicts.map((hidden) => logit - hidden.logit));
  };
  for (const hidden of images) {
    if (waiting.push(hidden) === AT_ONCE) await judge();
  }
  await judge();
  return { ...area, logitFalls };
}
