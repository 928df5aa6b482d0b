/**
 * What tokens are wanted, and the names that follow from it.
 * @module
 */
import type { Backbone } from "../backbone/backbone.ts";
import type { ImageEntry } from "../data/dataset.ts";
import { Listings } from "../data/listing.ts";
import { cropsPerImage, isRandom, type Transform } from "../image/transform.ts";
import { contentKey } from "../io/files.ts";
import type { TokenIndex } from "./token_set.ts";

/** Tokens that are wanted: these images, cropped this way, through each of these backbones. */
export interface TokenRequest {
  /** In the order of their rows. */
  readonly images: readonly ImageEntry[];
  /** What the crops are made with; their size is the backbones' resolution. */
  readonly transform: Transform;
  /** The experiment's seed; part of the name where the transform is random. */
  readonly seed: number;
  /** Counted from 1; 0 where there are no epochs. */
  readonly epoch: number;
  /** Each has a set of its own. */
  readonly backbones: readonly Backbone[];
}

/** Layout of the token files; raised when what a row means changes, or its last digits. */
export const FORMAT = 2;

/**
 * Names sets of tokens without making them.
 * @param listings what is known of the images under the root; by default nothing
 * @returns for each request, the key for each of its backbones, in their order
 * @throws {RangeError} where a backbone's resolution is not the size of the crops
 */
export async function nameTokens(
  requests: readonly TokenRequest[],
  root: string,
  listings = new Listings(root),
): Promise<string[][]> {
  const wanted = await describe(requests, listings);
  return wanted.map((sets) => sets.map(({ key }) => key));
}

/** One set of one backbone, named. */
export interface Wanted {
  /**
   * A hash of all that the tokens depend on: weights, tap, precision, transform, seed and epoch, and
   * the images by path, label and size.
   */
  readonly key: string;
  /** What asked for it. */
  readonly request: TokenRequest;
  /** What makes it. */
  readonly backbone: Backbone;
  /** The index of the set once it is finished. */
  readonly index: TokenIndex;
}

/**
 * Names the sets of requests.
 * @throws {RangeError} where a backbone's resolution is not the size of the crops
 */
export async function describe(
  requests: readonly TokenRequest[],
  listings: Listings,
): Promise<Wanted[][]> {
  const wanted: Wanted[][] = [];
  // one after the other: each looks at as many files at once as a disk can show
  for (const request of requests) wanted.push(await describeOne(request, listings));
  return wanted;
}

async function describeOne(request: TokenRequest, listings: Listings): Promise<Wanted[]> {
  const { images, transform, seed, epoch, backbones } = request;
  const list = (await listings.look(images)).key;
  const crops = cropsPerImage(transform);
  return await Promise.all(backbones.map(async (backbone) => {
    const { resolutionPx, blocks, width } = backbone.architecture;
    if (resolutionPx !== transform.size) {
      throw new RangeError(
        `Cannot compute tokens with ${backbone.name}: expected crops of ${resolutionPx} px, found ${transform.size}`,
      );
    }
    const source = {
      format: FORMAT,
      backbone: backbone.name,
      weights: await backbone.fingerprint(),
      tap: backbone.tap,
      precision: backbone.precision,
      images: list,
      transform,
      ...(isRandom(transform) ? { seed, epoch } : {}),
    };
    const { backbone: _name, ...identity } = source;
    return {
      key: contentKey([identity]),
      request,
      backbone,
      index: {
        source,
        shape: [images.length * crops, blocks, width],
        cropsPerImage: crops,
        images,
      },
    };
  }));
}
