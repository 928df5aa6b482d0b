/**
 * A verdict on images: a backbone and a trained head together.
 * @module
 */
import { UserError } from "../io/errors.ts";
import type { Backbone } from "../backbones/backbone.ts";
import type { HeadArchitecture } from "./rine/architecture.ts";
import { assertFinite, blockImportance, loadCheckpoint } from "./rine/checkpoint.ts";
import type { HeadEngine, HeadPredictor } from "./rine/engine.ts";
import { openEngine } from "./rine/open_engine.ts";
import { assertImages, type RgbImage } from "../image/image.ts";
import { parseJson } from "../io/files.ts";
import { THRESHOLD } from "../metrics.ts";
import { scoresOf } from "../runs/score.ts";
import type { FeaturesOf } from "../tokens/rows.ts";

/** What a detector says of one image. */
export interface Verdict {
  /** Probability in [0, 1] that the image is generated. */
  readonly score: number;
  /** Whether the score is above .5. */
  readonly isGenerated: boolean;
}

/** Images that go through the backbone at once. */
const BATCH_SIZE = 8;

/** Tells generated images from real ones. Open it with {@linkcode openDetector}. */
export class Detector implements AsyncDisposable {
  /** Turns images into tokens; it stays the caller's. */
  readonly backbone: Backbone;
  /** The head's sizes. */
  readonly architecture: HeadArchitecture;
  /** For each block, how many of the d′ features weigh it most. Paper: §5.7. */
  readonly blockImportance: readonly number[];
  readonly #engine: HeadEngine;
  readonly #predictor: HeadPredictor;

  /** Use {@linkcode openDetector}. */
  constructor(
    backbone: Backbone,
    architecture: HeadArchitecture,
    blockImportance: readonly number[],
    engine: HeadEngine,
    predictor: HeadPredictor,
  ) {
    this.backbone = backbone;
    this.architecture = architecture;
    this.blockImportance = blockImportance;
    this.#engine = engine;
    this.#predictor = predictor;
  }

  /**
   * Looks at the centre crop of each image.
   * @returns a verdict for each image, in their order
   * @throws {UserError} where one is no image
   */
  async detect(images: readonly RgbImage[]): Promise<Verdict[]> {
    assertImages(images, "Cannot detect");
    const verdicts: Verdict[] = [];
    for (let first = 0; first < images.length; first += BATCH_SIZE) {
      const batch = images.slice(first, first + BATCH_SIZE);
      const tokens = await this.backbone.tokens(batch); // [batch, blocks, width]
      const { logits } = await this.#predictor.predict(tokens.data, batch.length); // [batch]
      for (const score of scoresOf(logits, 1)) {
        verdicts.push({ score, isGenerated: score > THRESHOLD });
      }
    }
    return verdicts;
  }

  /** Frees the head; the backbone stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#predictor.dispose();
    await this.#engine.dispose();
  }
}

/**
 * Opens a detector.
 * @param head path of a checkpoint: safetensors, or `.pth` as released
 * @throws {UserError} where the head was trained on tokens of other sizes than the backbone's
 * @throws {UserError} where it was trained on tokens of other weights, or holds what is no number
 * @throws {UserError} where the checkpoint is damaged
 */
export async function openDetector(backbone: Backbone, head: string): Promise<Detector> {
  const { architecture, parameters, metadata } = await loadCheckpoint(head);
  const { blocks, width } = backbone.architecture;
  if (architecture.blocks !== blocks || architecture.width !== width) {
    throw new UserError(
      "usage",
      `Cannot detect with ${head}: expected a head for ${blocks} blocks of width ${width} ` +
        `(${backbone.name}), found ${architecture.blocks} of width ${architecture.width}`,
    );
  }
  assertFinite(parameters, `Cannot detect with ${head}`);
  await assertTrainedOn(backbone, head, metadata["tokens"]);
  const engine = await openEngine("onnx");
  try {
    const predictor = await engine.predictor(architecture, parameters);
    return new Detector(backbone, architecture, blockImportance(parameters), engine, predictor);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/** What a head's tokens were computed with, as its checkpoint says where it was trained here. */
async function assertTrainedOn(
  backbone: Backbone,
  head: string,
  tokens: string | undefined,
): Promise<void> {
  if (tokens === undefined) return;
  const trained = parseJson<FeaturesOf>(tokens, `the tokens that ${head} was trained on`);
  if (trained.tap !== backbone.tap) {
    throw new UserError(
      "usage",
      `Cannot detect with ${head}: expected tokens at ${trained.tap}, on which it was trained, ` +
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
