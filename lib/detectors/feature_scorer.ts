/**
 * A head on a backbone's features as what scores images: crops from the middle, through the backbone,
 * into the head.
 * @module
 */
import type { Backbone, Precision } from "../backbones/backbone.ts";
import { BACKBONE_FOLDERS, openBackbone } from "../backbones/open.ts";
import type { RgbImage } from "../image/image.ts";
import { isPadded, type PixelTransform, readPixels } from "../image/pixels.ts";
import { UserError } from "../io/errors.ts";
import { defaultBatch } from "../onnx/batch.ts";
import type { Device } from "../onnx/session.ts";
import { checkpointFacts, type TrainedOn } from "./checkpoint_file.ts";
import type { DetectorKind, Scorer } from "./detector.ts";
import type { ImageScorer } from "./image_scorer.ts";

/** How the backbone of a head is found. */
export interface BackboneChoice {
  /**
   * A name or an open backbone; by default the one that the checkpoint says it was trained on, and
   * CLIP ViT-L/14 where it says nothing, as the released ones do.
   */
  readonly backbone?: string | Backbone;
  /** Folders of backbones; default `data/backbones`, then `data/mini/backbones`. */
  readonly backbones?: string | readonly string[];
  /** Default `cpu`. */
  readonly device?: Device;
  /** Threads inside one operator; default: one per core. */
  readonly threads?: number;
  /** Default: what the checkpoint was trained on, else `full`. */
  readonly precision?: Precision;
  /** Crops that go through the backbone at once; default 8 on the CPU, up to 64 on a GPU. */
  readonly batch?: number;
}

/** The released heads' backbone; they do not say so. */
export const RELEASED_BACKBONE = "ViT-L/14";

/**
 * Opens a head, and the backbone that it names.
 * @param metadata of the checkpoint
 * @throws {UserError} where the backbone is not there, has other sizes or other weights than those
 * that the head was trained on, or the checkpoint is damaged
 */
export async function openFeatureScorer(
  kind: DetectorKind,
  checkpoint: string,
  metadata: Readonly<Record<string, string>>,
  options: BackboneChoice,
): Promise<ImageScorer & { readonly backbone: Backbone }> {
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
    const { threads } = options;
    const scorer = await kind.open(checkpoint, {
      engine: "onnx",
      ...(threads === undefined ? {} : { threads }),
    });
    const { batch = defaultBatch(backbone.device) } = options;
    return scoring(kind, backbone, scorer, { ownsBackbone: given === undefined, batch });
  } catch (error) {
    if (given === undefined) await backbone[Symbol.asyncDispose]();
    throw error;
  }
}

function scoring(
  { title }: DetectorKind,
  backbone: Backbone,
  scorer: Scorer,
  { ownsBackbone, batch }: { readonly ownsBackbone: boolean; readonly batch: number },
): ImageScorer & { readonly backbone: Backbone } {
  const { resolutionPx } = backbone.architecture;
  const { blockImportance } = scorer;
  const steps: PixelTransform = [{ kind: "crop", sizePx: resolutionPx }];
  const featuresOf = async (views: readonly RgbImage[]) => {
    const bytes = resolutionPx * resolutionPx * 3;
    const crops = new Uint8Array(views.length * bytes); // [views, R, R, 3]
    views.forEach(({ data }, i) => crops.set(data, i * bytes));
    return (await backbone.featuresOfCrops(crops, views.length)).data;
  };
  return {
    title,
    reads: `features of ${backbone.name} (${backbone.precision}), centre crop ${resolutionPx}`,
    cropPx: resolutionPx,
    imagesAtOnce: batch,
    steps,
    backbone,
    sizes: backbone.featureSizes,
    ...(blockImportance ? { blockImportance } : {}),
    // one that somebody else has opened need not be in a folder
    ...(ownsBackbone && backbone.device === "cpu"
      ? {
        elsewhere: {
          source: backbone.source(1),
          weightsBytes: backbone.weightsBytes,
          logits: async (features, count) => await scorer.logits(features, count),
        },
      }
      : {}),
    view: (image) => readPixels(image, steps),
    pads: (image) => isPadded(image, steps),
    logits: async (views) => await scorer.logits(await featuresOf(views), views.length), // [views]
    ...(scorer.withoutBlocks
      ? {
        withoutBlocks: async (views) =>
          await scorer.withoutBlocks!(await featuresOf(views), views.length),
      }
      : {}),
    represent: async (views) => await scorer.represent(await featuresOf(views), views.length),
    async [Symbol.asyncDispose]() {
      await scorer.dispose();
      if (ownsBackbone) await backbone[Symbol.asyncDispose]();
    },
  };
}

async function openNamed(
  name: string,
  { reads: { tap } }: DetectorKind,
  { backbones = BACKBONE_FOLDERS, device = "cpu", threads, precision }: BackboneChoice,
  trainedOn: TrainedOn | undefined,
): Promise<Backbone> {
  return await openBackbone(name, {
    folder: backbones,
    tap,
    device,
    ...(threads === undefined ? {} : { threads }),
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
