/**
 * What features are wanted, and the names that follow from it.
 * @module
 */
import { UserError } from "../io/errors.ts";
import { resolve } from "node:path";
import type { Backbone } from "../backbones/backbone.ts";
import { reasonOf } from "../data/folder_tree.ts";
import { cropsPerImage, isRandom, type Transform } from "../image/transform.ts";
import { contentKey } from "../io/files.ts";
import { featureKey, type FeatureSource, FORMAT } from "./set_index.ts";
import type { LabelledImage, NewSet } from "./writer.ts";

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
 * @returns for each request, the key for each of its backbones, in their order
 * @throws {UserError} where a backbone's resolution is not the size of the crops
 */
export async function nameFeatures(
  requests: readonly FeatureRequest[],
  root: string,
): Promise<string[][]> {
  const wanted = await Promise.all(requests.map((request) => describe(request, root)));
  return wanted.map((sets) => sets.map(({ key }) => key));
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
export async function describe(request: FeatureRequest, root: string): Promise<Wanted[]> {
  const { images, generator, transform, seed, epoch, backbones } = request;
  const list = (await listed(images, root)).key;
  const crops = cropsPerImage(transform);
  return await Promise.all(backbones.map(async (backbone) => {
    const { resolutionPx, blocks, width } = backbone.architecture;
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

/** A list of images as it is on disk. */
export interface Listed {
  /**
   * A hash of the images by path, label and size in bytes. Their content is not read: it takes longer
   * than all else that a finished experiment does. So an image that is replaced by another of the
   * same size keeps the features of the first one, until the set's `.npy` file is deleted.
   */
  readonly key: string;
  /** Positions of images that are not there. */
  readonly missing: readonly number[];
}

const lists = new WeakMap<readonly LabelledImage[], Promise<Listed>>();

/** Looks for a list's images, once for a list. */
export function listed(images: readonly LabelledImage[], root: string): Promise<Listed> {
  let found = lists.get(images);
  if (!found) {
    found = Promise.all(images.map(({ path }) => fileSize(resolve(root, path)))).then((bytes) => ({
      key: contentKey(images.map(({ path, label }, i) => [path, label, bytes[i]])),
      missing: [...bytes.keys()].filter((i) => bytes[i] === -1),
    }));
    lists.set(images, found);
  }
  return found;
}

/** -1 where there is no file: once there is one, the name changes. */
async function fileSize(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    reasonOf(error);
    return -1;
  }
}
