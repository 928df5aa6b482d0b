/**
 * What features are wanted, and the names that follow from it.
 * @module
 */
import type { LabelledImage } from "../data/dataset.ts";
import { UserError } from "../io/errors.ts";
import type { Backbone } from "../backbones/backbone.ts";
import type { Listings } from "../data/listing.ts";
import { cropsPerImage, isRandom, type Transform } from "../image/transform.ts";
import { contentKey } from "../io/files.ts";
import { featureKey, type FeatureSource, FORMAT } from "./set_index.ts";
import type { NewSet } from "./writer.ts";

/** Features that are wanted: these images, cropped this way, through each of these backbones. */
export interface FeatureRequest {
  /** In the order of their rows. */
  readonly images: readonly LabelledImage[];
  /** Name that all the images share: of what made them, or `real`. */
  readonly generator: string;
  /** What the crops are made with; their size is the backbones' resolution. */
  readonly transform: Transform;
  /** The experiment's seed; part of the name where the transform is random. */
  readonly seed: number;
  /** Counted from 1; 0 where there are no epochs. */
  readonly epoch: number;
  /** Each has a set of its own. */
  readonly backbones: readonly Backbone[];
}

/**
 * Names sets of features without making them.
 * @param listings what is believed of the images' files
 * @returns for each request, the key for each of its backbones, in their order
 * @throws {UserError} where a backbone's resolution is not the size of the crops
 */
export async function nameFeatures(
  requests: readonly FeatureRequest[],
  listings: Listings,
): Promise<string[][]> {
  const names: string[][] = [];
  for (const request of requests) {
    names.push((await describe(request, listings)).map(({ key }) => key));
  }
  return names;
}

/** One set of one backbone, named. */
export interface Wanted extends NewSet {
  /** What asked for it. */
  readonly request: FeatureRequest;
  /** What makes it. */
  readonly backbone: Backbone;
  /** Names the crops: equal for all backbones that they go through. */
  readonly view: string;
}

/**
 * Names the sets of a request.
 * @throws {UserError} where a backbone's resolution is not the size of the crops
 */
export async function describe(
  request: FeatureRequest,
  listings: Listings,
): Promise<Wanted[]> {
  const { images, generator, transform, seed, epoch, backbones } = request;
  const list = (await listings.look(images)).key;
  const crops = cropsPerImage(transform);
  return await Promise.all(backbones.map(async (backbone) => {
    const { architecture: { resolutionPx }, featureSizes: { blocks, width } } = backbone;
    if (resolutionPx !== transform.size) {
      throw new UserError(
        "usage",
        `Cannot compute features with ${backbone.name}: expected crops of ${resolutionPx} px, found ${transform.size}`,
      );
    }
    const view = { images: list, transform, ...(isRandom(transform) ? { seed, epoch } : {}) };
    const source: FeatureSource = {
      format: FORMAT,
      backbone: backbone.name,
      weights: await backbone.fingerprint(),
      tap: backbone.tap,
      precision: backbone.precision,
      ...view,
    };
    return {
      key: featureKey(source),
      source,
      shape: [images.length * crops, blocks, width],
      cropsPerImage: crops,
      generator,
      images,
      device: backbone.device,
      request,
      backbone,
      view: contentKey([view]),
    };
  }));
}
