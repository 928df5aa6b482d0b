/**
 * Tokens of a folder of images, for use outside this project.
 * @module
 */
import { basename, resolve } from "node:path";
import { openBackbone, type Precision } from "../lib/backbone/backbone.ts";
import type { ImageEntry } from "../lib/data/dataset.ts";
import { Listings } from "../lib/data/listing.ts";
import { extractTokens } from "../lib/features/extract.ts";
import { nameTokens, type TokenRequest } from "../lib/features/request.ts";
import type { TokenSet } from "../lib/features/token_set.ts";
import { cropsPerImage } from "../lib/image/transform.ts";
import type { OnProgress } from "../lib/io/progress.ts";
import type { Device } from "../lib/onnx/session.ts";
import {
  type FeaturesDescription,
  findFeatures,
  inUnfinished,
  placeFeatures,
} from "./features_output.ts";
import { imagesIn } from "./image_folder.ts";
import { ProgressDisplay } from "./progress_bar.ts";

/** What tokens are made of, and where they go. */
export interface FeaturesOptions {
  readonly backbone: string;
  readonly backbones: string;
  /** Folder of images; folders in it are read too. */
  readonly images: string;
  readonly transform: "center" | "ten";
  /** The `.npy` file; its description goes beside it, as `.npy.json`. */
  readonly out: string;
  readonly device: Device;
  readonly precision: Precision;
  /** Give images that cannot be decoded rows of NaN, rather than stop at them. */
  readonly skipCorrupt: boolean;
}

/**
 * Writes the tokens of every image in a folder, or finds them written.
 * @returns a summary for people
 * @throws {RangeError} where there is no image, or a file of another origin would be replaced
 */
export async function writeFeatures(options: FeaturesOptions): Promise<string> {
  const { backbone: name, backbones, images: root, transform, out, device, precision } = options;
  if (!out.endsWith(".npy")) throw new RangeError(`Cannot write ${out}: expected a name in .npy`);
  await using backbone = await openBackbone(name, { folder: backbones, device, precision });
  const images: ImageEntry[] = (await imagesIn(root)).map((path) => ({
    path,
    label: 0,
    generator: basename(resolve(root)),
  }));
  const size = backbone.architecture.resolutionPx;
  const request: TokenRequest = {
    ...{ images, seed: 0, epoch: 0, backbones: [backbone] },
    transform: { kind: transform, size },
  };
  using display = new ProgressDisplay();
  const work = (folder: string) => findOrMake(request, root, folder, options, display.onProgress);
  const onWait = () => display.say(`Another process writes ${out}; waiting for it`);
  const { shape, unreadable } = await inUnfinished(out, work, onWait);
  const crops = cropsPerImage(request.transform) === 1 ? "" : ", ten rows an image";
  const lacking = unreadable === undefined
    ? ""
    : `; ${unreadable.length} cannot be decoded: their rows are NaN`;
  return `${out}: float16 [${shape.join(", ")}] of ${images.length} images${crops}${lacking}`;
}

type Made = Pick<FeaturesDescription, "shape" | "unreadable">;

async function findOrMake(
  request: TokenRequest,
  root: string,
  folder: string,
  { out, skipCorrupt }: FeaturesOptions,
  onProgress: OnProgress,
): Promise<Made> {
  const { images } = request;
  const found = await findFeatures(out);
  const listings = new Listings(root);
  if (found?.isWhole && !found.description.unreadable) {
    const [[key]] = await nameTokens([request], root, listings) as [[string]];
    if (found.description.key === key) return found.description;
  }
  const [[set]] = await extractTokens([request], {
    ...{ root, folder, listings, skipCorrupt, onProgress },
    batchSize: 8,
    workers: navigator.hardwareConcurrency,
  }) as [[TokenSet]];
  const { key, path, index, unreadable } = set;
  const described = {
    ...{ key, ...index },
    // labels mean nothing here: nobody said what is real
    images: images.map(({ path }) => path),
    ...(unreadable.length > 0 ? { unreadable: unreadable.map((i) => images[i]!.path) } : {}),
  };
  await placeFeatures(out, path, described);
  return described;
}
